"""What manifests of experiments name is made: bandits and metrics of plug-ins."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Never, Protocol, TypeVar

from pydantic import JsonValue
from pydantic.alias_generators import to_snake

from penstock.core.contracts.arm_metric import ArmMetric
from penstock.core.contracts.bandit import Bandit
from penstock.core.errors import NotFoundError
from penstock.core.resources.arm_metric import ArmMetricDeclaration
from penstock.core.resources.bandit import BanditDeclaration

T = TypeVar("T", covariant=True)


class Makes(Protocol[T]):
    """Where things are made by name; the plug-ins' registries are such."""

    def make(self, name: str, *args: object, **kwargs: object) -> T:
        """Raises an error that names the nearest name, or the plug-in that failed."""


class _Nothing:
    def make(self, name: str, *args: object, **kwargs: object) -> Never:
        raise NotFoundError(f"there is no '{name}', and nothing of the kind is installed")


NOTHING: Final = _Nothing()
"""Where no plug-ins are."""


class Makers:
    """Makes what manifests name. Raises errors with sentences where that cannot be made."""

    def __init__(
        self, bandits: Makes[Bandit] = NOTHING, metrics: Makes[ArmMetric] = NOTHING
    ) -> None:
        self._bandits = bandits
        self._metrics = metrics

    def bandit(self, declared: BanditDeclaration) -> Bandit:
        """The bandit that a manifest names."""
        return self._bandits.make(declared.name, **_keywords(declared.parameters))

    def metric(self, declared: ArmMetricDeclaration) -> ArmMetric:
        """A metric that a manifest names."""
        return self._metrics.make(declared.measure, **_keywords(declared.parameters))


def _keywords(parameters: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    """The parameters by the names that they have in Python."""
    return {to_snake(name): value for name, value in parameters.items()}
