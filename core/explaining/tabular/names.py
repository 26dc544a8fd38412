"""The names of features."""

from __future__ import annotations

from collections.abc import Sequence

from penstock.core.contracts.explainer import Explained
from penstock.core.errors import InvalidRequestError


def names_of(written: Sequence[str] | None, explained: Explained, width: int) -> Sequence[str]:
    """Those of the manifest, those with which an estimator was fitted, or numbers; ``width`` of
    them. Raises InvalidRequestError where the manifest has more or fewer."""
    if written is not None:
        if len(written) != width:
            raise InvalidRequestError(
                f"featureNames has {len(written)} names, and the request {width} features"
            )
        return written
    fitted = getattr(estimator_of(explained), "feature_names_in_", ())
    if len(fitted) == width:
        return [str(name) for name in fitted]
    return [f"Feature {feature}" for feature in range(width)]


def estimator_of(explained: Explained) -> object | None:
    """The estimator of a model that has one (as scikit-learn's) and is in this process."""
    return getattr(explained.own_object, "estimator", None)
