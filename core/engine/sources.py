"""How records end sources, and what is said when they bring nothing."""

from __future__ import annotations

from typing import TypeAlias

from penstock.core.contracts.join import Skip
from penstock.core.engine.join_state import JoinState
from penstock.core.plan import Feed, Part
from penstock.core.records import Absent, Body, Failed, Tensors

Flow: TypeAlias = list[tuple[tuple[Feed, ...], Body]]
"""Records on their way to their consumers, in the order in which their ports ended."""


def take(part: Part, body: Body) -> Body:
    """How a source ends by a record: its wanted tensors under their new names, or the marker."""
    if type(body) is not tuple:
        return body
    tensors: Tensors = body  # type: ignore[assignment]  # no marker is a plain tuple
    wanted = part.tensor
    if wanted is None:
        renames = part.renames
        if renames is None:
            return tensors
        return tuple([t.renamed(renames[t.name]) if t.name in renames else t for t in tensors])
    for tensor in tensors:
        if tensor.name == wanted:
            return (tensor if part.rename is None else tensor.renamed(part.rename),)
    return part.left_out


def first_clash(tensors: Tensors) -> str | None:
    """The first name that two tensors bear."""
    names: set[str] = set()
    for tensor in tensors:
        if tensor.name in names:
            return tensor.name
        names.add(tensor.name)
    return None


def why_no_output(inputs: JoinState, skip: Skip) -> tuple[str, ...]:
    """For each source of the output, why it brought nothing."""
    sentences = []
    for reference, end in inputs.by_reference():
        if end is None:
            sentences.append(f"{reference}: had not ended when the join did ({skip.cause})")
        elif isinstance(end, Absent | Failed):
            sentences.append(f"{reference}: {end.reason}")
        else:
            sentences.append(f"{reference}: was there")
    return tuple(sentences)
