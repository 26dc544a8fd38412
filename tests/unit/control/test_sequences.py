"""Any sequence of applies, deletions, loads that fail and loads that take their time.

A small model of what should be served is kept beside the real control plane. After every step the
status must agree with it, and with what a caller gets.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import tempfile
from collections.abc import Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from harness.control_plane import BAD, Plane, control_plane, model, pipeline
from penstock.core.errors import ConflictError, NotReadyError
from penstock.core.inference import InferenceResponse

T = TypeVar("T")

MODELS = ("a", "b", "c")
PIPELINES = ("p", "q")

model_names = st.sampled_from(MODELS)
pipeline_names = st.sampled_from(PIPELINES)
python = st.sampled_from(["models:One", "models:Two", BAD])
chains = st.lists(model_names, min_size=1, max_size=3, unique=True).map(tuple)


@dataclass
class Wanted:
    """What should be: the newest version, and the one that serves."""

    content: Any
    version: int = 1
    serving: int | None = None
    serving_content: Any = None
    loading: bool = False


class Sequences(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.models: dict[str, Wanted] = {}
        self.pipelines: dict[str, Wanted] = {}
        self.held: set[str] = set()
        self.last_versions: dict[tuple[str, str], int] = {}
        self.folder = Path(tempfile.mkdtemp())
        self.runner = asyncio.Runner()
        self.stack = contextlib.AsyncExitStack()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(work)

    @initialize()
    def begin(self) -> None:
        planes = control_plane(self.folder, parallel=100)
        self.plane: Plane = self.run(self.stack.enter_async_context(planes))

    def teardown(self) -> None:
        for gate in (getattr(self, "plane", None) and self.plane.server.held.values()) or ():
            gate.set()
        self.run(self.stack.aclose())
        self.runner.close()
        shutil.rmtree(self.folder)
        if hasattr(self, "plane"):
            assert self.plane.server.loaded == {}

    # What people do

    @rule(name=model_names, python=python)
    def apply_model(self, name: str, python: str) -> None:
        # What is fetched for a load goes with it.
        fetched = model(name, python=python, storageUri=f"fake://{name}")
        self.run(self.plane.apply(fetched))
        known = self.models.get(name)
        if known is None:
            version = self.last_versions.get(("Model", name), 0) + 1
            self.models[name] = Wanted(python, version, loading=True)
        elif known.content != python:
            known.content, known.version, known.loading = python, known.version + 1, True
        elif python == BAD:
            known.loading = True  # it is tried again
        self.come_to_rest()

    @rule(name=pipeline_names, chain=chains)
    def apply_pipeline(self, name: str, chain: tuple[str, ...]) -> None:
        self.run(self.plane.apply(pipeline(name, *chain)))
        known = self.pipelines.get(name)
        if known is None:
            version = self.last_versions.get(("Pipeline", name), 0) + 1
            self.pipelines[name] = Wanted(chain, version)
        elif known.content != chain:
            known.content, known.version = chain, known.version + 1
        self.come_to_rest()

    @rule(name=model_names, force=st.booleans())
    def delete_model(self, name: str, force: bool) -> None:
        if name not in self.models:
            return
        used = any(
            name in each.content or (each.serving is not None and name in each.serving_content)
            for each in self.pipelines.values()
        )
        if used and not force:
            with pytest.raises(ConflictError):
                self.run(self.plane.control.delete("Model", name, force=False))
            return
        self.run(self.plane.control.delete("Model", name, force=force))
        self.last_versions["Model", name] = self.models.pop(name).version
        self.come_to_rest()

    @precondition(lambda self: self.pipelines)
    @rule(name=pipeline_names)
    def delete_pipeline(self, name: str) -> None:
        if name in self.pipelines:
            self.run(self.plane.control.delete("Pipeline", name, force=False))
            self.last_versions["Pipeline", name] = self.pipelines.pop(name).version
            self.come_to_rest()

    @rule(name=model_names)
    def hold_loads(self, name: str) -> None:
        if name not in self.held:
            self.held.add(name)
            self.plane.server.held[name] = asyncio.Event()

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def release_loads(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(self.held)))
        self.held.remove(name)
        self.plane.server.held.pop(name).set()
        self.come_to_rest()

    # What should come of it

    def come_to_rest(self) -> None:
        for name, known in self.models.items():
            if known.loading and name not in self.held:
                known.loading = False
                if known.content != BAD:
                    known.serving = known.version
        for each in self.pipelines.values():
            if self.all_serve(each.content):
                each.serving, each.serving_content = each.version, each.content
            elif each.serving is not None and not self.all_serve(each.serving_content):
                each.serving = None
        self.run(self.plane.until(self.loads_are_over))
        self.run(self.plane.turns())

    def loads_are_over(self) -> bool:
        return all(
            known.loading
            or (self.plane.condition("Model", name, "Progressing") or ("False",))[0] == "False"
            for name, known in self.models.items()
        )

    def all_serve(self, names: tuple[str, ...]) -> bool:
        return all(name in self.models and self.models[name].serving for name in names)

    @invariant()
    def status_and_answers_agree(self) -> None:
        if not hasattr(self, "plane"):
            return
        for kind, there in (("Model", self.models), ("Pipeline", self.pipelines)):
            assert [each["metadata"]["name"] for each in self.plane.control.list(kind)] == (
                sorted(there)
            )
            for name, known in there.items():
                self.check(kind, name, known)

    def check(self, kind: str, name: str, known: Wanted) -> None:
        assert self.plane.control.get(kind, name)["status"]["version"] == known.version
        ready = self.plane.condition(kind, name)
        answer = self.run(self.answer(name))
        assert ready is not None
        if known.serving is None:
            assert ready[0] == "False", ready
            assert isinstance(answer, NotReadyError), answer
            assert ready[2] in answer.message
        else:
            assert ready == ("True", "Serving", f"version {known.serving} serves")
            assert isinstance(answer, InferenceResponse), answer
            assert answer.model_version == str(known.serving)
        as_wanted = known.serving == known.version
        assert (self.plane.condition(kind, name, "Progressing") is None) == as_wanted

    async def answer(self, name: str) -> Any:
        return await self.plane.call(name)

    @invariant()
    def only_what_serves_stays_loaded(self) -> None:
        if not hasattr(self, "plane") or self.held:
            return
        self.run(self.plane.quiet())
        assert sorted(self.plane.server.loaded) == sorted(
            (name, known.serving)
            for name, known in self.models.items()
            if known.serving is not None
        )
        assert len(list(self.folder.iterdir())) == len(self.plane.server.loaded)


TestSequences = Sequences.TestCase
TestSequences.settings = settings(
    max_examples=40,
    stateful_step_count=20,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
