"""What flows: records, and the markers for what will not come."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple, TypeAlias

from penstock.core.parameters import Parameters as Parameters
from penstock.core.parameters import Scalar as Scalar
from penstock.core.tensors import Tensor

PortSide: TypeAlias = Literal["inputs", "outputs"]


class Port(NamedTuple):
    """A port of a pipeline (``step`` is None) or of one of its steps."""

    step: str | None
    side: PortSide

    def __str__(self) -> str:
        return self.side if self.step is None else f"{self.step}.{self.side}"


class Absent(NamedTuple):
    """The marker of a port that put nothing out, with the reason in a sentence.

    ``cause`` is one of a few stable words that statistics count: ``left-out`` (the model put out
    nothing), ``absent`` (a source was absent), ``join-expired`` (a window ended first), or a word
    of a join strategy's own.
    """

    reason: str
    cause: str = "absent"


class Failed(NamedTuple):
    """The marker of a port whose visit failed: code, reason and the step it began in.

    ``attempts`` is how many there were, of a failure that began in a call.
    """

    code: str
    reason: str
    step: str | None = None
    retriable: bool = False
    attempts: int = 1


Tensors: TypeAlias = tuple[Tensor, ...]
Body: TypeAlias = Tensors | Absent | Failed
"""What a record holds. A tuple of tensors is never empty: a port without tensors is absent."""

Headers: TypeAlias = Mapping[str, str]


class Undecoded(NamedTuple):
    """What somebody wrote that is no record: value and headers as they were, for a dead letter to
    hold it whole."""

    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...]


class Record(NamedTuple):
    """One record of one port: what belongs to which request, and what it holds.

    ``identity`` stays the same through every pipeline that reads the request; ``key`` decides the
    partition. ``round`` counts the turns of a loop from 0. ``deadline_ms`` is in milliseconds
    since the epoch, in the clock of the transport. Parameters and headers are those of the
    request, the same at every step, and so is ``request_id``, V2's ``id``, which is the caller's
    own. ``undecoded`` stands beside a ``body`` that says why there is none.
    """

    identity: str
    key: bytes
    pipeline: str
    version: int
    port: Port
    round: int
    body: Body
    parameters: Parameters
    headers: Headers
    deadline_ms: float
    request_id: str | None = None
    undecoded: Undecoded | None = None
