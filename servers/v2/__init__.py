"""Servers elsewhere that speak V2 (the Open Inference Protocol): their client, and the plug-in.

Adapters to such servers build on :func:`connect` and :class:`V2Client`.
"""

from penstock.core.credentials import Tls
from penstock.servers.v2.client import V2Client
from penstock.servers.v2.connecting import connect
from penstock.servers.v2.endpoint import ClientLimits, Endpoint

__all__ = ["ClientLimits", "Endpoint", "Tls", "V2Client", "connect"]
