"""Pipelines compiled into what the engine runs."""

from penstock.core.plan.graph import Consumer, Feed, JoinPlan, Part, Plan, StepPlan

__all__ = ["Consumer", "Feed", "JoinPlan", "Part", "Plan", "StepPlan"]
