"""Bugs that an engine of this kind may well have, and a way to put each into the real one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

import penstock.core.engine
import penstock.joins
from harness.planted import Bug, planted

BUGS = (
    Bug(
        "a failure wins over a skip between inputs and triggers",
        "engine",
        "joining",
        "    if isinstance(triggers, Skip):\n        return triggers\n    if inputs is None",
        "    if isinstance(inputs, Failed):\n        return inputs\n    if isinstance(triggers, Skip):\n"
        "        return triggers\n    if inputs is None",
    ),
    Bug(
        "the window counts from when the request came",
        "engine",
        "passage",
        "None if consumer.window_ms is None else now_ms + consumer.window_ms",
        "None if consumer.window_ms is None else passage.opened_ms + consumer.window_ms",
    ),
    Bug(
        "a late outcome of an abandoned attempt counts",
        "engine",
        "engine",
        "if passage.visits[step.place] is not call:",
        "if not isinstance(passage.visits[step.place], Call):",
    ),
    Bug(
        "the backoff does not double",
        "engine",
        "engine",
        "step.backoff_ms * 2.0 ** (call.attempt - 1) * jitter",
        "step.backoff_ms * jitter",
    ),
    Bug(
        "a retry is begun without the time for it",
        "engine",
        "engine",
        "if passage.deadline_ms - now_ms < backoff_ms:",
        "if passage.deadline_ms - now_ms < 0.0:",
    ),
    Bug(
        "tensors come in another order than the manifest's",
        "engine",
        "join_state",
        "for i in indexes for tensor in ends[i]",
        "for i in reversed(indexes) for tensor in ends[i]",
    ),
    Bug(
        "a tensor that was left out is replaced by the whole record",
        "engine",
        "sources",
        "    return part.left_out\n",
        "    return body\n",
    ),
    Bug(
        "the last failure is passed on and not the first of the manifest",
        "engine",
        "joining",
        "sorted(skip.because)",
        "sorted(skip.because, reverse=True)",
    ),
    Bug(
        "a skipped step leaves the readers of its inputs waiting",
        "engine",
        "engine",
        "        if step.input_feeds:\n            flow.append((step.input_feeds, marker))\n",
        "",
    ),
    Bug(
        "any runs again when another source comes",
        "engine",
        "engine",
        "                if type(gate) is not Gate:\n                    # The visit",
        "                if type(gate) is not Gate and not is_value:\n"
        "                    continue\n"
        "                if type(gate) is not Gate:\n"
        "                    gate = self._open_gate(passage, consumers[index], now_ms)\n"
        "                if False:\n                    # The visit",
    ),
    Bug(
        "a failure after the answer is lost",
        "engine",
        "engine",
        "        if passage.answered or passage.plan.output is None:\n"
        "            out.append(DeadLetter(passage, failed))\n",
        "        if passage.answered or passage.plan.output is None:\n            pass\n",
    ),
    Bug(
        "references that one record ends are told one by one",
        "engine",
        "engine",
        "                for part in inputs:\n"
        "                    gate.inputs.end(part.position, take(part, body), now_ms, gate.instant)\n",
        "                for part in inputs:\n"
        "                    gate.inputs.end(part.position, take(part, body), now_ms, gate.instant)\n"
        "                    if len(inputs) > 1 and gate.inputs.verdict is None:\n"
        "                        decide(gate.inputs, gate, now_ms)\n",
    ),
    Bug(
        "under inner a failure decides before an absence can",
        "joins",
        "inner",
        "        if still_open:\n",
        "        if still_open and not failed:\n",
    ),
    Bug(
        "outer waits for the rest when a source failed",
        "joins",
        "outer",
        "        if failed:\n",
        "        if failed and not view.having(SourceState.OPEN):\n",
    ),
    Bug(
        "a retry is begun although the request has ended",
        "engine",
        "effects",
        "return self.passage.visits[self.plan.place] is self",
        "return self.attempt > 1 or self.passage.visits[self.plan.place] is self",
    ),
    Bug(
        "there is one retry less than written",
        "engine",
        "engine",
        "if call.attempt > step.retries:",
        "if call.attempt >= step.retries:",
    ),
    Bug(
        "only the first attempt has a timeout",
        "engine",
        "engine",
        "                self._begin(cast(Call, subject), now_ms, out)\n",
        "                call = cast(Call, subject)\n"
        "                call.issued_ms = now_ms\n"
        "                out.append(call)\n",
    ),
    Bug(
        "a window ends only when the next record comes",
        "engine",
        "engine",
        "        self._wake(gate, end_ms)\n",
        "",
    ),
    Bug(
        "the window begins anew with each record",
        "engine",
        "joining",
        "    plan = state.plan\n    window_ended =",
        "    plan = state.plan\n"
        "    if gate.window_end_ms is not None and now_ms < gate.window_end_ms:\n"
        "        gate.window_end_ms = now_ms + gate.consumer.window_ms\n"
        "    window_ended =",
    ),
    Bug(
        "triggers that say skip are overlooked",
        "engine",
        "joining",
        "    if isinstance(triggers, Skip):\n        return triggers\n",
        "",
    ),
    Bug(
        "a cancelled request leaves the steps that were called",
        "engine",
        "engine",
        "            if type(visit) is Ended:\n",
        "            if type(visit) is Ended or (passage.cancelled and type(visit) is Call):\n",
    ),
    Bug(
        "a cancelled request leaves dead letters",
        "engine",
        "engine",
        "            if not passage.cancelled:\n                out.extend(",
        "            if passage.plan:\n                out.extend(",
    ),
    Bug(
        "the failure of a source is turned into absence",
        "engine",
        "engine",
        "            self.end_unrun(passage, consumer, failed, now_ms, flow, out)\n",
        '            marker = Absent("no") if consumer.failure_is_absence else failed\n'
        "            self.end_unrun(passage, consumer, marker, now_ms, flow, out)\n",
    ),
    Bug(
        "any takes but the first of an instant",
        "joins",
        "any",
        "return Run(values)",
        "return Run(values[:1])",
    ),
    Bug(
        "any fails as soon as a source has failed",
        "joins",
        "any",
        "if view.having(SourceState.OPEN):",
        "if view.having(SourceState.OPEN) and not view.having(SourceState.FAILED):",
    ),
)

BATCH_BUGS = (
    Bug(
        "a shared call takes more rows than its size",
        "engine",
        "batches",
        "gathering.rows + rows > plan.size",
        "gathering.rows > plan.size",
    ),
    Bug(
        "a bigger one shares a call",
        "engine",
        "batches",
        "if rows is None or rows > plan.size:",
        "if rows is None:",
    ),
    Bug(
        "a full one waits for the window",
        "engine",
        "batches",
        "if gathering.rows == plan.size:",
        "if gathering.rows == plan.size + 1:",
    ),
    Bug(
        "only the first one's time left shortens the window",
        "engine",
        "batches",
        "elif until_ms < gathering.until_ms:",
        "elif gathering.rows == rows:",
    ),
    Bug(
        "the window takes all the time left",
        "engine",
        "batches",
        "(call.passage.deadline_ms - now_ms) / 2",
        "(call.passage.deadline_ms - now_ms)",
    ),
    Bug(
        "shapes need not agree",
        "engine",
        "batches",
        "tensor.datatype, tensor.shape[1:]",
        "tensor.datatype, len(tensor.shape)",
    ),
    Bug(
        "one bad visit takes all others along",
        "engine",
        "batches",
        "if not outcome.retriable:",
        "if False:",
    ),
    Bug(
        "after a failure that is no error of the model visits are tried singly",
        "engine",
        "batches",
        "if not outcome.retriable:",
        "if True:",
    ),
    Bug(
        "who leaves gives up the call of all",
        "engine",
        "batches",
        "group.open -= 1\n",
        "group.open = 0\n",
    ),
    Bug(
        "who has left is called",
        "engine",
        "batches",
        "group.rows -= group.calls.pop(call)",
        "group.rows -= 0",
    ),
    Bug(
        "who has left still takes up rows",
        "engine",
        "batches",
        "group.rows -= group.calls.pop(call)",
        "group.calls.pop(call)",
    ),
    Bug(
        "a timeout counts only for the one with the shortest time left",
        "engine",
        "batches",
        "            self._engine.timers.add(now_ms + timeout_ms, ATTEMPT, shared)\n",
        "            self._engine._bound(shared, timeout_ms, now_ms)\n",
    ),
    Bug(
        "retries are called alone",
        "engine",
        "engine",
        "                self._begin(cast(Call, subject), now_ms, out)\n",
        "                self.call_now(cast(Call, subject), now_ms, out)\n",
    ),
)
"""Those that only requests can show which share calls."""


@contextmanager
def installed(bug: Bug) -> Iterator[tuple[ModuleType, ModuleType]]:
    """The engine and the joins as packages of their own, with the bug in them."""
    packages = {"engine": penstock.core.engine, "joins": penstock.joins}
    with planted(bug, packages) as bugged:
        yield bugged["engine"], bugged["joins"]
