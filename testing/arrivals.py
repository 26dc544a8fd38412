"""Sequences of arrivals: which sources of a join end, when, how, and which of them together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, NamedTuple

from hypothesis import strategies as st

from penstock.core.contracts.join import SourceState
from penstock.testing.scripts import NEVER, Reaction, fails, puts_out

JOINED: Final = "joined"
"""The step whose inputs are joined."""

LETTERS: Final = "abcdefghijklmnopqrstuvwxyz"

_WORDS: Final = {
    SourceState.VALUE: "as value",
    SourceState.ABSENT: "absent",
    SourceState.FAILED: "failed",
}


class Arrival(NamedTuple):
    """One record, ``at_ms`` milliseconds after the request came, and the sources that it ends.

    ``ends`` holds indexes of sources in ascending order, each with how it ends. A record that
    failed ends all of its sources as failed.
    """

    at_ms: int
    ends: tuple[tuple[int, SourceState], ...]

    def __str__(self) -> str:
        told = [f"{LETTERS[source]} ends {_WORDS[state]}" for source, state in self.ends]
        one = " (one record)" if len(told) > 1 else ""
        return f"{self.at_ms:>6} ms  {', '.join(told)}{one}"


@dataclass(frozen=True, slots=True)
class Arrivals:
    """All that happens to one join of ``sources`` sources (a, b, ... in the manifest's order).

    Sources that no record ends stay open. ``window_ms`` counts from the first record; None is no
    window. ``before`` are earlier requests of the same key, for joins that keep state: of each the
    sources that were values there; the others were absent.
    """

    sources: int
    records: tuple[Arrival, ...]
    window_ms: int | None = None
    before: tuple[tuple[int, ...], ...] = ()

    @property
    def opens_ms(self) -> int | None:
        """When the visit opens, None when nothing ever comes."""
        return self.records[0].at_ms if self.records else None

    @property
    def window_end_ms(self) -> int | None:
        """When the window ends, None when there is none."""
        if self.window_ms is None or self.opens_ms is None:
            return None
        return self.opens_ms + self.window_ms

    def reordered(self, order: Sequence[int]) -> Arrivals:
        """The same records at the same times, but in another order."""
        records = tuple(
            Arrival(slot.at_ms, self.records[i].ends)
            for slot, i in zip(self.records, order, strict=True)
        )
        return replace(self, records=records)

    def smaller(self) -> Iterator[Arrivals]:
        """Sequences that are a little smaller, the much smaller ones first.

        Smaller is, in this order: fewer sources, fewer ends, less before, no window or a shorter
        one, earlier records, ends at the first sources and in the manifest's order, values in place
        of absences, and those in place of failures. So a chain of smaller ones has an end.
        """
        for source in range(self.sources):
            yield self._renumbered([i for i in range(self.sources) if i != source])
        for source in range(self.sources):
            if any(source in dict(record.ends) for record in self.records):
                yield self._without(source)
        for i, values in enumerate(self.before):
            others = self.before[:i], self.before[i + 1 :]
            yield replace(self, before=others[0] + others[1])
            for source in values:
                fewer = tuple(each for each in values if each != source)
                yield replace(self, before=(*others[0], fewer, *others[1]))
        if self.window_ms is not None:
            for window_ms in (None, *_lower(self.window_ms, 1)):
                yield replace(self, window_ms=window_ms)
        for i, record in enumerate(self.records):
            earliest_ms = self.records[i - 1].at_ms if i else 0
            for at_ms in _lower(record.at_ms, earliest_ms):
                # What follows keeps its distance.
                by_ms = record.at_ms - at_ms
                yield self._with(
                    *self.records[:i],
                    *(Arrival(each.at_ms - by_ms, each.ends) for each in self.records[i:]),
                )
        came = {source: i for i, each in enumerate(self.records) for source, _ in each.ends}
        for source in range(1, self.sources):
            never = len(self.records)
            if came.get(source, never) < came.get(source - 1, never):
                order = list(range(self.sources))
                order[source - 1 : source + 1] = source, source - 1
                yield self._renumbered(order)
        for i, record in enumerate(self.records):
            for j, (source, state) in enumerate(record.ends):
                if state is SourceState.ABSENT or (
                    state is SourceState.FAILED and len(record.ends) == 1
                ):
                    end = (source, SourceState(state - 1))
                    ends = (*record.ends[:j], end, *record.ends[j + 1 :])
                    yield self._with(
                        *self.records[:i], Arrival(record.at_ms, ends), *self.records[i + 1 :]
                    )

    def _with(self, *records: Arrival) -> Arrivals:
        return replace(self, records=records)

    def _without(self, source: int) -> Arrivals:
        """The same, but the source stays open; a record that ends none goes."""
        kept = (
            Arrival(at_ms, tuple(end for end in ends if end[0] != source))
            for at_ms, ends in self.records
        )
        return self._with(*(record for record in kept if record.ends))

    def _renumbered(self, sources: Sequence[int]) -> Arrivals:
        """The same with these sources only, in this order."""
        places = {source: i for i, source in enumerate(sources)}
        kept = (
            Arrival(at_ms, tuple(sorted((places[i], end) for i, end in ends if i in places)))
            for at_ms, ends in self.records
        )
        before = tuple(
            tuple(sorted(places[i] for i in values if i in places)) for values in self.before
        )
        return Arrivals(
            len(sources), tuple(record for record in kept if record.ends), self.window_ms, before
        )

    def references(self) -> tuple[str, ...]:
        """The sources as the manifest writes them: those of one record are ports of one step."""
        steps = {source: f"r{i}" for i, each in enumerate(self.records) for source, _ in each.ends}
        return tuple(
            f"{steps.get(source, 'never')}.outputs.{LETTERS[source]}"
            for source in range(self.sources)
        )

    def spec(self, join: str) -> dict[str, Any]:
        """The ``spec`` of a pipeline whose step :data:`JOINED` joins the sources by ``join``."""
        references = self.references()
        steps = list(dict.fromkeys(reference.partition(".")[0] for reference in references))
        # Records of one time come in the order in which their steps were called.
        steps.sort(key=lambda name: (name == "never", len(name), name))
        joined = {
            "name": JOINED,
            "inputs": list(references),
            "inputsJoinType": join,
            "joinWindowMs": self.window_ms or 0,
        }
        # A join that keeps state may do so by key; the tensor of the request is one.
        steps_of = [*({"name": name} for name in steps), joined]
        return {"steps": steps_of, "input": {"key": "key"}}

    def scripts(self, *, again_after_ms: float | None = None) -> dict[str, Reaction]:
        """How the steps of :meth:`spec` end; each once more so much later, if that is given."""
        scripts = {"never": NEVER, JOINED: puts_out("y", after_ms=0.0)}
        for i, (at_ms, ends) in enumerate(self.records):
            if ends[0][1] is SourceState.FAILED:
                scripts[f"r{i}"] = replace(
                    fails(after_ms=float(at_ms)), again_after_ms=again_after_ms
                )
            else:
                values = [LETTERS[source] for source, end in ends if end is SourceState.VALUE]
                scripts[f"r{i}"] = puts_out(
                    *values, after_ms=float(at_ms), again_after_ms=again_after_ms
                )
        return scripts


def _lower(number: int, least: int) -> Iterator[int]:
    """Numbers below this one: the least that there may be, one half way, and the next."""
    yield from sorted({least, (number + least) // 2, number - 1} - {number, least - 1})


_STATES: Final = (
    SourceState.OPEN,
    # More often than the others: most of what a join does, it does with values.
    *[SourceState.VALUE] * 3,
    SourceState.ABSENT,
    SourceState.FAILED,
)


class _Drawn(NamedTuple):
    """One source as it is drawn: ``place`` puts it before and behind others."""

    state: SourceState
    place: int
    together: bool
    gap_ms: int


def arrivals(
    counts: Sequence[int], longest_gap_ms: int, *, windows: bool = True, state: bool = False
) -> st.SearchStrategy[Arrivals]:
    """Any arrivals at one of so many sources, after other requests where a join keeps ``state``.

    They shrink towards few sources and records, one after the other in the manifest's order, soon,
    and without a window.
    """
    source = st.builds(
        _Drawn,
        st.sampled_from(_STATES),
        st.integers(0, max(counts)),
        st.booleans(),
        st.integers(0, longest_gap_ms // 10) | st.integers(0, longest_gap_ms),
    )
    # A list, for hypothesis knows how to make those shorter.
    sources = st.lists(source, min_size=min(counts), max_size=max(counts)).filter(
        lambda drawn: len(drawn) in counts
    )
    window_ms = st.none() | st.integers(1, longest_gap_ms) if windows else st.none()
    values = st.frozensets(st.integers(0, max(counts) - 1))
    before = st.lists(values, max_size=3 if state else 0)
    return st.builds(_arranged, sources, window_ms, before)


def _arranged(drawn: list[_Drawn], window_ms: int | None, before: list[frozenset[int]]) -> Arrivals:
    records: list[Arrival] = []
    at_ms = 0
    for source in sorted(range(len(drawn)), key=lambda i: drawn[i].place):
        state, _, together, gap_ms = drawn[source]
        if state is SourceState.OPEN:
            continue
        if records and together:
            last = records[-1]
            # A record that failed ends all of its sources so.
            if (last.ends[0][1] is SourceState.FAILED) == (state is SourceState.FAILED):
                records[-1] = Arrival(last.at_ms, tuple(sorted((*last.ends, (source, state)))))
                continue
        at_ms += gap_ms
        records.append(Arrival(at_ms, ((source, state),)))
    earlier = tuple(tuple(sorted(i for i in each if i < len(drawn))) for each in before)
    return Arrivals(len(drawn), tuple(records), window_ms, earlier)
