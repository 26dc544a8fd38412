"""What a step, or the output, reads: the sources of its manifest with their places, resolved."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, TypeAlias

from penstock.core.joinspec import JoinSpec
from penstock.core.problems import KeyPath
from penstock.core.references import Source, parse_external, parse_source, parse_tensor_key
from penstock.core.resources import Pipeline, Step
from penstock.core.signature import Signature

SignatureOf: TypeAlias = Callable[[str], Signature | None]
"""The signature of a model by name, None where nothing is known."""

UNKNOWN = Signature()
OUTPUT_PATH: Final[KeyPath] = ("spec", "output")


class Reference(NamedTuple):
    """A source, where it is written, and the new names of its tensors by the old ones."""

    source: Source
    path: KeyPath
    renames: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Reader:
    """A step with the signature of its model, or the output or the input (``step`` is then None).

    ``certain`` says that it runs only with all its ``inputs``, ``alternatives`` that it may run
    with each of them alone; ``gated`` is ``certain`` of its ``triggers``. ``path`` is where it
    stands, ``list_path`` where its inputs do.
    """

    step: str | None
    signature: Signature
    path: KeyPath
    list_path: KeyPath
    inputs: tuple[Reference, ...]
    triggers: tuple[Reference, ...]
    certain: bool
    alternatives: bool
    gated: bool

    @property
    def title(self) -> str:
        """What sentences call it."""
        return f"the {self.path[-1]}" if self.step is None else f"step '{self.step}'"

    @property
    def is_output(self) -> bool:
        """Whether it is the output, which may hold two tensors of one name."""
        return self.path == OUTPUT_PATH

    @property
    def always_runs(self) -> bool:
        """Whether every request makes it run: nothing gates it, and it reads only the request."""
        return not self.triggers and all(
            each.source.kind == "input" and each.source.tensor is None for each in self.inputs
        )


def readers_of(pipeline: Pipeline, signature_of: SignatureOf) -> list[Reader]:
    """The steps in the manifest's order, and then the output if there is one."""
    readers = [
        _step(step, ("spec", "steps", index), pipeline.name, signature_of)
        for index, step in enumerate(pipeline.spec.steps)
    ]
    output = pipeline.spec.output
    if output is not None:
        path = OUTPUT_PATH
        references = _references(output.steps, (*path, "steps"), pipeline.name, output.tensor_map)
        certain = _takes_all(output.steps_join, references)
        readers.append(
            Reader(None, UNKNOWN, path, (*path, "steps"), references, (), certain, False, True)
        )
    return readers


def entrance_of(pipeline: Pipeline, signature: Signature) -> Reader | None:
    """The input of a pipeline that reads others, which wants what ``signature`` has as inputs."""
    section = pipeline.spec.input
    if section is None or not section.external_inputs:
        return None
    path: KeyPath = ("spec", "input")
    inputs, triggers = (
        _references(texts, (*path, key), pipeline.name, renames, external=True)
        for texts, key, renames in (
            (section.external_inputs, "externalInputs", section.tensor_map),
            (section.external_triggers, "externalTriggers", {}),
        )
    )
    return Reader(
        None,
        signature,
        path,
        (*path, "externalInputs"),
        inputs,
        triggers,
        _takes_all(section.join_type, inputs),
        section.join_type.name == "any",
        _takes_all(section.triggers_join_type, triggers),
    )


def _step(step: Step, path: KeyPath, pipeline: str, signature_of: SignatureOf) -> Reader:
    signature = None if step.pipeline is not None else signature_of(step.model_name)
    if step.inputs:
        list_path: KeyPath = (*path, "inputs")
        inputs = _references(step.inputs, list_path, pipeline, step.tensor_map)
    else:
        list_path = path
        source = Source("input", pipeline, None, "inputs")
        renames = _renames(source, step.tensor_map, pipeline)
        inputs = (Reference(source, path, renames),)
    triggers = _references(step.triggers, (*path, "triggers"), pipeline, {})
    return Reader(
        step.name,
        signature or UNKNOWN,
        path,
        list_path,
        inputs,
        triggers,
        _takes_all(step.inputs_join_type, inputs),
        step.inputs_join_type.name == "any",
        _takes_all(step.triggers_join_type, triggers),
    )


def _references(
    texts: Sequence[str],
    path: KeyPath,
    pipeline: str,
    tensor_map: Mapping[str, str],
    *,
    external: bool = False,
) -> tuple[Reference, ...]:
    references = []
    for index, text in enumerate(texts):
        source = parse_external(text) if external else parse_source(text, pipeline=pipeline)
        renames = _renames(source, tensor_map, pipeline)
        references.append(Reference(source, (*path, index), renames))
    return tuple(references)


def _renames(source: Source, tensor_map: Mapping[str, str], pipeline: str) -> dict[str, str]:
    external = source.kind == "external"
    keys = [
        (parse_tensor_key(key, pipeline=pipeline, external=external), new)
        for key, new in tensor_map.items()
    ]
    return {key.tensor: new for key, new in keys if key.tensor is not None and source.covers(key)}


def _takes_all(join: JoinSpec, references: Sequence[Reference]) -> bool:
    """Of several sources only inner is known to want all; one alone is wanted by every join."""
    return join.name == "inner" or len(references) < 2
