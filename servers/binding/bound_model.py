"""A model object, bound: tensors in, tensors out."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from penstock.core.clock import Clock
from penstock.core.contracts.model import ModelCall, ModelSpec
from penstock.core.records import Tensors
from penstock.servers.binding.agreement import agree, served_signature
from penstock.servers.binding.arguments import Arguments
from penstock.servers.binding.model_errors import PASSING, model_failure
from penstock.servers.binding.predictor import predictor_of
from penstock.servers.binding.results import Results
from penstock.servers.binding.worker import Worker


class BoundModel(Worker):
    """One loaded model that can be called with what the engine has.

    Raises InvalidRequestError when the definition of ``model`` makes no sense, or does not go
    together with what ``spec`` declares of it.
    """

    __slots__ = (
        "_arguments",
        "_function",
        "_only",
        "_pair",
        "_results",
        "is_async",
        "name",
        "own_object",
        "signature",
        "warnings",
    )

    def __init__(self, model: object, spec: ModelSpec, clock: Clock) -> None:
        predictor = predictor_of(model)
        agreement = agree(predictor, spec.signature)
        self.name = spec.name
        self.own_object = model
        self.is_async = predictor.is_async
        self.warnings = agreement.warnings
        self.signature = served_signature(model, agreement)
        """What is known of the tensors, for metadata."""
        self._function: Callable[..., Any] = predictor.function
        self._arguments = Arguments(predictor, agreement.inputs, spec, clock)
        self._only = self._arguments.only
        self._pair = self._arguments.pair
        self._results = Results(spec.name, agreement.outputs)

    def call(self, call: ModelCall) -> Tensors:
        """Call a model that is not async. Raises PenstockError and nothing else. Hot."""
        try:
            tensors = call.tensors
            if len(tensors) == 1 and tensors[0].name == self._only:
                tensor = tensors[0]
                check = self._arguments.only_check
                if check is not None and not check.fits(tensor):
                    raise self._arguments.misfit(tensor, check)
                result = self._function(tensor.array)
            elif len(tensors) == 2 and (tensors[0].name, tensors[1].name) == self._pair:
                result = self._function(tensors[0].array, tensors[1].array)
            else:
                result = self._function(**self._arguments.bind(call))
        except PASSING:
            raise
        except BaseException as error:
            raise model_failure(self.name, error, call) from error
        return self._results.tensors(result)

    async def call_async(self, call: ModelCall) -> Tensors:
        """Call a model that is async.

        Raises PenstockError, and CancelledError when the task that calls is cancelled.
        """
        try:
            result = await self._function(**self._arguments.bind(call))
        except (*PASSING, GeneratorExit):
            raise
        except BaseException as error:
            task = asyncio.current_task()
            if isinstance(error, asyncio.CancelledError) and task and task.cancelling():
                raise
            raise model_failure(self.name, error, call) from error
        return self._results.tensors(result)


class OwnLoopWorker(Worker):
    """Calls an async model on an event loop of its own, in the thread that uses it."""

    def __init__(self, model: BoundModel) -> None:
        self._model = model
        self._runner = asyncio.Runner()

    def call(self, call: ModelCall) -> Tensors:
        """Run one call to its end."""
        return self._runner.run(self._model.call_async(call))

    def close(self) -> None:
        """Close the loop; in the thread that used it."""
        self._runner.close()
