"""What is explained, as explainers see it where there is no gateway."""

from __future__ import annotations

from typing import Any

from penstock.core.contracts.explainer import Explained, Explains
from penstock.core.signature import Signature, TensorSpec

SIGNATURE = Signature((TensorSpec("x", "FP64", ("n", 2)),))


class Of(Explained):
    """What has ``own_object`` where it is looked into. ``bounds`` are those of ``Explains``."""

    def __init__(
        self, own_object: object = None, kind: Any = "model", rows_per_call: int = 25, **bounds: Any
    ) -> None:
        self._own_object = own_object
        self._rows_per_call = rows_per_call
        self._explains = Explains("shap", kind, "m", **bounds)

    @property
    def explains(self) -> Explains:
        return self._explains

    @property
    def signature(self) -> Signature:
        return SIGNATURE

    @property
    def own_object(self) -> object:
        return self._own_object

    @property
    def rows_at_once(self) -> int:
        return self._rows_per_call * self._explains.calls_in_flight
