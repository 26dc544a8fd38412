"""Makes a case of what the journal knows of a request: with its manifests, and redacted."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeAlias

from penstock.core.cases.case import Case, CaseManifest, Withholding
from penstock.core.cases.writer import write_case
from penstock.core.contracts.redactor import Redactor, TensorPlace, Withheld
from penstock.core.errors import InternalError
from penstock.core.inference import InferenceRequest, InferenceResponse
from penstock.core.journal.story import Brought, PortRecord, Story
from penstock.core.parameters import Parameters
from penstock.core.records import Absent, Body, Failed, Port, Tensors
from penstock.core.tensors import Tensor

ManifestOf: TypeAlias = Callable[[str, str], CaseManifest | None]
"""The manifest of a kind and name that is in force now, None when there is none."""


class CaseExporter:
    """Makes cases. ``redactors`` by name have the last word on everything; ``config`` has the
    settings that go into every case, ``stories`` what is known of other requests."""

    def __init__(
        self,
        manifests: ManifestOf,
        redactors: Mapping[str, Redactor],
        config: Mapping[str, Any],
        stories: Callable[[str], Sequence[Story]] = lambda identity: (),
    ) -> None:
        self._stories = stories
        self._manifests = manifests
        self._redactors = redactors
        self._config = config

    async def file(
        self, story: Story, children: Sequence[Story], readers: Sequence[Story]
    ) -> bytes:
        """The case of a request as a file; raises as :meth:`case`. It is packed in a thread, since
        that takes its time."""
        return await asyncio.to_thread(write_case, self.case(story, children, readers))

    def case(self, story: Story, children: Sequence[Story], readers: Sequence[Story] = ()) -> Case:
        """The case of a request, with those that it made of other pipelines and its way through
        ``readers``. Raises InternalError, naming the redactor, when one fails."""
        redaction = _Redaction(self._redactors)
        stories = [story, *children, *readers]
        brought = {each: self._brought(each, stories) for each in stories}
        # Twice, since what shares contents with what may be seen from the other end only.
        for each in (*stories, *stories):
            redaction.look_at(each, brought[each])
        written = [redaction.story(each, brought[each]) for each in stories]
        manifests, missing = self._collected(stories)
        end = 1 + len(children)
        return Case(
            written[0],
            written[1:end],
            manifests,
            redaction.withheld,
            [*_missing(stories), *_missing_brought(brought, stories), *missing],
            self._config,
            "none" if story.plan is None else story.plan.record,
            written[end:],
        )

    def _brought(self, story: Story, stories: Sequence[Story]) -> list[Brought]:
        """What other pipelines brought to a request, with what it held where nothing in the case
        says so."""
        return [
            each
            if _is_among(each, stories)
            else each._replace(body=_body_of(each, self._stories(each.identity)))
            for each in story.brought
        ]

    def _collected(self, stories: Sequence[Story]) -> tuple[list[CaseManifest], list[str]]:
        """The manifests of pipelines and models that had a part in it, and what is not there."""
        manifests: dict[tuple[str, str], CaseManifest] = {}
        missing = []
        wanted: dict[tuple[str, str], int | None] = {}
        for story in stories:
            plan = story.plan
            if plan is None or plan.pipeline is None:
                continue
            document = plan.pipeline.document()
            manifests["Pipeline", plan.name] = CaseManifest(document, plan.version)
            for step, version in zip(plan.steps, story.versions, strict=False):
                name, is_pipeline, _ = step.model.partition(".")
                wanted["Pipeline" if is_pipeline else "Model", name] = version
        for (kind, name), version in wanted.items():
            if (kind, name) in manifests:
                continue
            found = self._manifests(kind, name)
            if found is None:
                missing.append(f"the manifest of {kind.lower()} '{name}': there is none any more")
                continue
            manifests[kind, name] = found
            if version is not None and version != found.version:
                missing.append(
                    f"the manifest of {kind.lower()} '{name}', version {version}, which served "
                    f"then: there is that of version {found.version}"
                )
        return list(manifests.values()), missing


def _is_among(brought: Brought, stories: Sequence[Story]) -> bool:
    """Whether a record is that of a request in the case."""
    wanted = (brought.identity, brought.port.pipeline)
    return any((story.identity, story.pipeline) == wanted for story in stories)


def _body_of(brought: Brought, stories: Sequence[Story]) -> Body | None:
    """What a record of another request held, as far as that is remembered."""
    return next(
        (
            record.body
            for story in stories
            if story.pipeline == brought.port.pipeline
            for record in story.records
            if record.port == brought.port.port
        ),
        None,
    )


def _missing_brought(
    brought: Mapping[Story, Sequence[Brought]], stories: Sequence[Story]
) -> Iterator[str]:
    for story, records in brought.items():
        for each in records:
            if each.body is None and not _is_among(each, stories):
                yield (
                    f"what {each.port} of request {each.identity} brought to pipeline "
                    f"'{story.pipeline}': that request is not remembered any more"
                )


def _missing(stories: Sequence[Story]) -> Iterator[str]:
    for story in stories:
        kept = None if story.plan is None else story.plan.record
        if kept != "all" and (story is stories[0] or story.external):
            what = "its ports" if kept == "none" else "the ports of its steps"
            yield f"{what}: pipeline '{story.pipeline}' has record: {kept}; all keeps them"
    for each in stories:
        omitted = [str(record.port) for record in each.records if record.omitted]
        if omitted:
            yield (
                f"contents of {', '.join(omitted)} of request {each.identity}: there was no room "
                "for them; raise limits.recordedBytes"
            )
        if each.ended_ms is None:
            yield f"the end of request {each.identity}: it was still under way"


class _Redaction:
    """What redactors make of one case.

    Contents are shared by tensors of several ports and names, also by those that a model returned
    as it got them, so every tensor is shown first (:meth:`look_at`), and what was done to contents
    once is done to them everywhere.
    """

    def __init__(self, redactors: Mapping[str, Redactor]) -> None:
        self._redactors = redactors
        self._verdicts: dict[Hashable, Tensor | Withheld] = {}
        self.withheld: list[Withholding] = []

    def look_at(self, story: Story, brought: Sequence[Brought]) -> None:
        """Show every tensor of a request to the redactors, and of what was brought to it."""
        if not self._redactors:
            return
        for place, tensor in (*_tensors_of(story), *_tensors_brought(brought)):
            if not (tensor.size and tensor.has_contents):
                continue
            verdict = self._verdict(tensor)
            if verdict is tensor:
                verdict = self._redacted(tensor, place)
            if verdict is not tensor:
                self._verdicts.update(dict.fromkeys(_memory(tensor), verdict))

    def story(self, story: Story, brought: Sequence[Brought]) -> Story:
        """The request as it is written."""
        request, result = story.request, story.result
        inputs, outputs = Port(None, "inputs"), Port(None, "outputs")
        written = Story(
            story.identity,
            story.pipeline,
            story.version,
            InferenceRequest(
                request.id,
                self._tensors(request.tensors, story, inputs, 0),
                self._parameters(request.parameters),
                request.outputs,
            ),
            self._headers(story.headers),
            story.opened_ms,
            story.deadline_ms,
            asynchronous=story.asynchronous,
            external=story.external,
            plan=story.plan,
            versions=story.versions,
        )
        for each in brought:
            body = each.body
            if not (body is None or isinstance(body, Absent | Failed)):
                body = tuple(self._shown(tensor) for tensor in body)
            written.add_brought(each._replace(body=body))
        for record in story.records:
            body = record.body
            if not isinstance(body, Absent | Failed):
                body = self._tensors(body, story, record.port, record.round)
            written.add(PortRecord(record.port, record.round, record.at_ms, body, record.omitted))
        for attempt in story.attempts:
            written.add_attempt(attempt)
        if isinstance(result, InferenceResponse):
            tensors = self._tensors(result.tensors, story, outputs, 0)
            result = InferenceResponse(
                result.model_name, result.model_version, result.id, tensors, result.parameters
            )
        if result is not None:
            written.settle(result, story.answered_ms or story.opened_ms)
        written.failures.extend(story.failures)
        if story.ended_ms is not None:
            written.end(story.ended_ms)
        return written

    def _redacted(self, tensor: Tensor, place: TensorPlace) -> Tensor | Withheld:
        kept = tensor
        for name, redactor in self._redactors.items():
            with _blamed(name):
                verdict = redactor.redact(kept, place)
                if isinstance(verdict, Withheld):
                    return verdict
                if not isinstance(verdict, Tensor) or verdict.name != tensor.name:
                    raise TypeError(f"it made {verdict!r} of the tensor '{tensor.name}'")
            kept = verdict
        return kept

    def _tensors(self, tensors: Tensors, story: Story, port: Port, round_number: int) -> Tensors:
        return tuple(self._tensor(tensor, story, port, round_number) for tensor in tensors)

    def _tensor(self, tensor: Tensor, story: Story, port: Port, round_number: int) -> Tensor:
        verdict = self._verdict(tensor)
        if isinstance(verdict, Withheld):
            note = Withholding(
                story.identity, port, round_number, tensor.name, verdict.note, story.pipeline
            )
            if note not in self.withheld:
                self.withheld.append(note)
        return self._shown(tensor)

    def _shown(self, tensor: Tensor) -> Tensor:
        """A tensor as it is written."""
        verdict = self._verdict(tensor)
        parameters = self._parameters(tensor.parameters)
        if isinstance(verdict, Withheld):
            return Tensor(tensor.name, tensor.datatype, tensor.shape, b"", parameters)
        if verdict is tensor and parameters == tensor.parameters:
            return tensor
        other = verdict.renamed(tensor.name)
        other.parameters = parameters
        return other

    def _verdict(self, tensor: Tensor) -> Tensor | Withheld:
        """What was made of these contents; the tensor itself where nothing was."""
        if not (self._verdicts and tensor.size and tensor.has_contents):
            return tensor
        found = (self._verdicts.get(key) for key in _memory(tensor))
        return next((verdict for verdict in found if verdict is not None), tensor)

    def _parameters(self, parameters: Parameters) -> Parameters:
        kept = dict(parameters)
        for name, redactor in self._redactors.items():
            with _blamed(name):
                shown = {key: redactor.redact_parameter(key, kept[key]) for key in kept}
            kept = {key: value for key, value in shown.items() if value is not None}
        return kept

    def _headers(self, headers: Mapping[str, str]) -> Mapping[str, str]:
        kept = dict(headers)
        for name, redactor in self._redactors.items():
            with _blamed(name):
                shown = {key: redactor.redact_header(key, kept[key]) for key in kept}
            kept = {key: value for key, value in shown.items() if value is not None}
        return kept


@contextmanager
def _blamed(name: str) -> Iterator[None]:
    """Around what a redactor does: its error refuses the export, and says whose it is."""
    try:
        yield
    except Exception as error:
        raise InternalError(
            f"the redactor '{name}' failed, so nothing is exported: {type(error).__name__}: {error}"
        ) from error


def _memory(tensor: Tensor) -> tuple[Hashable, ...]:
    """Where the contents are, in two ways of which one is the same for tensors that share them."""
    address = tensor.array.__array_interface__["data"][0]
    return tensor.contents_id, (address, tensor.nbytes)


def _tensors_of(story: Story) -> Iterator[tuple[TensorPlace, Tensor]]:
    entry = TensorPlace(story.pipeline, Port(None, "inputs"), 0)
    yield from ((entry, tensor) for tensor in story.request.tensors)
    for record in story.records:
        if not isinstance(record.body, Absent | Failed):
            place = TensorPlace(story.pipeline, record.port, record.round)
            yield from ((place, tensor) for tensor in record.body)
    if isinstance(story.result, InferenceResponse):
        end = TensorPlace(story.pipeline, Port(None, "outputs"), 0)
        yield from ((end, tensor) for tensor in story.result.tensors)


def _tensors_brought(brought: Sequence[Brought]) -> Iterator[tuple[TensorPlace, Tensor]]:
    for each in brought:
        if not (each.body is None or isinstance(each.body, Absent | Failed)):
            place = TensorPlace(each.port.pipeline, each.port.port, 0)
            yield from ((place, tensor) for tensor in each.body)
