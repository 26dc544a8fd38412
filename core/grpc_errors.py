"""Errors as gRPC carries them: a status, the sentence, and the rest as ``google.rpc.ErrorInfo``.

Both directions stand here, for front ends and for clients. Source of the format:
https://google.aip.dev/193 and google/rpc/error_details.proto. The error's code is the ErrorInfo's
reason; its metadata hold ``request_id``, ``step``, ``details`` as a JSON list of sentences, and
``taken``, which is ``false`` where nothing was done. An overloaded server adds
``google.rpc.RetryInfo``.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Final, cast

import grpc
from google.protobuf.message import DecodeError
from google.rpc.error_details_pb2 import (  # type: ignore[import-untyped]  # has no types
    ErrorInfo,
    RetryInfo,
)
from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]  # has no types

from penstock.core.errors import (
    OverloadedError,
    PenstockError,
    broken_off,
    error_of,
    nobody_there,
    was_refused,
)
from penstock.core.statuses import grpc_status

DETAILS_KEY: Final = "grpc-status-details-bin"
"""Where gRPC keeps the serialised Status, in trailing metadata."""

DOMAIN: Final = "penstock.io"

SENTENCE_BUDGET: Final = 1536
"""Bytes that the sentence may take, which is sent twice: for everybody, and in the Status.

gRPC clients refuse more than 8 KiB of metadata, and the error would be lost with them.
"""

DETAILS_BUDGET: Final = 4096
"""Bytes that ``details`` may take, for the same reason."""

BUDGET_KEY: Final = "penstock-details-bytes"
"""Metadata of a request with which a client says that it takes more."""


_BROKEN: Final = ("Socket closed", "reset by peer", "Stream removed", "Broken pipe")
"""In grpcio's words for a connection that was there."""

_NO_GRPC: Final = "Failed parsing HTTP/2"
"""In grpcio's words for somebody who answers in another language."""


def status_message(
    error: PenstockError, request_id: str | None, budget: int = DETAILS_BUDGET
) -> Status:
    """The whole of an error; details that do not fit into ``budget`` bytes are counted instead, and
    a sentence that is too long is cut."""
    info = ErrorInfo(reason=error.code, domain=DOMAIN)
    if request_id:
        info.metadata["request_id"] = request_id
    if error.step:
        info.metadata["step"] = error.step
    if was_refused(error):
        info.metadata["taken"] = "false"
    if error.details:
        info.metadata["details"] = json.dumps(fitting(error.details, budget), ensure_ascii=False)
    status = Status(code=grpc_status(error.code).value[0], message=cut(error.message))
    status.details.add().Pack(info)
    if isinstance(error, OverloadedError):
        retry = RetryInfo()
        retry.retry_delay.FromNanoseconds(int(error.retry_after_s * 1e9))
        status.details.add().Pack(retry)
    return status


def cut(sentence: str, budget: int = SENTENCE_BUDGET) -> str:
    """As much of ``sentence`` as ``budget`` bytes can hold in gRPC's percent-encoding."""
    # A lone surrogate, from bytes that were no text, could not be sent at all.
    sentence = sentence.encode(errors="replace").decode()
    if len(sentence) * 12 <= budget:
        return sentence
    left = budget
    for index, letter in enumerate(sentence):
        left -= 1 if " " <= letter <= "~" and letter != "%" else 3 * len(letter.encode())
        if left < 0:
            return f"{sentence[:index]}... and {len(sentence) - index} characters more"
    return sentence


def fitting(details: Sequence[str], budget: int) -> list[str]:
    """As many of ``details`` as ``budget`` bytes of JSON can hold, and how many are left out."""
    fit: list[str] = []
    left = budget
    for sentence in details:
        text = sentence.encode(errors="replace").decode()
        left -= len(json.dumps(text, ensure_ascii=False).encode()) + 2
        if left < 0:
            return [*fit, f"... and {len(details) - len(fit)} more"]
        fit.append(text)
    return fit


def error_of_call(error: grpc.aio.AioRpcError | grpc.Call, server: str) -> PenstockError:
    """The error of a call that failed, as the server raised it.

    ``server`` is its address, for the sentence when nobody answers there.
    """
    return own_error(error) or _foreign(error.code(), error.details() or "", server)


def own_error(error: grpc.aio.AioRpcError | grpc.Call) -> PenstockError | None:
    """The error that Penstock raised there; None when it was somebody else's."""
    info = _error_info(error)
    if info is None:
        return None
    return error_of(
        info.reason,
        error.details() or "",
        step=info.metadata.get("step"),
        details=json.loads(info.metadata.get("details", "[]")),
        taken=info.metadata.get("taken") != "false",
    )


def _error_info(error: grpc.aio.AioRpcError | grpc.Call) -> ErrorInfo | None:
    """What Penstock said of the error; None when it was somebody else's."""
    trailing = cast("Iterable[tuple[str, str | bytes]]", error.trailing_metadata() or ())
    for key, value in trailing:
        if key == DETAILS_KEY and isinstance(value, bytes):
            return _info_in(value)
    return None


def code_in(details: bytes) -> str | None:
    """The code of the error of ours that a serialised Status tells of; None where it has none."""
    info = _info_in(details)
    return None if info is None else cast(str, info.reason)


def _info_in(details: bytes) -> ErrorInfo | None:
    try:
        status = Status.FromString(details)
    except DecodeError:
        return None
    for detail in status.details:
        info = ErrorInfo()
        if detail.Unpack(info) and info.domain == DOMAIN:
            return info
    return None


def never_connected(text: str) -> bool:
    """Whether there was no connection, so that nothing was sent, in grpcio's words."""
    return "failed to connect" in text or "resolution failed" in text


def was_connected(text: str) -> bool:
    """Whether a connection was there that has broken, in grpcio's words."""
    return not never_connected(text) and any(sign in text for sign in _BROKEN)


def _foreign(status: grpc.StatusCode, text: str, server: str) -> PenstockError:
    """An error that gRPC itself, or a server that is not ours, made."""
    match status:
        case grpc.StatusCode.UNAVAILABLE if was_connected(text):
            return broken_off(server, text)
        case grpc.StatusCode.UNAVAILABLE if _NO_GRPC in text:
            return error_of(
                "unsupported",
                f"what answers at {server} does not speak gRPC without TLS; give the address of "
                "gRPC (that of REST is another), as grpcs://HOST:PORT where it speaks TLS",
            )
        case grpc.StatusCode.UNAVAILABLE:
            return nobody_there(server, text)
        case grpc.StatusCode.DEADLINE_EXCEEDED:
            return error_of("deadline", f"{server} gave no answer in time")
        case grpc.StatusCode.RESOURCE_EXHAUSTED if "larger than max" in text:
            return error_of("too-large", f"the message is over the limit of {server}: {text}")
        case grpc.StatusCode.UNIMPLEMENTED:
            return error_of("unsupported", f"{server} does not offer this: {text}")
        case _:
            return error_of("internal", f"{server} answered {status.name}: {text}")
