"""Who follows which ports: what somebody follows runs over another plan."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple, TypeAlias

from penstock.core.contracts.gateway import TargetKind
from penstock.core.errors import NotFoundError, OverloadedError
from penstock.core.journal.tap import Tap, Wanted
from penstock.core.model_gateway import ModelGateway
from penstock.core.nearest import did_you_mean
from penstock.core.pipeline_gateway.routes import Routes
from penstock.core.plan import Plan
from penstock.core.port_types import PortType, infer_types, port_type
from penstock.core.records import Port, PortSide
from penstock.core.references import Source
from penstock.core.signature import Signature

Put: TypeAlias = Callable[[TargetKind, Plan, Signature | None, tuple[Tap, ...]], None]
"""Serves a pipeline or a model by a plan, with those who follow its ports."""

Key: TypeAlias = tuple[TargetKind, str]

MOST_TAPS: Final = 100
"""In one process."""

_SIDES: Final[tuple[PortSide, ...]] = ("inputs", "outputs")


class _Served(NamedTuple):
    plan: Plan
    signature: Signature | None


class Tapping:
    """The taps on the pipelines of a process, and on the models that are called on their own.

    A plan says at compile time which ports emit, so that nobody else pays for those who look. While
    there are taps, a variant of the plan is served in which the ports that they follow emit as
    well; requests that are under way stay on the plan that they began with.
    """

    def __init__(self, put: Put, routes: Routes, models: ModelGateway) -> None:
        self._put = put
        self._routes = routes
        self._models = models
        self._served: dict[Key, _Served] = {}
        self._taps: dict[Key, list[Tap]] = {}

    def serve(self, kind: TargetKind, plan: Plan, signature: Signature | None) -> None:
        """A version is to be served; who follows a step that it has not is told, and lost."""
        key = (kind, plan.name)
        self._served[key] = _Served(plan, signature)
        for tap in list(self._taps.get(key, ())):
            try:
                ports_of(tap.wanted, plan)
            except NotFoundError as error:
                self._drop(tap)
                tap.end(error)
        self._serve(key)

    def withdraw(self, kind: TargetKind, name: str) -> None:
        """Something is not ready any more; who follows it waits for it to come back."""
        self._served.pop((kind, name), None)

    def remove(self, kind: TargetKind, name: str) -> None:
        """Something is gone."""
        self.withdraw(kind, name)
        for tap in self._taps.pop((kind, name), ()):
            tap.end(NotFoundError(f"{kind} '{name}' was deleted"))

    def may_follow(self, tap: Tap) -> None:
        """As :meth:`penstock.core.contracts.gateway.Gateway.may_follow`."""
        kind, name = _key(tap)
        self._routes.find(name, kind, None)
        if sum(map(len, self._taps.values())) >= MOST_TAPS:
            raise OverloadedError(f"{MOST_TAPS} taps are open, and no more are; close one of them")
        served = self._served.get((kind, name))
        if served is not None:
            ports_of(tap.wanted, served.plan)
            self._check_tensor(tap, served)

    def follow(self, tap: Tap) -> None:
        """As :meth:`penstock.core.contracts.gateway.Gateway.follow`."""
        self.may_follow(tap)
        self._taps.setdefault(_key(tap), []).append(tap)
        self._serve(_key(tap))

    def unfollow(self, tap: Tap) -> None:
        """Nobody reads a tap any more."""
        if self._drop(tap):
            self._serve(_key(tap))

    def _drop(self, tap: Tap) -> bool:
        key = _key(tap)
        taps = self._taps.get(key, [])
        if tap not in taps:
            return False
        taps.remove(tap)
        if not taps:
            del self._taps[key]
        return True

    def _serve(self, key: Key) -> None:
        served = self._served.get(key)
        if served is None:
            return
        plan = served.plan
        taps = tuple(self._taps.get(key, ()))
        ports = frozenset(port for tap in taps for port in ports_of(tap.wanted, plan))
        if ports:
            assert plan.variant is not None, "plans of what is served can be compiled once more"
            plan = plan.variant(ports)
        self._put(key[0], plan, served.signature, taps)

    def _check_tensor(self, tap: Tap, served: _Served) -> None:
        """Refuse a tensor that its port is known not to hold."""
        name, port, tensor = tap.wanted.name, tap.wanted.port, tap.wanted.tensor
        if port is None or tensor is None:
            return
        source = Source("external", name, port.step, port.side, tensor)
        held = self._type_of(source, served)
        names = [spec.name for spec in held.tensors]
        if held.complete and tensor not in names:
            hint = did_you_mean(tensor, names) or f"it holds {', '.join(names) or 'nothing'}"
            raise NotFoundError(f"'{source.port_text}' holds no tensor '{tensor}'; {hint}")

    def _type_of(self, source: Source, served: _Served) -> PortType:
        pipeline = served.plan.pipeline
        if pipeline is not None:
            return port_type(source, infer_types(pipeline, self._signature_of))
        # What is called may be sent more than it wants.
        outputs = None if served.signature is None else served.signature.outputs
        known = outputs is not None and source.side == "outputs"
        return PortType(outputs or (), complete=known)

    def _signature_of(self, model: str) -> Signature | None:
        served = self._models.slot(model).served
        return None if served is None else served.instance.signature


def _key(tap: Tap) -> Key:
    return tap.wanted.kind or "pipeline", tap.wanted.name


def ports_of(chosen: Wanted, plan: Plan) -> frozenset[Port]:
    """The ports that are followed. Raises NotFoundError when there is no such step."""
    # A model on its own has no steps for those who look at it.
    names = [] if plan.single_model else [step.name for step in plan.steps]
    wanted = chosen.port
    if wanted is None:
        return frozenset(Port(name, side) for name in (None, *names) for side in _SIDES)
    if wanted.step is None or wanted.step in names:
        return frozenset({wanted})
    if plan.single_model:
        raise NotFoundError(
            f"model '{plan.name}' has no steps; follow {plan.name}.inputs or {plan.name}.outputs"
        )
    hint = did_you_mean(wanted.step, names) or f"its steps are {', '.join(names)}"
    raise NotFoundError(
        f"pipeline '{plan.name}', version {plan.version}, has no step '{wanted.step}'; {hint}"
    )
