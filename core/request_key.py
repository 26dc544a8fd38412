"""The key of a request: what ``input.key`` of a pipeline names, read when the request is admitted.

What begins with ``x-`` is a header, since no others of a caller travel with a request; everything
else is a tensor of the pipeline's input. A tensor whose name begins so is written in full, as
``<pipeline>.inputs.x-odd``, which is a tensor whatever its name.
"""

from __future__ import annotations

from typing import NamedTuple

from penstock.core.datatypes import DATATYPES
from penstock.core.errors import InvalidRequestError
from penstock.core.records import Headers, Tensors
from penstock.core.request_headers import checked_name
from penstock.core.tensors import Tensor


class RequestKey(NamedTuple):
    """Where the requests of ``pipeline`` have their key: in a header, or else in a tensor."""

    pipeline: str
    name: str
    is_header: bool

    def of(self, headers: Headers, tensors: Tensors) -> bytes:
        """The key of one request, never empty: the header's text as UTF-8, a tensor's element of
        BYTES as it is, a whole number in decimal, a truth value as ``true`` or ``false``.

        Raises InvalidRequestError for a request that has none.
        """
        return self._of_header(headers) if self.is_header else self._of_tensor(tensors)

    def _of_header(self, headers: Headers) -> bytes:
        text = headers.get(self.name)
        if not text:
            raise InvalidRequestError(
                f"pipeline '{self.pipeline}' takes its key from the header '{self.name}', which "
                "the request does not have; send it, and name it under defaults.passedHeaders in "
                "the server's configuration, so that it travels with requests"
            )
        return text.encode()

    def _of_tensor(self, tensors: Tensors) -> bytes:
        for tensor in tensors:
            if tensor.name == self.name:
                key = self._element_of(tensor)
                if not key:
                    raise self._refusal("which is empty")
                return key
        raise self._refusal("which the request does not have")

    def _element_of(self, tensor: Tensor) -> bytes:
        if tensor.size != 1:
            raise self._refusal(f"which has {tensor.size} elements; a key is one")
        if tensor.datatype == "BYTES":
            return bytes(tensor.flat()[0])
        kind = DATATYPES[tensor.datatype].dtype.kind
        if kind == "b":
            return b"true" if tensor.flat()[0] else b"false"
        if kind not in "iu":
            raise self._refusal(
                f"which is of {tensor.datatype}; a key is BYTES, a whole number or BOOL"
            )
        return b"%d" % int(tensor.flat()[0])

    def _refusal(self, why: str) -> InvalidRequestError:
        return InvalidRequestError(
            f"pipeline '{self.pipeline}' takes its key from the input tensor '{self.name}', {why}"
        )


def parse_request_key(text: str, *, pipeline: str) -> RequestKey:
    """What ``input.key`` means in the manifest of ``pipeline``.

    Raises ValueError for a header that cannot travel with a request.
    """
    full = f"{pipeline}.inputs."
    if text.startswith(full) and len(text) > len(full):
        return RequestKey(pipeline, text[len(full) :], is_header=False)
    if text[:2].lower() != "x-":
        return RequestKey(pipeline, text, is_header=False)
    try:
        return RequestKey(pipeline, checked_name(text), is_header=True)
    except InvalidRequestError as error:
        raise ValueError(error.message) from error
