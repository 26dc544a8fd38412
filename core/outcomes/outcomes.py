"""Every outcome of the pipelines of some manifests."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from penstock.core.joinspec import JoinFactories
from penstock.core.manifests.externals import external_sources
from penstock.core.manifests.findings import Finding
from penstock.core.manifests.seldon import differences_of
from penstock.core.outcomes.begun import BegunOutcomes, BegunPlays
from penstock.core.outcomes.cases import MAX_CASES, MAX_VISITS, enumerate_cases
from penstock.core.outcomes.choices import ChildOutput, Choices
from penstock.core.outcomes.dials import Dial, Setting
from penstock.core.outcomes.endings import Ending
from penstock.core.outcomes.findings import findings_of_alone, findings_of_cases
from penstock.core.outcomes.hearing import heard_together, sources_of
from penstock.core.outcomes.player import Player
from penstock.core.outcomes.ports import PortEnds, PortWatch
from penstock.core.outcomes.result import Result, each_once
from penstock.core.outcomes.rows import Row, rows_of
from penstock.core.outcomes.seldon import SeldonJoins
from penstock.core.outcomes.watch import Watch
from penstock.core.plan.compiler import compile_pipeline
from penstock.core.port_types import PipelineTypes, SignatureOf
from penstock.core.records import Port
from penstock.core.resources import Pipeline
from penstock.core.simulation import Outcome


@dataclass(frozen=True, slots=True)
class PipelineOutcomes:
    """The outcomes of one pipeline.

    ``usual`` are the rows in which no step fails, ``failing`` those in which some do, ``late``
    those in which nothing fails and a call never comes back. ``cases`` says how many cases were
    played, ``most_turned`` how many things went another way than usual at most (None: any number).
    ``never_runs`` are the steps that ran in no case, with the reason, ``findings`` what is certain
    to be wrong. ``begun`` is what comes of passages that other pipelines begin, ``ports`` are the
    ways in which those ports ended that others read.
    """

    usual: tuple[Row[Result], ...]
    failing: tuple[Row[Result], ...]
    late: tuple[Row[Result], ...]
    cases: int
    most_turned: int | None
    never_runs: Mapping[str, str]
    findings: tuple[Finding, ...]
    child: ChildOutput
    begun: BegunOutcomes
    ports: tuple[PortEnds, ...]

    @property
    def windows(self) -> tuple[str, ...]:
        """The joins that the clock ends where a call never comes back."""
        joins = (j for row in self.late for each in row.ending.endings for j in each.windows)
        return tuple(dict.fromkeys(joins))


class Outcomes:
    """The outcomes of the pipelines of one apply; none of them breaks a rule.

    ``types`` are theirs. ``most`` bounds the cases that are played of one pipeline.
    """

    def __init__(
        self,
        pipelines: Mapping[str, Pipeline],
        types: Mapping[str, PipelineTypes],
        joins: JoinFactories,
        signature_of: SignatureOf,
        most: int = MAX_CASES,
    ) -> None:
        self._pipelines = pipelines
        self._types = types
        self._joins = joins
        self._signature_of = signature_of
        self._most = most
        self._known: dict[str, PipelineOutcomes] = {}

    def of(self, name: str) -> PipelineOutcomes:
        """The outcomes of a pipeline, for which those of its steps that are pipelines are found."""
        if name not in self._known:
            pipeline = self._pipelines[name]
            children = {
                name: self.of(name).child
                for name in (step.pipeline for step in pipeline.spec.steps)
                if name is not None and name in self._pipelines
            }
            choices = Choices(pipeline, self._types[name], self._signature_of, children)
            plays = _Plays(pipeline, choices, self._joins, self._read_ports(name))
            ends = {each: self._port_ends(each) for each in sources_of(pipeline)}
            heard = heard_together(pipeline, self._pipelines)
            begun = plays.begun(ends, heard, self._most)
            self._known[name] = plays.outcomes(begun, self._most)
        return self._known[name]

    def _port_ends(self, name: str) -> Sequence[PortEnds]:
        """How the ports of a pipeline end that others read; nothing where it is not there."""
        return self.of(name).ports if name in self._pipelines else ()

    def _read_ports(self, name: str) -> list[Port]:
        """The ports of a pipeline that others read."""
        ports = (
            each.source.port
            for reader in self._pipelines.values()
            for each in external_sources(reader)
            if each.source.pipeline == name
        )
        return list(dict.fromkeys(ports))


class _Plays:
    """All that is played of one pipeline."""

    def __init__(
        self,
        pipeline: Pipeline,
        choices: Choices,
        joins: JoinFactories,
        read: Sequence[Port],
    ) -> None:
        self._pipeline = pipeline
        self._choices = choices
        plan = self._plan = compile_pipeline(pipeline, 1, joins, record="all")
        self._player = Player(plan, choices)
        self._watch = Watch(plan)
        self._ports = PortWatch(read)
        self._in_seldon: Player | None = None
        if differences_of(pipeline):
            theirs = compile_pipeline(pipeline, 1, SeldonJoins(joins), record="all")
            self._in_seldon = Player(theirs, choices)

    def begun(
        self, ends: Mapping[str, Sequence[PortEnds]], heard: Sequence[frozenset[str]], most: int
    ) -> BegunOutcomes:
        """What comes of passages that others begin; comes before :meth:`outcomes`."""
        if self._plan.entrance is None:
            return BegunOutcomes()
        plays = BegunPlays(self._pipeline, self._plan, self._player, ends, heard, self._see)
        visits = len(self._pipeline.spec.steps) * plays.plays
        return plays.outcomes(min(most, MAX_VISITS // visits))

    def outcomes(self, begun: BegunOutcomes, most: int) -> PipelineOutcomes:
        visits = len(self._pipeline.spec.steps) * len(self._player.paces)
        found = enumerate_cases(self._result, min(most, MAX_VISITS // visits))
        usual = [
            ({dial: value for dial, value in setting.items() if dial.kind != "fails"}, result)
            for setting, result in found.cases
            if not fails(setting)
        ]
        told = [(setting, result.told(setting)) for setting, result in found.cases]
        endings = [each for _, result in found.cases for each in result.endings]
        certain = found.most_turned is None
        # A step may yet run in a round that was not played.
        stops = all(each.kind != "round-again" for each in endings)
        never = self._watch.never_run() if certain and stops else {}
        return PipelineOutcomes(
            tuple(rows_of(usual)),
            tuple(rows_of(told, _is_failing)),
            tuple(rows_of(self._late([setting for setting, _ in usual], visits), _is_over)),
            len(found.cases),
            found.most_turned,
            never,
            tuple(self._findings(usual, never, begun)) if certain else (),
            child_output(endings),
            begun,
            self._ports.seen,
        )

    def _findings(
        self,
        usual: Iterable[tuple[Setting, Result]],
        never: Mapping[str, str],
        begun: BegunOutcomes,
    ) -> Iterator[Finding]:
        endings = [each for _, result in usual for each in result.endings]
        takes_all = self._watch.takes_all(self._choices)
        yield from findings_of_cases(self._pipeline, endings, never, takes_all)
        if begun.alone and begun.waits:
            yield from findings_of_alone(self._pipeline)

    def _see(self, outcome: Outcome) -> None:
        self._watch.see(outcome)
        self._ports.see(outcome)

    def _result(self, setting: Setting, late: str | None = None) -> Result:
        endings = []
        for pace in self._player.paces:
            ending, outcome = self._player.play(setting, pace, late)
            endings.append(ending)
            if late is None:
                self._see(outcome)
        theirs = None
        if self._in_seldon is not None:
            # What only their way comes to is as usual, and of no other case.
            other = self._in_seldon
            theirs = each_once(other.play({**setting}, p, late).ending for p in other.paces)
        ours = each_once(endings)
        return Result(ours, None if theirs == ours else theirs)

    def _late(self, cases: Sequence[Setting], visits: int) -> list[tuple[Setting, Result]]:
        """Of these cases, or of the first where they are many, each in which a call never comes
        back, once for each call."""
        played: list[tuple[Setting, Result]] = []
        steps = len(self._pipeline.spec.steps)
        for case in cases if len(cases) * steps * visits <= MAX_VISITS else cases[:1]:
            ending, outcome = self._player.play(dict(case), self._player.paces[0])
            if ending.kind == "round-again":
                continue
            for step in dict.fromkeys(made.step for made in outcome.calls):
                setting = {**case, Dial("late", step): True}
                played.append((setting, self._result(dict(case), step).told(setting)))
        return played


def _is_over(_: Mapping[Dial, bool], result: Result) -> bool:
    """Whether the case says more than that a loop goes round again."""
    return result.endings[0].kind != "round-again"


def _is_failing(setting: Mapping[Dial, bool], result: Result) -> bool:
    return fails(setting) and _is_over(setting, result)


def fails(setting: Mapping[Dial, bool]) -> bool:
    """Whether a step fails in this case."""
    return any(value and dial.kind == "fails" for dial, value in setting.items())


def child_output(endings: Iterable[Ending]) -> ChildOutput:
    """What a pipeline with these endings puts out as a step."""
    everything = list(endings)
    answers = [each for each in everything if each.kind == "answer"]
    names = list(dict.fromkeys(answer.tensors for answer in answers))
    if len(names) == 1:
        surely = names[0]  # with names that stand in it twice
    else:
        every = dict.fromkeys(name for tensors in names for name in tensors)
        surely = tuple(name for name in every if all(name in tensors for tensors in names))
    return ChildOutput(
        surely,
        tuple(dict.fromkeys(n for tensors in names for n in tensors if n not in surely)),
        any(answer.others for answer in answers) or not answers,
        any(each.kind == "no-output" for each in everything),
    )
