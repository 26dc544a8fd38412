"""What explainers of tables explain in unit tests."""

from __future__ import annotations

from typing import Any

from penstock.core.contracts.explainer import Explained, Explains
from penstock.core.signature import Signature, TensorSpec

SIGNATURE = Signature((TensorSpec("x", "FP64", ("n", 2)),))


class Of(Explained):
    """What is explained: ``own_object`` answers where it is looked into."""

    def __init__(self, own_object: object = None, kind: Any = "model") -> None:
        self._own_object = own_object
        self._explains = Explains("any", kind, "m")

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
        return 100
