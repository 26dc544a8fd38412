"""From what ``predict`` returns to tensors."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import numpy as np

from penstock.core.datatypes import DATATYPES
from penstock.core.errors import StepFailedError
from penstock.core.records import Tensors
from penstock.core.signature import TensorSpec
from penstock.core.tensors import Tensor
from penstock.servers.binding.tensor_check import TensorCheck, actual_text, check_of

from_numpy = Tensor.from_numpy

_WANTED = 'return a mapping from the names of tensors to arrays, as {"y": y}'


class Results:
    """Reads the results of one model. ``outputs`` is what is known of them, None for nothing.

    What a signature says of a tensor must be true of the tensor that is put out; lists and Python
    numbers are made into arrays of the datatype that it names.
    """

    __slots__ = ("_checks", "_datatypes", "_model")

    def __init__(self, model: str, outputs: tuple[TensorSpec, ...] | None) -> None:
        self._model = model
        checks = {each.name: check_of(each) for each in outputs or ()}
        self._checks: dict[str, TensorCheck] = {
            name: check for name, check in checks.items() if check is not None
        }
        self._datatypes = {
            each.name: DATATYPES[each.datatype].dtype
            for each in outputs or ()
            if each.datatype is not None and each.datatype != "BYTES"
        }

    def tensors(self, result: object) -> Tensors:
        """The tensors of a result, in its order; None and {} are *absent*, and so is a None in it.

        Arrays are shared, not copied, where they are C-contiguous. Raises StepFailedError, which
        says what was returned and what is wanted.
        """
        if type(result) is not dict:
            if result is None:
                return ()
            if not isinstance(result, Mapping):
                raise self._no_mapping(result)
        tensors = []
        checks = self._checks
        for name, value in result.items():
            if value is None:
                continue
            try:
                if type(value) is np.ndarray and type(name) is str:
                    tensor = from_numpy(name, value)
                else:
                    tensor = self._tensor(name, value)
            except (TypeError, ValueError, OverflowError) as error:
                raise StepFailedError(
                    f"model '{self._model}' returned what is no tensor: {error}"
                ) from error
            if checks and name in checks and not checks[name].fits(tensor):
                raise StepFailedError(
                    f"model '{self._model}' returned tensor '{name}' as {actual_text(tensor)}, "
                    f"and its signature says {checks[name].expected}"
                )
            tensors.append(tensor)
        return tuple(tensors)

    def _tensor(self, name: object, value: Any) -> Tensor:
        if type(name) is not str:
            raise StepFailedError(
                f"model '{self._model}' returned a tensor named {name!r}: names are str; {_WANTED}"
            )
        if isinstance(value, Tensor):
            return value if value.name == name else value.renamed(name)
        if name in self._datatypes and isinstance(value, bool | int | float | list | tuple):
            value = self._cast(name, value)
        return Tensor.from_numpy(name, value)

    def _cast(self, name: str, value: object) -> object:
        """A list or a number as the signature has it, unless that changes its kind."""
        dtype = self._datatypes[name]
        natural = np.asarray(value)
        if natural.dtype.kind in "biuf" and np.can_cast(natural.dtype, dtype, "same_kind"):
            return np.asarray(value, dtype)
        return natural

    def _no_mapping(self, result: object) -> StepFailedError:
        if inspect.isawaitable(result):
            if inspect.iscoroutine(result):
                result.close()
            hint = "write 'async def predict'"
        else:
            hint = _WANTED
        shown = (
            f"an array ({result.dtype} {list(result.shape)})"
            if isinstance(result, np.ndarray)
            else f"a {type(result).__name__}"
        )
        return StepFailedError(f"model '{self._model}' returned {shown}; {hint}")
