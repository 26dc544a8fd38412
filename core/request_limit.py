"""What a caller is told whose request is larger than is taken, whichever way it came."""

from __future__ import annotations

from penstock.core.errors import TooLargeError


def too_large(max_bytes: int) -> TooLargeError:
    """The error for a request over the limit."""
    return TooLargeError(
        f"the request has more than {max_bytes} bytes; send less at once, or raise "
        "limits.requestBytes"
    )


def headers_too_large(max_bytes: int) -> TooLargeError:
    """The error for a request line and headers over the limit."""
    return TooLargeError(
        f"the request line and the headers have more than {max_bytes} bytes; send "
        "fewer or shorter headers, or raise limits.headerBytes"
    )
