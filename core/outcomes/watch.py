"""What is to be seen of steps over all the requests that are played."""

from __future__ import annotations

import re
from typing import Final

from penstock.core.outcomes.choices import OTHERS, Choices
from penstock.core.outcomes.windows import port_and_tensor, ports_read
from penstock.core.plan import Consumer, JoinPlan, Plan
from penstock.core.records import Absent, Body, Failed
from penstock.core.simulation import Outcome

_CLASH_OF_UNKNOWN: Final = re.compile(rf"bring a tensor '[^']*{re.escape(OTHERS)}'")


class Watch:
    """Which steps ran, why others did not, and which joins took all of their sources each time."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._ran: set[str] = set()
        self._reasons: dict[str, str] = {}
        self._took_all: set[int] = set()
        self._took_less: set[int] = set()

    def see(self, outcome: Outcome) -> None:
        """Take one request into account."""
        self._ran.update(made.step for made in outcome.calls)
        for step in self._plan.steps:
            for side in ("inputs", "outputs"):
                for _, body in outcome.ports.get(f"{step.name}.{side}", []):
                    if isinstance(body, Absent | Failed):
                        self._reasons.setdefault(step.name, _said(body.reason))
            records = outcome.ports.get(f"{step.name}.inputs")
            if records:
                self._see_join(step, records[0][1], outcome)
        if self._plan.output is not None and outcome.answers:
            self._see_join(self._plan.output, outcome.answers[0][1].body, outcome)

    def never_run(self) -> dict[str, str]:
        """The steps that ran in no request, each with a reason."""
        return {
            step.name: self._reasons.get(step.name, "nothing ever comes to it")
            for step in self._plan.steps
            if step.name not in self._ran
        }

    def takes_all(self, choices: Choices) -> list[int]:
        """The consumers whose inputs were joined out of all their sources whenever they ran, and
        failed for a source otherwise, where all is known of what comes to them. They are told by
        their numbers: the steps, and then the output."""
        return [
            consumer.index
            for consumer in (*self._plan.steps, self._plan.output)
            if consumer is not None
            and len(consumer.inputs.references) > 1
            and consumer.index in self._took_all
            and consumer.index not in self._took_less
            and consumer.window_ms is None
            and all(
                choices.request.known if port == "inputs" else choices.steps[step].known
                for port in ports_read(consumer, self._plan)
                for step in (port.partition(".")[0],)
            )
        ]

    def _see_join(self, consumer: Consumer, body: Body, outcome: Outcome) -> None:
        if isinstance(body, Failed):
            return
        if isinstance(body, Absent) or len(body) < self._offered(consumer.inputs, outcome):
            self._took_less.add(consumer.index)
        else:
            self._took_all.add(consumer.index)

    def _offered(self, join: JoinPlan, outcome: Outcome) -> float:
        """How many tensors the sources of a join bring in the end, infinity if one brings none."""
        count = 0
        for text in join.references:
            port, wanted = port_and_tensor(text, self._plan)
            records = outcome.ports.get(port)
            body = records[0][1] if records else ()
            if isinstance(body, Absent | Failed):
                return float("inf")
            found = sum(1 for each in body if not wanted or each.name == wanted)
            if not found:
                return float("inf")
            count += 1 if wanted else found
        return count


def _said(reason: str) -> str:
    """A reason as people are told it, who know nothing of tensors that stand for others."""
    if _CLASH_OF_UNKNOWN.search(reason):
        return "two of its sources always bring the same tensors"
    return reason
