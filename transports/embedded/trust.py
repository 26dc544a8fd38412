"""Whom the forwarder believes of those that it asks over TLS, and what it proves to them."""

from __future__ import annotations

import ssl
from typing import Final, NamedTuple

import grpc

from penstock.core.credentials import Tls, channel_credentials, ssl_context


class Trust(NamedTuple):
    """What connections and channels are made with; None where there are none over TLS."""

    rest: ssl.SSLContext | None = None
    grpc: grpc.ChannelCredentials | None = None
    server_name: str | None = None
    """The name in the certificates, where it is not the one in the address."""

    @classmethod
    def of(cls, tls: Tls) -> Trust:
        """Blocks; raises InvalidRequestError for files that cannot be used."""
        return cls(ssl_context(tls), channel_credentials(tls), tls.server_name)


PLAIN_ONLY: Final = Trust()
