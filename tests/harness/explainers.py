"""A server that explainers are on, over the gateway of a control plane, and explainers for it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from harness.control_plane import FakeServer, Plane, control_plane, model
from penstock.core.contracts.explainer import Ask, Explained, Explainer
from penstock.core.contracts.model import ExplainerLoader, ModelInstance, ModelSpec
from penstock.core.explaining import GatewayExplainers
from penstock.core.inference import InferenceRequest
from penstock.core.plugins.errors import Origin
from penstock.core.plugins.kinds import EXPLAINERS
from penstock.core.plugins.registry import Registration, Registry
from penstock.core.records import Tensors
from penstock.testing.joins import Joins


class ExplainingServer(FakeServer):
    """Has explainers beside models that answer with their input."""

    def __init__(self) -> None:
        super().__init__("python", "explainer")
        self.explainers: ExplainerLoader | None = None
        self.explaining: dict[ModelInstance, str] = {}

    def use_explainers(self, explainers: ExplainerLoader) -> None:
        self.explainers = explainers

    async def load(self, spec: ModelSpec) -> ModelInstance:
        if spec.explains is None:
            return await super().load(spec)
        assert self.explainers is not None
        self.loads.append(spec)
        instance = await self.explainers.load(spec)
        self.explaining[instance] = spec.name
        return instance

    async def unload(self, instance: ModelInstance) -> None:
        if self.explaining.pop(instance, None) is None:
            await super().unload(instance)


class Echo(Explainer):
    """Asks once, with what it is sent, and answers with the answer."""

    def __init__(self, sign: str = "") -> None:
        self.sign = sign
        self.explained: Explained | None = None
        self.artifacts: Path | None = None

    def load(self, explained: Explained, artifacts: Path | None) -> None:
        self.explained = explained
        self.artifacts = artifacts

    async def explain(self, request: InferenceRequest, ask: Ask) -> Tensors:
        return await ask(request.tensors)


def registry(kinds: Mapping[str, Callable[..., Explainer]]) -> Registry[Explainer]:
    """These kinds of explainers, and no others."""
    origin = Origin("explainers")
    return Registry(
        EXPLAINERS, {name: Registration(kind, origin) for name, kind in kinds.items()}, {}
    )


@asynccontextmanager
async def explaining(
    folder: Path, kinds: Mapping[str, Callable[..., Explainer]], **options: Any
) -> AsyncIterator[Plane]:
    """A control plane whose server has explainers of these kinds."""
    server = ExplainingServer()
    async with control_plane(folder, server=server, **options) as plane:
        questions = plane.gateway.questions(Joins())
        server.use_explainers(GatewayExplainers(registry(kinds), questions, plane.models))
        yield plane


def explainer(name: str, type: str = "echo", **section: Any) -> dict[str, Any]:
    """The manifest of an explainer; of the model ``m`` unless ``section`` says otherwise."""
    explained = {} if "pipelineRef" in section else {"modelRef": "m"}
    return model(name, explainer={"type": type, **explained, **section})
