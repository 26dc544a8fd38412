"""Brings experiments from what is wanted to what splits requests, and says how they stand."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from typing import Final

from penstock.core.clock import Clock
from penstock.core.control.background import Background
from penstock.core.control.reasons import Reason
from penstock.core.control.standing import Outlook, settled, shortfall, stand
from penstock.core.control.store import AnyResource, ResourceKey, ResourceStore
from penstock.core.control.usage import UsageIndex
from penstock.core.errors import OverloadedError
from penstock.core.experiments.in_force import InForce
from penstock.core.manifests import needs_of
from penstock.core.nearest import did_you_mean
from penstock.core.pipeline_gateway import PipelineGateway
from penstock.core.resources import Experiment

KIND: Final = "Experiment"

_log = logging.getLogger(__name__)


class ExperimentReconciler:
    """The experiments of a process. All methods are called on the event loop.

    An experiment splits requests as soon as it is applied, over those of its candidates that
    serve. The weights in force are those of the manifest until something sets others, which hold
    for that version.
    """

    def __init__(
        self,
        store: ResourceStore,
        usage: UsageIndex,
        gateway: PipelineGateway,
        background: Background,
        clock: Clock,
    ) -> None:
        self._store = store
        self._usage = usage
        self._gateway = gateway
        self._background = background
        self._clock = clock
        self._in_force: dict[str, InForce] = {}

    def start(self) -> None:
        """Begin to say how experiments stand as their candidates come and go."""
        self._background.spawn(self._follow(), "watching the candidates of experiments")

    def want(
        self, experiment: Experiment, version: int, weights: Sequence[float] | None = None
    ) -> None:
        """Split by this version from now on; by its own weights, or those that were in force when
        another process did."""
        name = experiment.name
        if weights is None or len(weights) != len(experiment.spec.candidates):
            weights = [float(candidate.weight) for candidate in experiment.spec.candidates]
        self._split(InForce(experiment, version, tuple(weights)))
        _log.info("experiment '%s', version %d splits requests", name, version)
        self._look_at(name)
        self._look_at_users(ResourceKey(KIND, name))

    def set_weights(self, name: str, version: int, weights: Sequence[float]) -> None:
        """Split by other weights, in the order of the candidates, none below 0 and one over it,
        unless that version is not the one that splits any more."""
        known = self._in_force.get(name)
        if known is None or known.version != version:
            return
        if tuple(weights) != known.weights:
            self._split(known._replace(weights=tuple(weights)))

    def silent(self, name: str) -> Mapping[str, str]:
        """The candidates that cannot answer at the moment, and why; none of what is not there."""
        if name not in self._in_force:
            return {}
        return self._gateway.experiments.find(name).silent()

    def drop(self, name: str) -> None:
        """Split nothing under that name any more."""
        del self._in_force[name]
        self._gateway.remove("experiment", name)

    def look(self) -> None:
        """Write how every experiment stands now."""
        for name in self._in_force:
            self._look_at(name)

    def _split(self, in_force: InForce) -> None:
        self._in_force[in_force.manifest.name] = in_force
        self._gateway.set_experiment(in_force)

    async def _follow(self) -> None:
        while True:
            try:
                async with aclosing(self._store.follow(None, self._store.revision)) as changes:
                    self.look()
                    async for change in changes:
                        if change.key.kind != KIND or change.action == "deleted":
                            self._look_at_users(change.key)
            except OverloadedError:
                continue  # too many changes at once to be told each

    def _look_at_users(self, key: ResourceKey) -> None:
        """Those that lead to it stand differently, and those that lead to them."""
        for user in self._usage.users(key):
            if user.kind == KIND and user.name in self._in_force:
                self._look_at(user.name)
                self._look_at_users(user)

    def _look_at(self, name: str) -> None:
        key = ResourceKey(KIND, name)
        resource = self._store.get(key)
        if resource is None:
            return
        in_force = self._in_force[name]
        outlook, serves = self._outlook(in_force)
        version = in_force.version if serves else None
        self._store.set_status(key, stand(resource.status, version, outlook, self._clock.now_ms()))

    def _outlook(self, in_force: InForce) -> tuple[Outlook | None, bool]:
        """What is wrong with an experiment, None where nothing is; and whether it answers."""
        target = self._gateway.experiments.find(in_force.manifest.name)
        if target.no_router is not None:
            return Outlook(Reason.NO_ROUTER, target.no_router.message, at_work=False), False
        why_not = target.why_not()
        reason, at_work, said = Reason.WAITING_FOR_CANDIDATES, True, []
        for need in dict.fromkeys((n.kind, n.name) for n in needs_of(in_force.manifest)):
            resource = self._store.get(ResourceKey(*need))
            if resource is None:
                reason, at_work = Reason.MISSING_CANDIDATE, False
                said.append(self._missing(*need))
            elif not resource.status.ready:
                at_work = at_work and not settled(resource.status)
                said.append(_unready(resource))
        if not said:
            if why_not is None:
                return None, True
            said.append(why_not.message)
        if not at_work and reason == Reason.WAITING_FOR_CANDIDATES:
            reason = Reason.CANDIDATE_NOT_READY
        return Outlook(reason, "; ".join(said), at_work), why_not is None

    def _missing(self, kind: str, name: str) -> str:
        hint = did_you_mean(name, self._store.by_name(kind))
        return f"there is no {kind.lower()} '{name}'" + (f"; {hint}" if hint else "")


def _unready(resource: AnyResource) -> str:
    return f"{resource.kind.lower()} '{resource.name}' is not ready: {shortfall(resource.status)}"
