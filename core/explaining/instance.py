"""An explainer as a model: what is explained is asked as children of the request."""

from __future__ import annotations

import asyncio
from itertools import count
from typing import Final

from penstock.core.contracts.explainer import Explainer
from penstock.core.contracts.model import ModelCall, ModelInstance
from penstock.core.explaining.evaluations import Evaluations
from penstock.core.explaining.subject import Subject
from penstock.core.inference import InferenceRequest
from penstock.core.pipeline_gateway.questions import Questions
from penstock.core.records import Tensors
from penstock.core.signature import Signature

CONCURRENCY: Final = 4
"""Explanations at a time. They mostly wait for what they ask."""


class ExplainerInstance(ModelInstance):
    """Explains up to ``concurrency`` requests at a time; others wait until their deadlines.

    What it asks has the request's deadline and headers, is cancelled with it, and is known as
    ``<identity>/<step>.<round>.<try>.<number>``.
    """

    __slots__ = ("_explainer", "_name", "_places", "_questions", "_subject")

    def __init__(
        self,
        name: str,
        explainer: Explainer,
        subject: Subject,
        questions: Questions,
        concurrency: int,
        signature: Signature | None,
    ) -> None:
        super().__init__(signature)
        self._name = name
        self._explainer = explainer
        self._subject = subject
        self._questions = questions
        self._places = asyncio.Semaphore(concurrency)

    async def infer(self, call: ModelCall) -> Tensors:
        async with self._places:
            origin = call.origin
            request = InferenceRequest(origin.request_id, call.tensors, origin.parameters)
            return await self._explainer.explain(request, self._evaluations(call).ask)

    def _evaluations(self, call: ModelCall) -> Evaluations:
        explains = self._subject.explains
        numbers = count(1)

        async def ask(tensors: Tensors) -> Tensors:
            number = next(numbers)
            return await self._questions.ask(explains.kind, explains.name, tensors, call, number)

        return Evaluations(self._name, explains, self._subject.rows_per_call, ask)
