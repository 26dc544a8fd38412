"""Loading a model and binding it, wherever that happens."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from penstock.core.clock import Clock
from penstock.core.contracts.model import Loader, ModelSpec
from penstock.core.errors import PenstockError, StepFailedError
from penstock.servers.binding.bound_model import BoundModel

IMPORT_PATIENCE_S: Final = 30.0

_log = logging.getLogger(__name__)

_importing = threading.Lock()


def load_model(loader: Loader, spec: ModelSpec, clock: Clock) -> BoundModel:
    """The model, ready to be called; blocks. Raises PenstockError with a sentence for the model's
    status, and nothing else."""
    try:
        with _alone_importing():
            model = loader.load(spec)
        return BoundModel(model, spec, clock)
    except PenstockError:
        raise
    except BaseException as error:
        _log.exception(
            "loader %s failed on model '%s'",
            type(loader).__name__,
            spec.name,
            extra={"model": spec.name},
        )
        raise StepFailedError(
            f"model '{spec.name}' cannot be loaded: {type(error).__name__}: {error}"
        ) from error


@contextmanager
def _alone_importing() -> Iterator[None]:
    """Let one load at a time import modules.

    Modules that import each other, imported by two threads at once, deadlock, and Python breaks
    that by an error in one of them. A load that hangs holds the others up for a while only.
    """
    alone = _importing.acquire(timeout=IMPORT_PATIENCE_S)
    try:
        yield
    finally:
        if alone:
            _importing.release()
