"""By which name what is served."""

from __future__ import annotations

from collections.abc import Iterator

from penstock.core.contracts.gateway import TargetKind
from penstock.core.dataflow import Deployment
from penstock.core.errors import NotFoundError
from penstock.core.nearest import did_you_mean
from penstock.core.pipeline_gateway.target import ServedTarget
from penstock.core.target_names import TARGET_KINDS, impossible, without_suffix


class Routes:
    """The targets by kind and name, and the versions that are leaving.

    A bare name means the model, else the pipeline; a suffix (``x.pipeline``) says which.
    """

    __slots__ = ("_leaving", "_targets")

    def __init__(self) -> None:
        self._targets: dict[TargetKind, dict[str, ServedTarget]] = {
            kind: {} for kind in TARGET_KINDS
        }
        self._leaving: dict[tuple[TargetKind, str, str], set[Deployment]] = {}

    def __iter__(self) -> Iterator[ServedTarget]:
        """Every target, by kind and name."""
        for targets in self._targets.values():
            yield from (targets[name] for name in sorted(targets))

    def put(self, target: ServedTarget) -> None:
        """From now on the name means this target."""
        known = self._targets[target.kind]
        before = known.get(target.name)
        known[target.name] = target
        if before is not None:
            self._retire(before)
        elif target.kind == "model":
            # A bare name means the model first, so who resolved it to a pipeline has to ask again.
            self.renew("pipeline", target.name)

    def renew(self, kind: TargetKind, name: str) -> None:
        """Whoever has resolved the name has to ask again."""
        known = self._targets[kind]
        if name in known:
            known[name] = known[name].renewed()

    def remove(self, kind: TargetKind, name: str) -> None:
        """The name means nothing any more."""
        target = self._targets[kind].pop(name, None)
        if target is not None:
            self._retire(target)

    async def drained(self, kind: TargetKind, name: str, version: int) -> None:
        """Return when nothing is under way on a version that was replaced or removed."""
        key = (kind, name, str(version))
        # One version may leave, come back and leave again before the first has drained.
        while leaving := self._leaving.get(key):
            deployment = next(iter(leaving))
            await deployment.idle()
            leaving.discard(deployment)
            if not leaving:
                self._leaving.pop(key, None)

    def find(self, name: str, kind: TargetKind | None, version: str | None) -> ServedTarget:
        """The target of ``name``.

        Raises NotFoundError with the nearest name, or why it can be none, when there is no such
        target; InvalidRequestError for no name at all.
        """
        bare, suffix = without_suffix(name)
        if suffix is not None and kind is not None and suffix != kind:
            raise NotFoundError(f"'{name}' names a {suffix}, and a {kind} was asked for")
        wanted = suffix or kind
        kinds: tuple[TargetKind, ...] = ("model", "pipeline") if wanted is None else (wanted,)
        for each in kinds:
            target = self._targets[each].get(bare)
            if target is not None:
                return _of_version(target, version)
        known = [known_name for each in kinds for known_name in self._targets[each]]
        what = " or ".join(kinds)
        refused = impossible(bare, what)
        if refused is not None:
            raise refused
        hint = did_you_mean(bare, known)
        raise NotFoundError(f"there is no {what} '{bare}'" + (f"; {hint}" if hint else ""))

    def _retire(self, target: ServedTarget) -> None:
        target.expire()
        deployment = target.deployment
        if deployment is not None and deployment.open:
            key = (target.kind, target.name, target.version)
            self._leaving.setdefault(key, set()).add(deployment)


def _of_version(target: ServedTarget, version: str | None) -> ServedTarget:
    if version is None or version == target.version:
        return target
    raise NotFoundError(
        f"{target.kind} '{target.name}' has no version {version}; it serves {target.version}"
    )
