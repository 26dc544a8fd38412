"""What sections have in common of processes that follow a scheduler."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final, Self

from pydantic import Field

from penstock.core.client.remote_server import RemoteServer
from penstock.core.config.credentials import TlsOptions, TokenOptions
from penstock.core.config.section import Section
from penstock.core.errors import InvalidRequestError

ADDRESS: Final = Field(min_length=1, description="The scheduler's gRPC address: host:port.")
"""What a section says of the address that it follows."""

OF_THE_SCHEDULER: Final = frozenset(("scheduler", "tls", "token"))
"""What the sections of those who follow one have in common."""


class FollowerSection(Section):
    """How a process that follows a scheduler knows it, and what it tells it."""

    tls: TlsOptions | None = Field(
        default=None,
        description="TLS with the scheduler, also where its address is host:port, and with what a "
        "gateway or a proxy asks that speaks TLS.",
    )
    token: TokenOptions | None = Field(
        default=None, description="The bearer token for the scheduler."
    )

    zone: str = Field(
        default="",
        description="Where it is, for balancers that stay close: any word that others there have, "
        "too.",
    )

    def filled_from(self, other: FollowerSection) -> Self:
        """The same, with what is not written here of the scheduler as the other has it."""
        missing = OF_THE_SCHEDULER & other.model_fields_set - self.model_fields_set
        return self.model_copy(update={name: getattr(other, name) for name in missing})

    def scheduler_at(self, address: str) -> RemoteServer:
        """The scheduler at an address.

        Raises InvalidRequestError for what is no address, and for a token that cannot be read.
        """
        return RemoteServer.at(
            address,
            None if self.tls is None else self.tls.tls(),
            None if self.token is None else self.token.token(),
        )


class ReachedSection(FollowerSection):
    """The same of a process that others send requests to."""

    host: str | None = Field(
        default=None,
        min_length=1,
        description="The name or address by which the scheduler, gateways and proxies reach it; "
        "without it the one that it listens on, or calls from where it listens on all.",
    )


class RoutesSection(FollowerSection):
    """The same of a process that follows its routes, and may begin without it."""

    scheduler: Annotated[str | None, ADDRESS] = None
    routes_file: Path | None = Field(
        default=None,
        description="A file that keeps the last routes, relative to the config file, to serve by "
        "them after a start while the scheduler is away.",
    )

    def scheduler_to_follow(self, section: str) -> RemoteServer:
        """The scheduler, which ``section`` of the config file or the command line has to name.

        Raises InvalidRequestError where neither does, or not with a port.
        """
        if self.scheduler is None:
            raise InvalidRequestError(
                "nothing says which scheduler to follow; give its gRPC address with --scheduler "
                f"HOST:PORT, or as {section}.scheduler in the configuration file"
            )
        scheduler = self.scheduler_at(self.scheduler)
        if scheduler.port is None:
            raise InvalidRequestError(f"'{self.scheduler}' has no port; write HOST:PORT")
        return scheduler
