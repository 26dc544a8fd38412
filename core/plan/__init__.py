"""Pipelines compiled into what the engine runs."""

from penstock.core.plan.graph import (
    PIPELINE_SUFFIX,
    Consumer,
    Entrance,
    ExternalPort,
    Feed,
    JoinPlan,
    LoopBlock,
    LoopPlan,
    Member,
    Part,
    Plan,
    ReaderRound,
    Recording,
    StepPlan,
    Turning,
)

__all__ = [
    "PIPELINE_SUFFIX",
    "Consumer",
    "Entrance",
    "ExternalPort",
    "Feed",
    "JoinPlan",
    "LoopBlock",
    "LoopPlan",
    "Member",
    "Part",
    "Plan",
    "ReaderRound",
    "Recording",
    "StepPlan",
    "Turning",
]
