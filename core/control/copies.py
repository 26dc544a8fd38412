"""The copies of one version of a model: as many as are wanted, wherever they fit."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from penstock.core.clock import Clock
from penstock.core.contracts.model import ModelInstance
from penstock.core.contracts.placement import ModelDemand
from penstock.core.control.background import Background
from penstock.core.control.emptying import Prospect
from penstock.core.control.loading import LoadedModel, LoadError, ModelLoader
from penstock.core.control.policy import LoadPolicy, WantedCopies, tried_again
from penstock.core.control.reasons import Reason
from penstock.core.control.scaled import ScaledNumbers
from penstock.core.control.shortage import Shortage, Wish
from penstock.core.control.sleeper import Sleeper
from penstock.core.control.standing import Outlook, loading, scaled_to_zero
from penstock.core.control.states import VERSION_STATES, VersionState
from penstock.core.fleet import CopyState, Fleet, ServerReplica, balanced
from penstock.core.model_gateway import ModelGateway
from penstock.core.resources import Model, Origin, sized_as
from penstock.core.resources.scaling import ReplicaBounds
from penstock.core.scheduling import Placement
from penstock.core.scheduling.growth import servers_to_grow

MOST_REFUSALS: Final = 3
"""On how many replicas a version is tried whose files or code are refused: one that brings servers
down must not go through all of them."""

_FOR_GOOD: Final = (Reason.LOAD_FAILED, Reason.NO_STORAGE)
"""Why a version is not loaded and will not be: nobody need wait for it."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Placer:
    """What the copies of all models share: where they go, and who loads them, ``turns`` at a time.

    ``models`` knows when nobody calls what was published any more. ``scaled`` is how many copies
    were decided on by load, and ``most_held`` how many calls may wait for a model that is asleep.
    """

    fleet: Fleet
    loader: ModelLoader
    models: ModelGateway
    background: Background
    policy: LoadPolicy
    clock: Clock
    turns: asyncio.Semaphore
    shortage: Shortage
    scaled: ScaledNumbers
    most_held: int


