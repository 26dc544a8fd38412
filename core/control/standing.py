"""How a model or a pipeline stands, as conditions of its status.

Two conditions say it. ``Ready`` is true while some version answers calls, whichever it is.
``Progressing`` is there while the version that is wanted is not the one that answers: true while
work on it is under way, false when nothing will change until somebody acts. A third,
``ReplicasReady``, is there and false while a version answers with fewer replicas than are wanted.
``TransportReached`` is there where pipelines have streams, and says whether these can be had now.
``Drained`` is there and true while a server, or replicas of it, take no models by an operator's
word.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from penstock.core.control.reasons import Reason
from penstock.core.resources import READY, Status
from penstock.core.resources.status import ConditionStatus

PROGRESSING: Final = "Progressing"
REPLICAS_READY: Final = "ReplicasReady"
DRAINED: Final = "Drained"
TRANSPORT_REACHED: Final = "TransportReached"


class Outlook(NamedTuple):
    """Why the wanted version does not serve.

    ``reason`` is one word for programs, ``message`` a sentence for people; ``at_work`` says
    whether it may come to serve without anybody's doing.
    """

    reason: Reason
    message: str
    at_work: bool


def stand(status: Status, serving: int | None, outlook: Outlook | None, now_ms: float) -> Status:
    """``status`` for a resource whose version ``serving`` answers calls (None: no version does).

    ``outlook`` is None when that is the version which is wanted, and not None when no version
    serves. The same object comes back when nothing changes.
    """
    if serving is not None:
        message = f"version {serving} serves"
        status = status.with_condition(READY, "True", Reason.SERVING, message, now_ms=now_ms)
    else:
        assert outlook is not None, "what does not serve has a reason"
        status = status.with_condition(
            READY, "False", outlook.reason, outlook.message, now_ms=now_ms
        )
    if outlook is None:
        return status.without_condition(PROGRESSING)
    at_work: ConditionStatus = "True" if outlook.at_work else "False"
    return status.with_condition(
        PROGRESSING, at_work, outlook.reason, outlook.message, now_ms=now_ms
    )


def stand_copies(status: Status, outlook: Outlook | None, now_ms: float) -> Status:
    """``status`` for what serves; ``outlook`` says why with fewer replicas than are wanted."""
    if outlook is None:
        return status.without_condition(REPLICAS_READY)
    return status.with_condition(
        REPLICAS_READY, "False", outlook.reason, outlook.message, now_ms=now_ms
    )


def noted(status: Status, type: str, reason: Reason, said: str | None, now_ms: float) -> Status:
    """``status`` that says of one thing that it is so, or nothing of it where ``said`` is None."""
    if said is None:
        return status.without_condition(type)
    return status.with_condition(type, "True", reason, said, now_ms=now_ms)


def scarce(outlook: Outlook | None, there: int, wanted: int, word: str) -> Outlook | None:
    """Why fewer replicas are there than are wanted, None when all are; ``word`` says how they are
    there."""
    if outlook is None:
        return None
    said = f"{there} of {wanted} replicas are {word}; {outlook.message}"
    return outlook._replace(message=said)


def begin(status: Status, outlook: Outlook, now_ms: float) -> Status:
    """``status`` once work on another version has begun; the one that answers goes on."""
    if not status.ready:
        return stand(status, None, outlook, now_ms)
    return status.with_condition(
        PROGRESSING, "True", outlook.reason, outlook.message, now_ms=now_ms
    )


def loading(version: int) -> Outlook:
    """A version of a model is on its way."""
    return Outlook(Reason.LOADING, f"version {version} is being loaded", at_work=True)


def starting(version: int) -> Outlook:
    """A version of a server is on its way."""
    return Outlook(Reason.STARTING, f"version {version} is being started", at_work=True)


def scaled_to_zero(version: int) -> Outlook:
    """A version of a model is wanted on no server."""
    said = f"version {version} is scaled to zero (spec.replicas is 0)"
    return Outlook(Reason.SCALED_TO_ZERO, said, at_work=False)


def preparing(version: int) -> Outlook:
    """A version of a pipeline is on its way."""
    return Outlook(Reason.PREPARING, f"version {version} is being prepared", at_work=True)


def load_failed(status: Status) -> bool:
    """Whether the version of a model that is wanted is given up, since it could not be loaded."""
    progressing = status.condition(PROGRESSING)
    return (
        progressing is not None
        and progressing.status == "False"
        and progressing.reason == Reason.LOAD_FAILED
    )


def settled(status: Status) -> bool:
    """Whether nothing more is to come without anybody's doing."""
    progressing = status.condition(PROGRESSING)
    return progressing is None or progressing.status == "False"


def shortfall(status: Status) -> str | None:
    """The sentence that says why the wanted version does not serve; None when it does."""
    for type in (PROGRESSING, READY):
        condition = status.condition(type)
        if condition is not None and (type == PROGRESSING or condition.status != "True"):
            return condition.message
    return None
