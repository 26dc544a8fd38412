"""What joins keep as records of compacted streams: by whom it was written, and what counts."""

from __future__ import annotations

from penstock.core.contracts.join import Kept
from penstock.core.contracts.transport import REMOVED, Output, Ownership
from penstock.core.engine import Passage, StateChanged
from penstock.core.plan import Plan
from penstock.core.records import Record
from penstock.core.simulation import tensor
from penstock.core.state import HEAD, StateChange
from penstock.core.streams.names import StreamNames
from penstock.core.streams.state_records import StateRecords
from unit.engine.running import compiled

NAMES = StreamNames()
STREAM = "penstock.default.pipeline.p.state.j"
PLAN = compiled(
    {
        "input": {"key": "x-who"},
        "steps": [
            {"name": "j", "inputs": ["p.inputs.x", "p.inputs.y"], "inputsJoinType": "latest"}
        ],
        "output": {"steps": ["j"]},
    }
)
KEPT = StateChange(b"k/1", 1, 7, Kept("r7", 7, 0, 12.5, (tensor("y"),)))


def records_of(epoch: int) -> StateRecords:
    return StateRecords(Ownership("g", "s", 3, epoch), NAMES)


def written(records: StateRecords, change: StateChange, plan: Plan = PLAN) -> list[Output]:
    passage = Passage(plan, "me", 0.0, 10.0)
    [join] = plan.kept_joins
    return records.outputs(StateChanged(passage, join, change))


def compacted(*outputs: Output) -> list[Record]:
    last: dict[bytes, Record] = {}
    for output in outputs:
        last.pop(output.record.key, None)
        if output.record.body != REMOVED:
            last[output.record.key] = output.record
    return list(last.values())


def restored(records: StateRecords, kept: list[Record]) -> list[StateChange]:
    return records.restored(PLAN, {STREAM: kept})["j"]


def test_every_change_comes_back_as_it_was() -> None:
    driven = StateChange(b"", 0, 9, Kept("r9", 9, 4, 1.25, ()))
    counted = StateChange(b"k/1", 0, HEAD, None, 5, 9, 1_700_000_000_000.125)
    one = records_of(1)
    outputs = [output for each in (KEPT, driven, counted) for output in written(one, each)]
    assert {(output.stream, output.partition) for output in outputs} == {(STREAM, 3)}
    assert restored(records_of(2), compacted(*outputs)) == [KEPT, driven, counted]


def test_what_is_not_kept_any_more_leaves_nothing() -> None:
    one = records_of(1)
    outputs = written(one, KEPT) + written(one, KEPT._replace(kept=None))
    assert compacted(*outputs) == []


def test_of_several_owners_the_latest_counts_whenever_the_others_wrote() -> None:
    changed = KEPT._replace(kept=Kept("r7", 7, 0, 99.0, (tensor("y", "again"),)))
    new, late = written(records_of(2), changed), written(records_of(1), KEPT)
    [found] = restored(records_of(3), compacted(*new, *late))
    assert found.kept is not None
    assert found.kept.at_ms == 99.0


def test_a_new_owner_takes_away_what_it_writes_anew() -> None:
    old = written(records_of(1), KEPT)
    two = records_of(2)
    restored(two, compacted(*old))
    gone = written(two, KEPT._replace(kept=None))
    assert compacted(*old, *gone) == []
    assert len(written(two, KEPT)) == 1, "it is gone already"


def test_what_another_join_has_kept_is_not_taken_up() -> None:
    other = compiled(
        {
            "input": {"key": "x-who"},
            "steps": [
                {"name": "j", "inputs": ["p.inputs.x", "p.inputs.z"], "inputsJoinType": "latest"}
            ],
            "output": {"steps": ["j"]},
        }
    )
    assert restored(records_of(2), compacted(*written(records_of(1), KEPT, other))) == []


def test_the_join_of_the_output_has_the_name_of_the_pipeline() -> None:
    plan = compiled(
        {
            "input": {"key": "x-who"},
            "steps": [{"name": "output"}, {"name": "b"}],
            "output": {"steps": ["output", "b"], "stepsJoin": "latest"},
        }
    )
    [output] = written(records_of(1), KEPT, plan)
    assert output.stream == "penstock.default.pipeline.p.state.p"
