"""A server as clients know it: where it is, whom it is believed to be, and what it is told."""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import SplitResult, urlsplit

from penstock.core.credentials import Tls, Token, channel_credentials, ssl_context
from penstock.core.errors import InvalidRequestError

if TYPE_CHECKING:
    import grpc

SECURED: Final = ("grpcs", "https")
SCHEMES: Final = ("", "grpc", "http", *SECURED)


@dataclass(frozen=True, slots=True)
class RemoteServer:
    """``place`` is ``host:port``. ``tls`` is None where it is not spoken; ``token`` gives the
    bearer token of each call, where there is one."""

    place: str
    tls: Tls | None = None
    token: Token | None = None

    @classmethod
    def at(cls, address: str, tls: Tls | None = None, token: Token | None = None) -> RemoteServer:
        """The server at ``host:port``, ``grpc://host:port`` and so on; TLS is spoken where the
        address (``grpcs://``, ``https://``) or ``tls`` says so.

        Raises InvalidRequestError for what is no address.
        """
        parts = _parts(address)
        secured = parts.scheme in SECURED
        return cls(parts.netloc, tls or (Tls() if secured else None), token)

    @property
    def host(self) -> str:
        """The name or number of its machine."""
        return _parts(self.place).hostname or ""

    @property
    def port(self) -> int | None:
        """Its port, None where the address has none."""
        return _parts(self.place).port

    def headers(self) -> dict[str, str]:
        """What goes beside each call, as headers of HTTP or metadata of gRPC."""
        return {} if self.token is None else {"authorization": f"Bearer {self.token()}"}

    def channel(self, options: Sequence[tuple[str, Any]] = ()) -> grpc.aio.Channel:
        """A channel of gRPC, on the running loop. Raises InvalidRequestError for files of TLS that
        cannot be read."""
        import grpc

        if self.tls is None:
            return grpc.aio.insecure_channel(self.place, options)
        return grpc.aio.secure_channel(self.place, channel_credentials(self.tls), options)

    def blocking_channel(self, options: Sequence[tuple[str, Any]] = ()) -> grpc.Channel:
        """The same for callers that block."""
        import grpc

        if self.tls is None:
            return grpc.insecure_channel(self.place, options)
        return grpc.secure_channel(self.place, channel_credentials(self.tls), options)

    def ssl_context(self) -> ssl.SSLContext | None:
        """For connections of HTTP; None without TLS. Raises InvalidRequestError likewise."""
        return None if self.tls is None else ssl_context(self.tls)


@dataclass(frozen=True, slots=True)
class Credentials:
    """What is told to a server, and how it is known, as a command line has it."""

    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None
    token: Token | None = None

    def server(self, address: str) -> RemoteServer:
        """The server at an address. Raises InvalidRequestError for what is none, and for half of a
        certificate."""
        if (self.certificate is None) != (self.key is None):
            raise InvalidRequestError("--cert and --key belong together; give both, or none")
        tls = None
        if self.ca is not None or self.certificate is not None:
            tls = Tls(self.ca, self.certificate, self.key)
        return RemoteServer.at(address, tls, self.token)


def _parts(address: str) -> SplitResult:
    try:
        parts = urlsplit(address if "//" in address else f"//{address}")
        named = bool(parts.hostname) and parts.port != 0  # the port is read here
    except ValueError:
        named = False
    if not named or parts.scheme not in SCHEMES:
        raise InvalidRequestError(
            f"'{address}' is no address of a server; write HOST:PORT, with grpcs:// or https:// "
            "before it where TLS is spoken"
        )
    return parts
