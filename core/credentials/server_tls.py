"""The server's side of TLS: its certificate, which may be replaced while it serves."""

from __future__ import annotations

import logging
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from penstock.core.credentials.tls import unusable
from penstock.core.errors import InvalidRequestError

if TYPE_CHECKING:
    import grpc

_Stamp: TypeAlias = tuple[tuple[int, int, int], ...]
"""By what a file that was replaced is told from the one before."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ServerTls:
    """PEM files: the server's certificate and key; ``client_ca`` signs the clients, who then must
    have certificates (mTLS)."""

    certificate: Path
    key: Path
    client_ca: Path | None = None


class ServerCertificate:
    """What a server proves who it is with, read again when its files are replaced.

    Raises InvalidRequestError for files that cannot be read or do not belong together; when files
    like that come later, what was there before stays. Who signs the clients is read once.
    """

    def __init__(self, tls: ServerTls) -> None:
        self._tls = tls
        self._seen = self._stamp()
        self._context = self._checked()
        try:
            self._client_ca = None if tls.client_ca is None else tls.client_ca.read_bytes()
        except OSError as error:
            raise unusable(error) from error

    def renewed(self) -> bool:
        """Whether the files were replaced since the last look. Called for each connection."""
        try:
            stamp = self._stamp()
            if stamp == self._seen:
                return False
            self._seen = stamp
            self._checked()
        except InvalidRequestError as error:
            _log.warning("the certificate stays as it was: %s", error)
            return False
        _log.info("the certificate %s is read again", self._tls.certificate)
        return True

    def context(self) -> ssl.SSLContext:
        """For connections of ``ssl``; the same one each time."""
        return self._context

    def renew_context(self) -> None:
        """Have the next connections be given the certificate that there is now."""
        if self.renewed():
            self._context.load_cert_chain(self._tls.certificate, self._tls.key)

    def grpc_credentials(self) -> grpc.ServerCredentials:
        """For ports of gRPC, which ask again for each connection, in a thread of their own."""
        import grpc

        known = self._configuration()

        def current() -> grpc.ServerCertificateConfiguration:
            nonlocal known
            if self.renewed():
                known = self._configuration()
            return known

        return grpc.dynamic_ssl_server_credentials(known, current, self._client_ca is not None)

    def _configuration(self) -> grpc.ServerCertificateConfiguration:
        import grpc

        pair = (self._tls.key.read_bytes(), self._tls.certificate.read_bytes())
        return grpc.ssl_server_certificate_configuration([pair], self._client_ca)

    def _stamp(self) -> _Stamp:
        try:
            stats = [path.stat() for path in (self._tls.certificate, self._tls.key)]
        except OSError as error:
            raise unusable(error) from error
        return tuple((each.st_ino, each.st_mtime_ns, each.st_size) for each in stats)

    def _checked(self) -> ssl.SSLContext:
        """A context of its own: one that is given half of a pair has half of it afterwards."""
        tls = self._tls
        try:
            context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=tls.client_ca)
            context.load_cert_chain(tls.certificate, tls.key)
        except OSError as error:
            raise unusable(error) from error
        if tls.client_ca is not None:
            context.verify_mode = ssl.CERT_REQUIRED
        return context
