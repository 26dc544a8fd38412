"""Where a server is if nobody says otherwise."""

from __future__ import annotations

from typing import Final

REST_SERVER: Final = "127.0.0.1:8900"
GRPC_SERVER: Final = "127.0.0.1:8901"
