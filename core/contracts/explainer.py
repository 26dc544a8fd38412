"""The contract of an explainer: why a model or a pipeline answered as it did."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Final, Literal, Protocol

from penstock.core.inference import InferenceRequest
from penstock.core.records import Tensors
from penstock.core.signature import Signature

CAPABILITY: Final = "explainer"
"""What servers are capable of that explainers can be on: those in a process with a gateway."""

CALLS_IN_FLIGHT: Final = 4
MAX_EVALUATIONS: Final = 1_000_000


class Ask(Protocol):
    """Asks what is explained, any number of rows at a time."""

    def __call__(self, tensors: Tensors, beside: Tensors = ()) -> Awaitable[Tensors]:
        """The answer to every row: all ``tensors`` have the same first axis, and so has every
        tensor of the answer.

        They go out as calls of as many rows as what is explained takes, a few of them at a time;
        each call has ``beside`` as well, as it is. Raises PenstockError, which is to be passed on.
        """


@dataclass(frozen=True, slots=True)
class Explains:
    """What an explainer explains, and how: the ``explainer`` section of its manifest.

    ``batch_size`` is how many rows one call has, None where the signature says it.
    ``calls_in_flight`` and ``max_evaluations`` (rows) are bounds of one explanation.
    """

    type: str
    kind: Literal["model", "pipeline"]
    name: str
    batch_size: int | None = None
    calls_in_flight: int = CALLS_IN_FLIGHT
    max_evaluations: int = MAX_EVALUATIONS

    def __str__(self) -> str:
        return f"{self.kind} '{self.name}'"


class Explained(ABC):
    """The model or the pipeline that is explained, as it stands when it is looked at."""

    @property
    @abstractmethod
    def explains(self) -> Explains:
        """Which it is; as text ``model 'income'``."""

    @property
    @abstractmethod
    def signature(self) -> Signature | None:
        """That of the version that serves, as far as it is known."""

    @property
    @abstractmethod
    def own_object(self) -> object | None:
        """The object that answers for a model, where that is in this process."""

    @property
    @abstractmethod
    def rows_at_once(self) -> int:
        """How many rows all calls that may be in flight have together."""


class Explainer(ABC):
    """Explains answers of one model or pipeline, which it may ask as often as it needs.

    Made with the parameters of the explainer's manifest by name.
    """

    asks: ClassVar[bool] = True
    """Whether it asks at all: one that looks into a model object may not."""

    def load(self, explained: Explained, artifacts: Path | None) -> None:  # noqa: B027 - optional
        """Called once, in a thread of its own, when what is explained can be asked.

        ``artifacts`` is the local folder or file that the manifest's ``storageUri`` names. Raises
        PenstockError with a sentence for the explainer's status; any other exception refuses it as
        well.
        """

    def signature(self) -> Signature | None:
        """The tensors that it takes and gives, after :meth:`load`; None where nothing is known."""
        return None

    @abstractmethod
    async def explain(self, request: InferenceRequest, ask: Ask) -> Tensors:
        """The explanation of the answer to ``request``, as tensors.

        Called on the event loop for every request to the explainer, several at a time; work that
        takes long goes to a thread (:func:`penstock.core.explaining.in_thread`). It is cancelled
        at the request's deadline, and when nobody waits for it any more. Raises PenstockError;
        any other exception counts as ``step-failed``.
        """
