"""A pipeline in virtual time: its manifest as it is written, over models that are scripts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from penstock.core.clock import VirtualClock
from penstock.core.contracts.control import ManifestText
from penstock.core.contracts.join import JoinStrategy
from penstock.core.manifests import ManifestSource, read_manifests
from penstock.core.metrics import Metrics
from penstock.core.plan.compiler import compile_pipeline
from penstock.core.records import Absent, Body, Failed, Tensors
from penstock.core.resources import Pipeline
from penstock.core.simulation import Outcome, Simulation
from penstock.core.tensors import Tensor
from penstock.testing.joins import Joins
from penstock.testing.scripts import Reaction, scripted, tensor


class SimulatedRequest:
    """What has become of one request so far. Steps of a later round of a loop are ``step@1``."""

    def __init__(self, outcome: Outcome, sent_ms: float) -> None:
        self._outcome = outcome
        self._sent_ms = sent_ms

    @property
    def answered(self) -> bool:
        """Whether there is an answer, be it a value, an absence or a failure."""
        return bool(self._outcome.answers)

    @property
    def answer(self) -> Body:
        """The answer: tensors, or the marker Absent or Failed.

        Raises LookupError while there is none.
        """
        if not self.answered:
            raise LookupError("the request has no answer yet: advance the pipeline")
        return self._outcome.answer

    @property
    def answered_ms(self) -> float:
        """How many milliseconds it took. Raises LookupError while there is no answer."""
        if not self.answered:
            raise LookupError("the request has no answer yet: advance the pipeline")
        return self._outcome.answered_ms - self._sent_ms

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why the answer is no value: the reason of the marker, and then what is told of each
        output step. Empty when it is a value, or not there yet."""
        if not self.answered or not isinstance(self.answer, Absent | Failed):
            return ()
        return (self.answer.reason, *self._outcome.answers[0][1].details)

    @property
    def missing(self) -> tuple[str, ...]:
        """The steps that joins went on without when their time was over."""
        return self._outcome.answers[0][1].passage.missing if self.answered else ()

    @property
    def calls(self) -> tuple[str, ...]:
        """The steps whose models were called, in that order; a retry is one more call."""
        return tuple(
            f"{made.step}@{made.round}" if made.round else made.step for made in self._outcome.calls
        )

    @property
    def skips(self) -> dict[str, str]:
        """The steps that were skipped, each with the reason."""
        return {step: end.reason for step, end in self._inputs() if isinstance(end, Absent)}

    @property
    def failures(self) -> dict[str, str]:
        """The steps that failed, by themselves or by a source, each with the reason."""
        return {step: end.reason for step, end in self._ends("outputs") if isinstance(end, Failed)}

    def inputs(self, step: str) -> Tensors:
        """The tensors that a step ran with, in order. Raises LookupError when it has not run."""
        for name, end in self._inputs():
            if name == step and not isinstance(end, Absent | Failed):
                return end
        raise LookupError(f"step '{step}' has not run")

    def joined_ms(self, step: str) -> float:
        """When it was decided whether a step runs, in milliseconds after the request was sent.

        Raises LookupError while it is not.
        """
        for port, records in self._outcome.ports.items():
            if _step_of(port, "inputs") == step:
                return records[0][0] - self._sent_ms
        raise LookupError(f"the inputs of step '{step}' are not joined yet")

    def _inputs(self) -> list[tuple[str, Body]]:
        return self._ends("inputs")

    def _ends(self, side: str) -> list[tuple[str, Body]]:
        return [
            (step, records[0][1])
            for port, records in self._outcome.ports.items()
            if (step := _step_of(port, side)) is not None
        ]


class SimulatedPipeline:
    """One pipeline of a manifest on the real engine, in virtual time.

    ``manifest`` is a text, or a file; models in it are not loaded, for scripts stand in for them.
    ``joins`` are strategies by the name that the manifest writes, beside the built-in ones.
    ``name`` says which pipeline is meant where the manifest has several.

    Raises ProblemsError (with line and column) when the manifest breaks a rule, PlanError when a
    join is unknown or refuses its arguments or sources, and ValueError when it is not clear which
    pipeline is meant.

    Nothing happens but by :meth:`send`, :meth:`advance` and :meth:`run`. A step without a script
    puts out the tensor ``y`` after 1 ms.
    """

    def __init__(
        self,
        manifest: str | Path,
        joins: Mapping[str, Callable[..., JoinStrategy]] | None = None,
        *,
        name: str | None = None,
    ) -> None:
        source: ManifestSource = (
            manifest
            if isinstance(manifest, Path)
            # Relative paths of models are refused without a folder, though nobody opens them here.
            else ManifestText(manifest, "<manifest>", str(Path.cwd()))
        )
        pipeline = _chosen(read_manifests([source]).of(Pipeline), name)
        self._steps = {step.name for step in pipeline.spec.steps}
        # Every port tells how it ended, whatever the manifest keeps.
        self._plan = compile_pipeline(pipeline, 1, Joins(**(joins or {})), record="all")
        self._tally = Metrics().tally(self._plan)
        self._scripts: dict[str, tuple[Reaction, ...]] = {}
        self._simulation = Simulation(scripted(self._scripts))
        self._sent = 0

    @property
    def clock(self) -> VirtualClock:
        """The time. Only :meth:`advance` and :meth:`run` may move it."""
        return self._simulation.clock

    def script(self, step: str, *reactions: Reaction) -> None:
        """Say how the calls of a step go from now on: one reaction an attempt, the last repeats.

        Raises LookupError for a step that there is not.
        """
        if step not in self._steps:
            raise LookupError(f"there is no step '{step}'; there are {sorted(self._steps)}")
        if not reactions:
            raise ValueError("a script has at least one reaction")
        self._scripts[step] = reactions

    def send(
        self, *tensors: str | Tensor, deadline_ms: float = 60_000.0, key: str = ""
    ) -> SimulatedRequest:
        """Have a request come now, with these tensors (a name is enough; ``x`` when none is said).

        ``key`` is the request's; without it every request has one of its own.
        What takes no time has happened on return.
        """
        given = tuple(tensor(each) if isinstance(each, str) else each for each in tensors or ("x",))
        now_ms = self.clock.now_ms()
        self._sent += 1
        outcome = self._simulation.begin(
            self._plan,
            given,
            at_ms=now_ms,
            deadline_ms=deadline_ms,
            identity=f"r{self._sent}",
            tally=self._tally,
            key=key.encode(),
        )
        self.advance(0.0)
        return SimulatedRequest(outcome, now_ms)

    def advance(self, by_ms: float) -> None:
        """Let so many milliseconds pass, and all happen that is due up to then."""
        if by_ms < 0:
            raise ValueError(f"time does not go back, and {by_ms} ms are negative")
        self._simulation.run(self.clock.now_ms() + by_ms)

    def run(self) -> None:
        """Let time pass until every request has ended and nothing is left to happen."""
        self._simulation.run()


def _chosen(pipelines: Mapping[str, Pipeline], name: str | None) -> Pipeline:
    if name is not None and name in pipelines:
        return pipelines[name]
    if name is None and len(pipelines) == 1:
        return next(iter(pipelines.values()))
    there = ", ".join(pipelines) or "none"
    asked = "say which by name=" if name is None else f"there is no '{name}'"
    raise ValueError(f"the manifest has the pipelines: {there}; {asked}")


def _step_of(port: str, side: str) -> str | None:
    """The step whose port this is, with the round if there is one; None for other ports."""
    step, dot, rest = port.rpartition(f".{side}")
    return f"{step}{rest}" if dot else None
