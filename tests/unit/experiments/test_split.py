"""What goes along with a request that nobody waits for, and what is told at its end."""

from __future__ import annotations

from typing import Any

import pytest

from penstock.core.contracts.forwarder import Forwarded
from penstock.core.errors import CancelledRequestError, StepFailedError
from penstock.core.experiments.split import Chosen, Split, nobody_looks
from penstock.core.inference import InferenceRequest, InferenceResponse

WAY = (Chosen("outer", 3, "inner"), Chosen("inner", 1, "b-2"))


def test_choices_go_along_as_text() -> None:
    text = Split(WAY, nobody_looks).text
    assert text == "outer.3.inner:inner.1.b-2"
    assert Split.read(text, nobody_looks).chosen == WAY


@pytest.mark.parametrize("text", ["", ":", "a.b", "a.b.c", "a.1.b.c", "a.-1.b", "a..b", "a.²x.b"])
def test_what_is_no_choice_says_nothing(text: str) -> None:
    assert Split.read(text, nobody_looks).chosen == ()


def test_each_experiment_on_the_way_is_told_unless_nobody_could_see_the_end() -> None:
    told: list[tuple[Any, ...]] = []
    split = Split(WAY, lambda *seen: told.append(seen))
    request, answer = InferenceRequest(None, ()), InferenceResponse("b-2", "1", None, ())
    failed = StepFailedError("no")
    split.ended(request, answer, 5.0)
    split.ended(request, failed, 7.0)
    split.ended(request, CancelledRequestError("gone"), 9.0)
    assert told == [
        (Forwarded("outer", 3, "inner", False, 5.0), request, answer),
        (Forwarded("inner", 1, "b-2", False, 5.0), request, answer),
        (Forwarded("outer", 3, "inner", True, 7.0), request, failed),
        (Forwarded("inner", 1, "b-2", True, 7.0), request, failed),
    ]
