"""The loader ``python``: models that are a function or a class, named by ``spec.python``."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from penstock.core.contracts.model import Loader, ModelSpec
from penstock.core.errors import InvalidRequestError, NotReadyError, PenstockError, StepFailedError
from penstock.core.model import Context
from penstock.servers.python_modules import PrivatePackages
from penstock.servers.python_objects import find_object, raised_at
from penstock.servers.python_sources import source_files


class PythonLoader(Loader):
    """Loads what ``spec.python`` names: a function, a class, or an object with ``predict``.

    Classes are made without arguments; ``load(context)`` is called if there is one.
    """

    looks_for = "spec.python (module:name)"

    def __init__(self) -> None:
        self._packages = PrivatePackages()

    def capabilities(self) -> frozenset[str]:
        return frozenset(("python",))

    def recognises(self, spec: ModelSpec) -> bool:
        return spec.python is not None

    def load(self, spec: ModelSpec) -> object:
        if spec.python is None:
            raise InvalidRequestError("nothing says which object the model is; write spec.python")
        found = find_object(spec.python, spec.folders, self._packages)
        model = self._made(found, spec) if inspect.isclass(found) else found
        if not callable(getattr(model, "predict", model)):
            raise InvalidRequestError(
                f"'{spec.python}' is a {type(model).__name__}, which is no model: write a "
                "function, or a class with a method 'predict'"
            )
        load = getattr(model, "load", None)
        if not inspect.isroutine(model) and callable(load):
            if inspect.iscoroutinefunction(load):
                raise InvalidRequestError(f"load of '{spec.python}' is async; write 'def load'")
            context = Context(spec.name, spec.version, dict(spec.parameters), spec.artifacts)
            with _named(f"load of '{spec.python}'", spec.folders):
                load(context)
        return model

    def definition(self, spec: ModelSpec) -> object:
        """The function; of a class an object that was never made, for its methods to be read."""
        if spec.python is None:
            return None
        try:
            found = find_object(spec.python, spec.folders, self._packages)
        except InvalidRequestError as error:
            # Modules that it imports may be installed where it is served.
            raise NotReadyError(error.message) from error
        if not inspect.isclass(found):
            return found
        _refuse_no_model(found, spec)
        try:
            return object.__new__(found)
        except TypeError:  # of a class that is made of built-in ones, or abstract
            return None

    def source_files(self, spec: ModelSpec) -> Sequence[Path]:
        if spec.python is None:
            return ()
        return source_files(spec.python.partition(":")[0], spec.folders)

    def __reduce__(self) -> tuple[type[PythonLoader], tuple[()]]:
        # A worker process has modules of its own.
        return PythonLoader, ()

    def _made(self, model_class: type, spec: ModelSpec) -> object:
        _refuse_no_model(model_class, spec)
        with _named(f"making a '{spec.python}'", spec.folders):
            return model_class()


def _refuse_no_model(model_class: type, spec: ModelSpec) -> None:
    has_call = any("__call__" in vars(each) for each in model_class.__mro__)
    if not has_call and not callable(getattr(model_class, "predict", None)):
        raise InvalidRequestError(
            f"the class '{spec.python}' has no method 'predict'; write one, whose parameters "
            "name the tensors that it takes"
        )


@contextmanager
def _named(what: str, folders: Sequence[Path]) -> Iterator[None]:
    """Says of whatever is raised inside where it happened."""
    try:
        yield
    except NotReadyError as error:
        raise NotReadyError(f"{what}: {error}") from error
    except PenstockError as error:
        raise InvalidRequestError(f"{what}: {error}") from error
    except (Exception, SystemExit) as error:
        said = f"{what} raised {type(error).__name__}: {error} ({raised_at(error, folders)})"
        raise StepFailedError(said) from error
