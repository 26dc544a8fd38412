"""A pipeline as the engine runs it: every reference resolved to an index, every join made.

A plan never changes after it is compiled (the joins' tables of remembered decisions apart, which
only grow towards what the strategies would answer anyway) and may be shared by threads.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, final

from penstock.core.contracts.join import Decision, JoinStrategy
from penstock.core.records import Absent


class Part(NamedTuple):
    """How one source is made from the record of its port.

    ``tensor`` is the one that is wanted, None for the whole port; ``rename`` is its new name, and
    ``renames`` those of a whole port's tensors. ``left_out`` is how the source ends when the
    record lacks the tensor.
    """

    position: int
    tensor: str | None
    rename: str | None
    renames: Mapping[str, str] | None
    left_out: Absent


class Feed(NamedTuple):
    """All that the record of one port means to one consumer: its sources there end together.

    ``direct`` marks a consumer that runs as soon as this is a value, since it has no other source
    and no trigger, so that there is nothing to keep between records; ``whole`` a source that takes
    the record just as it is.
    """

    consumer: int
    inputs: tuple[Part, ...]
    triggers: tuple[Part, ...]
    direct: bool
    whole: bool


@dataclass(frozen=True, slots=True, eq=False)
class JoinPlan:
    """One join of a consumer. ``decisions`` remembers what a strategy that reads states only has
    answered; None where the strategy must be asked every time. ``runs_on_value`` says that its
    only source being a value is known to be enough.
    """

    strategy: JoinStrategy
    references: tuple[str, ...]
    decisions: dict[int, Decision] | None
    runs_on_value: bool


@dataclass(frozen=True, slots=True, eq=False)
class Consumer:
    """What joins sources: a step, or the pipeline's output (``name`` is then ``output``).

    ``may_clash`` says that two of the sources can bring tensors of one name, which is known not to
    happen when every source is a tensor with a name of its own. ``quick`` says that nothing but
    the states of its inputs decides: no trigger, no window, no strategy that looks at more.
    """

    index: int
    name: str
    inputs: JoinPlan
    triggers: JoinPlan | None
    window_ms: float | None
    may_clash: bool
    quick: bool = field(init=False)

    def __post_init__(self) -> None:
        quick = (
            self.triggers is None and self.window_ms is None and self.inputs.decisions is not None
        )
        object.__setattr__(self, "quick", quick)


@final
@dataclass(frozen=True, slots=True, eq=False)
class StepPlan(Consumer):
    """One step. ``model`` is the name that it calls; times are in milliseconds."""

    model: str
    timeout_ms: float | None
    retries: int
    backoff_ms: float
    failure_is_absence: bool
    input_feeds: tuple[Feed, ...]
    output_feeds: tuple[Feed, ...]
    keeps_inputs: bool
    keeps_outputs: bool
    put_out_nothing: Absent
    plain: bool
    """Whether there is nothing to do but to call: nobody reads its inputs, no names can clash, and
    an attempt has no end of its own."""


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """One version of one pipeline, compiled.

    ``consumers`` holds the steps in the manifest's order and then the output, if there is one.
    ``single_model`` marks the plan of a model that is called on its own.
    """

    name: str
    version: int
    steps: tuple[StepPlan, ...]
    output: Consumer | None
    consumers: tuple[Consumer, ...]
    input_feeds: tuple[Feed, ...]
    keeps_input: bool
    keeps_output: bool
    single_model: bool = False
    models: tuple[str, ...] = field(default=())
    """The names of the models that the steps call, each once, in the order of the steps."""
