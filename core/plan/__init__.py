"""Pipelines compiled into what the engine runs."""

from penstock.core.plan.graph import (
    Consumer,
    Feed,
    JoinPlan,
    LoopBlock,
    LoopPlan,
    Member,
    Part,
    Plan,
    ReaderRound,
    StepPlan,
    Turning,
)

__all__ = [
    "Consumer",
    "Feed",
    "JoinPlan",
    "LoopBlock",
    "LoopPlan",
    "Member",
    "Part",
    "Plan",
    "ReaderRound",
    "StepPlan",
    "Turning",
]
