"""One replica of a server, as models are placed on it."""

from __future__ import annotations

from collections.abc import Callable, KeysView
from typing import Literal, NamedTuple, TypeAlias

from penstock.core.contracts.model import ServerAdapter
from penstock.core.contracts.placement import ServerSnapshot

Standing: TypeAlias = Literal["starting", "up", "failed", "draining", "gone"]


class ReplicaKey(NamedTuple):
    """The name of the server, and which of its replicas, from 0."""

    server: str
    number: int

    def __str__(self) -> str:
        return f"{self.server}/{self.number}"


class _Copy(NamedTuple):
    """What is loaded or being loaded: the room that it takes, and who is told of the replica."""

    memory_bytes: int
    tell: Callable[[], None]


class ServerReplica:
    """One replica: the adapter to it, how it stands, and what is loaded or being loaded.

    ``memory_bytes`` is the room for models, None when nobody has said. ``why`` says why it is not
    up. One that is ``drained`` takes no models, and keeps those that fit nowhere else.
    """

    __slots__ = (
        "_held",
        "_names",
        "adapter",
        "capabilities",
        "drained",
        "key",
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
        self.standing: Standing = "starting"
        self.why = "it is being started"
        self.drained = False
        self.used_bytes = 0
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
        """From now on the room of that version is taken; ``tell`` is called when the replica
        stands differently."""
        assert (model, version) not in self._held, "a replica holds a version once"
        copy = self._held[model, version] = _Copy(memory_bytes or 0, tell)
        self._names[model] = self._names.get(model, 0) + 1
        self.used_bytes += copy.memory_bytes

    def let_go(self, model: str, version: int) -> None:
        """The room of that version is free again."""
        self.used_bytes -= self._held.pop((model, version)).memory_bytes
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
        self.standing, self.why = standing, why
        self._tell()

    def _tell(self) -> None:
        for copy in list(self._held.values()):
            copy.tell()

    def snapshot(self) -> ServerSnapshot:
        """How it stands now."""
        why_not = "it is drained" if self.drained else None
        if self.standing not in ("up", "starting"):
            why_not = self.why
        free = None if self.memory_bytes is None else self.memory_bytes - self.used_bytes
        return ServerSnapshot(
            self.key.server,
            self.key.number,
            self.capabilities,
            self.memory_bytes,
            free,
            self.models,
            why_not,
        )
