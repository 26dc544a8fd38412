"""``execution: inline``: a model that is called on the event loop."""

from __future__ import annotations

from penstock.core.contracts.model import ModelCall, ModelInstance
from penstock.core.records import Tensors
from penstock.servers.binding.bound_model import BoundModel


class InlineInstance(ModelInstance):
    """Answers at once. While the model computes, nothing else on the event loop goes on."""

    __slots__ = ("_call",)

    def __init__(self, model: BoundModel) -> None:
        super().__init__(model.signature)
        self._call = self.inline = model.call

    def infer(self, call: ModelCall) -> Tensors:
        return self._call(call)