class ModelCopies:
    """One version of a model, and its copies on replicas of servers.

    Begun once, closed once. ``tell`` is called whenever more or fewer copies are loaded, or
    ``outlook`` is another: why there are fewer than wanted, None when there are not.
    """

    def __init__(
        self, model: Model, origin: Origin, version: int, placer: Placer, tell: Callable[[], None]
    ) -> None:
        self.version = version
        self._model = model
        self._origin = origin
        self._placer = placer
        self._tell = tell
        self._loading: dict[ServerReplica, asyncio.Task[LoadedModel]] = {}
        self._loaded: dict[ServerReplica, LoadedModel] = {}
        self._leaving: dict[ServerReplica, LoadedModel] = {}
        """Those that are called no more, and wait to be unloaded."""
        self._refused: dict[ServerReplica, Outlook] = {}
        self._pause: asyncio.Task[None] | None = None
        self._failures = 0
        self._last_failure = ""
        self._postponed: Outlook | None = None
        """What there is to say until the pause after a failure is over."""
        self._closed = False
        self._instance: ModelInstance | None = None
        self.state: VersionState = VERSION_STATES.start
        self._wish: Wish | None = None
        self._former: dict[asyncio.Task[None], frozenset[ServerReplica]] = {}
        """What was called before other copies came or went, until no call on it is under way."""
        self._sleeper: Sleeper | None = None
        """What calls go to while no copy is loaded, of a model that may sleep."""
        self.outlook: Outlook | None = loading(version)

    @property
    def loaded(self) -> int:
        """How many copies are loaded."""
        return len(self._loaded)

    @property
    def wanted(self) -> int:
        """How many copies there shall be."""
        return self._wanted.copies

    @property
    def _wanted(self) -> WantedCopies:
        begun, bounds = self._begun_with, self.bounds
        if bounds is None:
            return begun
        decided = self._placer.scaled.of(self._model.name)
        copies = begun.copies if decided is None else decided
        return begun._replace(copies=bounds.within(copies))

    @property
    def _begun_with(self) -> WantedCopies:
        spec = self._model.spec
        if spec.replicas is None:
            return self._placer.policy.unsaid(spec)
        return WantedCopies(spec.replicas, spec.server)

    @property
    def bounds(self) -> ReplicaBounds | None:
        """Between how many copies it is scaled by its load, None where it is not."""
        return self._model.spec.bounds(self._begun_with.copies)

    @property
    def are_expected(self) -> bool:
        """Whether some are missing that agents may have, which have not come back yet."""
        return bool(self._placer.fleet.expected) and self.loaded < self.wanted

    @property
    def memory_bytes(self) -> int | None:
        """What a copy takes, None where nobody has said."""
        return self._model.spec.memory

    @property
    def held(self) -> int:
        """How many calls wait for a copy to be loaded."""
        return 0 if self._sleeper is None else self._sleeper.held

    @property
    def copies(self) -> Iterable[tuple[ServerReplica, ModelInstance]]:
        """Where copies are loaded, and what calls each."""
        return [(replica, copy.instance) for replica, copy in self._loaded.items()]

    @property
    def ready(self) -> bool:
        """Whether there are enough copies to serve, or none is wanted before it is called."""
        if self._asleep:
            return True
        least = self._model.spec.min_replicas or 1
        return len(self._loaded) >= min(least, self.wanted) > 0

    @property
    def _asleep(self) -> bool:
        return self.bounds is not None and not self.wanted

    @property
    def instance(self) -> ModelInstance | None:
        """What calls all the copies that are loaded; while there is none None, or what holds calls
        where the model may sleep."""
        return self._instance or self._sleeper

    def rescale(self) -> None:
        """Have as many copies as were decided on by now."""
        if not self._loaded and not self.wanted:
            self._recast()
        self._plan()
        self._tell()  # there may be enough already

    def begin(self) -> None:
        """Have copies loaded soon, and look for room again whenever servers change."""
        if self._asleep:
            self._recast()
        self._placer.fleet.look_soon(self._plan)

    def resize(self, model: Model) -> None:
        """Have as many copies as ``model`` says, which may be another version."""
        self._model = sized_as(self._model, model)
        self.rescale()

    def turn(self, state: VersionState) -> None:
        """The version is in another state from now on."""
        self.state = VERSION_STATES.turned(self.state, state)

    def close(self) -> None:
        """Load nothing more. What is loaded stays until :meth:`unload`."""
        self._closed = True
        self._give_up_calls(f"version {self.version} is not wanted any more; send it again")
        self._ask_for(None)
        self._placer.fleet.leave(self._plan)
        for task in (*self._loading.values(), self._pause):
            if task is not None:
                task.cancel()

    async def unload(self) -> None:
        """Unload all copies, when no call is under way that began before others came or went."""
        await self._idle((*self._loaded, *self._leaving))
        for replica, copy in self._loaded.items():
            self._leave(replica, copy)
        self._loaded.clear()
        for replica in list(self._leaving):
            await self._unload(replica)

    def _plan(self) -> None:
        """Begin what is missing, and let go of what has to leave."""
        if self._closed:
            return
        staying = [each for each in self._loaded if each.keeps_models]
        missing = self.wanted - len(staying) - len(self._loading)
        found: Placement | None = None
        if missing > 0 and self._pause is None and self._tries:
            found = self._placer.fleet.place(self.demand, self._taken())
            later = self._later()
            for name in [name for name in found.fitting if name not in later][:missing]:
                self._begin_load(self._placer.fleet[name])
        gone = [
            replica
            for replica in self._loaded
            if replica.standing == "gone" or (replica.standing == "draining" and not self._loading)
        ]
        # What an operator drains keeps its copies until there are others in their place.
        drained = [each for each in self._loaded if each.standing == "up" and each.drained]
        replaced = drained[: max(0, len(staying) + len(drained) - self.wanted)]
        leaving = [*gone, *replaced, *staying[self.wanted :]]
        self._let_go_of(leaving)
        if found is not None and leaving:
            found = self._placer.fleet.place(self.demand, self._taken())
        # What is being loaded tells when it ends, and its replica when it stands differently.
        if len(staying) + len(self._loading) < self.wanted:
            self._placer.fleet.wait(self._plan)
        else:
            self._placer.fleet.leave(self._plan)
        self._look_out(found)

    @property
    def _tries(self) -> bool:
        """Whether it is tried on replicas that have not refused it."""
        return len(self._refused) < MOST_REFUSALS

    @property
    def demand(self) -> ModelDemand:
        """What a copy asks of its server."""
        spec = self._model.spec
        return ModelDemand(
            self._model.name,
            self.version,
            frozenset(spec.requirements),
            spec.memory,
            self._wanted.server,
            self.wanted,
            spec.explainer is not None,
        )

    def _taken(self) -> dict[tuple[str, int], str]:
        """Replicas that no further copy goes to, and why."""
        taken = {
            **{replica: said.message for replica, said in self._refused.items()},
            **dict.fromkeys(self._loaded, "has a copy"),
            **dict.fromkeys(self._loading, "loads a copy"),
        }
        # The key of one that is gone may be another's by now.
        return {each.key: why for each, why in taken.items() if each.standing != "gone"}

    def _later(self) -> dict[tuple[str, int], str]:
        """Replicas that may get a copy, and not yet, and why."""
        later: dict[tuple[str, int], str] = {}
        for replica in self._placer.fleet:
            why = replica.later(self._model.name)
            if why is not None:
                later[replica.key] = why
            elif (self._model.name, self.version) in replica.versions:
                later[replica.key] = "still unloads an earlier copy of it"
        return later

    def explain(self) -> Placement:
        """Every replica of every server, and what stands for or against another copy there."""
        found = self._placer.fleet.place(self.demand, self._taken())
        # Room that others have taken since is no event to those who wait for some.
        self._look_out(found if self._tries else None)
        return found

    def prospect(self, replica: ServerReplica) -> Prospect:
        """What becomes of the copy on a replica that is drained."""
        if replica not in self._loaded:
            return Prospect("moves" if replica in self._loading else "leaves")
        if self._loading or self._pause is not None:
            return Prospect("moves", self._last_failure or None)
        if not self._tries:
            return Prospect("stays", next(iter(self._refused.values())).message)
        found = self._placer.fleet.place(self.demand, self._taken())
        return Prospect("moves") if found.fitting else Prospect("stays", found.why_not)

    def _begin_load(self, replica: ServerReplica) -> None:
        model, version = self._model, self.version
        replica.hold(model.name, version, model.spec.memory, self._plan)
        task = self._placer.background.spawn(
            self._load(replica), f"bringing up model '{model.name}', version {version}"
        )
        self._loading[replica] = task
        # A task that is cancelled before its first step never comes to a clause of its own.
        task.add_done_callback(partial(self._load_ended, replica))

    async def _load(self, replica: ServerReplica) -> LoadedModel:
        placer = self._placer
        async with placer.turns:
            return await placer.loader.load(
                self._model, self._origin, self.version, replica.adapter
            )

    def _load_ended(self, replica: ServerReplica, task: asyncio.Task[LoadedModel]) -> None:
        del self._loading[replica]
        error = asyncio.CancelledError() if task.cancelled() else task.exception()
        if error is None and not self._closed:
            self._failures = 0
            self._last_failure = ""
            self._turn(replica, "loaded")
            self._loaded[replica] = task.result()
            self._recast()
            self._plan()
            return
        if error is None:
            self._leave(replica, task.result())
            self._placer.background.spawn(
                self._unload(replica), f"retiring model '{self._model.name}'"
            )
            return
        if task.cancelled():
            # Its server goes on with what it has begun, and has no room for others until then.
            self._turn(replica, "leaving")
            self._placer.background.spawn(
                self._undo(replica), f"undoing a load of model '{self._model.name}'"
            )
            return
        if isinstance(error, LoadError) and not self._closed:
            self._note_failure(replica, error)
        self._turn(replica, "gone")
        self._placer.fleet.changed()
        self._plan()

    async def _undo(self, replica: ServerReplica) -> None:
        try:
            await self._placer.loader.undone(self._model.name, self.version, replica.adapter)
        finally:
            self._turn(replica, "gone")
            self._placer.fleet.changed()

    def _note_failure(self, replica: ServerReplica, error: LoadError) -> None:
        said = f"version {self.version} could not be loaded: {error}"
        if not error.retriable:
            self._warn(said)
            self._refused[replica] = Outlook(error.reason, said, at_work=False)
            return
        self._last_failure = str(error)
        if self._pause is not None:
            self._warn(said)  # another copy's failure has said when
            return
        pause_s = self._placer.policy.retry_s(self._failures)
        self._failures += 1
        said = f"{said}; {tried_again(self._placer.clock.now_ms(), pause_s)}"
        self._warn(said)
        self._postponed = Outlook(Reason.RETRYING, said, at_work=True)
        self._say(self._postponed)
        self._pause = self._placer.background.spawn(
            self._wait(pause_s), f"waiting to load model '{self._model.name}' again"
        )

    def _warn(self, said: str) -> None:
        about = {"model": self._model.name, "version": self.version}
        _log.warning("model '%s', %s", self._model.name, said, extra=about)

    async def _wait(self, pause_s: float) -> None:
        await self._placer.policy.sleep(pause_s)
        self._pause = None
        self._plan()

    def _look_out(self, found: Placement | None) -> None:
        """Say why there are fewer copies than wanted, and what would help."""
        self._say_why(found)
        no_room = self.outlook is not None and self.outlook.reason == Reason.NO_SERVER
        if not self._closed:
            self._ask_for(self._wished(found) if found is not None and no_room else None)

    def _wished(self, found: Placement) -> Wish | None:
        """More replicas of the first server, by name, that would then hold the missing copies."""
        servers = self.servers_to_grow(found)
        if not servers:
            return None
        rooms = {each.server.name: each.server.memory_bytes for each in found.verdicts}
        missing = self.wanted - len(self._loaded) - len(self._loading)
        needed = self._model.spec.memory or 0
        return Wish(servers[0], missing, needed, rooms[servers[0]])

    def servers_to_grow(self, found: Placement) -> tuple[str, ...]:
        """The servers that would hold another copy if they had one more replica."""
        named = self._fit_if_grown(found)
        return tuple(name for name in named if self._placer.shortage.can_grow(name))

    def _fit_if_grown(self, found: Placement) -> tuple[str, ...]:
        """These, and those of the process itself, which have one replica for good."""
        holding = frozenset(each.key for each in (*self._loaded, *self._loading))
        return servers_to_grow(found, self.demand, holding)

    def _ask_for(self, wish: Wish | None) -> None:
        before, self._wish = self._wish, wish
        self._placer.shortage.note(self._model.name, self.version, wish, before)

    def _say_why(self, found: Placement | None) -> None:
        if not self.wanted:
            self._say(None if self._asleep else self._on_its_way())
        elif len(self._loaded) >= self.wanted:
            self._say(None)
        elif self._pause is not None:
            self._say(self._postponed)
        elif self._loading:
            self._say(self._on_its_way())
        elif found is not None and (found.fitting or not self._refused):
            self._say(self._no_room(found))
        elif self._refused:
            self._say(next(iter(self._refused.values())))

    def _on_its_way(self) -> Outlook:
        if not self.wanted:
            return scaled_to_zero(self.version)
        if not self._last_failure:
            return loading(self.version)
        said = (
            f"version {self.version} is being loaded, try {self._failures + 1}; "
            f"the last one failed: {self._last_failure}"
        )
        return Outlook(Reason.RETRYING, said, at_work=True)

    def _say(self, outlook: Outlook | None) -> None:
        if outlook != self.outlook:
            self.outlook = outlook
            self._tell()
        if outlook is not None and outlook.reason in _FOR_GOOD:
            self._give_up_calls(outlook.message)

    def _no_room(self, found: Placement) -> Outlook:
        later = self._later()
        soon = [f"server '{name[0]}' {later[name]}" for name in found.fitting if name in later]
        if soon:
            said = f"version {self.version} waits for a server: {'; '.join(dict.fromkeys(soon))}"
            return Outlook(Reason.WAITING_FOR_SERVER, said, at_work=True)
        expected = self._placer.fleet.expected
        if expected:
            said = f"version {self.version} waits for {expected}: {found.why_not}"
            return Outlook(Reason.WAITING_FOR_SERVER, said, at_work=True)
        said = f"version {self.version} fits on no server: {found.why_not}"
        if self._loaded and self._fit_if_grown(found) and not self.servers_to_grow(found):
            said += (
                "; a process has one copy of a model: start it with --workers, or apply a server "
                "with more replicas"
            )
        return Outlook(Reason.NO_SERVER, said, at_work=False)

    def _let_go_of(self, replicas: list[ServerReplica]) -> None:
        """Copies that are called no more from now on, and are unloaded when nobody does."""
        if not replicas:
            return
        for replica in replicas:
            self._leave(replica, self._loaded.pop(replica))
        self._recast(replicas)
        self._placer.background.spawn(
            self._take_away(replicas), f"retiring copies of model '{self._model.name}'"
        )

    def _leave(self, replica: ServerReplica, copy: LoadedModel) -> None:
        self._turn(replica, "leaving")
        self._leaving[replica] = copy

    async def _take_away(self, replicas: Sequence[ServerReplica]) -> None:
        await self._idle(replicas)
        for replica in replicas:
            await self._unload(replica)

    async def _idle(self, replicas: Iterable[ServerReplica]) -> None:
        """Return when none of what was called before can have a call under way on these."""
        leaving = frozenset(replicas)
        calls = [task for task, called in self._former.items() if called & leaving]
        if calls:
            await asyncio.wait(calls)

    async def _unload(self, replica: ServerReplica) -> None:
        copy = self._leaving.pop(replica, None)
        if copy is None:  # somebody else has it unloaded
            return
        try:
            await self._placer.loader.unload(copy)
        except Exception:
            about = {"model": self._model.name, "version": copy.version}
            said = "model '%s', version %d, could not be unloaded"
            _log.exception(said, self._model.name, copy.version, extra=about)
        finally:
            self._turn(replica, "gone")
            self._placer.fleet.changed()

    def _turn(self, replica: ServerReplica, state: CopyState) -> None:
        replica.turn(self._model.name, self.version, state)

    def _recast(self, left: Iterable[ServerReplica] = ()) -> None:
        """Tell of an instance that calls the copies that there are now, and no others.

        ``left`` had copies that the one before called.
        """
        before, called = self.instance, frozenset((*self._loaded, *left))
        instances = [copy.instance for copy in self._loaded.values()]
        self._instance = balanced(instances) if instances else None
        woken = self._sleeper
        self._sleeper = None if instances else self._stand_in(before)
        short = not instances or len(instances) < self.wanted
        if self.outlook is None and short and not self._asleep:
            self.outlook = self._on_its_way()
        self._tell()
        if woken is not None and self._instance is not None:
            woken.wake_up(self._instance)
        if before is not None and before is not self.instance:
            task = self._placer.background.spawn(
                self._placer.models.drained(before), f"draining model '{self._model.name}'"
            )
            self._former[task] = called
            task.add_done_callback(self._former.__delitem__)

    def _stand_in(self, before: ModelInstance | None) -> Sleeper | None:
        """What holds calls while no copy is loaded, of a model that may sleep and is asleep, or was
        called as ``before``."""
        bounds = self.bounds
        if bounds is None or bounds.least or not (self._asleep or before):
            self._give_up_calls("it is not to wake by being called any more")
            return None
        return self._sleeper or Sleeper(
            self._model.name,
            self._model.spec.signature if before is None else before.signature,
            self._placer.most_held,
            self._placer.clock,
            self._wake,
            self._why_not_loaded,
        )

    def _wake(self) -> None:
        """It is called, and has no copy."""
        if not self.wanted:
            self._placer.scaled.decide(self._model.name, 1)
            self._plan()
        elif self.outlook is not None:
            self._say(self.outlook)

    def _give_up_calls(self, why: str) -> None:
        if self._sleeper is not None:
            self._sleeper.give_up(f"model '{self._model.name}' was asleep: {why}")

    def _why_not_loaded(self) -> str:
        return (self.outlook or loading(self.version)).message
