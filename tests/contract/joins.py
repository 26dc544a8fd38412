"""The laws of joins, for every strategy. Subclass :class:`JoinLaws` and give it a strategy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, TypeAlias

from hypothesis import given, settings
from hypothesis import strategies as st

from harness.joins import Joins
from harness.simulation import (
    NEVER,
    Outcome,
    Reaction,
    Simulation,
    fails,
    named,
    puts_out,
    scripted,
)
from harness.simulation import tensor as token_tensor
from penstock.core.contracts.join import (
    JoinStrategy,
    JoinView,
    Run,
    Skip,
    SourceState,
    SourceView,
)
from penstock.core.plan.compiler import compile_pipeline
from penstock.core.records import Absent, Body, Failed
from penstock.core.resources import Pipeline

Ends: TypeAlias = tuple[str, ...]
"""How each source ends: value, absent, failed or never."""

ENDS = st.lists(st.sampled_from(["value", "absent", "failed", "never"]), min_size=1, max_size=4)
DEADLINE_MS = 1000.0


@st.composite
def views(draw: st.DrawFn) -> JoinView:
    """A join as its strategy may be shown it, in the middle of a visit or at the window's end."""
    ended: list[SourceState] = draw(
        st.lists(st.sampled_from(list(SourceState)), min_size=1, max_size=4)
    )
    sources = tuple(
        SourceView(f"s{i}.outputs", state, None, None, (), None)
        if state is SourceState.OPEN
        else SourceView(
            f"s{i}.outputs",
            state,
            float(draw(st.integers(0, 9))),
            draw(st.integers(1, 4)),
            (token_tensor("y"),) if state is SourceState.VALUE else (),
            Failed("step-failed", "told", "s") if state is SourceState.FAILED else None,
        )
        for i, state in enumerate(ended)
    )
    window_end_ms = draw(st.sampled_from([None, 9.0, 50.0]))
    ends_now = window_end_ms == 9.0
    return JoinView(sources, 0.0, 9.0, window_end_ms, ends_now, DEADLINE_MS)


VIEWS = views()


def reaction(end: str, after_ms: float, *, twice: bool = False) -> Reaction:
    """A model that ends its source in that way."""
    again_ms = 0.25 if twice else None
    if end == "value":
        return puts_out("y", after_ms=after_ms, again_after_ms=again_ms)
    if end == "absent":
        return puts_out(after_ms=after_ms, again_after_ms=again_ms)
    return fails(after_ms=after_ms) if end == "failed" else NEVER


def kind_of(body: Body) -> str:
    """How a port ended, in a word."""
    if isinstance(body, Absent):
        return "absent"
    return "failed" if isinstance(body, Failed) else "value"


def law(
    **drawn: st.SearchStrategy[Any],
) -> Callable[[Callable[..., None]], Callable[[JoinLaws], None]]:
    """Check a method over what is drawn, anew in each class that inherits it.

    Hypothesis keeps its state in the decorated function, which subclasses would share.
    """

    def decorate(method: Callable[..., None]) -> Callable[[JoinLaws], None]:
        def test(self: JoinLaws) -> None:
            @settings(max_examples=60, deadline=None)
            @given(**drawn)
            def check(**values: Any) -> None:
                method(self, **values)

            check()

        test.__name__ = method.__name__
        return test

    return decorate


