"""Models that are only a script: what they put out, how they fail, and after how long."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from penstock.core.engine import Call
from penstock.core.records import Body, Failed
from penstock.core.simulation import Reaction as Reaction
from penstock.core.simulation import tensor as tensor


def named(tensors: Body | None) -> list[tuple[str, str]]:
    """Names and tokens of a record's tensors."""
    assert isinstance(tensors, tuple), tensors
    assert not isinstance(tensors, Failed), tensors
    return [(each.name, str(each.parameters["token"])) for each in tensors]  # type: ignore[union-attr]  # a marker has no parameters and fails the test


Scripts = Mapping[str, Reaction | Sequence[Reaction]]


def scripted(scripts: Scripts, default_ms: float = 1.0) -> Callable[[Call], Reaction]:
    """Reactions by step, one per attempt (the last repeats); a step without one puts out ``y``."""

    def react(call: Call) -> Reaction:
        script = scripts.get(call.step)
        if script is None:
            return Reaction(default_ms, lambda c: (tensor("y", f"{c.step}.y"),))
        if isinstance(script, Reaction):
            return script
        return script[min(call.attempt, len(script)) - 1]

    return react


def puts_out(*names: str, after_ms: float = 1.0, again_after_ms: float | None = None) -> Reaction:
    """A model that puts out these tensors, whose tokens say which step made them."""
    return Reaction(
        after_ms, lambda c: tuple(tensor(n, f"{c.step}.{n}") for n in names), again_after_ms
    )


def fails(code: str = "step-failed", *, after_ms: float = 1.0, retriable: bool = False) -> Reaction:
    """A model that raises."""
    return Reaction(after_ms, Failed(code, f"a model said {code}", None, retriable))


NEVER = Reaction(0.0, None)
