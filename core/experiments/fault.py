"""Whose fault it is that a request ended as it did: the one rule by which arms are counted.

An arm is at fault where it fails, is not there, gives no answer in time, or has no room for one
more. A request that is wrong is its caller's fault, and counts as one that did not fail. Of an arm
nothing is known when the caller went away, and when whoever counts let the request not through.
"""

from __future__ import annotations

from typing import Final

from penstock.core.errors import PenstockError
from penstock.core.statuses import STATUSES, http_status

_OVERLOADED: Final = STATUSES["overloaded"].http
_CANCELLED: Final = STATUSES["cancelled"].http

_FAULTS: Final = frozenset(
    {"UNKNOWN", "DATA_LOSS"} | {each.grpc for each in STATUSES.values() if each.http >= 500}
)


def fault_of_error(error: PenstockError) -> bool | None:
    """Whether the arm was at fault; None where the error says nothing of it."""
    return None if error.at_intake else fault_of_status(http_status(error.code))


def fault_of_status(http: int) -> bool | None:
    """The same of a status of HTTP that the arm, or who asked it, has given."""
    return None if http == _CANCELLED else http >= 500 or http == _OVERLOADED


def fault_of_grpc(status: str, code: str | None) -> bool | None:
    """The same of a status of gRPC by its name; ``code`` is that of the error in it, None where it
    holds none of ours. Without that RESOURCE_EXHAUSTED is a message that is too large."""
    if code is not None:
        return fault_of_status(http_status(code))
    return None if status == STATUSES["cancelled"].grpc else status in _FAULTS