class JoinLaws:
    """Sources s0, s1, ... that end as told, joined by the strategy under test into one step."""

    make: ClassVar[Callable[[], JoinStrategy]]

    def joined(
        self, ends: Ends, order: tuple[int, ...], *, window_ms: int = 0, twice: bool = False
    ) -> Outcome:
        """Run one visit; source ``order[i]`` ends ``i + 1`` milliseconds after the start."""
        sources = [f"s{i}" for i in range(len(ends))]
        spec = {
            "steps": [
                *({"name": name} for name in sources),
                {
                    "name": "joined",
                    "inputs": sources,
                    "inputsJoinType": "tested",
                    "joinWindowMs": window_ms,
                    "tensorMap": {f"{name}.outputs.y": name for name in sources},
                },
            ],
            "output": {"steps": ["joined"]},
        }
        pipeline = Pipeline.model_validate({"metadata": {"name": "p"}, "spec": spec})
        plan = compile_pipeline(pipeline, 1, Joins(tested=type(self).make), record="all")
        scripts = {
            f"s{source}": reaction(ends[source], float(place + 1), twice=twice)
            for place, source in enumerate(order)
        }
        simulation = Simulation(scripted(scripts, default_ms=0.0))
        outcome = simulation.begin(plan, (token_tensor("x"),), deadline_ms=DEADLINE_MS)
        simulation.run()
        return outcome

    @law(view=VIEWS)
    def test_same_view_gets_the_same_answer(self, view: JoinView) -> None:
        strategy = type(self).make()
        assert strategy.decide(view) == strategy.decide(view) == type(self).make().decide(view)

    @law(view=VIEWS)
    def test_decision_stands_on_what_is_there(self, view: JoinView) -> None:
        decision = type(self).make().decide(view)
        if isinstance(decision, Run):
            assert decision.indexes
            assert set(decision.indexes) <= set(view.having(SourceState.VALUE))
            assert len(set(decision.indexes)) == len(decision.indexes)
        elif isinstance(decision, Skip):
            assert decision.reason
            assert set(decision.because or ()) <= set(range(len(view.sources)))
        else:
            assert not view.window_ended
            in_future = decision.until_ms is not None and decision.until_ms > view.now_ms
            assert in_future or view.having(SourceState.OPEN)

    @law(view=VIEWS, later_ms=st.integers(1, 100))
    def test_only_states_are_read_where_that_is_declared(
        self, view: JoinView, later_ms: int
    ) -> None:
        if not type(self).make().reads_states_only:
            return
        bare = tuple(
            SourceView(source.reference, source.state, None, None, (), None)
            for source in view.sources
        )
        later = view._replace(sources=bare, opened_ms=later_ms, now_ms=later_ms, deadline_ms=1e9)
        assert type(self).make().decide(later) == type(self).make().decide(view)

    @law(ends=ENDS, data=st.data(), window_ms=st.sampled_from([0, 2, 50]))
    def test_one_visit_has_one_outcome(
        self, ends: list[str], data: st.DataObject, window_ms: int
    ) -> None:
        order = tuple(data.draw(st.permutations(range(len(ends)))))
        outcome = self.joined(tuple(ends), order, window_ms=window_ms)
        assert len(outcome.ports["joined.inputs"]) == 1
        assert len(outcome.ports["joined.outputs"]) == 1
        assert len(outcome.answers) == 1
        assert len([made for made in outcome.calls if made.step == "joined"]) <= 1

    @law(ends=ENDS, data=st.data())
    def test_order_of_arrival_does_not_matter_where_it_is_declared(
        self, ends: list[str], data: st.DataObject
    ) -> None:
        if not type(self).make().order_free:
            return
        orders = [tuple(data.draw(st.permutations(range(len(ends))))) for _ in range(2)]
        first, second = (self.joined(tuple(ends), order).port("joined.inputs") for order in orders)
        assert kind_of(first) == kind_of(second)
        if kind_of(first) == "value":
            assert named(first) == named(second)

    @law(ends=ENDS, data=st.data())
    def test_duplicate_changes_nothing(self, ends: list[str], data: st.DataObject) -> None:
        order = tuple(data.draw(st.permutations(range(len(ends)))))
        once = self.joined(tuple(ends), order)
        again = self.joined(tuple(ends), order, twice=True)
        assert once.at("joined.inputs") == again.at("joined.inputs")
        assert kind_of(once.port("joined.inputs")) == kind_of(again.port("joined.inputs"))
        if kind_of(once.port("joined.inputs")) == "value":
            assert named(once.port("joined.inputs")) == named(again.port("joined.inputs"))

    @law(ends=ENDS, data=st.data())
    def test_join_ends_with_its_window_at_the_latest(
        self, ends: list[str], data: st.DataObject
    ) -> None:
        order = tuple(data.draw(st.permutations(range(len(ends)))))
        outcome = self.joined(tuple(ends), order, window_ms=10)
        came = [place + 1.0 for place, source in enumerate(order) if ends[source] != "never"]
        if came:
            assert outcome.at("joined.inputs") <= min(came) + 10.0
        else:
            assert outcome.at("joined.inputs") == DEADLINE_MS

    @law(ends=ENDS, data=st.data())
    def test_tensors_come_in_the_manifests_order(
        self, ends: list[str], data: st.DataObject
    ) -> None:
        order = tuple(data.draw(st.permutations(range(len(ends)))))
        body = self.joined(tuple(ends), order, window_ms=10).port("joined.inputs")
        if kind_of(body) == "value":
            names = [name for name, _ in named(body)]
            assert names == sorted(names)
            assert set(names) <= {f"s{i}" for i, end in enumerate(ends) if end == "value"}
