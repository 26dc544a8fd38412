"""Who is who: TLS on both sides of a connection, and bearer tokens."""

from penstock.core.credentials.access import Access
from penstock.core.credentials.server_tls import ServerCertificate, ServerTls
from penstock.core.credentials.tls import Tls, channel_credentials, ssl_context
from penstock.core.credentials.tokens import Token, token_of_environment, token_of_file

__all__ = [
    "Access",
    "ServerCertificate",
    "ServerTls",
    "Tls",
    "Token",
    "channel_credentials",
    "ssl_context",
    "token_of_environment",
    "token_of_file",
]
