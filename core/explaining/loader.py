"""Loads explainers in a process that has a gateway."""

from __future__ import annotations

import logging
from functools import partial

from penstock.core.contracts.explainer import Explainer, Explains
from penstock.core.contracts.model import ExplainerLoader, ModelInstance, ModelSpec
from penstock.core.errors import InvalidRequestError, PenstockError
from penstock.core.explaining.instance import CONCURRENCY, ExplainerInstance
from penstock.core.explaining.subject import Subject
from penstock.core.model_gateway import ModelGateway
from penstock.core.own_thread import in_own_thread
from penstock.core.pipeline_gateway.questions import Questions
from penstock.core.plugins.errors import PluginsError
from penstock.core.plugins.registry import Registry

_log = logging.getLogger(__name__)


class GatewayExplainers(ExplainerLoader):
    """Makes explainers of the kinds that plug-ins bring, over the gateway of this process."""

    def __init__(
        self, kinds: Registry[Explainer], questions: Questions, models: ModelGateway
    ) -> None:
        self._kinds = kinds
        self._questions = questions
        self._models = models

    async def load(self, spec: ModelSpec) -> ModelInstance:
        explains = spec.explains
        assert explains is not None, "others are no explainers"
        # Where gateways follow a scheduler, the order to load an explainer may overtake this.
        self._questions.check(explains.kind, explains.name)
        subject = Subject(explains, self._questions, self._models)
        load = partial(self._load, spec, explains, subject)
        explainer = await in_own_thread(load, f"loading {spec.name}")
        if explainer.asks:
            _warn_of_single_rows(spec, subject)
        return ExplainerInstance(
            spec.name,
            explainer,
            subject,
            self._questions,
            spec.concurrency or CONCURRENCY,
            explainer.signature() or spec.signature,
        )

    def _load(self, spec: ModelSpec, explains: Explains, subject: Subject) -> Explainer:
        try:
            explainer = self._kinds.make(explains.type, **spec.parameters)
            explainer.load(subject, spec.artifacts)
        except PluginsError as error:
            raise InvalidRequestError("; ".join(error.details)) from error
        except PenstockError:
            raise
        except Exception as error:
            _log.exception("explainer '%s' failed", spec.name, extra={"model": spec.name})
            raise InvalidRequestError(
                f"a {explains.type} of {explains} cannot be loaded: {type(error).__name__}: {error}"
            ) from error
        return explainer


def _warn_of_single_rows(spec: ModelSpec, subject: Subject) -> None:
    explains = subject.explains
    if subject.rows_per_call == 1 and explains.batch_size is None:
        _log.warning(
            "explainer '%s': the signature of %s does not say that it takes several rows at a "
            "time, so each is a call of its own; declare its inputs, or write batchSize",
            spec.name,
            explains,
            extra={"model": spec.name},
        )
