"""One replica of a server, as models are placed on it."""

from __future__ import annotations

from collections.abc import Callable, KeysView
from typing import NamedTuple

from penstock.core.contracts.model import ServerAdapter
from penstock.core.contracts.placement import ServerSnapshot
from penstock.core.fleet.states import COPY_STATES, SERVER_STATES, CopyState, Standing


class ReplicaKey(NamedTuple):
    """The name of the server, and which of its replicas, from 0."""

    server: str
    number: int

    def __str__(self) -> str:
        return f"{self.server}/{self.number}"


class _Copy:
    """What is loaded or being loaded: the room that it takes, and who is told of the replica.

    ``began_with`` is what the server held before, where the room is to be measured.
    """

    __slots__ = ("began_with", "memory_bytes", "state", "tell")

    def __init__(self, memory_bytes: int, tell: Callable[[], None]) -> None:
        self.memory_bytes = memory_bytes
        self.tell = tell
        self.state: CopyState = COPY_STATES.start
        self.began_with: int | None = None


class ServerReplica:
    """One replica: the adapter to it, how it stands, and what is loaded or being loaded.

    ``memory_bytes`` is the room for models, None when nobody has said. ``why`` says why it is not
    up. ``found`` are models that were loaded there before this process knew it; while ``holds_off``
    says why, only these may come to it. One that is ``drained`` takes no models, and keeps those
    that fit nowhere else.
    """

    __slots__ = (
        "_held",
        "_names",
        "adapter",
        "capabilities",
        "drained",
        "found",
        "holds_off",
        "key",
        "measured_bytes",
        "memory_bytes",
        "standing",
        "used_bytes",
        "why",
    )

    def __init__(
        self,
        key: ReplicaKey,
        adapter: ServerAdapter,
        capabilities: frozenset[str],
        memory_bytes: int | None = None,
    ) -> None:
        self.key = key
        self.adapter = adapter
        self.capabilities = capabilities
        self.memory_bytes = memory_bytes
        self.standing: Standing = SERVER_STATES.start
        self.why = "it is being started"
        self.drained = False
        self.used_bytes = 0
        self.measured_bytes = 0
        """What of that was measured, for nobody had said it."""
        self.found: frozenset[str] = frozenset()
        self.holds_off = ""
        self._held: dict[tuple[str, int], _Copy] = {}
        self._names: dict[str, int] = {}

    @property
    def models(self) -> KeysView[str]:
        """The names of the models that are loaded, or are being loaded. A live view."""
        return self._names.keys()

    @property
    def versions(self) -> KeysView[tuple[str, int]]:
        """The models and versions that are loaded, or are being loaded. A live view."""
        return self._held.keys()

    def hold(
        self, model: str, version: int, memory_bytes: int | None, tell: Callable[[], None]
    ) -> None:
        """A copy of that version is being loaded, and its room is taken; ``tell`` is called when
        the replica stands differently."""
        assert (model, version) not in self._held, "a replica holds a version once"
        copy = self._held[model, version] = _Copy(memory_bytes or 0, tell)
        if memory_bytes is None and self.memory_bytes is not None:
            copy.began_with = self.adapter.memory_bytes()
        self._names[model] = self._names.get(model, 0) + 1
        self.used_bytes += copy.memory_bytes

    def turn(self, model: str, version: int, state: CopyState) -> None:
        """The copy of that version is in another state from now on."""
        copy = self._held[model, version]
        copy.state = COPY_STATES.turned(copy.state, state)
        if state == "loaded" and copy.began_with is not None:
            self._measure(copy, copy.began_with)
        elif state == "gone":
            self._let_go(model, version)

    def _measure(self, copy: _Copy, began_with: int) -> None:
        """The room of a copy of which nobody has said how much it takes.

        It takes what the server has grown by while it was loaded. What others loaded meanwhile
        counts as well, and a server that has shrunk counts as one that has not grown: a
        measurement takes room, and never gives any.
        """
        held = self.adapter.memory_bytes()
        copy.memory_bytes = max(0, (held or 0) - began_with)
        self.used_bytes += copy.memory_bytes
        self.measured_bytes += copy.memory_bytes

    def state_of(self, model: str, version: int) -> CopyState:
        """That of the copy of a version which it holds."""
        return self._held[model, version].state

    def _let_go(self, model: str, version: int) -> None:
        copy = self._held.pop((model, version))
        self.used_bytes -= copy.memory_bytes
        if copy.began_with is not None:
            self.measured_bytes -= copy.memory_bytes
        self._names[model] -= 1
        if not self._names[model]:
            del self._names[model]

    @property
    def keeps_models(self) -> bool:
        """Whether what is loaded there may stay."""
        return self.standing == "up" and not self.drained

    def drain(self, drained: bool) -> None:
        """It takes no models from now on, or does again."""
        if drained != self.drained:
            self.drained = drained
            self._tell()

    def stand(self, standing: Standing, why: str = "") -> None:
        """It stands differently from now on."""
        self.standing, self.why = SERVER_STATES.turned(self.standing, standing), why
        self._tell()

    def _tell(self) -> None:
        for copy in list(self._held.values()):
            copy.tell()

    def later(self, model: str) -> str | None:
        """Why a copy of ``model`` that fits may come to it, and not yet; None when it may."""
        if self.standing == "starting":
            return f"is not up yet: {self.why}"
        return self.holds_off if self.holds_off and model not in self.found else None

    def snapshot(self) -> ServerSnapshot:
        """How it stands now."""
        why_not = "it is drained" if self.drained else None
        if self.standing not in ("up", "starting"):
            why_not = self.why
        free = None if self.memory_bytes is None else max(0, self.memory_bytes - self.used_bytes)
        return ServerSnapshot(
            self.key.server,
            self.key.number,
            self.capabilities,
            self.memory_bytes,
            free,
            self.models | self.found if self.found else self.models,
            why_not,
            self.measured_bytes,
        )
