"""What DATAFLOW.md refuses of one pipeline, without knowing models or other pipelines."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final, TypeAlias

from penstock.core.manifests.circles import find_circles
from penstock.core.manifests.findings import Finding
from penstock.core.manifests.loop_rules import findings_of_loops
from penstock.core.manifests.share_rules import findings_of_shares
from penstock.core.manifests.source_list import SourceList
from penstock.core.nearest import did_you_mean
from penstock.core.problems import KeyPath
from penstock.core.references import Source, parse_external, parse_source, parse_tensor_key
from penstock.core.request_key import parse_request_key
from penstock.core.resources import Output, Pipeline, PipelineInput, Step

_Parse: TypeAlias = Callable[[str], Source]

MAX_HINTS: Final = 20
"""How many problems of one pipeline come with the nearest name, which takes milliseconds each."""

MAX_LISTED: Final = 8
"""How many steps are listed where a name is nowhere near that of one."""


def findings_of_pipeline(pipeline: Pipeline) -> list[Finding]:
    """Everything that is wrong with ``pipeline`` on its own."""
    rules = _PipelineRules(pipeline)
    rules.check()
    return rules.findings


class _PipelineRules:
    """The rules, run over one pipeline."""

    def __init__(self, pipeline: Pipeline) -> None:
        self.findings: list[Finding] = []
        self._hints = 0
        self._references_are_good = True
        self._pipeline = pipeline
        self._name = pipeline.metadata.name
        self._spec = pipeline.spec
        self._steps = {step.name for step in pipeline.spec.steps}
        self._readers: dict[str, set[str]] = {step.name: set() for step in pipeline.spec.steps}

    def check(self) -> None:
        self._step_names()
        self._layout()
        self.findings += findings_of_shares(self._pipeline)
        for index, step in enumerate(self._spec.steps):
            self._step(step, ("spec", "steps", index))
        if self._spec.input is not None:
            self._input(self._spec.input, ("spec", "input"))
        if self._spec.output is not None:
            self._output(self._spec.output, ("spec", "output"))
        # With two steps of one name it is not known which of them a reference means.
        if len(self._steps) == len(self._spec.steps):
            if not self._spec.allow_cycles:
                self._circles()
            elif self._references_are_good:
                self.findings += findings_of_loops(self._pipeline)

    def _find(self, path: KeyPath, message: str, hint: str | None = None) -> None:
        self.findings.append(Finding(path, message, hint))

    def _layout(self) -> None:
        if self._spec.layout == "spread" and self._spec.record == "none":
            self._find(
                ("spec", "record"),
                "layout spread calls models by way of the streams of steps, and record: none keeps "
                "no streams",
                "write record: boundary or all, or layout: fused",
            )

    def _step_names(self) -> None:
        if not self._spec.steps:
            self._find(("spec", "steps"), "a pipeline has at least one step")
        first: dict[str, int] = {}
        for index, step in enumerate(self._spec.steps):
            path = ("spec", "steps", index, "name")
            if step.name == self._name:
                self._find(
                    path,
                    f"the step '{step.name}' is named as its pipeline",
                    "give the step another name, and name its model with the key model",
                )
            earlier = first.setdefault(step.name, index)
            if earlier != index:
                self._find(
                    path,
                    f"the name '{step.name}' is taken by spec.steps[{earlier}]",
                    "give the step another name, and name its model with the key model",
                )

    def _step(self, step: Step, at: KeyPath) -> None:
        if step.pipeline == self._name:
            self._find(
                (*at, "pipeline"),
                "a pipeline cannot be a step of itself",
                "allowCycles: true lets its steps form a loop",
            )
        self._batch(step, (*at, "batch"))
        inputs = self._sources(step.inputs, (*at, "inputs"), self._parse_own)
        triggers = self._sources(step.triggers, (*at, "triggers"), self._parse_own)
        for _, source in (*inputs, *triggers):
            if source.step is not None:
                self._readers[source.step].add(step.name)
        if not step.inputs:
            inputs.add(0, Source("input", self._name, None, "inputs"))
        renames = self._tensor_map(step.tensor_map, inputs, (*at, "tensorMap"))
        # Only inner is known to take every source; of others some may never meet.
        if step.inputs_join_type.name == "inner":
            self._clashes(inputs, renames, (*at, "inputs"))

    def _batch(self, step: Step, at: KeyPath) -> None:
        batch = step.batch
        if batch is None:
            return
        if batch.size is None:
            if "window_ms" in batch.model_fields_set:
                self._find(
                    (*at, "windowMs"),
                    "windowMs without size batches nothing",
                    "write with size how many rows one call takes at most",
                )
        elif step.pipeline is not None:
            self._find(
                at,
                f"calls of a pipeline are not batched, and step '{step.name}' calls the pipeline "
                f"'{step.pipeline}'",
                "write batch at the steps of that pipeline",
            )

    def _input(self, section: PipelineInput, at: KeyPath) -> None:
        inputs = self._sources(
            section.external_inputs, (*at, "externalInputs"), self._parse_external
        )
        self._sources(section.external_triggers, (*at, "externalTriggers"), self._parse_external)
        if section.external_triggers and not section.external_inputs:
            self._find(
                (*at, "externalTriggers"),
                "triggers gate what is read of other pipelines, and nothing is read",
                "name in externalInputs what the pipeline takes when they come",
            )
        renames = self._tensor_map(section.tensor_map, inputs, (*at, "tensorMap"), external=True)
        if section.join_type.name == "inner":
            self._clashes(inputs, renames, (*at, "externalInputs"))
        if section.key is not None:
            try:
                parse_request_key(section.key, pipeline=self._name)
            except ValueError as error:
                self._find((*at, "key"), str(error))

    def _output(self, section: Output, at: KeyPath) -> None:
        if not section.steps:
            self._find(
                (*at, "steps"),
                "an output has at least one reference",
                "leave the output out for a pipeline that is asynchronous only",
            )
        sources = self._sources(section.steps, (*at, "steps"), self._parse_own)
        for index, source in sources:
            if source.kind == "input":
                self._find(
                    (*at, "steps", index),
                    f"'{source}' is the pipeline's own input, which cannot be its output",
                    "name a step, or what goes into one",
                )
        self._tensor_map(section.tensor_map, sources, (*at, "tensorMap"))
        if section.max_held is not None and section.order is None:
            self._find(
                (*at, "maxHeld"),
                "no answer is held back without an order",
                "write order: key or order: partition, or leave maxHeld out",
            )

    def _parse_own(self, text: str) -> Source:
        source = parse_source(text, pipeline=self._name)
        if source.step is not None and source.step not in self._steps:
            raise _UnknownStepError(source.step)
        return source

    def _parse_external(self, text: str) -> Source:
        source = parse_external(text)
        if source.pipeline == self._name:
            raise ValueError(f"'{text}' is of this pipeline, not of another")
        return source

    def _sources(self, texts: Sequence[str], at: KeyPath, parse: _Parse) -> SourceList:
        sources = SourceList()
        for index, text in enumerate(texts):
            path = (*at, index)
            try:
                source = parse(text)
            except _UnknownStepError as unknown:
                said = f"there is no step '{unknown.step}' in this pipeline"
                known = (*self._steps, self._name)
                hint = did_you_mean(unknown.step, known) if self._may_hint() else None
                if hint is None and len(self._steps) <= MAX_LISTED:
                    hint = f"the steps are {', '.join(step.name for step in self._spec.steps)}"
                self._find(path, said, hint)
                sources.complete = self._references_are_good = False
            except ValueError as error:
                self._find(path, str(error))
                sources.complete = self._references_are_good = False
            else:
                earlier = sources.add(index, source)
                if earlier is not None:
                    said = (
                        f"'{text}' stands twice"
                        if source == parse(texts[earlier])
                        else f"'{text}' overlaps '{texts[earlier]}'"
                    )
                    self._find(path, f"{said} in this list", "a reference stands once in a list")
        return sources

    def _may_hint(self) -> bool:
        self._hints += 1
        return self._hints <= MAX_HINTS

    def _tensor_map(
        self,
        tensor_map: Mapping[str, str],
        sources: SourceList,
        at: KeyPath,
        *,
        external: bool = False,
    ) -> dict[Source, str]:
        """The new names by tensor, of the keys that can be read."""
        renames: dict[Source, str] = {}
        for key, new_name in tensor_map.items():
            path = (*at, key)
            try:
                tensor = parse_tensor_key(key, pipeline=self._name, external=external)
            except ValueError as error:
                self.findings.append(Finding(path, str(error), of_key=True))
                continue
            if sources.complete and not sources.covers(tensor):
                hint = sources.nearest(tensor) if self._may_hint() else None
                said = f"no source here covers '{key}'"
                self.findings.append(Finding(path, said, hint, of_key=True))
            renames[tensor] = new_name
        return renames

    def _clashes(self, sources: SourceList, renames: Mapping[Source, str], at: KeyPath) -> None:
        """Sources of one tensor each whose names come out the same."""
        first: dict[str, Source] = {}
        for index, source in sources:
            if source.tensor is None:
                continue
            name = renames.get(source, source.tensor)
            other = first.setdefault(name, source)
            if not other.overlaps(source):
                self._find(
                    (*at, index),
                    f"'{other}' and '{source}' both bring a tensor named '{name}'",
                    "rename one of them with tensorMap",
                )

    def _circles(self) -> None:
        indexes = {step.name: index for index, step in enumerate(self._spec.steps)}
        for circle in find_circles(self._readers):
            way = " -> ".join((*circle, circle[0]))
            self._find(
                ("spec", "steps", indexes[circle[0]]),
                f"the steps wait for each other in a circle: {way}"
                if len(circle) > 1
                else f"the step '{circle[0]}' waits for itself: {way}",
                "allowCycles: true lets them form a loop, if one of them joins its inputs by any",
            )


class _UnknownStepError(ValueError):
    """A reference to a step that is not there."""

    def __init__(self, step: str) -> None:
        super().__init__(step)
        self.step = step
