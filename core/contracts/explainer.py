"""The contract of an explainer: why a model or a pipeline answered as it did."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from typing import TypeAlias

from penstock.core.inference import InferenceRequest, InferenceResponse

Infer: TypeAlias = Callable[[InferenceRequest], Awaitable[InferenceResponse]]
"""Asks what is explained; raises PenstockError as any caller gets it."""


class Explainer(ABC):
    """Explains answers of one model or pipeline, which it may ask as often as it needs.

    Made with the parameters of the explainer's manifest by name.
    """

    @abstractmethod
    async def explain(self, request: InferenceRequest, infer: Infer) -> InferenceResponse:
        """The explanation of the answer to ``request``, as tensors.

        Called on the event loop for every request to the explainer; it is cancelled at the
        request's deadline. Raises PenstockError; any other exception counts as ``step-failed``.
        """
