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
from penstock.core.journal.story import PortRecord, Story
from penstock.core.parameters import Parameters
from penstock.core.records import Absent, Failed, Port, Tensors
from penstock.core.tensors import Tensor

ManifestOf: TypeAlias = Callable[[str, str], CaseManifest | None]
"""The manifest of a kind and name that is in force now, None when there is none."""


class CaseExporter:
    """Makes cases. ``redactors`` by name have the last word on everything; ``config`` has the
    settings that go into every case."""

    def __init__(
        self, manifests: ManifestOf, redactors: Mapping[str, Redactor], config: Mapping[str, Any]
    ) -> None:
        self._manifests = manifests
        self._redactors = redactors
        self._config = config

    async def file(self, story: Story, children: Sequence[Story]) -> bytes:
        """The case of a request as a file; raises as :meth:`case`. It is packed in a thread, since
        that takes its time."""
        return await asyncio.to_thread(write_case, self.case(story, children))

    def case(self, story: Story, children: Sequence[Story]) -> Case:
        """The case of a request. Raises InternalError, naming the redactor, when one fails."""
        redaction = _Redaction(self._redactors)
        stories = [story, *children]
        # Twice, since what shares contents with what may be seen from the other end only.
        for each in (*stories, *stories):
            redaction.look_at(each)
        written = [redaction.story(each) for each in stories]
        manifests, missing = self._collected(stories)
        return Case(
            written[0],
            written[1:],
            manifests,
            redaction.withheld,
            [*_missing(stories), *missing],
            self._config,
            "none" if story.plan is None else story.plan.record,
        )

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


def _missing(stories: Sequence[Story]) -> Iterator[str]:
    story = stories[0]
    kept = None if story.plan is None else story.plan.record
    if kept != "all":
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

    def look_at(self, story: Story) -> None:
        """Show every tensor of a request to the redactors."""
        if not self._redactors:
            return
        for place, tensor in _tensors_of(story):
            if not (tensor.size and tensor.has_contents):
                continue
            verdict = self._verdict(tensor)
            if verdict is tensor:
                verdict = self._redacted(tensor, place)
            if verdict is not tensor:
                self._verdicts.update(dict.fromkeys(_memory(tensor), verdict))

    def story(self, story: Story) -> Story:
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
            plan=story.plan,
            versions=story.versions,
        )
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
        parameters = self._parameters(tensor.parameters)
        if isinstance(verdict, Withheld):
            note = Withholding(story.identity, port, round_number, tensor.name, verdict.note)
            if note not in self.withheld:
                self.withheld.append(note)
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
