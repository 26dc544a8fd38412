"""Versions of models that are loaded and not the ones that serve: gateways elsewhere call them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from penstock.core.contracts.gateway import TargetKind
from penstock.core.dataflow import Dataflow
from penstock.core.joinspec import JoinFactories
from penstock.core.model_gateway import ModelSlot
from penstock.core.pipeline_gateway.target import ServedTarget
from penstock.core.plan.single_model import compile_model
from penstock.core.target_names import without_suffix

if TYPE_CHECKING:
    from penstock.core.pipeline_gateway.admission import Admission


class LoadedVersions:
    """Finds a version by its number for as long as it is loaded.

    A gateway that follows this process goes on calling the version that it knows until it has
    heard of the next. Targets are made when somebody asks for them.
    """

    def __init__(self, admission: Admission, dataflow: Dataflow, joins: JoinFactories) -> None:
        self._admission = admission
        self._dataflow = dataflow
        self._joins = joins
        self._made: dict[ModelSlot, ServedTarget] = {}

    def find(self, name: str, kind: TargetKind | None, version: str) -> ServedTarget | None:
        """The target of one version of a model, None where it is not loaded."""
        bare, suffix = without_suffix(name)
        if {suffix, kind} - {None, "model"} or not version.isdecimal():
            return None
        slot = self._dataflow.models.version_slot(bare, int(version))
        if slot is None:
            return None
        return self._made.get(slot) or self._make(slot, int(version))

    def _make(self, slot: ModelSlot, version: int) -> ServedTarget:
        for left in [each for each in self._made if each.served is None]:
            del self._made[left]
        assert slot.served is not None, "places of versions are of those that are loaded"
        plan = compile_model(slot.name, version, self._joins)
        target = self._made[slot] = ServedTarget(
            self._admission,
            "model",
            slot.name,
            version,
            deployment=self._dataflow.deploy_on(plan, (slot,)),
            signature=slot.served.instance.signature,
        )
        # A version may go and be loaded again: front ends shall ask each time.
        target.expire()
        return target
