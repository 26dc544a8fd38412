"""What the request and each step of a pipeline may bring, as far as it is known."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from penstock.core.outcomes.dials import Dial
from penstock.core.port_types import PipelineTypes, PortType, SignatureOf
from penstock.core.records import Port
from penstock.core.references import parse_source, parse_tensor_key
from penstock.core.resources import Pipeline, Step
from penstock.core.signature import Signature

OTHERS = ".*"
"""The end of the name of a tensor that stands for those that nothing is known of."""


@dataclass(frozen=True, slots=True)
class Choice:
    """What may be in a record: tensors that always are (``surely``), and those that may be left
    out; with ``others``, tensors that nothing is known of.

    ``known`` says that all of that comes from a signature. ``may_fail`` and ``may_be_silent`` are
    of steps; ``wants`` are the tensors that a step's model cannot do without.
    """

    step: str | None
    surely: tuple[str, ...]
    maybe: tuple[str, ...]
    others: bool
    known: bool
    may_fail: bool = False
    may_be_silent: bool = False
    wants: tuple[str, ...] = ()

    def brought(self, turned: Callable[[Dial], bool], number: int = 0) -> tuple[str, ...]:
        """The names of the tensors, as the dials say. Failures are not asked about."""
        if self.may_be_silent and turned(Dial("silent", self.step, number)):
            return ()
        there = [
            name for name in self.maybe if not turned(Dial("left-out", self.step, number, name))
        ]
        names = (*self.surely, *there)
        if self.others and (names or not self.maybe):
            names = (*names, f"{self.step or 'request'}{OTHERS}")
        return names


@dataclass(frozen=True, slots=True)
class ChildOutput:
    """What is known of a pipeline that is a step: its tensors, and whether it may have none."""

    surely: tuple[str, ...]
    maybe: tuple[str, ...]
    others: bool
    may_be_silent: bool


class Choices:
    """Those of one pipeline. ``request`` is of its input, ``steps`` has those of steps by name."""

    def __init__(
        self,
        pipeline: Pipeline,
        types: PipelineTypes,
        signature_of: SignatureOf,
        children: Mapping[str, ChildOutput],
    ) -> None:
        read = _read_ports(pipeline)
        renamed = _renamed(pipeline)
        self.request = _of_request(types.input, read, renamed)
        self.steps = {
            step.name: _of_child(step, children.get(step.pipeline))
            if step.pipeline is not None
            else _of_model(step, signature_of(step.model_name), read, renamed)
            for step in pipeline.spec.steps
        }


def _of_request(
    port: PortType, read: Mapping[Port, set[str | None]], renamed: Mapping[Port, set[str]]
) -> Choice:
    inputs = Port(None, "inputs")
    by_name = read.get(inputs, set()) | renamed.get(inputs, set())
    names = dict.fromkeys(spec.name for spec in port.tensors)
    maybe = {spec.name for spec in port.tensors if spec.optional} | {n for n in by_name if n}
    return Choice(
        None,
        tuple(name for name in names if name not in maybe),
        tuple(dict.fromkeys([*(n for n in names if n in maybe), *sorted(maybe - set(names))])),
        others=not port.complete and inputs not in renamed,
        known=port.complete,
    )


def _of_model(
    step: Step,
    signature: Signature | None,
    read: Mapping[Port, set[str | None]],
    renamed: Mapping[Port, set[str]],
) -> Choice:
    outputs = Port(step.name, "outputs")
    by_name = read.get(outputs, set()) | renamed.get(outputs, set())
    whole = None in by_name
    wants: tuple[str, ...] = ()
    if signature is not None and signature.inputs is not None:
        wants = tuple(spec.name for spec in signature.inputs if not spec.optional)
    if signature is None or signature.outputs is None:
        maybe = tuple(sorted(name for name in by_name if name))
        others = (whole and outputs not in renamed) or not maybe
        return Choice(step.name, (), maybe, others, False, may_fail=True, wants=wants)
    told_apart = [s for s in signature.outputs if not s.optional or whole or s.name in by_name]
    return Choice(
        step.name,
        tuple(spec.name for spec in told_apart if not spec.optional),
        tuple(spec.name for spec in told_apart if spec.optional),
        others=False,
        known=True,
        may_fail=True,
        wants=wants,
    )


def _of_child(step: Step, child: ChildOutput | None) -> Choice:
    if child is None:
        return Choice(step.name, (), (), True, False, may_fail=True, may_be_silent=True)
    return Choice(
        step.name,
        child.surely,
        child.maybe,
        child.others,
        known=not child.others,
        may_fail=True,
        may_be_silent=child.may_be_silent,
    )


def _read_ports(pipeline: Pipeline) -> dict[Port, set[str | None]]:
    """The tensors of each port that somebody reads by name; None among them for the whole port."""
    read: dict[Port, set[str | None]] = {}
    for text in _references(pipeline):
        source = parse_source(text, pipeline=pipeline.name)
        read.setdefault(source.port, set()).add(source.tensor)
    return read


def _renamed(pipeline: Pipeline) -> dict[Port, set[str]]:
    """The tensors of each port that get new names on their way. Whoever names some of a whole port
    is taken to name all: what else there might be would meet itself wherever two read it."""
    named: dict[Port, set[str]] = {}
    for port, tensor in _origins(pipeline, _keys(pipeline)):
        named.setdefault(port, set()).add(tensor)
    return named


def _keys(pipeline: Pipeline) -> Iterable[tuple[Port, str]]:
    """The ports and tensors that any map of names has for keys."""
    maps = [step.tensor_map for step in pipeline.spec.steps]
    if pipeline.spec.output is not None:
        maps.append(pipeline.spec.output.tensor_map)
    for tensor_map in maps:
        for key in tensor_map:
            source = parse_tensor_key(key, pipeline=pipeline.name)
            if source.tensor is not None:
                yield source.port, source.tensor


def _origins(pipeline: Pipeline, tensors: Iterable[tuple[Port, str]]) -> Iterable[tuple[Port, str]]:
    """Where tensors come from: what went into a step came from the ports that it reads whole."""
    steps = {step.name: step for step in pipeline.spec.steps}
    left = list(tensors)
    seen = set(left)
    while left:
        port, tensor = left.pop()
        if port.step is None or port.side == "outputs":
            yield port, tensor
            continue
        step = steps[port.step]
        for text in step.inputs or (pipeline.name,):
            source = parse_source(text, pipeline=pipeline.name)
            before = (source.port, _name_before(step, source.port, tensor, pipeline.name))
            if source.tensor is None and before not in seen:
                seen.add(before)
                left.append(before)


def _name_before(step: Step, port: Port, tensor: str, pipeline: str) -> str:
    """What a tensor that goes into a step is called in the port that it comes from."""
    for key, new_name in step.tensor_map.items():
        source = parse_tensor_key(key, pipeline=pipeline)
        if source.port == port and new_name == tensor and source.tensor is not None:
            return source.tensor
    return tensor


def _references(pipeline: Pipeline) -> Iterable[str]:
    for step in pipeline.spec.steps:
        yield from step.inputs or (pipeline.name,)
        yield from step.triggers
    if pipeline.spec.output is not None:
        yield from pipeline.spec.output.steps
