"""The binary data behind the JSON of a body (REST's binary tensor extension)."""

from __future__ import annotations

from penstock.core.byte_elements import Buffer
from penstock.core.errors import InvalidRequestError

HEADER = "Inference-Header-Content-Length"
"""The HTTP header that says how long the JSON is; binary data follows only where it is sent."""


class BinaryTail:
    """Hands the tail of a body out in the order of the tensors, as views and not as copies."""

    __slots__ = ("_offset", "_view")

    def __init__(self, view: memoryview) -> None:
        self._view = view
        self._offset = 0

    def take(self, name: str, size: int) -> memoryview:
        """The next ``size`` bytes, which are those of tensor ``name``."""
        start = self._offset
        end = start + size
        if end > len(self._view):
            raise InvalidRequestError(
                f"tensor '{name}': binary_data_size is {size}, and {len(self._view) - start} bytes "
                f"are left behind the JSON; send the sum of all binary_data_size, and {HEADER} as "
                "the length of the JSON alone"
            )
        self._offset = end
        return self._view[start:end]

    def finish(self) -> None:
        """Refuse bytes that no tensor has taken."""
        left = len(self._view) - self._offset
        if left:
            raise InvalidRequestError(
                f"the body has {left} bytes more than the JSON and all binary_data_size; send "
                f"{HEADER} as the length of the JSON alone"
            )


def split_body(body: Buffer, header_length: int | None) -> tuple[Buffer, BinaryTail | None]:
    """The JSON and the tail of a body; without ``header_length`` all of it is JSON."""
    if header_length is None:
        return body, None
    if not 0 <= header_length <= len(body):
        raise InvalidRequestError(
            f"{HEADER} is {header_length}, and the body has {len(body)} bytes; it is the length "
            "of the JSON at the beginning of the body"
        )
    view = memoryview(body)
    return view[:header_length], BinaryTail(view[header_length:])
