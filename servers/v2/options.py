"""The options of the plug-in ``v2``: one server elsewhere."""

from __future__ import annotations

from typing import Annotated, Final, Literal, Self
from urllib.parse import SplitResult, urlsplit

from pydantic import AfterValidator, Field, model_validator

from penstock.core.config import Section
from penstock.core.config.credentials import TlsOptions, TokenOptions
from penstock.core.config.sections import MIB, Bound, ByteCount
from penstock.core.credentials import Tls
from penstock.servers.call_options import Concurrency, MaxWaiting
from penstock.servers.v2.endpoint import SCHEMES, ClientLimits, Endpoint, Protocol

SCHEME_MEANINGS: Final = {scheme: meaning for meaning, scheme in SCHEMES.items()}
UNIX: Final = "unix:/"
"""How the address of a Unix socket begins, where gRPC is spoken."""

DEFAULT_PORTS: Final = {"http": 80, "https": 443}


def _address(written: str) -> str:
    if written.startswith(UNIX):
        return written
    parts = _split(written)
    if parts.scheme and parts.scheme not in SCHEME_MEANINGS:
        raise ValueError(
            f"'{written}' begins with {parts.scheme}://; addresses of V2 servers begin with "
            f"{', '.join(f'{scheme}://' for scheme in SCHEME_MEANINGS)}"
        )
    if not parts.hostname or parts.path.strip("/") or parts.query or parts.username:
        raise ValueError(f"'{written}' is no address of a server; write grpc://host:port")
    if parts.port is None and parts.scheme not in DEFAULT_PORTS:
        raise ValueError(f"'{written}' has no port; write host:port")
    return written


def _split(address: str) -> SplitResult:
    return urlsplit(address if "//" in address else f"//{address}")


class V2Options(Section):
    """One server that speaks V2, and how models there are called."""

    address: Annotated[str, AfterValidator(_address)] | None = Field(
        default=None,
        description="grpc://host:port or http://host:port, grpcs:// or https:// with TLS; or "
        "unix:/path, a Unix socket where gRPC is spoken.",
    )
    protocol: Protocol | None = Field(
        default=None, description="What is spoken at an address that is host:port alone."
    )
    tls: TlsOptions | None = Field(
        default=None, description="TLS, also where the address does not say so."
    )
    token: TokenOptions | None = Field(
        default=None, description="The bearer token that goes with every call."
    )
    capabilities: tuple[Annotated[str, Field(min_length=1)], ...] = Field(
        default=(), description="The words that models may write under requirements."
    )
    load: Literal["present", "repository"] = Field(
        default="present",
        description="Whether models are simply there, or are loaded and unloaded through the "
        "server's repository API.",
    )
    verify: bool = Field(
        default=True,
        description="Whether the server is asked, when it is attached and before a model is taken "
        "into service, if they are there. Without it the first call finds out, and the signature "
        "is what the manifest says.",
    )
    concurrency: Concurrency = 64
    max_waiting: MaxWaiting = 256
    pass_identity: bool = Field(
        default=False,
        description="Whether each call says in the header penstock-request for which request it "
        "is, so that a model which acts on the world can notice one that comes twice.",
    )
    connections: Bound = Field(
        default=64, description="Connections over REST, of all models; over gRPC there is one."
    )
    max_message_bytes: ByteCount = Field(
        default=64 * MIB, description="The largest answer that is taken."
    )
    timeout_s: float = Field(
        default=30.0,
        gt=0.0,
        description="Time for a question to the server; calls of models have their deadline.",
    )
    load_timeout_s: float = Field(
        default=300.0, gt=0.0, description="Time for the server to load a model."
    )
    connect_timeout_s: float = Field(
        default=5.0, gt=0.0, description="Time for opening a connection."
    )
    idle_s: float = Field(
        default=4.0,
        gt=0.0,
        description="How long an idle connection of REST is kept: less than the server keeps it.",
    )
    ping_s: float = Field(
        default=300.0,
        ge=10.0,
        description="After how long a silence a connection of gRPC is probed.",
    )

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.address is None or self.address.startswith(UNIX):
            return self
        scheme = _split(self.address).scheme
        if not scheme:
            if self.protocol is None:
                raise ValueError(
                    f"address '{self.address}' does not say what is spoken there; write "
                    f"grpc://{self.address} or http://{self.address}"
                )
        elif self.protocol not in (None, SCHEME_MEANINGS[scheme][0]):
            raise ValueError(
                f"address '{self.address}' is not spoken to over {self.protocol}; leave protocol "
                "out, or write the other address"
            )
        return self

    def endpoint(self) -> Endpoint:
        """Where the server is, of which there must be an address.

        Raises InvalidRequestError where the token cannot be read.
        """
        assert self.address is not None, "who has none has no server"
        if self.address.startswith(UNIX):
            token = None if self.token is None else self.token.token()
            return Endpoint("grpc", self.address, None, token, self.limits())
        parts = _split(self.address)
        protocol, secured = self.protocol or "grpc", False
        if parts.scheme:
            protocol, secured = SCHEME_MEANINGS[parts.scheme]
        host = parts.hostname or ""
        shown = f"[{host}]" if ":" in host else host
        tls = Tls() if secured else None
        return Endpoint(
            protocol,
            f"{shown}:{parts.port or DEFAULT_PORTS[parts.scheme]}",
            tls if self.tls is None else self.tls.tls(),
            None if self.token is None else self.token.token(),
            self.limits(),
        )

    @property
    def guarded(self) -> bool:
        """Whether calls need what only this process may have: certificates, or a token."""
        secured = self.address is not None and _split(self.address).scheme in ("grpcs", "https")
        return secured or self.tls is not None or self.token is not None

    def limits(self) -> ClientLimits:
        """What bounds the talk."""
        return ClientLimits(
            timeout_s=self.timeout_s,
            connect_s=self.connect_timeout_s,
            max_bytes=self.max_message_bytes,
            connections=self.connections,
            idle_s=self.idle_s,
            ping_s=self.ping_s,
        )
