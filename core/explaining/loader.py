"""Loads explainers in a process that has a gateway."""

from __future__ import annotations

import logging
from functools import partial

from penstock.core.contracts.explainer import Explainer, Explains
from penstock.core.contracts.model import ExplainerLoader, ModelInstance, ModelSpec
from penstock.core.errors import (
    InvalidRequestError,
    NotReadyError,
    PenstockError,
    UnsupportedError,
)
from penstock.core.explaining.instance import CONCURRENCY, ExplainerInstance
from penstock.core.explaining.subject import Subject
from penstock.core.model_gateway import ModelGateway
from penstock.core.own_thread import in_own_thread
from penstock.core.pipeline_gateway import PipelineGateway
from penstock.core.plugins.errors import PluginsError
from penstock.core.plugins.registry import Registry

_log = logging.getLogger(__name__)


class GatewayExplainers(ExplainerLoader):
    """Makes explainers of the kinds that plug-ins bring, over the gateway of this process."""

    def __init__(
        self, kinds: Registry[Explainer], gateway: PipelineGateway, models: ModelGateway
    ) -> None:
        self._kinds = kinds
        self._gateway = gateway
        self._models = models

    async def load(self, spec: ModelSpec) -> ModelInstance:
        explains = spec.explains
        assert explains is not None, "others are no explainers"
        self._check(explains)
        subject = Subject(explains, self._gateway, self._models)
        load = partial(self._load, spec, explains, subject)
        explainer = await in_own_thread(load, f"loading {spec.name}")
        if explainer.asks:
            _warn_of_single_rows(spec, subject)
        return ExplainerInstance(
            explainer,
            subject,
            self._gateway,
            spec.concurrency or CONCURRENCY,
            explainer.signature() or spec.signature,
        )

    def _check(self, explains: Explains) -> None:
        if not self._gateway.serves(explains.kind, explains.name):
            # Where gateways follow a scheduler, the order to load an explainer may overtake this.
            raise NotReadyError(f"the gateway of this process has not heard of {explains} yet")
        if explains.kind == "pipeline" and not self._gateway.puts_out(explains.name):
            raise UnsupportedError(
                f"{explains} has no output, so nothing can be explained; add an output section to "
                "its manifest"
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
