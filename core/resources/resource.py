"""A resource: a manifest, where it is from, and how it stands."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Generic, TypeVar

import orjson

from penstock.core.resources.digest import NO_FILES, Digest
from penstock.core.resources.manifest import Manifest
from penstock.core.resources.model import Model
from penstock.core.resources.server import Server
from penstock.core.resources.status import WITHOUT_EFFECT, Status
from penstock.core.resources.value import Value

ManifestT = TypeVar("ManifestT", bound=Manifest)


_SIZE: Final[Mapping[str, int | None]] = {
    "replicas": 1,
    "min_replicas": None,
    "max_replicas": None,
}
"""Fields that make no other version, as they would be for one replica."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a manifest was read: the name of the text, and the folder its paths start from."""

    source: str
    folder: Path | None = None


@dataclass(frozen=True, slots=True)
class Resource(Generic[ManifestT]):
    """What the control plane keeps of one resource. It never changes; changes make a new one.

    ``digest`` is that of the files of this machine that the version of a model was made from.
    """

    manifest: ManifestT
    origin: Origin
    status: Status
    digest: Digest = NO_FILES

    @property
    def name(self) -> str:
        """Short for ``manifest.metadata.name``."""
        return self.manifest.metadata.name

    @property
    def kind(self) -> str:
        """Short for ``manifest.kind``."""
        return self.manifest.kind

    def document(self) -> dict[str, Any]:
        """The resource as JSON: its manifest and its status."""
        return self.manifest.document() | {
            "status": self.status.model_dump(mode="json", by_alias=True)
        }

    def with_status(self, status: Status) -> Resource[ManifestT]:
        """The same resource, standing differently."""
        return self if status is self.status else replace(self, status=status)


def create(
    manifest: ManifestT,
    origin: Origin,
    *,
    revision: int,
    now_ms: float,
    without_effect: tuple[str, ...] = (),
    digest: Digest = NO_FILES,
) -> Resource[ManifestT]:
    """The first version of a resource. ``without_effect``: a sentence for each idle field."""
    status = Status(revision=revision, version=1)
    return Resource(manifest, origin, _with_idle(status, without_effect, now_ms), digest)


def update(
    old: Resource[ManifestT],
    manifest: ManifestT,
    origin: Origin,
    *,
    revision: int,
    now_ms: float,
    without_effect: tuple[str, ...] = (),
    digest: Digest = NO_FILES,
) -> Resource[ManifestT]:
    """What ``old`` becomes when ``manifest`` is applied; ``old`` itself when nothing changes.

    A change of the spec makes the next version, and so does one of the files behind it; a change of
    how many replicas there are does not, nor of labels or annotations, nor does another place of
    the same manifest, except where modules are looked up in its folder.
    """
    version = old.status.version
    if means_another(old, manifest, origin) or digest != old.digest:
        version += 1
    elif manifest == old.manifest:
        return old
    status = old.status.model_copy(update={"revision": revision, "version": version})
    return Resource(manifest, origin, _with_idle(status, without_effect, now_ms), digest)


def means_another(old: Resource[ManifestT], manifest: Manifest, origin: Origin) -> bool:
    """Whether a manifest asks for something else than ``old`` is, but for how much of it."""
    if _but_for_size(manifest) != _but_for_size(old.manifest):
        return True
    return (
        isinstance(manifest, Model)
        and manifest.spec.python is not None
        and origin.folder != old.origin.folder
    )


def content_of(model: Model, origin: Origin, digest: Digest) -> str:
    """What one version of a model is made of, told by a digest: two are equal where an apply of
    the one over the other would make no new version."""
    folder = origin.folder if model.spec.python is not None else None
    told = (_but_for_size(model).model_dump(mode="json"), folder and str(folder), *digest)
    written = orjson.dumps(told, option=orjson.OPT_SORT_KEYS)
    return hashlib.blake2b(written, digest_size=16).hexdigest()


def sized_as(model: Model, other: Model) -> Model:
    """``model`` with as many copies as ``other`` says."""
    size = {field: getattr(other.spec, field) for field in _SIZE}
    return model.model_copy(update={"spec": model.spec.model_copy(update=size)})


def _but_for_size(manifest: Manifest) -> Value:
    """The spec, as it would be for one replica."""
    if not isinstance(manifest, Model | Server):
        return manifest.spec
    return manifest.spec.model_copy(update=_SIZE)


def _with_idle(status: Status, without_effect: tuple[str, ...], now_ms: float) -> Status:
    if not without_effect:
        return status.without_condition(WITHOUT_EFFECT)
    return status.with_condition(
        WITHOUT_EFFECT, "True", "AcceptedWithoutEffect", " ".join(without_effect), now_ms=now_ms
    )
