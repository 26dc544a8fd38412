"""People and servers do what they may, in any order; after each step the scheduler keeps its laws.

A step is done when nothing is left to do before time passes: what hangs and what is tried again
stays under way, and the laws hold all the same.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import tempfile
from collections.abc import Callable, Coroutine, Generator
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from harness.control_plane import Plane, control_plane, model, pipeline, server
from harness.virtual_time import VirtualLoop
from penstock.core.clock import VirtualClock
from penstock.core.control import LocalControlPlane
from penstock.core.control.copies import MOST_REFUSALS
from penstock.core.control.states import PIPELINE_REASONS, VERSION_REASONS, VersionState
from penstock.core.fleet import ServerReplica
from penstock.core.inference import InferenceResponse
from penstock.core.resources.model import ModelDeclaration
from unit.control.scheduler_world import SIGNATURES, DirectedServer, Fate, World, failure

T = TypeVar("T")


SERVERS, MODELS, PIPELINES = "st", "abc", "pq"

pythons = st.sampled_from(sorted(SIGNATURES))
fates = st.sampled_from(["well", "well", "hangs", "in passing", "for good"])
ends = st.sampled_from(["well", "well", "in passing", "for good"])


def wanted_of(spec: ModelDeclaration) -> int:
    """How many copies there shall be."""
    return 1 if spec.replicas is None else spec.replicas


class SchedulerMachine(RuleBasedStateMachine):
    """The control plane over servers that a test directs."""

    made_by: ClassVar[type[LocalControlPlane]] = LocalControlPlane

    def __init__(self) -> None:
        super().__init__()
        self.clock = VirtualClock()
        self.runner = asyncio.Runner(loop_factory=self.new_loop)
        self.stack = contextlib.AsyncExitStack()
        self.folder = Path(tempfile.mkdtemp())
        self.world = World()
        self.touched: set[tuple[str, str]] = set()
        """What the step is about, by kind and name."""
        self.before: Seen | None = None
        self.broken: list[object] = []
        """Errors that nobody awaits."""
        self.callers: list[tuple[str, asyncio.Future[Any]]] = []

    def new_loop(self) -> VirtualLoop:
        """A loop on which no error of a task or a callback stays unnoticed."""
        loop = VirtualLoop(self.clock)

        def begun(
            loop: asyncio.AbstractEventLoop,
            work: Coroutine[Any, Any, Any] | Generator[Any, None, Any],
            **options: Any,
        ) -> asyncio.Task[Any]:
            task = asyncio.Task(work, loop=loop, **options)
            task.add_done_callback(self.ended)
            return task

        loop.set_task_factory(begun)
        loop.set_exception_handler(lambda _, context: self.broken.append(context))
        return loop

    def ended(self, task: asyncio.Task[Any]) -> None:
        if not task.cancelled() and isinstance(task.exception(), AssertionError):
            self.broken.append(task.exception())

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        async def done() -> T:
            result = await work
            await self.rest()
            return result

        return self.runner.run(done())

    async def rest(self) -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        await loop.rest()

    @initialize(ends_abruptly=st.booleans(), something_is_there=st.booleans())
    def begin(self, ends_abruptly: bool, something_is_there: bool) -> None:
        self.ends_abruptly = ends_abruptly
        planes = control_plane(
            self.folder,
            own_server=False,
            kinds={"fake": self.world},
            clock=self.clock,
            made_by=self.made_by,
            parallel=4,
        )
        self.plane: Plane = self.run(self.stack.enter_async_context(planes))
        self.before = Seen(self.plane)
        if something_is_there:
            self.apply(server("s", replicas=2))
            self.apply_two("m:A", "m:A")
            self.apply(pipeline("p", "a", "b"))

    def teardown(self) -> None:
        try:
            self.stop()
        finally:
            self.runner.close()
            shutil.rmtree(self.folder)

    def stop(self) -> None:
        """All that was begun comes to an end."""
        if hasattr(self, "plane"):
            self.world.stopping = True
            if not self.ends_abruptly:
                self.run(self.world.release())
            self.run(self.stack.aclose())
            running = [each for each in self.world.made if each.running]
            left = [each.loaded for each in self.world.made if each.loaded]
            assert not running, "what was started is stopped"
            assert not left, "what was loaded is unloaded"
            assert self.broken == []

    # What people do

    @rule(
        name=st.sampled_from(SERVERS),
        replicas=st.integers(0, 3),
        memory=st.sampled_from([0, 10, 20]),
        version=st.integers(1, 2),
        words=st.sampled_from([[], ["gpu"]]),
    )
    def apply_server(
        self, name: str, replicas: int, memory: int, version: int, words: list[str]
    ) -> None:
        spec: dict[str, Any] = {"replicas": replicas, "options": {"speed": version}}
        if memory:
            spec["memory"] = f"{memory}Mi"
        self.apply(server(name, extraCapabilities=words, **spec))

    @rule(
        name=st.sampled_from(MODELS),
        python=pythons,
        replicas=st.integers(0, 3),
        least=st.integers(0, 2),
        memory=st.sampled_from([0, 6, 10]),
        words=st.sampled_from([[], [], ["gpu"]]),
        pinned=st.sampled_from([None, None, "s"]),
    )
    def apply_model(
        self,
        name: str,
        python: str,
        replicas: int,
        least: int,
        memory: int,
        words: list[str],
        pinned: str | None,
    ) -> None:
        spec: dict[str, Any] = {"requirements": ["fake", *words], "replicas": replicas}
        if memory:
            spec["memory"] = f"{memory}Mi"
        if least and least <= replicas:
            spec["minReplicas"] = least
        if pinned:
            spec["server"] = pinned
        self.apply(model(name, python=python, **spec))

    @rule(data=st.data(), replicas=st.integers(0, 3))
    def resize_model(self, data: st.DataObject, replicas: int) -> None:
        there = self.plane.control.list("Model")
        if there:
            manifest = data.draw(st.sampled_from(there), "model")
            spec = {**manifest["spec"], "replicas": replicas}
            spec.pop("minReplicas", None)
            self.apply({**manifest, "spec": spec})

    @rule(
        name=st.sampled_from(PIPELINES),
        chain=st.lists(st.sampled_from(MODELS), min_size=1, max_size=3, unique=True),
    )
    def apply_pipeline(self, name: str, chain: list[str]) -> None:
        self.apply(pipeline(name, *chain))

    @rule(data=st.data(), kind=st.sampled_from(["Model", "Pipeline", "Server"]))
    def delete(self, data: st.DataObject, kind: str) -> None:
        there = [each["metadata"]["name"] for each in self.plane.control.list(kind)]
        if there:
            self.delete_one(kind, data.draw(st.sampled_from(there), "name"))

    @rule(data=st.data(), undo=st.booleans())
    def drain(self, data: st.DataObject, undo: bool) -> None:
        there = [each["metadata"]["name"] for each in self.plane.control.list("Server")]
        if there:
            self.drain_one(data.draw(st.sampled_from(there), "name"), undo=undo)

    def drain_one(self, name: str, *, undo: bool = False) -> None:
        self.touched.add(("Server", name))
        self.run(self.plane.control.drain(name, None, undo=undo))

    def delete_one(self, kind: str, name: str) -> None:
        self.touched.add((kind, name))
        self.run(self.plane.control.delete(kind, name, force=True))

    @rule(first=pythons, second=pythons)
    def apply_two(self, first: str, second: str) -> None:
        """Models that stand one behind the other in a pipeline, perhaps."""
        spec = {"requirements": ["fake"]}
        self.apply(model("a", python=first, **spec), model("b", python=second, **spec))

    def apply(self, *documents: dict[str, Any]) -> None:
        for document in documents:
            document.pop("status", None)
            self.touched.add((document["kind"], document["metadata"]["name"]))
        self.run(self.plane.apply(*documents))

    # What servers and callers do

    @rule(name=st.sampled_from(MODELS), fate=fates)
    def loads_come_to(self, name: str, fate: Fate) -> None:
        self.world.loads[name] = fate

    @rule(fate=fates)
    def starts_come_to(self, fate: Fate) -> None:
        self.world.starts = fate

    @precondition(lambda self: self.world.hanging)
    @rule(data=st.data(), fate=ends)
    def what_hangs_ends(self, data: st.DataObject, fate: Fate) -> None:
        index = data.draw(st.integers(0, len(self.world.hanging) - 1), "which")
        self.end_one(index, fate)

    def end_one(self, index: int, fate: Fate) -> None:
        hanging = self.world.hanging.pop(index)

        async def end() -> None:
            hanging.end(failure(fate))

        self.run(end())

    @rule(seconds=st.sampled_from([1, 5, 70]))
    def time_passes(self, seconds: int) -> None:
        self.run(asyncio.sleep(seconds))

    @rule(called=st.sampled_from(MODELS + PIPELINES))
    def call(self, called: str) -> None:
        self.world.calls_wait = True

        async def begin() -> None:
            if self.ready(called):
                self.callers.append((called, self.plane.call(called)))

        self.run(begin())
        self.world.calls_wait = False

    @precondition(lambda self: self.world.calls)
    @rule(data=st.data())
    def a_call_ends(self, data: st.DataObject) -> None:
        call = self.world.calls.pop(data.draw(st.integers(0, len(self.world.calls) - 1), "which"))

        async def end() -> None:
            call.end(None)

        self.run(end())

    # The laws

    @invariant()
    def the_laws_hold(self) -> None:
        if not hasattr(self, "plane"):
            return
        now = Seen(self.plane)
        assert self.world.wrongs == self.broken == []
        for law in LAWS:
            law(self, now)
        self.run(self.rest())  # who is asked to explain may come to say something else
        self.answers_agree(Seen(self.plane))
        self.no_call_is_lost()
        assert self.world.wrongs == self.broken == []
        self.before = Seen(self.plane)
        self.touched.clear()

    def ready(self, target: str) -> bool:
        kind = "Model" if target in MODELS else "Pipeline"
        conditions = {
            each["metadata"]["name"]: each["status"]["conditions"]
            for each in self.plane.control.list(kind)
        }
        return any(
            each["type"] == "Ready" and each["status"] == "True"
            for each in conditions.get(target, ())
        )

    def answers_agree(self, now: Seen) -> None:
        """A caller gets an answer of the version that the status names, or its very reason."""

        async def probe() -> None:
            for kind in ("Model", "Pipeline"):
                for name, status in now.of(kind):
                    answer = await self.plane.call(name)
                    if status.ready:
                        assert isinstance(answer, InferenceResponse), (name, answer)
                        assert f"version {answer.model_version} serves" == status.message
                    else:
                        assert answer.code == "not-ready", (name, answer)
                        assert status.message in answer.message, (status, answer)

        self.run(probe())

    def no_call_is_lost(self) -> None:
        """What is ready while it is called answers, whatever comes and goes meanwhile."""
        callers, self.callers = self.callers, []
        for called, answer in callers:
            if self.ready(called) and not answer.done():
                self.callers.append((called, answer))
            elif self.ready(called):
                result = answer.result()
                late = getattr(result, "code", None) == "deadline"
                assert late or isinstance(result, InferenceResponse), result


class Standing:
    """What the status of a resource says."""

    def __init__(self, document: dict[str, Any]) -> None:
        self.wanted: int = document["status"]["version"]
        self.conditions = {each["type"]: each for each in document["status"]["conditions"]}
        self.ready = self.conditions["Ready"]["status"] == "True"
        self.message: str = self.conditions["Ready"]["message"]
        self.serving = int(self.message.split()[1]) if self.ready else None

    def __repr__(self) -> str:
        return str(
            {t: (c["status"], c["reason"], c["message"]) for t, c in self.conditions.items()}
        )


class Seen:
    """How everything stands at one moment."""

    def __init__(self, plane: Plane) -> None:
        self.plane = plane
        self.statuses = {
            (each["kind"], each["metadata"]["name"]): Standing(each)
            for each in plane.control.list(None)
        }
        self.replicas = list(plane.control._fleet)
        self.standings = {replica: replica.standing for replica in self.replicas}
        self.copies = {
            (replica, *key): replica.state_of(*key)
            for replica in self.replicas
            for key in replica.versions
        }
        self.places = dict(plane.control._models._places)
        self.serving = {name: place.serving for name, place in self.places.items()}

    def of(self, kind: str) -> list[tuple[str, Standing]]:
        return [(name, status) for (each, name), status in self.statuses.items() if each == kind]

    def newest(self, name: str) -> Any:
        """The copies of the version that is wanted; None where it was refused."""
        place = self.places[name]
        found = place.coming or place.held or place.serving
        return found if found is not None and found.version == place.wanted.version else None

    def loaded(self, name: str, version: int) -> list[Any]:
        """The replicas that have a copy which can be called."""
        return [
            replica
            for (replica, model, each), state in self.copies.items()
            if (model, each, state) == (name, version, "loaded")
        ]


def nothing_is_ready_that_is_not_loaded(machine: SchedulerMachine, now: Seen) -> None:
    for name, status in now.of("Model"):
        if status.ready:
            assert status.serving is not None
            holders = now.loaded(name, status.serving)
            assert holders, f"model {name} is ready: {status}, and loaded nowhere"
            for replica in holders:
                assert (name, status.serving) in directed(replica).loaded


def directed(replica: ServerReplica) -> DirectedServer:
    assert isinstance(replica.adapter, DirectedServer)
    return replica.adapter


def what_is_held_is_there_and_fits(machine: SchedulerMachine, now: Seen) -> None:
    for replica in now.replicas:
        adapter = directed(replica)
        states = {key[1:]: state for key, state in now.copies.items() if key[0] is replica}
        for key in adapter.loaded:
            assert states.get(key) in ("loaded", "leaving"), (key, states)
        for key in adapter.loading:
            assert states.get(key) in ("loading", "leaving"), (key, states)
        for key, state in states.items():
            assert state != "loaded" or key in adapter.loaded
        assert replica.used_bytes == sum(each.memory_bytes for each in replica._held.values())
        assert replica.memory_bytes is None or replica.used_bytes <= replica.memory_bytes
        if replica.standing == "up":
            assert adapter.running


def a_version_takes_over_when_it_has_enough_copies(machine: SchedulerMachine, now: Seen) -> None:
    before = machine.before
    assert before is not None
    for name, status in now.of("Model"):
        old = before.statuses.get(("Model", name))
        if status.serving is None or (old is not None and old.serving == status.serving):
            continue
        spec = now.places[name].wanted.model.spec
        least = max(1, min(spec.min_replicas or 1, wanted_of(spec)))
        lapsed = old is not None and before.serving[name] is now.serving[name]
        assert lapsed or len(now.loaded(name, status.serving)) >= least, (name, status)


def what_runs_is_not_disturbed(machine: SchedulerMachine, now: Seen) -> None:
    """A copy that was loaded stays, unless it is the step's business, its version was replaced, or
    its replica goes."""
    before = machine.before
    assert before is not None
    for (replica, name, version), state in before.copies.items():
        status = now.statuses.get(("Model", name))
        if state != "loaded" or status is None or ("Model", name) in machine.touched:
            continue
        served = before.serving.get(name)
        replaced = status.serving not in (None, version)
        if served is None or served.version != version or replaced or not replica.keeps_models:
            continue
        after = now.copies.get((replica, name, version))
        spec = now.places[name].wanted.model.spec
        surplus = len(now.loaded(name, version)) >= wanted_of(spec)
        assert after == "loaded" or surplus, (name, version, str(replica.key), after)


def what_can_move_does_not_lapse(machine: SchedulerMachine, now: Seen) -> None:
    """A server that goes does not take a model out of service that is being loaded elsewhere."""
    before = machine.before
    assert before is not None
    for name, status in before.of("Model"):
        after = now.statuses.get(("Model", name))
        if not status.ready or after is None or after.ready or ("Model", name) in machine.touched:
            continue
        loading = [
            key for key, state in now.copies.items() if key[1] == name and state == "loading"
        ]
        serving = now.serving[name]
        assert serving is not None
        assert not [key for key in loading if key[2] == serving.version], (name, after)


def who_waits_says_why(machine: SchedulerMachine, now: Seen) -> None:
    for key, status in now.statuses.items():
        assert status.message.strip(), key
        progressing = status.conditions.get("Progressing")
        if not status.ready or status.serving != status.wanted:
            assert progressing is not None, (key, status)
            assert progressing["message"].strip()
        else:
            assert progressing is None, (key, status)


def reasons_are_those_of_the_state(machine: SchedulerMachine, now: Seen) -> None:
    for name, status in now.of("Model"):
        place = now.places[name]
        copies = now.newest(name)
        state: VersionState = "gone" if copies is None else copies.state
        said = status.conditions.get("Progressing", status.conditions["Ready"])["reason"]
        assert said in VERSION_REASONS[state], (name, state, status)
        assert (place.serving is not None and place.serving.state == "serving") == status.ready
    for name, status in now.of("Pipeline"):
        pipeline_place = now.plane.control._pipelines._places[name]
        said = status.conditions.get("Progressing", status.conditions["Ready"])["reason"]
        assert said in PIPELINE_REASONS[pipeline_place.state], (name, pipeline_place.state, status)


def what_is_wanted_and_fits_is_there(machine: SchedulerMachine, now: Seen) -> None:
    for name, _ in now.of("Model"):
        place = now.places[name]
        copies = now.newest(name)
        if copies is None or copies._loading or copies._pause is not None:
            continue
        spec = place.wanted.model.spec
        staying = [each for each in copies._loaded if each.keeps_models]
        if len(staying) >= wanted_of(spec) or len(copies._refused) >= MOST_REFUSALS:
            assert len(staying) <= wanted_of(spec)
            continue
        for replica in now.replicas:
            assert not fits(replica, spec, place.wanted) or replica in copies._refused, (
                f"{name} has {len(staying)} of {spec.replicas} copies, "
                f"and one fits on {replica.key}"
            )


def fits(replica: Any, spec: Any, wanted: Any) -> bool:
    """Found out anew, without filters."""
    return (
        replica.keeps_models
        and frozenset(spec.requirements) <= replica.capabilities
        and spec.server in (None, replica.key.server)
        and (wanted.model.name, wanted.version) not in replica.versions
        and (
            spec.memory is None
            or replica.memory_bytes is None
            or replica.memory_bytes - replica.used_bytes >= spec.memory
        )
    )


def status_and_explain_say_the_same(machine: SchedulerMachine, now: Seen) -> None:
    for name, _ in now.of("Model"):
        explained = now.plane.control.explain(name)
        status = Standing(now.plane.control.get("Model", name))
        why, copies = explained["why"], now.newest(name)
        said = status.conditions.get("Progressing") or status.conditions.get("ReplicasReady")
        if copies is None:
            assert said is not None, (name, status)
            assert said["message"] == why
            continue
        assert explained["version"] == status.wanted
        if copies.state == "held":
            assert said is not None
            continue
        assert explained["loaded"] == len(now.loaded(name, status.wanted))
        if said is None:
            assert why is None, (name, status, why)
            assert explained["loaded"] >= explained["wanted"] or not explained["wanted"]
        else:
            assert why is not None, (name, status)
            assert said["message"].endswith(why), (name, status, why)
        if why is not None and "fits on no server: " in why:
            sentence = why.partition("fits on no server: ")[2]
            assert sentence == copies.explain().why_not, (name, sentence)


def servers_are_up_as_often_as_they_say(machine: SchedulerMachine, now: Seen) -> None:
    for name, status in now.of("Server"):
        spec = now.plane.control.get("Server", name)["spec"]
        replicas = spec.get("replicas", 1)
        up = [each for each in now.replicas if each.key.server == name and each.standing == "up"]
        assert not status.ready or len(up) >= min(1, replicas), (name, status)


def a_server_goes_when_the_next_one_is_up(machine: SchedulerMachine, now: Seen) -> None:
    before = machine.before
    assert before is not None
    for name, status in before.of("Server"):
        after = now.statuses.get(("Server", name))
        was_up = [
            replica
            for replica, standing in before.standings.items()
            if replica.key.server == name and standing == "up"
        ]
        if status.ready and was_up and after is not None:
            assert after.ready, (name, status, after)


def pipelines_break_by_no_version(machine: SchedulerMachine, now: Seen) -> None:
    """A new version of a model is refused rather than take a pipeline out of service."""
    before = machine.before
    assert before is not None
    for name, status in before.of("Pipeline"):
        after = now.statuses.get(("Pipeline", name))
        if status.ready and after is not None and not after.ready:
            reason = after.conditions["Ready"]["reason"]
            assert ("Pipeline", name) in machine.touched or reason != "SignaturesDoNotFit", after


def servers_are_asked_to_grow_while_it_would_help(machine: SchedulerMachine, now: Seen) -> None:
    asked: set[str] = set()
    for place in now.places.values():
        for copies in (place.serving, place.coming, place.held):
            why = None if copies is None else copies.outlook
            if copies is not None and why is not None and why.reason == "NoServer":
                asked.update(copies.servers_to_grow(copies.explain())[:1])
    for name, status in now.of("Server"):
        said = status.conditions.get("ScaleUpWanted")
        assert (said is not None) == (name in asked), (name, asked, said)


LAWS: tuple[Callable[[SchedulerMachine, Seen], None], ...] = (
    nothing_is_ready_that_is_not_loaded,
    what_is_held_is_there_and_fits,
    a_version_takes_over_when_it_has_enough_copies,
    what_runs_is_not_disturbed,
    what_can_move_does_not_lapse,
    who_waits_says_why,
    reasons_are_those_of_the_state,
    what_is_wanted_and_fits_is_there,
    status_and_explain_say_the_same,
    servers_are_up_as_often_as_they_say,
    a_server_goes_when_the_next_one_is_up,
    servers_are_asked_to_grow_while_it_would_help,
    pipelines_break_by_no_version,
)
