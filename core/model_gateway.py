"""The model gateway: which instance serves a model now, and who still works on the one before."""

from __future__ import annotations

import asyncio

from penstock.core.contracts.model import ModelInstance


class Served:
    """One instance in service.

    ``calls`` counts those under way that were not answered at once; ``bounded`` says whether their
    number is.
    """

    __slots__ = ("_idle", "bounded", "calls", "instance", "version")

    def __init__(self, instance: ModelInstance, version: int, *, bounded: bool) -> None:
        self.bounded = bounded
        self.instance = instance
        self.version = version
        self.calls = 0
        self._idle: asyncio.Event | None = None

    def release(self) -> None:
        """A call that was under way is over."""
        self.calls -= 1
        if self._idle is not None and not self.calls:
            self._idle.set()

    async def idle(self) -> None:
        """Return when no call is under way."""
        if self.calls:
            if self._idle is None:
                self._idle = asyncio.Event()
            await self._idle.wait()


class ModelSlot:
    """The place of one model, which steps hold on to: its instance comes and goes.

    ``served`` is None while there is none, and ``reason`` then says why.
    """

    __slots__ = ("name", "reason", "served")

    def __init__(self, name: str) -> None:
        self.name = name
        self.served: Served | None = None
        self.reason = "it has not been applied"


class ModelGateway:
    """The models of a process, by name. A step calls the newest version that is ready."""

    __slots__ = ("_retired", "_slots")

    def __init__(self) -> None:
        self._slots: dict[str, ModelSlot] = {}
        self._retired: dict[ModelInstance, Served] = {}

    def slot(self, name: str) -> ModelSlot:
        """The place of ``name``, also before a model has come to it."""
        slot = self._slots.get(name)
        if slot is None:
            slot = self._slots[name] = ModelSlot(name)
        return slot

    def publish(
        self, name: str, version: int, instance: ModelInstance, *, bounded: bool = True
    ) -> None:
        """From now on calls of ``name`` go to ``instance``; those under way stay where they are.

        ``bounded``: calls beyond the bound on each model's fail as overloaded.
        """
        slot = self.slot(name)
        self._retire(slot)
        slot.served = Served(instance, version, bounded=bounded)

    def withdraw(self, name: str, reason: str) -> None:
        """From now on calls of ``name`` fail with ``not-ready`` and this reason."""
        slot = self.slot(name)
        self._retire(slot)
        slot.reason = reason

    def forget(self, name: str) -> None:
        """Nothing calls ``name`` any more: drop its place."""
        slot = self._slots.pop(name, None)
        if slot is not None:
            self._retire(slot)

    async def drained(self, instance: ModelInstance) -> None:
        """Return when no call is under way on an instance that was replaced or withdrawn."""
        served = self._retired.get(instance)
        if served is not None:
            await served.idle()
            self._retired.pop(instance, None)

    def _retire(self, slot: ModelSlot) -> None:
        if slot.served is not None:
            if slot.served.bounded:  # who serves others sees to their end
                self._retired[slot.served.instance] = slot.served
            slot.served = None
