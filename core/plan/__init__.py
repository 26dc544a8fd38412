"""Pipelines compiled into what the engine runs."""

from penstock.core.plan.graph import (
    PIPELINE_SUFFIX,
    BatchPlan,
    Consumer,
    Feed,
    JoinPlan,
    LineName,
    LoopBlock,
    LoopPlan,
    Member,
    OrderPlan,
    Part,
    Plan,
    ReaderRound,
    Recording,
    StepPlan,
    Turning,
)

__all__ = [
    "PIPELINE_SUFFIX",
    "BatchPlan",
    "Consumer",
    "Feed",
    "JoinPlan",
    "LineName",
    "LoopBlock",
    "LoopPlan",
    "Member",
    "OrderPlan",
    "Part",
    "Plan",
    "ReaderRound",
    "Recording",
    "StepPlan",
    "Turning",
]
