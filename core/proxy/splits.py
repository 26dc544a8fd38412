"""Experiments that a forwarder can decide by itself: which way requests go, in which shares."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final, TypeAlias

from penstock.core.contracts.forwarder import Copied, Share, Way
from penstock.core.experiments.trails import written_trail
from penstock.core.resources import Experiment
from penstock.core.resources.experiment import ExperimentDeclaration
from penstock.core.routing.route import ServedExperiment

MODEL_SUFFIX: Final = ".model"
EXPERIMENT_SUFFIX: Final = ".experiment"

PLAIN: Final = "weighted"
"""The router that draws lots by weights and does nothing else."""

FindDestination: TypeAlias = Callable[[str], str | None]
"""The destination of a model, None where it is asked through gateways only."""


class Splits:
    """The experiments that are served, and the names that they split."""

    def __init__(self) -> None:
        self._served: dict[str, ServedExperiment] = {}
        self._users: dict[str, dict[str, None]] = {}
        self._over: dict[str, str] = {}

    def put(self, name: str, served: ServedExperiment | None) -> list[str]:
        """An experiment is another from now on, or none; the names whose ways may be others."""
        before = self._served.pop(name, None)
        touched = [name + EXPERIMENT_SUFFIX]
        if before is not None:
            touched += _taken_over(before.manifest)
            for model in _models_of(before.manifest):
                self._users[model].pop(name, None)
            self._over = {model: over for model, over in self._over.items() if over != name}
        if served is not None:
            touched += _taken_over(served.manifest)
            self._served[name] = served
            for model in _models_of(served.manifest):
                self._users.setdefault(model, {})[name] = None
            for taken in _taken_over(served.manifest):
                self._over[taken] = name
        return touched

    def touched(self, model: str) -> Iterator[str]:
        """The names whose ways may be others when the destination of a model is."""
        for name in self._users.get(model, ()):
            yield name + EXPERIMENT_SUFFIX
            yield from _taken_over(self._served[name].manifest)

    def over(self, name: str) -> str | None:
        """The experiment that requests to a model's name are split by, None where there is
        none."""
        return self._over.get(name)

    def way(self, name: str, destination: FindDestination) -> Way | None:
        """The way of an experiment, None where gateways have to decide."""
        served = self._served.get(name)
        if served is None or not _is_plain(served.manifest.spec):
            return None
        shares = []
        for arm, weight in zip(served.manifest.spec.arms, served.weights, strict=True):
            if weight > 0.0:
                found = destination(arm)
                if found is None:
                    return None
                trail = written_trail([(name, arm)])
                shares.append(Share(found, weight, arm + MODEL_SUFFIX, arm, trail))
        mirror = served.manifest.spec.mirror
        copied = None
        if mirror is not None and mirror.percent:
            found = destination(mirror.name)
            if found is None:
                return None
            copied = Copied(Share(found, target=mirror.name + MODEL_SUFFIX), mirror.percent)
        return Way(tuple(shares), copied, name, served.version) if shares else None


def _is_plain(spec: ExperimentDeclaration) -> bool:
    """Whether weights decide and nothing else, where no plug-in looks at answers and callers get
    no cookie."""
    return (
        spec.resource_type == "model"
        and spec.router.strip() == PLAIN
        and spec.sticky == "header"
        and not spec.metrics
    )


def _models_of(manifest: Experiment) -> Iterator[str]:
    """The models that requests to an experiment may come to."""
    spec = manifest.spec
    if spec.resource_type == "model":
        yield from spec.arms
        if spec.mirror is not None:
            yield spec.mirror.name


def _taken_over(manifest: Experiment) -> tuple[str, ...]:
    """The names of the model whose requests are split."""
    spec = manifest.spec
    if spec.default is None or spec.resource_type != "model":
        return ()
    return (spec.default, spec.default + MODEL_SUFFIX)
