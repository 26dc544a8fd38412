"""The errors of calls to one V2 server: sentences that name it and say what to do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, Literal

from penstock.core.errors import (
    DeadlineError,
    LostError,
    NotTakenError,
    PenstockError,
    StepFailedError,
    TooLargeError,
    UnreachableError,
    error_of,
)

ADVICE: Final = {
    "unauthenticated": "give that server's token or tls the credentials that it wants",
    "forbidden": "give that server's token or tls the credentials that it wants",
    "overloaded": "send the request again later, or give the server room for more",
    "not-ready": "try again when it is ready",
    "deadline": "give the request or the step more time",
}
"""What to do about an error that the server answered with."""

AS_STEP: Final = {
    "not-found": NotTakenError.code,
    "unauthenticated": "step-failed",
    "forbidden": "step-failed",
    "conflict": "step-failed",
    "internal": "step-failed",
    "cancelled": "step-failed",
}
"""What errors of a server are to who called a step that runs there: it is not the caller's name
that is not found, nor the caller's credentials that are wrong."""


class Failures:
    """Makes the errors of calls to the server at ``address``."""

    __slots__ = ("_address",)

    def __init__(self, address: str) -> None:
        self._address = address

    def unreachable(self, why: object) -> UnreachableError:
        """Nothing was sent."""
        return UnreachableError(
            f"the server at {self._address} cannot be reached ({why}); see that it runs, and that "
            "this is its address"
        )

    def broken(self, why: object) -> LostError:
        """Something was sent, and no answer came. As after a timeout, nobody knows whether the
        call was carried out: only what ``retries`` allow is made again."""
        return LostError(
            f"the connection to the server at {self._address} broke during the call ({why}); "
            "whether it was carried out is not known, so it is made again only where the step has "
            "retries"
        )

    def late(self, timeout_s: float) -> DeadlineError:
        """No answer came in time."""
        return DeadlineError(
            f"the server at {self._address} gave no answer within {timeout_s:.3g} s; "
            f"{ADVICE['deadline']}"
        )

    def unreadable(self, why: object) -> StepFailedError:
        """What came is no answer of V2."""
        return StepFailedError(
            f"the server at {self._address} answered with what is no V2 answer ({why}); see that "
            "this is the address of a V2 server"
        )

    def too_large(self, why: str) -> TooLargeError:
        """A message was over a limit, ours or the server's."""
        return TooLargeError(
            f"a message from or to the server at {self._address} is over its limit ({why}); raise "
            "maxMessageBytes, or the limit of that server"
        )

    def cannot_carry(self, why: object) -> StepFailedError:
        """What is to be sent cannot be written as the server wants it."""
        return StepFailedError(
            f"the server at {self._address} takes tensors over REST as JSON alone, which cannot "
            f"hold this request ({why}); give its gRPC address"
        )

    def cannot_say(self, headers: Mapping[str, str]) -> StepFailedError:
        """A header that is to travel has a line break in it."""
        broken = [name for name, value in headers.items() if not f"{name}{value}".isprintable()]
        return StepFailedError(
            f"the request cannot be sent to the server at {self._address}: there are line breaks "
            f"in {', '.join(map(repr, broken)) or 'its token'}"
        )

    def answered(
        self,
        code: str,
        said: str,
        *,
        step: str | None = None,
        details: Sequence[str] = (),
        taken: bool = True,
    ) -> PenstockError:
        """The server's own error: ``code`` is ours, ``said`` its sentence, ``step`` the step of a
        pipeline there; ``taken`` is false where it says that nothing was done."""
        where = f"the server at {self._address}" + (f", step '{step}'," if step else "")
        sentence = f"{where} says: {said.strip() or code}"
        advice = ADVICE.get(code)
        if advice:
            sentence = f"{sentence.rstrip('.')}; {advice}"
        return error_of(code, sentence, details=details, taken=taken)


def as_step(error: PenstockError) -> PenstockError:
    """The error of a call as the error of a step."""
    code = AS_STEP.get(error.code)
    if code is None:
        return error
    if error.code == "not-found":
        advice = "load the model there, or correct its name in spec.parameters"
        return NotTakenError(f"{error.message}; {advice}", details=error.details)
    return error_of(code, error.message, details=error.details)


NO: Final = frozenset(
    ("not-found", "not-ready", "invalid-request", "step-failed", "internal", "conflict")
)
"""Errors that are a server's way to say that something is not ready."""


def no(error: PenstockError) -> Literal[False]:
    """False for an error by which a server says no; raises any other."""
    if error.code in NO:
        return False
    raise error
