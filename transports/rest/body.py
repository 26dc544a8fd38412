"""Bodies of requests on the ASGI path: read within their limit, and unpacked."""

from __future__ import annotations

import asyncio
import zlib
from typing import Final

from starlette.types import Receive

from penstock.core.errors import InvalidRequestError
from penstock.core.request_limit import too_large
from penstock.transports.rest.caller import HeaderMap
from penstock.transports.rest.errors import MediaTypeError

GZIP: Final = 31
"""zlib's ``wbits`` for gzip's framing."""

ZLIB: Final = 15
RAW: Final = -15

INLINE_BYTES: Final = 16 * 1024
"""Up to here unpacking is not worth a thread."""


class CallerGoneError(Exception):
    """The connection was closed before the request was complete."""


async def read_body(receive: Receive, found: HeaderMap, max_bytes: int) -> bytes:
    """The whole body, unpacked where ``Content-Encoding`` says so.

    Raises TooLargeError beyond ``max_bytes``, packed or not, InvalidRequestError for what cannot
    be unpacked, MediaTypeError for an encoding that is not known, CallerGoneError.
    """
    encoding = found.get(b"content-encoding", b"").strip().lower()
    if encoding not in (b"", b"identity", b"gzip", b"deflate"):
        raise MediaTypeError(
            f"the content encoding '{encoding[:40].decode('latin-1')}' is not known here; send the "
            "body as gzip, as deflate or as it is"
        )
    length = found.get(b"content-length", b"")
    if length.isdigit() and int(length) > max_bytes:
        raise too_large(max_bytes)
    body = await receive_all(receive, max_bytes)
    if encoding in (b"", b"identity"):
        return body
    if len(body) <= INLINE_BYTES:
        return unpacked(body, encoding, max_bytes)
    return await asyncio.to_thread(unpacked, body, encoding, max_bytes)


def unpacked(body: bytes, encoding: bytes, max_bytes: int) -> bytes:
    """``body`` without its encoding, ``gzip`` or ``deflate``, and never more than ``max_bytes``.

    deflate means zlib's framing (RFC 9110, 8.4.1.2); the bare stream that some send is taken too.
    """
    decompressor = zlib.decompressobj(_framing(body, encoding))
    try:
        plain = decompressor.decompress(body, max_bytes + 1)
    except zlib.error as error:
        raise InvalidRequestError(
            f"the body cannot be unpacked as {encoding.decode()}: {error}"
        ) from None
    if len(plain) > max_bytes:
        raise too_large(max_bytes)
    if not decompressor.eof or decompressor.unused_data:
        wrong = "has more behind its end" if decompressor.eof else "ends too early"
        raise InvalidRequestError(f"the body cannot be unpacked as {encoding.decode()}: it {wrong}")
    return plain


def _framing(body: bytes, encoding: bytes) -> int:
    if encoding == b"gzip":
        return GZIP
    # The low half of zlib's first byte is the method, 8 for deflate.
    return ZLIB if body[:1] and body[0] & 0x0F == 8 else RAW


async def receive_all(receive: Receive, max_bytes: int) -> bytes:
    """The whole body as it came. Raises TooLargeError, CallerGoneError."""
    pieces: list[bytes] = []
    size = 0
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise CallerGoneError
        piece = message.get("body", b"")
        size += len(piece)
        # What is over the limit is still read for a while, so that the caller gets to the answer.
        if size > 2 * max_bytes:
            break
        if size <= max_bytes:
            pieces.append(piece)
        more = message.get("more_body", False)
    if size > max_bytes:
        raise too_large(max_bytes)
    return b"".join(pieces)
