"""What a model raises, as the error of its call."""

from __future__ import annotations

import logging
from typing import Final

from penstock.core.contracts.model import ModelCall
from penstock.core.errors import StepFailedError
from penstock.core.model import InvalidRequest, Retriable

MAX_TEXT: Final = 1000
"""Characters of an exception's own text that a caller is shown."""

PASSING: Final = (InvalidRequest, Retriable)
"""Errors that are a model's own words to its caller."""

_log = logging.getLogger(__name__)


def model_failure(model: str, error: BaseException, call: ModelCall) -> StepFailedError:
    """The caller's error for anything else that ``model`` raised, SystemExit and the like too.

    It has type and text; the traceback goes to the log.
    """
    _log.error(
        "model '%s' raised %s",
        model,
        type(error).__name__,
        exc_info=error,
        extra={"request": call.origin.identity, "model": model, "step": call.step},
    )
    return StepFailedError(raised(model, error))


def raised(model: str, error: BaseException) -> str:
    """The sentence about an exception: its type, its text, and what to do where that is known."""
    text = str(error)
    if len(text) > MAX_TEXT:
        text = f"{text[:MAX_TEXT]}…"
    sentence = f"model '{model}' raised {type(error).__name__}"
    if text:
        sentence = f"{sentence}: {text}"
    if isinstance(error, ValueError) and "read-only" in text:
        sentence += "; input arrays are shared and read-only, so copy what you want to change"
    return sentence
