"""What authors of models write against: the base class, what it is told, and what it may raise."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from penstock.core.clock import Clock
from penstock.core.contracts.model import ModelCall
from penstock.core.errors import InvalidRequestError, NotReadyError
from penstock.core.records import Headers, Parameters
from penstock.core.signature import Dimension, Signature

InvalidRequest = InvalidRequestError
"""Raised by a model whose caller sent what makes no sense: 400, and never tried again."""

Retriable = NotReadyError
"""Raised by a model that cannot answer now and may later: 503, and tried again where the step has
retries."""


@dataclass(frozen=True, slots=True, init=False)
class Shape:
    """The shape of an annotated tensor: ``Annotated[NDArray[np.float32], Shape("n", 4)]``.

    A number is a fixed length; a name stands for any length, the same one wherever the name stands
    in one call; None is any length.
    """

    dimensions: tuple[Dimension, ...]

    def __init__(self, *dimensions: Dimension) -> None:
        for dimension in dimensions:
            if isinstance(dimension, bool) or not isinstance(dimension, int | str | None):
                raise TypeError(
                    f"a dimension is a number, a name or None, not {type(dimension).__name__}"
                )
            if isinstance(dimension, int) and dimension < 0:
                raise ValueError(f"a dimension is 0 or more, not {dimension}; None is any length")
        object.__setattr__(self, "dimensions", dimensions)


@dataclass(frozen=True, slots=True)
class Context:
    """What a model is told when it is loaded.

    ``parameters`` are those of its manifest, ``folder`` is where its artifacts have been brought
    to, None when its manifest has no ``storageUri``.
    """

    name: str
    version: int
    parameters: Mapping[str, Any] = field(default_factory=dict)
    folder: Path | None = None

    @property
    def artifacts(self) -> Path:
        """The folder that ``storageUri`` names, or the file if it names one.

        Raises ValueError when the manifest has no ``storageUri``.
        """
        if self.folder is None:
            raise ValueError(
                f"model '{self.name}' has no artifacts: its manifest has no spec.storageUri"
            )
        return self.folder


_SHOWN: Final = ("step", "identity", "request_id", "round", "attempt", "parameters")
"""What is shown of a call. Headers are not: they may be many, and it may land in a log."""


class CallContext:
    """What a model is told of one call, in a parameter annotated with this class.

    ``identity`` is the request's own and never repeats; ``request_id`` is the caller's and may.
    ``step`` is the step of the pipeline that calls (the model's own name when it is called alone),
    ``round`` the turn of a loop, ``attempt`` counts from 1. ``parameters`` and ``headers`` are
    those of the request.

    A call that several requests share (``batch``) has all their ``identities``, in the order of
    their rows, and ``identity`` is these joined by commas; it has no ``request_id``, the headers
    that are the same in all, the lowest round, the highest attempt, and the shortest time left.
    """

    __slots__ = (
        "_clock",
        "_deadline_ms",
        "attempt",
        "headers",
        "identities",
        "identity",
        "parameters",
        "request_id",
        "round",
        "step",
    )

    def __init__(self, call: ModelCall, clock: Clock) -> None:
        origin = call.origin
        self.identity: str = origin.identity
        self.identities: tuple[str, ...] = origin.identities
        self.request_id: str | None = origin.request_id
        self.parameters: Parameters = origin.parameters
        self.headers: Headers = origin.headers
        self.step: str = call.step
        self.round: int = call.round
        self.attempt: int = call.attempt
        self._deadline_ms = call.deadline_ms
        self._clock = clock

    def __repr__(self) -> str:
        known = (
            *(f"{name}={getattr(self, name)!r}" for name in _SHOWN),
            f"time_left_ms={self.time_left_ms():.0f}",
        )
        return f"CallContext({', '.join(known)})"

    def time_left_ms(self) -> float:
        """How much of this attempt's time is left, in milliseconds; at least 0."""
        return max(0.0, self._deadline_ms - self._clock.now_ms())


class Model:
    """The base of models that are classes.

    A subclass writes ``predict`` (``def`` or ``async def``), whose parameters name the tensors it
    takes, and which returns a mapping from the names of tensors to arrays, scalars or lists; and
    ``load``, if it has anything to load. It is made without arguments, once for each version that
    is loaded (once for each process under ``execution: process``).

    Arrays that ``predict`` is given are read-only, since branches of a pipeline share them: copy
    what you want to change. An array that it returns is taken without a copy: do not write to it
    afterwards.
    """

    signature: Signature | None = None
    """What is known of tensors without annotations, for metadata; nothing is checked by it unless
    ``signature_holds``."""

    signature_holds: bool = False
    """Whether ``signature`` is as good as annotations: complete, checked at every call and along
    the edges of pipelines. ``predict`` is then given the tensors that it names, and takes them as
    ``**tensors``."""

    predict: Callable[..., object]

    def load(self, context: Context) -> None:
        """Load what the model needs. Called once, in a thread, before the first call.

        What it raises is the reason why the model is not ready.
        """
