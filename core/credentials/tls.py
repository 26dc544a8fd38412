"""The client's side of TLS: whom it believes, and how it proves who it is."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from penstock.core.errors import InvalidRequestError

if TYPE_CHECKING:
    import grpc


@dataclass(frozen=True, slots=True)
class Tls:
    """PEM files: ``ca`` signs the server (None: the system's authorities), ``certificate`` and
    ``key`` are the client's own (mTLS). ``server_name`` is the name in the server's certificate,
    where it is not the one in the address."""

    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None
    server_name: str | None = None


def ssl_context(tls: Tls) -> ssl.SSLContext:
    """For connections of ``ssl``. Blocks; raises InvalidRequestError for files that cannot be read
    or do not belong together."""
    try:
        context = ssl.create_default_context(cafile=tls.ca)
        if tls.certificate is not None:
            context.load_cert_chain(tls.certificate, tls.key)
    except OSError as error:
        raise unusable(error) from error
    return context


def channel_credentials(tls: Tls) -> grpc.ChannelCredentials:
    """For channels of gRPC. Blocks; raises InvalidRequestError likewise."""
    import grpc

    ssl_context(tls)  # grpcio says nothing of files that are none of PEM
    try:
        ca, key, certificate = (
            None if path is None else path.read_bytes()
            for path in (tls.ca, tls.key, tls.certificate)
        )
    except OSError as error:
        raise unusable(error) from error
    return grpc.ssl_channel_credentials(ca, key, certificate)


def unusable(error: OSError) -> InvalidRequestError:
    """What is said of files of TLS that cannot be read or used."""
    return InvalidRequestError(
        f"the files of tls cannot be used ({error}); they are PEM files, and the certificate "
        "and the key belong together"
    )
