"""Every error that a person may meet: one root, a stable code, and whether trying again can help.

The codes and what they mean are part of the product's interface; front ends translate a code to
their own status in one table (:mod:`penstock.core.statuses`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, TypeVar


class PenstockError(Exception):
    """The root of all errors that carry a code.

    ``message`` is a sentence that a person can act on. ``step`` names the step of a pipeline that
    the error came from (``outer/inner`` for a step inside a pipeline that is itself a step), and
    ``details`` holds further sentences, one per problem.
    """

    code: ClassVar[str] = "internal"
    retriable: ClassVar[bool] = False
    route: str | None = None
    """The way that the request took through experiments, None where it met none."""
    at_intake: bool = False
    """Whether the request was refused where it came in, so that it says nothing of who would have
    answered it."""

    def __init__(
        self, message: str, *, step: str | None = None, details: Sequence[str] = ()
    ) -> None:
        super().__init__(message)
        self.message = message
        self.step = step
        self.details = tuple(details)

    def __str__(self) -> str:
        return self.message


PenstockErrorT = TypeVar("PenstockErrorT", bound=PenstockError)


def at_intake(error: PenstockErrorT) -> PenstockErrorT:
    """The error, as one that refuses a request where it comes in."""
    error.at_intake = True
    return error


class InternalError(PenstockError):
    """A defect of Penstock itself."""


class InvalidRequestError(PenstockError):
    """The caller's request is wrong, and says the same thing when it is sent again."""

    code = "invalid-request"


class UnauthenticatedError(PenstockError):
    """Nobody said who is calling."""

    code = "unauthenticated"


class ForbiddenError(PenstockError):
    """Who is calling is known, and may not."""

    code = "forbidden"


class NotFoundError(PenstockError):
    """No resource has that name or version."""

    code = "not-found"


class ConflictError(PenstockError):
    """The change would break what others use."""

    code = "conflict"


class TooLargeError(PenstockError):
    """A request, a header or a record is over its limit."""

    code = "too-large"


class NoOutputError(PenstockError):
    """The pipeline ended absent: ``details`` says for each output step why it was skipped."""

    code = "no-output"


class OverloadedError(PenstockError):
    """A bound on what is in flight is reached; trying again after ``retry_after_s`` may help."""

    code = "overloaded"
    retriable = True

    def __init__(
        self,
        message: str,
        *,
        step: str | None = None,
        details: Sequence[str] = (),
        retry_after_s: float = 1.0,
    ) -> None:
        super().__init__(message, step=step, details=details)
        self.retry_after_s = retry_after_s


class CancelledRequestError(PenstockError):
    """The caller went away before the answer was there."""

    code = "cancelled"


class StepFailedError(PenstockError):
    """A model raised an error, or answered with something that is no answer."""

    code = "step-failed"


class UnsupportedError(PenstockError):
    """A feature that this build or this plug-in does not have."""

    code = "unsupported"


class NotReadyError(PenstockError):
    """The resource exists and cannot serve yet, or not any more."""

    code = "not-ready"
    retriable = True


class NotTakenError(NotReadyError):
    """Who was asked has not taken the request in, since it is going away, or does not have what is
    to be called: nothing was done, and somebody else may be asked."""


class LostError(PenstockError):
    """The worker that had the request went away, more often than is tried."""

    code = "lost"
    retriable = True


class UnreachableError(LostError):
    """Nobody could be reached, so that nothing was sent: it may be sent to somebody else."""


class DeadlineError(PenstockError):
    """The time for the request, or for one attempt at a step, is over."""

    code = "deadline"
    retriable = True


def nobody_there(server: str, reason: object) -> PenstockError:
    """What a client says when it could not speak to a server: nobody listens there, or whoever
    does and the client do not agree on TLS."""
    said = str(reason)
    if any(sign in said for sign in _TLS_SIGNS):
        return UnauthenticatedError(
            f"TLS with {server} failed ({said}); the server's certificate must be signed by one of "
            "--ca and name the address, some servers want --cert and --key, and others speak no TLS"
        )
    return NotReadyError(
        f"no server answers at {server} ({said}); start one with penstock up, or name another "
        "with --server, as grpcs://HOST:PORT where it speaks TLS, and with --cert and --key where "
        "it wants a certificate"
    )


def broken_off(server: str, reason: object) -> LostError:
    """What a client says when the server is gone after it was sent a request."""
    return LostError(
        f"the connection to {server} broke before the answer was there ({reason}); the server may "
        "have stopped, and whether it did what was asked is not known"
    )


_TLS_SIGNS = ("SSL_ERROR", "[SSL", "CERTIFICATE_VERIFY_FAILED", "Tls handshake failed")
"""In the words of grpcio and of Python for a handshake that failed."""

ERROR_TYPES: dict[str, type[PenstockError]] = {
    kind.code: kind
    for kind in (
        InternalError,
        InvalidRequestError,
        UnauthenticatedError,
        ForbiddenError,
        NotFoundError,
        ConflictError,
        TooLargeError,
        NoOutputError,
        OverloadedError,
        CancelledRequestError,
        StepFailedError,
        UnsupportedError,
        NotReadyError,
        LostError,
        DeadlineError,
    )
}
"""The error class of each code."""


def error_of(
    code: str,
    message: str,
    *,
    step: str | None = None,
    details: Sequence[str] = (),
    taken: bool = True,
) -> PenstockError:
    """The error of ``code``; an unknown code (from a newer peer) becomes an internal error.

    ``taken`` is what :func:`was_refused` denies of it.
    """
    kind = ERROR_TYPES.get(code, InternalError)
    if not taken and issubclass(NotTakenError, kind):
        kind = NotTakenError
    return kind(message, step=step, details=details)


def was_refused(error: PenstockError) -> bool:
    """Whether it tells for certain that nothing was done of the request. Of one that a step was
    refused there were other steps."""
    return isinstance(error, NotTakenError) and error.step is None
