"""V2's JSON, plain and with REST's binary tensor extension.

Sources of the format: the Open Inference Protocol's REST specification and its "binary tensor
data" extension. What they leave open is decided so:

- Members that are not known are ignored, as the standard wants for extensions, unless one looks
  like a misspelt optional member. ``null`` is as if not written. Of a repeated key the last counts.
- Data may be flat or nested; nested data has exactly the shape. An answer's data is flat.
- FP16 and BF16 are numbers in JSON too. An integer beyond 2^53 stays exact.
- NaN and infinities do not exist in JSON: an answer that holds one is refused, and can be had as
  binary data.
- BYTES are UTF-8 strings, or base64 where the tensor's parameter ``content_type`` is ``base64``;
  an answer's are base64 when that parameter stands on the requested output or on the request.
"""

from penstock.core.codecs.json.request import decode_request, encode_request
from penstock.core.codecs.json.response import decode_response, encode_response

__all__ = ["decode_request", "decode_response", "encode_request", "encode_response"]
