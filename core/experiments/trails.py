"""Trails: the way of a request through experiments, as its caller is told it and may send it again.

``:outer.a:inner.b:`` says that experiment ``outer`` chose ``a``, which is the experiment ``inner``,
and that chose ``b``. What is written otherwise says nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, TypeAlias

Trail: TypeAlias = Mapping[str, str]
"""The candidate that each experiment on the way has chosen, in the order of the way."""

NOWHERE: Final[Trail] = {}

MAX_LENGTH: Final = 4_096
"""A longer text is nobody's trail."""


def written_trail(steps: Iterable[tuple[str, str]]) -> str:
    """The text of a way: experiments with what they chose."""
    return "".join([":", *(f"{experiment}.{arm}:" for experiment, arm in steps)])


def read_trail(text: str | None) -> Trail:
    """What a text says; nothing where it is none, or another's."""
    if not text or len(text) > MAX_LENGTH:
        return NOWHERE
    steps = (step.partition(".") for step in text.split(":"))
    return {experiment: arm for experiment, dot, arm in steps if dot and experiment and arm}
