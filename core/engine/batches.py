"""Visits that share a call: which of them, when it is made, and what each gets of the outcome."""

from __future__ import annotations

from collections.abc import Hashable
from typing import TYPE_CHECKING, TypeAlias

from penstock.core.engine.effects import Abandon, Call, Effects, SharedCall
from penstock.core.engine.timers import ATTEMPT, GATHERED
from penstock.core.plan import BatchPlan
from penstock.core.records import Failed, Parameters, Tensors
from penstock.core.rows import common_rows, put_together, take_apart
from penstock.core.shapes import shape_text

if TYPE_CHECKING:
    from penstock.core.engine.engine import Engine

Kind: TypeAlias = tuple[BatchPlan, Hashable]
"""A step, and what visits of it have to agree in to share a call."""


class Gathering:
    """Visits of one kind that wait to be called together, each with its rows; at the latest they
    are called at ``until_ms``."""

    __slots__ = ("calls", "kind", "over", "rows", "until_ms")

    def __init__(self, kind: Kind) -> None:
        self.kind = kind
        self.calls: dict[Call, int] = {}
        self.rows = 0
        self.until_ms = float("inf")
        self.over = False

    def alive(self) -> bool:
        """Whether the visits still wait."""
        return not self.over


class Batches:
    """What the engine does about steps with ``batch``."""

    __slots__ = ("_engine", "_gatherings", "_groups")

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._gatherings: dict[Kind, Gathering] = {}
        self._groups: dict[Call, Gathering | SharedCall] = {}
        """Where each visit is that is not called alone."""

    def add(self, call: Call, plan: BatchPlan, now_ms: float, out: Effects) -> None:
        """A visit is to be called: with others of its kind, where it has rows as they have."""
        rows = common_rows(call.tensors)
        if rows is None or rows > plan.size:
            self._call_alone(call, now_ms, out, rows)
            return
        kind = (plan, _agreement(call))
        gathering = self._gatherings.get(kind)
        if gathering is not None and gathering.rows + rows > plan.size:
            self.close(gathering, now_ms, out)
            gathering = None
        until_ms = now_ms + (call.passage.deadline_ms - now_ms) / 2
        if gathering is None:
            gathering = self._gatherings[kind] = Gathering(kind)
            until_ms = min(until_ms, now_ms + plan.window_ms)
        gathering.calls[call] = rows
        gathering.rows += rows
        self._groups[call] = gathering
        if gathering.rows == plan.size:
            self.close(gathering, now_ms, out)
        elif until_ms < gathering.until_ms:
            gathering.until_ms = until_ms
            self._engine.timers.add(until_ms, GATHERED, gathering)

    def close(self, gathering: Gathering, now_ms: float, out: Effects) -> None:
        """Call those that have gathered."""
        gathering.over = True
        del self._gatherings[gathering.kind]
        calls = gathering.calls
        if len(calls) == 1:
            (call,) = calls
            del self._groups[call]
            self._call_alone(call, now_ms, out, gathering.rows)
            return
        tensors = put_together([call.tensors for call in calls])
        shared = SharedCall(tuple(calls.items()), tensors, now_ms)
        for call in calls:
            self._groups[call] = shared
        _count(shared, gathering.rows)
        timeout_ms = shared.plan.timeout_ms
        if timeout_ms is not None:
            # Also where the shortest time left is shorter, for the others have more.
            self._engine.timers.add(now_ms + timeout_ms, ATTEMPT, shared)
            shared.deadline_ms = min(shared.deadline_ms, now_ms + timeout_ms)
        out.append(shared)

    def leave(self, call: Call, out: Effects) -> None:
        """Nobody waits for a visit any more; the others go on without it."""
        group = self._groups.pop(call, None)
        if group is None:
            out.append(Abandon(call))
        elif isinstance(group, SharedCall):
            group.open -= 1
            if not group.open:
                out.append(Abandon(group))
        else:
            group.rows -= group.calls.pop(call)
            if not group.calls:
                group.over = True
                del self._gatherings[group.kind]

    def done(
        self, shared: SharedCall, outcome: Tensors | Failed, now_ms: float, out: Effects
    ) -> bool:
        """A shared call came back. Says whether that counted."""
        if not shared.open:
            return False
        if not isinstance(outcome, Failed):
            wrong = misfit(shared, outcome)
            if wrong is None:
                self._hand_out(shared, outcome, now_ms, out)
                return True
            outcome = wrong
        plan = shared.plan.batch
        assert plan is not None, "only such steps share calls"
        for call in self.left_of(shared):
            if not outcome.retriable:
                # An error of the model: it may be about one of them only.
                self._call_alone(call, now_ms, out, common_rows(call.tensors))
            elif outcome.code == "deadline" and now_ms >= shared.deadline_ms:
                # It was over for another, who is gone: whose time is over is not among those left.
                self.add(call, plan, now_ms, out)
            else:
                self._engine.done(call, outcome, now_ms, out)
        return True

    def left_of(self, shared: SharedCall) -> list[Call]:
        """End a shared call, and give back the visits that still wait for it."""
        shared.open = 0
        return [call for call, _ in shared.calls if self._groups.pop(call, None) is shared]

    def _hand_out(self, shared: SharedCall, tensors: Tensors, now_ms: float, out: Effects) -> None:
        blocks = take_apart(tensors, [rows for _, rows in shared.calls])
        left = set(self.left_of(shared))
        for (call, _), block in zip(shared.calls, blocks, strict=True):
            if call in left:
                self._engine.done_together(call, block, len(blocks), now_ms, out)

    def _call_alone(self, call: Call, now_ms: float, out: Effects, rows: int | None) -> None:
        if rows is not None:
            _count(call, rows)
        self._engine.call_now(call, now_ms, out)


def _agreement(call: Call) -> Hashable:
    """What has to be the same in visits that share a call."""
    tensors = tuple(
        [
            (tensor.name, tensor.datatype, tensor.shape[1:], _hashable(tensor.parameters))
            for tensor in call.tensors
        ]
    )
    return tensors, _hashable(call.passage.parameters)


def _hashable(parameters: Parameters) -> Hashable:
    if not parameters:
        return ()
    # True, 1 and 1.0 are not the same to a model.
    return frozenset([(name, type(value), value) for name, value in parameters.items()])


def misfit(shared: SharedCall, tensors: Tensors) -> Failed | None:
    """The failure of an answer that cannot be taken apart."""
    rows = sum([rows for _, rows in shared.calls])
    for tensor in tensors:
        if not tensor.shape or tensor.shape[0] != rows:
            reason = (
                f"{len(shared.calls)} requests shared a call of {rows} rows, and the model put out "
                f"'{tensor.name}' as {shape_text(tensor.shape)}; where visits are batched, every "
                "output must have as many rows as the inputs"
            )
            return Failed("step-failed", reason, shared.step)
    return None


def _count(call: Call, rows: int) -> None:
    tally = call.passage.tally
    if tally is not None:
        tally.count_batch(call.plan.index, rows)
