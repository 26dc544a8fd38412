"""What every resource is called, and what its owner has written on it."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import Field

from penstock.core.resources.value import Name, Value


class Metadata(Value):
    """Name, namespace, labels and annotations.

    ``namespace`` is None where none is written; one runtime serves one namespace. A change of
    metadata makes no new version.
    """

    name: Name
    namespace: Name | None = None
    labels: Mapping[str, str] = Field(default_factory=dict)
    annotations: Mapping[str, str] = Field(default_factory=dict)
