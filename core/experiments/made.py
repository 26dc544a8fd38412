"""What manifests of experiments name is made: bandits and metrics of plug-ins."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol, TypeVar

from pydantic import JsonValue
from pydantic.alias_generators import to_snake

from penstock.core.contracts.arm_metric import ArmMetric
from penstock.core.contracts.bandit import Bandit
from penstock.core.resources.arm_metric import ArmMetricDeclaration
from penstock.core.resources.bandit import BanditDeclaration

T = TypeVar("T", covariant=True)


class Makes(Protocol[T]):
    """Where things are made by name; the plug-ins' registries are such."""

    def make(self, name: str, *args: object, **kwargs: object) -> T:
        """Raises an error that names the nearest name, or the plug-in that failed."""


def bandit_maker(factories: Makes[Bandit]) -> Callable[[BanditDeclaration], Bandit]:
    """What makes the bandit that a manifest names."""
    return lambda declared: factories.make(declared.name, **_keywords(declared.parameters))


def metric_maker(factories: Makes[ArmMetric]) -> Callable[[ArmMetricDeclaration], ArmMetric]:
    """What makes a metric that a manifest names."""
    return lambda declared: factories.make(declared.measure, **_keywords(declared.parameters))


def _keywords(parameters: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    """The parameters by the names that they have in Python."""
    return {to_snake(name): value for name, value in parameters.items()}
