"""Recorded requests that are sent again: what is sent, and how what comes back differs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, Literal, NamedTuple, TypeAlias

from penstock.core.cases.case import Case, CaseManifest
from penstock.core.cases.comparison import Difference, between
from penstock.core.errors import NoOutputError, PenstockError
from penstock.core.inference import InferenceRequest, InferenceResponse
from penstock.core.journal.story import PortRecord, Story
from penstock.core.plan import PIPELINE_SUFFIX
from penstock.core.records import Absent, Body, Failed, Headers, Port
from penstock.core.request_headers import ORIGIN_HEADER

Verdict: TypeAlias = Literal["same", "different", "failed", "left-out"]
"""``failed`` is what fails now and did not then; ``left-out`` what could not be sent again."""

VERDICTS: Final[tuple[Verdict, ...]] = ("same", "different", "failed", "left-out")

_ANSWER: Final = Port(None, "outputs")


class Replayed(NamedTuple):
    """What came of one request: its identity then, and ``again``, None where it was not sent.
    ``why`` is the error that it fails with now, or what left it out."""

    identity: str
    again: str | None
    verdict: Verdict
    differences: Sequence[Difference] = ()
    why: str | None = None


def left_out(case: Case) -> str | None:
    """Why a request cannot be sent again; None if it can."""
    story = case.story
    origin = story.headers.get(ORIGIN_HEADER)
    if origin is not None:
        return f"it is itself request {origin}, sent again"
    if story.external:
        return f"{story.begun_by} began it, and nobody called the pipeline"
    if story.result is None:
        return "it has no answer yet, or its pipeline has none"
    missing = [each.name for each in story.request.tensors if not each.has_contents]
    if missing:
        return f"the contents of its input '{missing[0]}' were withheld, or not kept"
    if not story.request.tensors:
        return "what came in is not kept any more"
    return None


def request_of(story: Story, pipeline: str) -> tuple[InferenceRequest, Headers]:
    """The same request for a pipeline, and its headers, which name it."""
    given = story.request
    request = InferenceRequest(
        given.id,
        given.tensors,
        given.parameters,
        given.outputs,
        model_name=pipeline + PIPELINE_SUFFIX,
    )
    return request, {**story.headers, ORIGIN_HEADER: story.identity}


def compared(
    story: Story,
    again: str | None,
    result: InferenceResponse | PenstockError,
    tolerance: float,
) -> Replayed:
    """What is to be said of a request that was answered again."""
    assert story.result is not None, "what has no answer is left out"
    then, now = _body_of(story.result), _body_of(result)
    found = between(_record(then), _record(now), tolerance)
    if not found:
        return Replayed(story.identity, again, "same")
    if isinstance(now, Failed) and not isinstance(then, Failed):
        return Replayed(story.identity, again, "failed", found, f"{now.code}: {now.reason}")
    return Replayed(story.identity, again, "different", found)


def _record(body: Body) -> PortRecord:
    return PortRecord(_ANSWER, 0, 0.0, body)


def _body_of(result: InferenceResponse | PenstockError) -> Body:
    if isinstance(result, InferenceResponse):
        return tuple(result.tensors)
    if isinstance(result, NoOutputError):
        return Absent(result.message)
    return Failed(result.code, result.message, result.step)


def with_pipeline(
    case: Case, pipeline: Mapping[str, Any], models: Iterable[Mapping[str, Any]]
) -> Case:
    """The case with another pipeline in place of its own, and more models, from resources as a
    server shows them."""
    story = case.story
    named = {**pipeline["metadata"], "name": story.pipeline}
    manifests = [
        _manifest({**pipeline, "metadata": named}),
        *(
            each
            for each in case.manifests
            if (each.kind, each.name) != ("Pipeline", story.pipeline)
        ),
        *map(_manifest, models),
    ]
    # A request that ran on a version that is gone has its records, and nothing says which are kept.
    steps = any(record.port.step is not None for record in story.records)
    kept = "all" if case.kept == "none" and steps else case.kept
    return replace(case, manifests=manifests, kept=kept)


def _manifest(resource: Mapping[str, Any]) -> CaseManifest:
    document = {key: resource[key] for key in ("apiVersion", "kind", "metadata", "spec")}
    return CaseManifest(document, int(resource["status"]["version"]))
