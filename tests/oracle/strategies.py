"""Pipelines and requests for hypothesis to draw; both shrink towards one plain step that works.

Every graph is one that a loader accepts: references never overlap, keys of a tensor map are
covered, and tensors of one name meet only where no loader could know it.
"""

from collections.abc import Sequence
from typing import NamedTuple

from hypothesis import strategies as st

from oracle.model import (
    Attempt,
    Graph,
    Join,
    Never,
    Output,
    Produces,
    Raises,
    Scenario,
    Step,
)

PIPELINE = "p"
REQUEST = ("r", "s")  # what a request may hold
PRODUCED = ("u", "v")  # what a call may put out
PLENTY_MS = 60_000  # more than any drawn request needs that has no call without an end

_JOINS: st.SearchStrategy[Join] = st.sampled_from(("inner", "inner", "outer", "any"))
_OUTCOMES = (
    *[Produces(("u", "v"))] * 6,
    Produces(("u",)),
    Produces(("v",)),
    Produces(("v", "u")),
    Produces(()),
    *[Raises("overloaded", retriable=True)] * 2,
    Raises("step-failed", retriable=False),
    Never(),
)


class _Port(NamedTuple):
    """A port that may be read, and the names of the tensors that it may hold."""

    written: str
    short: str
    names: tuple[str, ...]


class _Source(NamedTuple):
    """One reference: a port, and one tensor of it, or all."""

    port: _Port
    tensor: str | None
    written: str

    @property
    def names(self) -> tuple[str, ...]:
        return self.port.names if self.tensor is None else (self.tensor,)

    @property
    def known(self) -> bool:
        """Whether a loader knows what it holds, without signatures of models."""
        return self.tensor is not None or not (
            self.port.short == PIPELINE or self.port.written.endswith(".outputs")
        )


def _one_in(many: int) -> st.SearchStrategy[bool]:
    return st.integers(1, many).map(lambda drawn: drawn == many)


@st.composite
def _sources(draw: st.DrawFn, ports: Sequence[_Port], most: int) -> tuple[_Source, ...]:
    found: list[_Source] = []
    chosen = st.lists(
        st.sampled_from(ports), min_size=1, max_size=most, unique_by=lambda port: port.written
    )
    for port in draw(chosen):
        if draw(_one_in(3)):
            single = st.lists(st.sampled_from(port.names), min_size=1, max_size=2, unique=True)
            found += [_Source(port, name, f"{port.written}.{name}") for name in draw(single)]
        else:
            written = port.written if draw(_one_in(4)) else port.short
            found.append(_Source(port, None, written))
    return tuple(draw(st.permutations(found)))


@st.composite
def _renames(
    draw: st.DrawFn, sources: Sequence[_Source], clashes: bool
) -> tuple[dict[str, str], tuple[str, ...]]:
    """A tensor map for these sources, and the names that come out of it."""
    names: dict[str, str] = {}
    taken: list[str] = []
    for source in sources:
        for name in source.names:
            clash = name in taken
            if (clash and not (clashes and not source.known)) or draw(_one_in(6)):
                new = next(n for k in range(99) if (n := f"{name}{k}") not in taken)
                names[f"{source.port.written}.{name}"] = new
                taken.append(new)
            elif not clash:
                taken.append(name)
    return names, tuple(taken)


def _window() -> st.SearchStrategy[int | None]:
    return st.one_of(st.none(), st.none(), st.integers(0, 400))


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    """Graphs of one to seven steps, `a` to `g`, each of which reads only those before it."""
    clashes = draw(_one_in(4))  # most of these graphs still have no two sources that could
    outputs: list[_Port] = []
    inputs: list[_Port] = []
    steps: list[Step] = []
    for name in "abcdefg"[: draw(st.integers(1, 7))]:
        ports = [_Port(f"{PIPELINE}.inputs", PIPELINE, REQUEST), *outputs * 3, *inputs]
        sources = draw(_sources(ports, 3))
        tensor_map, names = draw(_renames(sources, clashes))
        triggers = draw(_sources(ports, 2)) if draw(_one_in(4)) else ()
        plain = [source.written for source in sources] == [PIPELINE]
        steps.append(
            Step(
                name,
                inputs=() if plain else tuple(source.written for source in sources),
                join=draw(_JOINS),
                triggers=tuple(source.written for source in triggers),
                triggers_join=draw(_JOINS) if triggers else "inner",
                window_ms=draw(_window()),
                tensor_map=tensor_map,
                retries=draw(st.sampled_from((0, 0, 1, 2))),
                backoff_ms=draw(st.sampled_from((50, 50, 8, 300))),
                timeout_ms=draw(st.one_of(st.none(), st.none(), st.integers(1, 900))),
                on_error=draw(st.sampled_from(("fail", "fail", "absent"))),
            )
        )
        outputs.append(_Port(f"{name}.outputs", name, PRODUCED))
        inputs.append(_Port(f"{name}.inputs", f"{name}.inputs", names))
    if draw(_one_in(8)):
        return Graph(PIPELINE, tuple(steps))
    sources = draw(_sources([*reversed(outputs * 3), *inputs], 3))
    tensor_map, _ = draw(_renames(sources, clashes=True))
    written = tuple(source.written for source in sources)
    output = Output(written, draw(_JOINS), draw(_window()), tensor_map)
    return Graph(PIPELINE, tuple(steps), output)


@st.composite
def scenarios(draw: st.DrawFn, graph: Graph) -> Scenario:
    """Requests for this graph. Times are wide, so that two of them rarely are the same."""
    attempts = st.lists(
        st.builds(
            Attempt,
            duration_ms=st.integers(1, 1000),
            outcome=st.sampled_from(_OUTCOMES),
            duplicate_after_ms=st.one_of(st.none(), st.none(), st.integers(0, 300)),
        ),
        min_size=1,
        max_size=3,
    ).map(tuple)
    tight = draw(_one_in(5))
    # Steps of one eighth: delays are then the same numbers whatever order they are computed in.
    # With a tight deadline all are alike: a retry that is not begun for want of time may take one.
    jitter = st.integers(0, 8).map(lambda eighths: eighths / 8)
    alike = jitter.map(lambda drawn: (drawn,) * 16)
    return Scenario(
        request=draw(st.sampled_from((*[("r",)] * 4, *[REQUEST] * 4, ("s",), ()))),
        deadline_ms=draw(st.integers(0, 3000)) if tight else PLENTY_MS,
        behaviours={step.name: draw(attempts) for step in graph.steps},
        cancel_at_ms=draw(st.integers(1, 2000)) if draw(_one_in(12)) else None,
        jitter=draw(alike if tight else st.lists(jitter, max_size=8).map(tuple)),
    )
