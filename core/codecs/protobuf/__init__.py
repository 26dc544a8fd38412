"""V2's protobuf messages, as gRPC carries them and streams keep them.

``decode_*`` and ``encode_*`` go from and to messages of :mod:`penstock.proto.open_inference_pb2`,
``parse_*`` and ``serialize_*`` from and to their bytes; the latter are for who has bytes at hand,
and keep large raw contents as views instead of letting protobuf copy them.

Raw and typed contents are read; raw ones are written, also in answer to typed requests. FP16 and
BF16 have no typed contents in V2. An empty ``id`` is none.
"""

from penstock.core.codecs.protobuf.request import (
    decode_request,
    encode_request,
    parse_request,
    serialize_request,
)
from penstock.core.codecs.protobuf.response import (
    decode_response,
    encode_response,
    parse_response,
    serialize_response,
)
from penstock.core.codecs.protobuf.wire import read_message

__all__ = [
    "decode_request",
    "decode_response",
    "encode_request",
    "encode_response",
    "parse_request",
    "parse_response",
    "read_message",
    "serialize_request",
    "serialize_response",
]
