"""What the oracle is given and what it gives back: plain values, nothing of penstock.

Times are milliseconds since the request was taken up.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

Join = Literal["inner", "outer", "any", "latest"]
Kind = Literal["value", "absent", "failed"]


class Tensor(NamedTuple):
    """A name, and a token that tells from which call, out of which inputs, the tensor came."""

    name: str
    token: str


Tensors = tuple[Tensor, ...]


class Batch(NamedTuple):
    """How calls of a step are shared: so many rows, waited for so long."""

    size: int
    window_ms: int


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the manifest; without `inputs` it reads the pipeline's input."""

    name: str
    inputs: tuple[str, ...] = ()
    join: Join = "inner"
    triggers: tuple[str, ...] = ()
    triggers_join: Join = "inner"
    window_ms: int | None = None
    tensor_map: Mapping[str, str] = field(default_factory=dict)
    retries: int = 0
    backoff_ms: int = 50
    timeout_ms: int | None = None
    on_error: Literal["fail", "absent"] = "fail"
    batch: Batch | None = None


@dataclass(frozen=True, slots=True)
class Output:
    """The pipeline's output section."""

    steps: tuple[str, ...]
    join: Join = "inner"
    window_ms: int | None = None
    tensor_map: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Graph:
    """A pipeline without cycles and external inputs."""

    name: str
    steps: tuple[Step, ...]
    output: Output | None = None


@dataclass(frozen=True, slots=True)
class Produces:
    """The call puts out tensors of these names, in this order."""

    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Raises:
    """The call fails with this code."""

    code: str
    retriable: bool


@dataclass(frozen=True, slots=True)
class Never:
    """The call has no end of its own."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """How one call of a model goes; its outcome may arrive a second time, which means nothing."""

    duration_ms: int
    outcome: Produces | Raises | Never
    duplicate_after_ms: int | None = None


class Made(NamedTuple):
    """A call that was made at a time, whoever shared it, and how it went."""

    at_ms: float
    attempt: Attempt


@dataclass(frozen=True, slots=True)
class Scenario:
    """One request, and how every call on its way goes.

    Whom a visit of a step with a batch meets is not a matter of one request: ``made`` says by step
    and attempt which calls it was in. All but the last are those after which it was tried singly.
    Nor is what `latest` has kept of earlier requests: ``kept`` says by step and name which tokens
    it went on with.
    """

    request: tuple[str, ...]
    deadline_ms: int
    behaviours: Mapping[str, tuple[Attempt, ...]]
    cancel_at_ms: int | None = None
    jitter: tuple[float, ...] = ()
    made: Mapping[tuple[str, int], tuple[Made, ...]] = field(default_factory=dict)
    kept: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def attempt(self, step: str, number: int) -> Attempt:
        """The call of `step` with this number, counted from 1; the last one of the list repeats."""
        attempts = self.behaviours[step]
        return attempts[min(number, len(attempts)) - 1]


class Ended(NamedTuple):
    """How and when a port ended; `code` and `step` only if it failed."""

    time_ms: float
    kind: Kind
    tensors: Tensors = ()
    code: str | None = None
    step: str | None = None


class Call(NamedTuple):
    """One call of a model; attempts count from 1."""

    time_ms: float
    step: str
    attempt: int
    tensors: Tensors


class DeadLetter(NamedTuple):
    """A failure that no caller is told of."""

    code: str
    step: str


@dataclass(frozen=True, slots=True)
class Result:
    """All that can be seen of one request.

    `late` says that a call which others share was made before it could be, or later than it may
    be; `ambiguous` that one was made at the very time of something else. `lacking` are steps that
    had to be skipped since nothing was kept.
    `ports` has "inputs", "outputs" (only where the pipeline has an output), and "<step>.inputs" and
    "<step>.outputs" of every step. `answer` equals `ports["outputs"]`.
    """

    ports: dict[str, Ended]
    answer: Ended | None
    calls: list[Call]
    dead_letters: list[DeadLetter]
    closed_ms: float
    late: bool = False
    ambiguous: bool = False
    lacking: frozenset[str] = frozenset()
