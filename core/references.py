"""References to ports, as manifests write them (DATAFLOW.md, "References").

In a reference a tensor is all that follows the port, dots included. The words ``inputs`` and
``outputs`` right after a name are always the port: ``a.inputs`` is every tensor that went into
``a``, never a tensor called ``inputs``; that one is written ``a.outputs.inputs``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias, cast

from penstock.core.names import problem_of_name
from penstock.core.records import Port, PortSide

SourceKind: TypeAlias = Literal["input", "step", "external"]
"""Whose port it is: the pipeline's own input, a step's, or another pipeline's (or its step's)."""

_SIDES = ("inputs", "outputs")


@dataclass(frozen=True, slots=True)
class Source:
    """One reference, resolved to a port.

    ``pipeline`` is the pipeline whose port it is, ``step`` is None for the pipeline's own ports,
    ``tensor`` is None where the whole port is meant.
    """

    kind: SourceKind
    pipeline: str
    step: str | None
    side: PortSide
    tensor: str | None = None

    @property
    def port(self) -> Port:
        """The port within its pipeline."""
        return Port(self.step, self.side)

    @property
    def port_text(self) -> str:
        """The whole port, written in full."""
        if self.step is None:
            return f"{self.pipeline}.{self.side}"
        if self.kind == "external":
            return f"{self.pipeline}.step.{self.step}.{self.side}"
        return f"{self.step}.{self.side}"

    @property
    def text(self) -> str:
        """The reference written in full: ``scale`` becomes ``scale.outputs``."""
        return self.port_text if self.tensor is None else f"{self.port_text}.{self.tensor}"

    def __str__(self) -> str:
        return self.text

    def same_port(self, other: Source) -> bool:
        """Whether both are of one port, whatever the tensors."""
        return (
            self.side == other.side
            and self.step == other.step
            and self.pipeline == other.pipeline
            and self.kind == other.kind
        )

    def covers(self, other: Source) -> bool:
        """Whether everything that ``other`` means is meant here too."""
        return (self.tensor is None or self.tensor == other.tensor) and self.same_port(other)

    def overlaps(self, other: Source) -> bool:
        """Whether some tensor is meant by both; such two may not stand in one list."""
        return self.covers(other) or other.covers(self)


def parse_source(text: str, *, pipeline: str) -> Source:
    """The source that ``text`` means in the manifest of ``pipeline``.

    Raises ValueError with a sentence when it is no reference. Whether the step exists is not
    looked at.
    """
    name, rest = _head(text)
    if name == pipeline:
        side, tensor = _port(text, rest, default="inputs")
        if side == "outputs":
            raise ValueError(
                f"'{text}' is the pipeline's own output, which nothing inside it can read; "
                "read the step that makes it"
            )
        return Source("input", pipeline, None, side, tensor)
    side, tensor = _port(text, rest, default="outputs")
    return Source("step", pipeline, name, side, tensor)


def parse_external(text: str) -> Source:
    """The source that ``text`` means in ``externalInputs`` or ``externalTriggers``.

    Raises ValueError with a sentence when it is no reference. Whether it is the reading pipeline's
    own port is not looked at.
    """
    name, rest = _head(text)
    if rest is not None and (rest == "step" or rest.startswith("step.")):
        step, rest = _head(rest[len("step.") :], within=text)
        side, tensor = _port(text, rest, default="outputs")
        return Source("external", name, step, side, tensor)
    side, tensor = _port(text, rest, default="outputs", step_allowed=True)
    return Source("external", name, None, side, tensor)


def parse_tensor_key(text: str, *, pipeline: str, external: bool = False) -> Source:
    """The one tensor that a key of ``tensorMap`` means; ``external`` in the input section.

    Raises ValueError with a sentence when it is no reference, or names no tensor.
    """
    source = parse_external(text) if external else parse_source(text, pipeline=pipeline)
    if source.tensor is None:
        raise ValueError(
            f"'{text}' names no tensor; a key of tensorMap is written in full, "
            f"as '{source.text}.<tensor>'"
        )
    return source


def _head(text: str, *, within: str | None = None) -> tuple[str, str | None]:
    """The name before the first dot, and what follows it (None when there is no dot)."""
    name, dot, rest = text.partition(".")
    problem = problem_of_name(name)
    if problem is not None:
        raise ValueError(f"'{within or text}' is no reference: {problem}")
    return name, rest if dot else None


def _port(
    text: str, rest: str | None, *, default: PortSide, step_allowed: bool = False
) -> tuple[PortSide, str | None]:
    if rest is None:
        return default, None
    side, dot, tensor = rest.partition(".")
    if side not in _SIDES:
        words = "'inputs', 'outputs' or 'step'" if step_allowed else "'inputs' or 'outputs'"
        raise ValueError(f"'{text}' is no reference: after the name comes {words}, not '{side}'")
    if dot and not tensor:
        raise ValueError(f"'{text}' is no reference: no tensor follows the last dot")
    return cast(PortSide, side), tensor if dot else None
