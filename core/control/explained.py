"""What explainers explain: whether it is there, and what there is to say while it is not."""

from __future__ import annotations

from typing import Final

from penstock.core.contracts.explainer import Explains
from penstock.core.control.reasons import Reason
from penstock.core.control.standing import Outlook, settled, shortfall
from penstock.core.control.store import ResourceKey, ResourceStore
from penstock.core.nearest import did_you_mean
from penstock.core.resources import Model

_REASONS: Final = {
    "model": (Reason.MISSING_MODEL, Reason.WAITING_FOR_MODELS, Reason.MODEL_NOT_READY),
    "pipeline": (
        Reason.MISSING_PIPELINE,
        Reason.WAITING_FOR_PIPELINES,
        Reason.PIPELINE_NOT_READY,
    ),
}


def outlook_of_explained(explains: Explains, store: ResourceStore) -> Outlook | None:
    """Why nothing can be explained, None where what is explained serves."""
    missing, waiting, not_ready = _REASONS[explains.kind]
    key = ResourceKey("Model" if explains.kind == "model" else "Pipeline", explains.name)
    resource = store.get(key)
    if resource is None:
        hint = did_you_mean(key.name, store.by_name(key.kind))
        said = f"there is no {explains}, which it explains" + (f"; {hint}" if hint else "")
        return Outlook(missing, said, at_work=False)
    manifest = resource.manifest
    if isinstance(manifest, Model) and manifest.spec.explainer is not None:
        said = f"{explains}, which it explains, is an explainer itself; name what that explains"
        return Outlook(not_ready, said, at_work=False)
    if resource.status.ready:
        return None
    said = f"{explains}, which it explains, is not ready: {shortfall(resource.status)}"
    at_work = not settled(resource.status)
    return Outlook(waiting if at_work else not_ready, said, at_work)
