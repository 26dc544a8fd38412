"""The plan of one step whose visits come one by one: that of a model gateway in layout spread.

Whoever owns a request joins the inputs of its visits. How a visit is carried out then (which model
is called, with whom a call is shared, how often it is tried, what a failure means) is said by the
step's settings, which go with each visit as a text, so that a model gateway needs to know no
manifest, and visits of several versions of a pipeline meet in one stream.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from pydantic import ValidationError

from penstock.core.errors import InvalidRequestError
from penstock.core.joinspec import JoinFactories
from penstock.core.plan.graph import BatchPlan, Plan
from penstock.core.plan.single_model import compile_model
from penstock.core.records import Absent
from penstock.core.resources import Step

_SETTINGS: Final = frozenset(
    ("name", "model", "batch", "retries", "retry_backoff_ms", "timeout_ms", "on_error")
)
_ONE_ATTEMPT: Final = {"batch": None, "retries": 0, "timeout_ms": None}


def settings_of(step: Step) -> str:
    """How a step is to be called, as JSON with the keys of the manifest."""
    return step.model_dump_json(include=set(_SETTINGS), exclude_defaults=True, by_alias=True)


def step_of(settings: str) -> Step:
    """The step of such a text, without sources. Raises InvalidRequestError."""
    try:
        return Step.model_validate_json(settings)
    except ValidationError as error:
        raise InvalidRequestError(
            f"a visit's settings are '{settings[:200]}', which are none of a step: "
            f"{error.errors()[0]['msg']}"
        ) from error


def without_attempts(step: Step) -> Step:
    """The step as its owner has it, who makes one attempt and leaves the rest to others."""
    return step.model_copy(update=_ONE_ATTEMPT)


def batch_plan(step: Step, pipeline: str, version: int) -> BatchPlan | None:
    """How visits of a step share calls; None if they do not."""
    batch = step.batch
    if batch is None or batch.size is None:
        return None
    return BatchPlan(pipeline, version, step.name, batch.size, batch.window_ms)


def put_out_nothing(step: str) -> Absent:
    """How the outputs of a visit end that put nothing out."""
    return Absent(f"step '{step}' put out nothing", "left-out")


def compile_step(pipeline: str, version: int, step: Step, joins: JoinFactories) -> Plan:
    """One step of a pipeline, and an output that is its own."""
    plan = compile_model(step.name, version, joins)
    (alone,) = plan.steps
    called = replace(
        alone,
        model=step.model_name,
        timeout_ms=step.timeout_ms,
        retries=step.retries,
        backoff_ms=step.retry_backoff_ms,
        batch=batch_plan(step, pipeline, version),
        failure_is_absence=step.on_error == "absent",
        keeps_outputs=True,
        watched_outputs=True,
        put_out_nothing=put_out_nothing(step.name),
        begins_plainly=False,  # so that each call is told its round
        plain=False,
    )
    return replace(
        plan,
        name=pipeline,
        steps=(called,),
        consumers=[called, *plan.consumers[1:]],
        emits=True,
        variant=None,
        single_model=False,
        models=(step.model_name,),
    )
