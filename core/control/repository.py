"""What loading and unloading a model by its name mean for its manifest.

An unloaded model is one with ``replicas: 0``. How many it had is kept in an annotation, so that it
comes back as it was, also after a restart; applying its manifest again does that as well.
"""

from __future__ import annotations

from typing import Any, Final

import orjson

from penstock.core.contracts.control import ManifestText
from penstock.core.resources import Manifest, Origin

REPLICAS: Final = "penstock.io/replicas-when-loaded"
"""How many replicas an unloaded model had; empty where its manifest did not say."""

LOADED_WITHIN_S: Final = 300.0
"""How long who asks for a load waits for it."""


def unloaded(manifest: Manifest, origin: Origin) -> ManifestText:
    """The manifest of a model that shall be on no server."""
    document = manifest.document()
    spec, annotations = _parts(document)
    if spec.get("replicas") != 0:
        annotations[REPLICAS] = str(spec.get("replicas", ""))
        spec["replicas"] = 0
    return _text(document, origin)


def loaded(manifest: Manifest, origin: Origin) -> ManifestText:
    """The manifest of a model that shall be on servers: what it was before it was unloaded."""
    document = manifest.document()
    spec, annotations = _parts(document)
    before = annotations.pop(REPLICAS, "")
    if spec.get("replicas") == 0:
        del spec["replicas"]
        if before:
            spec["replicas"] = int(before)
    return _text(document, origin)


def _parts(document: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    return document["spec"], document["metadata"].setdefault("annotations", {})


def _text(document: dict[str, Any], origin: Origin) -> ManifestText:
    folder = None if origin.folder is None else str(origin.folder)
    return ManifestText(orjson.dumps(document).decode(), origin.source, folder)
