"""What is explained, seen through the gateway of this process."""

from __future__ import annotations

from penstock.core.contracts.explainer import Explained, Explains
from penstock.core.explaining.evaluations import rows_per_call
from penstock.core.model_gateway import ModelGateway
from penstock.core.pipeline_gateway.questions import Questions
from penstock.core.signature import Signature


class Subject(Explained):
    """Looks at what serves when it is asked, which may be another version later."""

    def __init__(self, explains: Explains, questions: Questions, models: ModelGateway) -> None:
        self._explains = explains
        self._questions = questions
        self._models = models

    @property
    def explains(self) -> Explains:
        return self._explains

    @property
    def signature(self) -> Signature | None:
        return self._questions.signature(self._explains.kind, self._explains.name)

    @property
    def own_object(self) -> object | None:
        if self._explains.kind != "model":
            return None
        served = self._models.slot(self._explains.name).served
        return None if served is None else served.instance.own_object

    @property
    def rows_at_once(self) -> int:
        return self.rows_per_call * self._explains.calls_in_flight

    @property
    def rows_per_call(self) -> int:
        """How many rows one call has."""
        return rows_per_call(self._explains, self.signature)
