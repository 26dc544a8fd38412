"""What comes into a step or the output: tensors that are known, and sources that may bring more."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

from penstock.core.port_types.reading import Reference
from penstock.core.problems import KeyPath
from penstock.core.signature import TensorSpec


class Arrival(NamedTuple):
    """One tensor that comes in, under the name that it has there.

    ``reference`` is what the manifest calls it, ``path`` where that is read. ``requested`` is its
    name in the pipeline's input, if it is from there. ``scope`` is the step whose signature gave
    its shape, so that names of lengths in it mean something.
    """

    spec: TensorSpec
    reference: str
    path: KeyPath
    scope: str | None = None
    requested: str | None = None

    def read_by(self, reference: Reference, *, certain: bool) -> Arrival:
        """The same as it comes in where ``reference`` reads it."""
        name = self.spec.name
        optional = not certain or (self.spec.optional and reference.source.tensor is None)
        spec = replace(self.spec, name=reference.renames.get(name, name), optional=optional)
        return Arrival(
            spec,
            f"{reference.source.port_text}.{name}",
            reference.path,
            self.scope,
            self.requested,
        )


@dataclass(frozen=True, slots=True)
class Opening:
    """A source whose tensors are not all known: a model's outputs, or the pipeline's input.

    ``renames`` are those on the way in, the outermost last.
    """

    path: KeyPath
    of_request: bool
    renames: tuple[Mapping[str, str], ...] = ()

    def read_by(self, reference: Reference) -> Opening:
        """The same as it comes in where ``reference`` reads it."""
        return Opening(reference.path, self.of_request, (*self.renames, reference.renames))

    def original_name(self, name: str) -> str | None:
        """What a tensor is called at the source if it comes in as ``name``; None if none can."""
        for renames in reversed(self.renames):
            olds = [old for old, new in renames.items() if new == name]
            if olds:
                name = olds[0]
            elif name in renames:
                return None
        return name


class Arrivals(NamedTuple):
    """All that comes in, in the order of the sources."""

    tensors: tuple[Arrival, ...] = ()
    openings: tuple[Opening, ...] = ()

    def named(self, name: str) -> list[Arrival]:
        """Those of that name: several where sources bring the same."""
        return [arrival for arrival in self.tensors if arrival.spec.name == name]

    def openings_for(self, name: str) -> list[Opening]:
        """The openings through which a tensor may come in as ``name``."""
        return [each for each in self.openings if each.original_name(name) is not None]
