"""Which loader loads a model."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from penstock.core.contracts.model import Loader, ModelSpec
from penstock.core.errors import InvalidRequestError, UnsupportedError

_log = logging.getLogger(__name__)


def choose_loader(spec: ModelSpec, loaders: Mapping[str, Loader]) -> Loader:
    """The one loader that recognises the model, of those that have a word of its requirements.

    Where one loader alone has such a word, it is taken also when it does not recognise the model:
    its error says best what is missing. Raises UnsupportedError, InvalidRequestError with a
    sentence that lists the loaders and what they look for.
    """
    if not loaders:
        raise UnsupportedError("no loader is installed, so no model can be loaded in this process")
    wanted = frozenset(spec.requirements)
    candidates = loaders
    if wanted and spec.python is None:
        candidates = {
            name: loader for name, loader in loaders.items() if wanted & loader.capabilities()
        }
    recognised = {
        name: loader for name, loader in candidates.items() if _recognises(name, loader, spec)
    }
    if spec.python is not None:
        # Code of one's own goes before what the files beside it look like.
        own = {name: each for name, each in recognised.items() if "python" in each.capabilities()}
        recognised = own or recognised
    if len(recognised) == 1:
        return next(iter(recognised.values()))
    if not recognised and len(candidates) == 1:
        return next(iter(candidates.values()))
    listed = _listed(recognised or candidates or loaders)
    if recognised:
        raise InvalidRequestError(
            f"several loaders recognise {_text(spec)}: {listed}; say which in spec.requirements"
        )
    raise InvalidRequestError(
        f"no loader recognises {_text(spec)}; there are {listed}; put there what one of them "
        "looks for, or install the loader that it needs"
    )


def _recognises(name: str, loader: Loader, spec: ModelSpec) -> bool:
    try:
        return loader.recognises(spec)
    except Exception:
        _log.exception(
            "loader '%s' failed to look at model '%s'", name, spec.name, extra={"model": spec.name}
        )
        return False


def _text(spec: ModelSpec) -> str:
    if spec.artifacts is not None:
        return f"what is in {spec.artifacts}"
    return f"'{spec.python}'" if spec.python is not None else "a model without files"


def _listed(loaders: Mapping[str, Loader]) -> str:
    return ", ".join(f"'{name}' ({loader.looks_for})" for name, loader in loaders.items())
