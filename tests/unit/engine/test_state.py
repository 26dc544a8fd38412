"""Joins that keep state across requests: what their visits see, and what is kept."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.core.contracts.join import (
    Decision,
    JoinStrategy,
    JoinView,
    Keep,
    Run,
    SourceState,
    Wait,
)
from penstock.core.contracts.transport import Ownership
from penstock.core.engine import Call, Effects, Engine, Passage, StateChanged
from penstock.core.plan import Plan
from penstock.core.records import Absent, Body, Failed
from penstock.core.simulation import Outcome, Reaction, Simulation, tensor
from penstock.core.state import HEAD, StateChange, StateStore
from penstock.testing.scripts import named
from unit.engine.running import compiled


def pipeline(join: str, key: str | None = "x-who", **more: Any) -> dict[str, Any]:
    """Two steps that each read a tensor of the request, and a third that joins them."""
    third = {
        "name": "c",
        "inputs": ["a.outputs.l", "b.outputs.r"],
        "inputsJoinType": join,
        **more,
    }
    section = {} if key is None else {"input": {"key": key}}
    return {
        "steps": [
            {"name": "a", "inputs": ["p.inputs.x"]},
            {"name": "b", "inputs": ["p.inputs.y"]},
            third,
        ],
        "output": {"steps": ["c"]},
        **section,
    }


class World:
    """Requests that come one after the other; each says how long its steps take."""

    def __init__(self, spec: dict[str, Any], **joins: type[JoinStrategy]) -> None:
        self.plan: Plan = compiled(spec, **joins)
        self.took: dict[tuple[str, str], float] = {}
        self.fails: set[tuple[str, str]] = set()
        self.simulation = Simulation(self._react)
        self.requests: dict[str, Outcome] = {}

    def _react(self, call: Call) -> Reaction:
        identity, step = call.passage.identity, call.step
        after_ms = self.took.get((identity, step), 1.0)
        if (identity, step) in self.fails:
            return Reaction(after_ms, Failed("step-failed", f"{step} failed"))
        made = {"a": "l", "b": "r", "c": "out"}[step]
        return Reaction(after_ms, lambda _: (tensor(made, f"{made} of {identity}"),))

    def send(
        self,
        identity: str,
        tensors: str,
        at_ms: float,
        *,
        key: bytes = b"k",
        deadline_ms: float = 60_000.0,
        **took_ms: float,
    ) -> None:
        for step, took in took_ms.items():
            self.took[identity, step] = took
        self.requests[identity] = self.simulation.begin(
            self.plan,
            tuple(tensor(name) for name in tensors),
            at_ms=at_ms,
            deadline_ms=deadline_ms,
            identity=identity,
            key=key,
        )

    def run(self) -> None:
        self.simulation.run()
        assert self.simulation.engine.open_passages == 0

    def joined(self, identity: str) -> Body:
        return self.requests[identity].port("c.inputs")

    def tokens(self, identity: str) -> list[str]:
        return [token for _, token in named(self.joined(identity))]

    @property
    def store(self) -> StateStore:
        (consumer,) = self.plan.keeping
        assert consumer.inputs.kept is not None
        return self.simulation.engine.states.store_of("p", consumer.inputs.kept)


def test_latest_joins_what_an_earlier_request_of_the_key_brought() -> None:
    at = World(pipeline("latest"))
    at.send("one", "y", 0.0)
    at.send("other", "y", 0.0, key=b"q")
    at.send("two", "x", 10.0)
    at.run()
    one = at.joined("one")
    assert isinstance(one, Absent), "its driving source is absent"
    assert at.tokens("two") == ["l of two", "r of one"]
    assert at.requests["two"].at("c.inputs") == 11.0


def test_a_value_of_its_own_comes_before_a_kept_one() -> None:
    at = World(pipeline("latest"))
    at.send("one", "y", 0.0)
    at.send("two", "xy", 10.0, b=5.0)
    at.run()
    assert at.tokens("two") == ["l of two", "r of two"]
    assert at.requests["two"].at("c.inputs") == 15.0


def test_a_late_record_of_an_older_request_changes_nothing() -> None:
    at = World(pipeline("latest"))
    at.send("old", "y", 0.0, b=20.0)
    at.send("new", "y", 1.0)
    at.send("reads", "x", 30.0)
    at.run()
    assert at.tokens("reads") == ["l of reads", "r of new"]


def test_a_record_that_comes_after_its_visit_was_decided_is_kept() -> None:
    at = World(pipeline("latest", joinWindowMs=5))
    at.send("first", "y", 0.0)
    at.send("slow", "xy", 10.0, b=50.0)
    at.send("reads", "x", 100.0)
    at.run()
    assert at.tokens("slow") == ["l of slow", "r of first"]
    assert at.requests["slow"].at("c.inputs") == 16.0
    assert at.requests["slow"].answers[0][1].passage.missing == ("b",)
    assert at.tokens("reads") == ["l of reads", "r of slow"]


@pytest.mark.parametrize(
    ("join", "tokens", "at_ms"),
    [
        ("latest", None, 1.0),
        ("latest(missing='run')", ["l of r"], 1.0),
        ("latest(withinMs=20)", ["l of r", "r of later"], 11.0),
        ("latest(withinMs=5)", None, 5.0),
        ("latest(missing='run', withinMs=5)", ["l of r"], 5.0),
    ],
)
def test_where_there_is_none(join: str, tokens: list[str] | None, at_ms: float) -> None:
    at = World(pipeline(join))
    at.send("r", "x", 0.0)
    at.send("later", "y", 10.0)
    at.run()
    assert at.requests["r"].at("c.inputs") == at_ms
    if tokens is None:
        end = at.joined("r")
        assert isinstance(end, Absent)
        assert "no value of b.outputs.r is there" in end.reason
    else:
        assert at.tokens("r") == tokens


def test_failures() -> None:
    at = World(pipeline("latest"))
    at.fails |= {("none", "b"), ("some", "b"), ("drives", "a")}
    at.send("none", "xy", 0.0)
    at.send("value", "y", 10.0)
    at.send("some", "xy", 20.0)
    at.send("drives", "x", 30.0)
    at.run()
    assert isinstance(at.joined("none"), Failed)
    assert at.tokens("some") == ["l of some", "r of value"]
    assert isinstance(at.joined("drives"), Failed)


def test_age() -> None:
    at = World(pipeline("latest(maxAgeMs=100)"))
    at.send("one", "y", 0.0)
    at.send("young", "x", 99.0)
    at.send("old", "x", 150.0)
    at.run()
    assert at.tokens("young") == ["l of young", "r of one"]
    assert isinstance(at.joined("old"), Absent)
    assert len(at.store) == 0, "nothing is left of a key whose state is too old"


def test_stream_needs_no_key_and_the_driver_may_be_another() -> None:
    at = World(pipeline("latest(by='stream', driver='b.outputs.r')", None))
    at.send("one", "x", 0.0, key=b"")
    at.send("two", "y", 10.0, key=b"")
    at.run()
    assert at.tokens("two") == ["l of one", "r of two"]
    assert {each.key for each in at.store.export()} == {b""}


@pytest.mark.parametrize(
    ("request_", "ends"),
    [("xt", "runs"), ("x", "skipped"), ("xyt", "runs"), ("xy", "skipped")],
)
def test_triggers_gate_a_join_that_keeps_state(request_: str, ends: str) -> None:
    at = World(pipeline("latest", triggers=["p.inputs.t"]))
    at.send("before", "y", 0.0)
    at.send("r", request_, 10.0)
    at.send("after", "xt", 20.0)
    at.run()
    if ends == "runs":
        assert at.tokens("r") == ["l of r", "r of r" if "y" in request_ else "r of before"]
        assert at.requests["r"].at("c.inputs") == 11.0
    else:
        assert at.joined("r") == Absent("step 'c' was skipped: p.inputs.t is absent", "absent")
    # What it brought is kept, whatever its triggers said.
    assert at.tokens("after") == ["l of after", "r of r" if "y" in request_ else "r of before"]


def test_triggers_of_a_join_that_keeps_state_may_come_last() -> None:
    spec = pipeline("latest", triggers=["b"])
    spec["steps"][2]["inputs"] = ["a.outputs.l", "p.inputs.y"]
    at = World(spec)
    at.send("r", "xy", 0.0, b=9.0)
    at.run()
    assert at.requests["r"].at("c.inputs") == 9.0
    assert [name for name, _ in named(at.joined("r"))] == ["l", "y"]


def test_keys_are_bounded() -> None:
    at = World(pipeline("latest(maxKeys=2)"))
    for i in range(5):
        at.send(f"r{i}", "y", 10.0 * i, key=b"%d" % i)
    at.send("gone", "x", 100.0, key=b"0")
    at.send("there", "x", 110.0, key=b"4")
    at.run()
    assert isinstance(at.joined("gone"), Absent)
    assert at.tokens("there") == ["l of there", "r of r4"]
    assert len(at.store) == 2


def test_zip_joins_the_nth_with_the_nth_in_the_order_of_requests() -> None:
    at = World(pipeline("zip"))
    at.send("a1", "x", 0.0, a=50.0)  # what comes later does not overtake it
    at.send("a2", "x", 1.0)
    at.send("b1", "y", 2.0, b=10.0)
    at.send("b2", "y", 3.0)
    at.send("other", "y", 3.0, key=b"q")
    at.run()
    assert at.tokens("a1") == ["l of a1", "r of b1"]
    assert at.tokens("a2") == ["l of a2", "r of b2"]
    assert len(at.store) == 1, "only the key with a partner that waits"


def test_zip_keeps_pairs_together_when_a_visit_gives_up() -> None:
    at = World(pipeline("zip", joinWindowMs=20))
    at.send("a1", "x", 0.0)
    at.send("b1", "y", 100.0)
    at.send("a2", "x", 110.0)
    at.send("b2", "y", 115.0)
    at.run()
    end = at.joined("a1")
    assert isinstance(end, Absent)
    assert end.cause == "join-expired"
    assert at.tokens("a2") == ["l of a2", "r of b2"]
    assert len(at.store) == 0


def test_zip_after_a_deadline() -> None:
    at = World(pipeline("zip"))
    at.send("a1", "x", 0.0, deadline_ms=50.0)
    at.send("a2", "x", 10.0)
    at.send("b1", "y", 100.0)
    at.send("b2", "y", 110.0)
    at.run()
    assert isinstance(at.joined("a1"), Failed)
    assert at.tokens("a2") == ["l of a2", "r of b2"]


def test_zip_goes_on_as_soon_as_a_request_that_came_before_is_given_up() -> None:
    at = World(pipeline("zip"))
    at.send("a1", "x", 0.0, deadline_ms=50.0, a=1000.0)
    at.send("b1", "y", 1.0, deadline_ms=69.0, b=1000.0)
    at.send("a2", "x", 10.0)
    at.send("b2", "y", 20.0)
    at.run()
    # The values wait in their order: a2 for a1, and b2 for b1, which never comes.
    assert at.tokens("a2") == ["l of a2", "r of b2"]
    assert at.requests["a2"].at("c.inputs") == 70.0


def test_zip_at_its_bound() -> None:
    at = World(pipeline("zip(most=2)"))
    for i in range(3):
        at.send(f"b{i}", "y", float(i))
    for i in range(3):
        at.send(f"a{i}", "x", 10.0 + i)
    at.run()
    end = at.joined("a0")
    assert isinstance(end, Absent)
    assert end.cause == "partner-lost"
    assert at.tokens("a1") == ["l of a1", "r of b1"]
    assert at.tokens("a2") == ["l of a2", "r of b2"]


def test_within_one_request() -> None:
    at = World(pipeline("zip"))
    at.send("r", "xy", 0.0, b=5.0)
    at.run()
    assert at.tokens("r") == ["l of r", "r of r"]


def test_strategy_that_keeps_state_sees_times_and_instants_of_its_own_sources() -> None:
    seen: list[JoinView] = []

    class Watcher(JoinStrategy):
        scope = "key"
        keep = Keep()

        def decide(self, view: JoinView) -> Decision:
            seen.append(view)
            return Wait() if view.having(SourceState.OPEN) else Run((0, 1))

    at = World(pipeline("watcher", joinWindowMs=90), watcher=Watcher)
    at.send("r", "xy", 100.0, b=8.0)
    at.run()
    views = [view for view in seen if not view.window_ended]
    assert [(view.opened_ms, view.now_ms, view.window_end_ms) for view in views] == [
        (101.0, 101.0, 191.0),
        (101.0, 108.0, 191.0),
    ]
    first, last = views
    assert [source.ended_ms for source in first.sources] == [101.0, None]
    assert [source.ended_ms for source in last.sources] == [101.0, 108.0]
    at_first, at_last = (source.instant for source in last.sources)
    assert at_first is not None
    assert at_last is not None
    assert at_first < at_last


def test_what_one_record_brings_to_a_join_that_keeps_state_comes_at_one_instant() -> None:
    seen: list[JoinView] = []

    class Watcher(JoinStrategy):
        scope = "key"
        keep = Keep()

        def decide(self, view: JoinView) -> Decision:
            seen.append(view)
            return Run((0, 1))

    spec = pipeline("watcher")
    spec["steps"][2]["inputs"] = ["p.inputs.x", "p.inputs.y"]
    at = World(spec, watcher=Watcher)
    at.send("r", "xy", 0.0)
    at.run()
    (view,) = seen
    assert view.sources[0].instant == view.sources[1].instant is not None


Sent = tuple[str, int, int, int, int]
"""Which tensors, which key, how long after the one before, how long a takes and b."""

SENT = st.lists(
    st.tuples(
        st.sampled_from(["x", "y", "xy", ""]),
        st.integers(0, 1),
        st.integers(0, 5),
        st.integers(0, 30),
        st.integers(0, 30),
    ),
    max_size=12,
)


@pytest.mark.hunt
@settings(max_examples=200, deadline=None)
@given(SENT)
def test_zip_is_zip(sent: list[Sent]) -> None:
    """Whatever the order in which records come, the n-th is joined with the n-th."""
    at = World(pipeline("zip"))
    now_ms = 0.0
    values: dict[tuple[str, int], list[str]] = {}
    for i, (tensors, key, gap, a_ms, b_ms) in enumerate(sent):
        now_ms += gap
        # The request itself has to wait long enough for the others.
        at.send(f"r{i}", tensors or "z", now_ms, key=b"%d" % key, a=a_ms, b=b_ms)
        for name in tensors:
            values.setdefault((name, key), []).append(f"r{i}")
    at.run()
    for key in (0, 1):
        drivers, partners = values.get(("x", key), []), values.get(("y", key), [])
        for n, driver in enumerate(drivers):
            if n < len(partners):
                assert at.tokens(driver) == [f"l of {driver}", f"r of {partners[n]}"]
            else:
                assert isinstance(at.joined(driver), Failed), "it waits up to its deadline"


@pytest.mark.hunt
@settings(max_examples=200, deadline=None)
@given(SENT)
def test_latest_is_the_newest_that_had_come(sent: list[Sent]) -> None:
    at = World(pipeline("latest(missing='run')"))
    now_ms = 0.0
    came: list[tuple[float, int, int]] = []
    for i, (tensors, key, gap, a_ms, b_ms) in enumerate(sent):
        now_ms += gap
        at.send(f"r{i}", tensors or "z", now_ms, key=b"%d" % key, a=a_ms, b=b_ms)
        if "y" in tensors:
            came.append((now_ms + b_ms, i, key))
    at.run()
    for i, (tensors, key, *_) in enumerate(sent):
        if "x" not in tensors:
            assert isinstance(at.joined(f"r{i}"), Absent)
            continue
        joined_ms = at.requests[f"r{i}"].at("c.inputs")
        tokens = at.tokens(f"r{i}")
        if "y" in tensors:
            assert tokens == [f"l of r{i}", f"r of r{i}"]
            continue
        surely = [n for at_ms, n, of in came if of == key and at_ms < joined_ms]
        perhaps = [n for at_ms, n, of in came if of == key and at_ms <= joined_ms]
        # Records of one instant come in any order: any of them may be the newest that had come.
        oldest = max(surely, default=-1)
        possible = [[f"l of r{i}", f"r of r{n}"] for n in perhaps if n >= oldest]
        if not surely:
            possible.append([f"l of r{i}"])
        assert tokens in possible


def timeless(changes: list[StateChange]) -> list[StateChange]:
    return sorted((each._replace(at_ms=0.0) for each in changes), key=lambda each: each[:3])


def test_state_is_what_its_changes_make_it() -> None:
    """Written to a compacted topic and read back, it goes on as if nothing had happened."""
    rng = random.Random(7)
    at = World(pipeline("zip"))
    changes: list[StateChanged] = []
    carry_out = at.simulation._carry_out

    def noting(out: Any) -> None:
        carry_out(out)
        changes.extend(each for each in out if isinstance(each, StateChanged))

    at.simulation._carry_out = noting  # type: ignore[method-assign]  # to see effects that a driver of one process ignores
    for i in range(60):
        tensors = rng.choice(["x", "y", "y"])
        at.send(f"r{i}", tensors, 5.0 * i, key=b"%d" % rng.randrange(3), deadline_ms=20.0)
    at.run()
    newest = {
        (each.change.key, each.change.source, each.change.position): each.change for each in changes
    }
    written = sorted(at.store.export(), key=lambda each: each[:3])
    kept = [each for each in newest.values() if each.kept is not None or each.counted]
    again = StateStore(Keep(most=1000, numbered=True), 2, 0)
    again.restore(kept)
    # When a key changed last is not known to the millisecond.
    assert timeless(again.export()) == timeless(written)
    assert {each.join.consumer for each in changes} == {at.plan.keeping[0].name}
    assert any(each.position == HEAD for each in written)
    assert any(each.kept is not None for each in written)


def test_place_of_a_request_is_what_its_driver_says() -> None:
    """Whoever takes requests from a stream knows better than the engine in what order they came."""
    plan, engine = compiled(pipeline("latest")), Engine(lambda: 0.5)
    out: Effects = []
    for identity, position in (("newer", 41), ("older", 40)):
        passage = Passage(plan, identity, 0.0, 1000.0, key=b"k")
        engine.open(passage, (tensor("y"),), out, position)
    for call in [each for each in out if isinstance(each, Call)]:
        engine.done(call, (tensor("r"),), 1.0, out)
    changes = [each.change for each in out if isinstance(each, StateChanged)]
    kept = [change.kept for change in changes if change.kept is not None]
    assert (kept[0].identity, kept[0].position) == ("newer", 41)
    engine.open(Passage(plan, "driving", 2.0, 1000.0, key=b"k"), (tensor("x"),), out, 42)
    engine.done(next(c for c in reversed(out) if isinstance(c, Call)), (tensor("l"),), 3.0, out)
    joined = next(each for each in reversed(out) if isinstance(each, Call))
    assert joined.step == "c"
    assert [name for name, _ in named(joined.tensors)] == ["l", "r"]
    assert {change.position for change in changes} <= {40, 41}


def read_again(at: World) -> World:
    """The next owner, who has read what was kept."""
    again = World(pipeline("zip"))
    again.store.restore(at.store.export())
    return again


def test_what_is_read_again_is_as_old_as_it_was() -> None:
    at = World(pipeline("zip"))
    at.send("one", "x", 100_000_000.0, deadline_ms=50.0)
    at.run()
    again = read_again(at)
    again.send("one again", "", 100_000_500.0)
    again.send("late", "y", 100_001_000.0)
    again.send("two", "xy", 100_002_000.0)
    again.run()
    assert again.tokens("two") == ["l of two", "r of two"], "what came late was for the first"


def test_a_record_that_was_counted_is_not_counted_again_by_the_next_owner() -> None:
    at = World(pipeline("zip"))
    at.send("one", "x", 0.0, deadline_ms=50.0)
    at.run()
    again = read_again(at)
    again.send("one", "x", 100.0, deadline_ms=50.0)
    again.run()
    [head] = [each for each in again.store.export() if each.position == HEAD]
    assert (head.source, head.counted, head.passed) == (0, 1, 0)


@pytest.mark.parametrize("wanted", [(0, 1), (0, -1), (2, 0), (-1, 0)])
def test_a_strategy_cannot_take_a_kept_record_that_is_not_there(wanted: tuple[int, int]) -> None:
    """There is one record of source 1 when the second request comes, and no source 2."""

    class Greedy(JoinStrategy):
        scope = "key"
        keep = Keep()

        def decide(self, view: JoinView) -> Decision:
            if view.sources[0].state is SourceState.OPEN:
                return Wait()
            source, number = wanted
            return Run((0, 1, source) if source > 1 else (0, 1), ((source or 1, number),))

    at = World(pipeline("greedy"), greedy=Greedy)
    at.send("one", "y", 0.0)
    at.send("two", "x", 10.0)
    at.run()
    end = at.joined("two")
    assert isinstance(end, Absent)
    assert end.cause == "join-error"
    assert "wanted to run with" in end.reason


def test_a_join_of_which_nothing_was_kept_begins_with_nothing() -> None:
    at = World(pipeline("latest"))
    ownership = Ownership("g", "s", 0, 1)
    states = at.simulation.engine.states
    states.restore(at.plan, ownership, {})
    kept = at.plan.keeping[0].inputs.kept
    assert kept is not None
    assert states.store_of("p", kept, ownership).export() == []


def test_a_visit_to_which_nothing_has_come_is_not_asked_when_something_is_kept() -> None:
    """Its time runs from its first record on, also for a join that would take what is kept."""

    class Taking(JoinStrategy):
        scope = "key"
        keep = Keep()

        def decide(self, view: JoinView) -> Decision:
            return Run((1,), ((1, 0),)) if view.sources[1].kept else Wait()

    at = World(pipeline("taking"), taking=Taking)
    at.send("two", "xy", 5.0, a=50.0, b=90.0)
    at.send("one", "y", 6.0, b=20.0)
    at.run()
    # What it takes was kept at 26.
    assert at.tokens("two") == ["r of one"]
    assert at.requests["two"].at("c.inputs") == 55.0


def test_what_was_kept_of_a_partition_is_taken_up_by_the_join_that_kept_it() -> None:
    at = World(pipeline("latest"))
    at.send("one", "y", 0.0)
    at.run()
    kept = at.store.export()
    again = World(pipeline("latest"))
    ownership = Ownership("g", "s", 0, 1)
    states = again.simulation.engine.states
    join = again.plan.keeping[0].inputs.kept
    assert join is not None
    states.restore(again.plan, ownership, {"another": kept, join.consumer: kept})
    assert kept
    assert timeless(list(states.store_of("p", join, ownership).export())) == timeless(list(kept))
    states.release(ownership)
    states.restore(again.plan, ownership, {"another": kept})
    assert list(states.store_of("p", join, ownership).export()) == []


def test_triggers_of_a_step_that_keeps_state_end_at_their_times() -> None:
    seen: list[JoinView] = []

    class Watcher(JoinStrategy):
        scope = "request"

        def decide(self, view: JoinView) -> Decision:
            seen.append(view)
            return Wait() if view.having(SourceState.OPEN) else Run((0,))

    at = World(
        pipeline("latest", triggers=["b"], triggersJoinType="watcher", joinWindowMs=90),
        watcher=Watcher,
    )
    at.send("r", "xy", 100.0, a=3.0, b=8.0)
    at.run()
    assert [source.ended_ms for view in seen for source in view.sources] == [None, 108.0]


def test_nothing_is_kept_for_a_visit_that_its_triggers_have_skipped() -> None:
    """The second request brings what the first one would have waited for."""
    at = World(pipeline("zip", triggers=["p.inputs.go"]))
    at.send("one", "x", 0.0)
    at.send("two", "y", 10.0)
    at.run()
    end = at.joined("one")
    assert isinstance(end, Absent)
    assert "p.inputs.go" in end.reason
    assert not any(change.kept for change in at.store.export())


def test_requests_see_the_state_of_the_ownership_under_which_they_were_taken() -> None:
    plan, engine = compiled(pipeline("latest")), Engine(lambda: 0.5)
    joined: list[tuple[str, list[str]]] = []

    def send(identity: str, name: str, epoch: int) -> None:
        out: Effects = []
        ownership = Ownership("g", "s", 0, epoch)
        passage = Passage(plan, identity, 0.0, 1000.0, key=b"k", ownership=ownership)
        engine.open(passage, (tensor(name),), out)
        for effect in out:
            if isinstance(effect, Call):
                if effect.step == "c":
                    joined.append((identity, [each for each, _ in named(effect.tensors)]))
                made = {"a": "l", "b": "r", "c": "out"}[effect.step]
                engine.done(effect, (tensor(made),), 1.0, out)

    send("one", "y", 1)
    send("two", "x", 1)
    send("three", "x", 2)
    assert joined == [("two", ["l", "r"])]
