"""Plays a request's way through the pipelines that read it, once more."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from graphlib import TopologicalSorter

from penstock.core.cases.case import Case
from penstock.core.cases.playing import Calls, Playing
from penstock.core.errors import InvalidRequestError
from penstock.core.journal.story import Brought, Story
from penstock.core.plan import Plan


class Readers:
    """Those of a case whose way can be played, in an order in which each comes after all that it
    reads: they are ``recorded``.

    Models of readers are ``called`` where those of all steps are (``real``), and where something
    may be another one for them: where they read, directly or through others, what a step puts out
    whose model is called. What was recorded comes back in the others; ``left_out`` says of which
    that is not known.
    """

    def __init__(self, case: Case, plans: Mapping[str, Plan], real: frozenset[str]) -> None:
        self._plans = plans
        self.recorded: list[Story] = []
        self.called: set[str] = set()
        self.left_out: list[str] = []
        everything = real == all_steps(plans[case.story.pipeline])
        for story in _sources_first(case, plans):
            plan = plans[story.pipeline]
            kept = case.kept_of(story)
            story.plan = replace(plan, record=kept)
            if everything or _follows(plan, case.story.pipeline, real, self.called):
                self.called.add(story.pipeline)
            elif kept != "all":
                self.left_out.append(
                    f"pipeline '{story.pipeline}', which read it: the case has not what its steps "
                    f"put out (record: {kept}), so they cannot be played back"
                )
                continue
            self.recorded.append(story)

    async def play(self, story: Story, calls: Calls) -> list[Story]:
        """What comes of each of them after what came of the request, which is ``story``."""
        played = [story]
        for recorded in self.recorded:
            plan = self._plans[recorded.pipeline]
            real = all_steps(plan) if recorded.pipeline in self.called else frozenset()
            brought = brought_again(recorded, played)
            playing = Playing(recorded, plan, calls, real.__contains__, brought)
            played.append(await playing.play())
        return played[1:]


def all_steps(plan: Plan) -> frozenset[str]:
    """The names of the steps of a plan."""
    return frozenset(step.name for step in plan.steps)


def brought_again(recorded: Story, played: Sequence[Story]) -> list[Brought]:
    """What other pipelines bring to a request this time, with what it holds.

    Of those that were ``played`` it is what came of them, at the time when it came; what came of
    others is what was recorded. Nothing where that is not known of all of them.
    """
    again = {(story.identity, story.pipeline): story for story in played}
    found = []
    for each in recorded.brought:
        source = again.get((each.identity, each.port.pipeline))
        if source is not None:
            found += list(_records_of(each, source))
        elif each.body is not None:
            found.append(each)
        else:
            return []
    return sorted(found, key=lambda each: each.at_ms)


def _records_of(brought: Brought, source: Story) -> Iterator[Brought]:
    """The same port this time; none where it did not end."""
    for record in source.records:
        if record.port == brought.port.port:
            yield brought._replace(at_ms=record.at_ms, body=record.body)
            return


def _follows(plan: Plan, called: str, real: frozenset[str], readers: Iterable[str]) -> bool:
    """Whether something that a pipeline reads may be another one this time."""
    return any(
        port.pipeline in readers
        or (port.pipeline == called and _may_differ(port.port.step, port.port.side, real))
        for port in plan.external
    )


def _may_differ(step: str | None, side: str, real: frozenset[str]) -> bool:
    if step is None:
        return side == "outputs" and bool(real)
    return step in real


def _sources_first(case: Case, plans: Mapping[str, Plan]) -> list[Story]:
    by_name = {story.pipeline: story for story in case.readers}
    missing = [name for name in by_name if name not in plans]
    if missing:
        raise InvalidRequestError(f"the case has no manifest of pipeline '{missing[0]}'")
    sorter: TopologicalSorter[str] = TopologicalSorter()
    for name in by_name:
        sorter.add(name, *(source for source in plans[name].sources if source in by_name))
    return [by_name[name] for name in sorter.static_order()]
