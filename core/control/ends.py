"""The signature of a pipeline's ends, from the signatures of its models where these are known."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import TypeAlias

from penstock.core.references import Source, parse_source, parse_tensor_key
from penstock.core.resources import Pipeline, Step
from penstock.core.signature import Dimension, Signature, TensorSpec

SignatureOf: TypeAlias = Callable[[str], Signature | None]
"""The signature of a model by name, None where nothing is known."""

_Tensors: TypeAlias = tuple[TensorSpec, ...] | None


def signature_of_ends(pipeline: Pipeline, signature_of: SignatureOf) -> Signature | None:
    """What ``pipeline`` takes and gives; None when nothing is known of either end.

    Its inputs are what the steps want that read the pipeline's input, its outputs what the
    references of the output section bring. A side is None where a model tells too little.
    """
    ends = _Ends(pipeline, signature_of)
    inputs, outputs = ends.inputs(), ends.outputs()
    return None if inputs is None and outputs is None else Signature(inputs, outputs)


class _Ends:
    def __init__(self, pipeline: Pipeline, signature_of: SignatureOf) -> None:
        self._name = pipeline.name
        self._pipeline = pipeline
        self._signatures = {
            step.name: signature_of(step.model_name) or Signature() for step in pipeline.spec.steps
        }

    def inputs(self) -> _Tensors:
        """What is wanted of a request, in the order of the steps; each tensor once."""
        wanted: dict[str, TensorSpec] = {}
        for step in self._pipeline.spec.steps:
            tensors = self._wanted_by(step)
            if tensors is None:
                return None
            for tensor in tensors:
                known = wanted.get(tensor.name)
                wanted[tensor.name] = tensor if known is None else _both(known, tensor)
        return tuple(wanted.values())

    def outputs(self) -> _Tensors:
        """What an answer holds, in the order of the references; a name may stand twice."""
        output = self._pipeline.spec.output
        if output is None:
            return ()
        # Beside other sources, one may be missing unless the join wants all of them.
        may_lack = len(output.steps) > 1 and output.steps_join.name != "inner"
        given: list[TensorSpec] = []
        for text in output.steps:
            source = parse_source(text, pipeline=self._name)
            tensors = self._given_by(source, self._renames(source, output.tensor_map))
            if tensors is None:
                return None
            given += [replace(t, optional=True) for t in tensors] if may_lack else tensors
        return tuple(given)

    def _wanted_by(self, step: Step) -> _Tensors:
        """What one step wants of the pipeline's input, None where that cannot be told."""
        sources = [parse_source(text, pipeline=self._name) for text in step.inputs or (self._name,)]
        triggers = [parse_source(text, pipeline=self._name) for text in step.triggers]
        own = [source for source in sources if source.kind == "input"]
        takes = self._signatures[step.name].inputs
        by_name = {} if takes is None else {tensor.name: tensor for tensor in takes}
        wanted: list[TensorSpec] = [
            TensorSpec(source.tensor)
            for source in triggers
            if source.kind == "input" and source.tensor is not None
        ]
        for source in own:
            renames = self._renames(source, step.tensor_map)
            if source.tensor is not None:
                new = renames.get(source.tensor, source.tensor)
                wanted.append(replace(by_name.get(new, TensorSpec(new)), name=source.tensor))
                continue
            if takes is None:
                return None
            elsewhere = self._brought(step, [other for other in sources if other is not source])
            if elsewhere is None:
                return None
            old = {new: name for name, new in renames.items()}
            wanted += [
                replace(tensor, name=old.get(tensor.name, tensor.name))
                for tensor in takes
                if tensor.name not in elsewhere
            ]
        return tuple(wanted)

    def _brought(self, step: Step, sources: Iterable[Source]) -> set[str] | None:
        """The names that ``sources`` bring into a step."""
        names: set[str] = set()
        for source in sources:
            tensors = self._given_by(source, self._renames(source, step.tensor_map))
            if tensors is None:
                return None
            names.update(tensor.name for tensor in tensors)
        return names

    def _given_by(self, source: Source, renames: Mapping[str, str]) -> _Tensors:
        """What the port of a step, or of the pipeline's input, brings."""
        port: _Tensors = None
        if source.step is not None:
            signature = self._signatures[source.step]
            port = signature.inputs if source.side == "inputs" else signature.outputs
        if source.tensor is not None:
            found = [tensor for tensor in port or () if tensor.name == source.tensor]
            port = tuple(found[:1]) or (TensorSpec(source.tensor),)
        if port is None:
            return None
        return tuple(replace(tensor, name=renames.get(tensor.name, tensor.name)) for tensor in port)

    def _renames(self, source: Source, tensor_map: Mapping[str, str]) -> dict[str, str]:
        keys = [
            (parse_tensor_key(key, pipeline=self._name), new) for key, new in tensor_map.items()
        ]
        return {
            key.tensor: new for key, new in keys if key.tensor is not None and source.covers(key)
        }


def _both(one: TensorSpec, other: TensorSpec) -> TensorSpec:
    """What is known of a tensor that two steps read: what one says, unless the other denies it."""
    return TensorSpec(
        one.name,
        _agreed(one.datatype, other.datatype),
        _shape(one, other),
        one.optional and other.optional,
    )


def _agreed(one: str | None, other: str | None) -> str | None:
    if one is None or other is None:
        return one or other
    return one if one == other else None


def _shape(one: TensorSpec, other: TensorSpec) -> tuple[Dimension, ...] | None:
    if one.shape is None or other.shape is None:
        return one.shape or other.shape
    if len(one.shape) != len(other.shape):
        return None
    return tuple(_dimension(a, b) for a, b in zip(one.shape, other.shape, strict=True))


def _dimension(one: Dimension, other: Dimension) -> Dimension:
    if one == other or other is None:
        return one
    if one is None:
        return other
    fixed = [length for length in (one, other) if isinstance(length, int)]
    return fixed[0] if len(fixed) == 1 else None
