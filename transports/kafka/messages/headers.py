"""The headers of messages: which there are beside those of streams, and their text."""

from __future__ import annotations

from typing import Final

FORMAT_HEADER: Final = "penstock-format"
PIPELINE_HEADER: Final = "penstock-pipeline"
VERSION_HEADER: Final = "penstock-version"
ROUND_HEADER: Final = "penstock-round"

PORT_HEADER: Final = "penstock-port"
"""The port, as ``outputs`` or ``scale.outputs``, where the topic's name says another or none."""

MARKER_HEADER: Final = "penstock-marker"
CAUSE_HEADER: Final = "penstock-cause"
"""The word for why a port is absent, see :class:`penstock.core.records.Absent`."""

RETRIABLE_HEADER: Final = "penstock-retriable"
CALL_ATTEMPTS_HEADER: Final = "penstock-call-attempts"
"""Of a failed port, how many calls were tried; ``penstock-attempt`` counts deliveries."""

PARAMETERS_HEADER: Final = "penstock-parameters"
"""Of a marker, whose value is empty: ``id`` and parameters of its request, as a ModelInferRequest
without tensors."""

CONTENT_TYPE_HEADER: Final = "content-type"
JSON_LENGTH_HEADER: Final = "inference-header-content-length"
"""How much of a JSON value is JSON, where binary data follows, as in V2's REST."""

FORMAT: Final = 1
"""What is written. Readers take this one and the one before."""


def header_bytes(text: str) -> bytes:
    """What is written of a text, also of one that no UTF-8 can hold, as of a file's odd name in the
    reason of a failure."""
    return text.encode("utf-8", "backslashreplace")


def header_text(value: bytes) -> str:
    """The text of a header that anybody may have written.

    What is no UTF-8 is taken as Latin-1, as in HTTP: whatever is done with a record, its headers
    are text that can be shown and written.
    """
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")
