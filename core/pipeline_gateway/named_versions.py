"""Versions of models that copies answer to by the model's own name, at an agent."""

from __future__ import annotations

from penstock.core.contracts.gateway import TargetKind
from penstock.core.errors import NotFoundError
from penstock.core.pipeline_gateway.target import ServedTarget
from penstock.core.target_names import without_suffix


class NamedVersions:
    """The targets by model and version, and the copy behind each.

    A copy has a name of its own beside them, which others may be called as well: a request that
    names a version means these.
    """

    def __init__(self) -> None:
        self._targets: dict[tuple[str, str], ServedTarget] = {}
        self._of_copies: dict[str, list[ServedTarget]] = {}

    def means(self, copy: str, model: str, version: int) -> bool:
        """Whether a version of a model is this copy."""
        target = self._targets.get((model, str(version)))
        return target is not None and target in self._of_copies.get(copy, ())

    def put(self, copy: str, target: ServedTarget) -> None:
        """From now on the model and version of ``target`` mean this copy."""
        key = (target.name, target.version)
        before = self._targets.get(key)
        if before is not None:
            before.expire()
        self._targets[key] = target
        self._of_copies.setdefault(copy, []).append(target)

    def find(self, name: str, kind: TargetKind | None, version: str) -> ServedTarget | None:
        """The target of a version; None where no copy is of the model.

        Raises NotFoundError where there are copies of other versions only.
        """
        model, suffix = without_suffix(name)
        if {suffix, kind} - {None, "model"}:
            return None
        target = self._targets.get((model, version))
        if target is None:
            others = sorted(number for of, number in self._targets if of == model)
            if others:
                raise NotFoundError(
                    f"model '{model}' has no version {version} here; there is {', '.join(others)}"
                )
        return target

    def remove(self, copy: str) -> list[ServedTarget]:
        """Nothing means a copy any more; requests may be under way on what it was called."""
        gone = self._of_copies.pop(copy, [])
        for target in gone:
            target.expire()
            key = (target.name, target.version)
            if self._targets.get(key) is target:
                del self._targets[key]
        return gone

    def has(self, model: str) -> bool:
        """Whether there is a copy of a model."""
        return any(of == model for of, _ in self._targets)
