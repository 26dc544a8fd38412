"""Whether the installed uvicorn is one that the thin path of inference fits on."""

from __future__ import annotations

import inspect
from typing import Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

METHODS: Final = (
    "_unset_keepalive_if_required",
    "connection_lost",
    "connection_made",
    "data_received",
    "on_body",
    "on_header",
    "on_headers_complete",
    "on_message_begin",
    "on_message_complete",
    "on_response_complete",
    "on_url",
    "timeout_keep_alive_handler",
)
"""What the thin path overrides or calls."""

ATTRIBUTES: Final = (
    "cycle",
    "flow",
    "headers",
    "loop",
    "parser",
    "pipeline",
    "server_state",
    "timeout_keep_alive",
    "timeout_keep_alive_task",
    "transport",
)
"""What it looks at in an instance; ``__init__`` sets all of them."""

ARGUMENTS: Final = ("config", "server_state", "app_state")


def incompatibility(protocol: type = HttpToolsProtocol) -> str | None:
    """What the thin path misses in uvicorn's ``protocol``, as a sentence; None when it fits."""
    lacking = [name for name in METHODS if not callable(getattr(protocol, name, None))]
    code = getattr(protocol.__dict__.get("__init__"), "__code__", None)
    names = () if code is None else code.co_names
    lacking += [name for name in ATTRIBUTES if name not in names]
    arguments = inspect.signature(protocol).parameters
    lacking += [f"{name} of __init__" for name in ARGUMENTS if name not in arguments]
    if not lacking:
        return None
    return (
        f"uvicorn's {protocol.__name__} lacks {', '.join(lacking)}; inference over REST is slower, "
        "until uvicorn is one of the versions that Penstock was made for"
    )
