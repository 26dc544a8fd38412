"""What sections have in common of processes that follow a scheduler."""

from __future__ import annotations

from typing import Final, Self

from pydantic import Field

from penstock.core.client.remote_server import RemoteServer
from penstock.core.config.credentials import TlsOptions, TokenOptions
from penstock.core.config.section import Section

OF_THE_SCHEDULER: Final = frozenset(("scheduler", "tls", "token"))
"""What the sections of those who follow one have in common."""


class FollowerSection(Section):
    """How a process that follows a scheduler knows it, and what it tells it."""

    tls: TlsOptions | None = Field(
        default=None, description="TLS with the scheduler, also where its address is host:port."
    )
    token: TokenOptions | None = Field(
        default=None, description="The bearer token for the scheduler."
    )

    host: str | None = Field(
        default=None,
        min_length=1,
        description="The name or address by which the scheduler, gateways and proxies reach it; "
        "without it the one that it listens on, or calls from where it listens on all.",
    )
    zone: str = Field(
        default="",
        description="Where it is, for balancers that stay close; any word that others there have, "
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
