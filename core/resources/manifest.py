"""What the manifests of all kinds have in common."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

from penstock.core.resources.metadata import Metadata
from penstock.core.resources.value import Value

ApiVersion: TypeAlias = Literal["penstock.io/v1", "mlops.seldon.io/v1alpha1"]
"""The versions of manifests that are read. Both have the same kinds and fields."""

API_VERSIONS: tuple[ApiVersion, ...] = ("penstock.io/v1", "mlops.seldon.io/v1alpha1")


class Manifest(Value):
    """A resource as its owner wants it. Each kind has a ``spec`` of its own."""

    api_version: ApiVersion = "penstock.io/v1"
    metadata: Metadata
    kind: str
    spec: Value

    @property
    def name(self) -> str:
        """Short for ``metadata.name``."""
        return self.metadata.name

    def document(self) -> dict[str, Any]:
        """The manifest as JSON, without what stands at its default; reading it gives it again."""
        written = self.model_dump(mode="json", by_alias=True, exclude_defaults=True)
        spec = written.pop("spec", {})
        return {
            "apiVersion": self.api_version,
            "kind": self.kind,
            "metadata": written["metadata"],
            "spec": spec,
        }
