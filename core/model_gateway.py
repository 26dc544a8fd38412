"""The model gateway: which instance serves a model now, and who still works on the one before."""

from __future__ import annotations

import asyncio
from typing import NamedTuple

from penstock.core.contracts.model import ModelInstance
from penstock.core.routing.book import RouteBook


class CallsUnderWay:
    """The calls of a model that were not answered at once, whichever instance has them.

    ``calls`` are under way. ``since_ms`` is what of all that began and ended makes the time that
    they have been: ends less beginnings.
    """

    __slots__ = ("calls", "since_ms")

    def __init__(self) -> None:
        self.calls = 0
        self.since_ms = 0.0

    def busy_ms(self, now_ms: float) -> float:
        """The time that all of them have been under way up to now."""
        return self.calls * now_ms + self.since_ms


class Served:
    """One instance in service.

    ``calls`` counts those under way that were not answered at once; ``bounded`` says whether their
    number is. They are also among those of its model, ``under_way``.
    """

    __slots__ = ("_idle", "bounded", "calls", "instance", "under_way", "version")

    def __init__(
        self,
        instance: ModelInstance,
        version: int,
        under_way: CallsUnderWay | None = None,
        *,
        bounded: bool,
    ) -> None:
        self.bounded = bounded
        self.instance = instance
        self.version = version
        self.under_way = under_way or CallsUnderWay()
        self.calls = 0
        self._idle: asyncio.Event | None = None

    def begin(self, now_ms: float) -> None:
        """A call is under way."""
        self.calls += 1
        under_way = self.under_way  # each call comes by here: a method of it would cost 50 ns
        under_way.calls += 1
        under_way.since_ms -= now_ms

    def release(self, until_ms: float) -> None:
        """A call that was under way is over, counted up to ``until_ms``: up to now, or up to the
        time from which on somebody else counts it."""
        self.calls -= 1
        under_way = self.under_way
        under_way.calls -= 1
        under_way.since_ms += until_ms
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

    __slots__ = ("name", "reason", "served", "under_way")

    def __init__(self, name: str) -> None:
        self.name = name
        self.served: Served | None = None
        self.under_way = CallsUnderWay()
        self.reason = "it has not been applied"


class _Retired(NamedTuple):
    """What was in service under a name, until nobody calls it any more."""

    name: str
    served: Served


class ModelGateway:
    """The models of a process, by name. A step calls the newest version that is ready.

    What changes is written into ``book``, where there are gateways elsewhere that may call it.
    """

    __slots__ = ("_book", "_retired", "_slots", "_versions")

    def __init__(self, book: RouteBook | None = None) -> None:
        self._book = book
        self._slots: dict[str, ModelSlot] = {}
        self._retired: dict[ModelInstance, _Retired] = {}
        self._versions: dict[tuple[str, int], ModelSlot] = {}
        """Places of single versions, for those who asked for them."""

    def slot(self, name: str) -> ModelSlot:
        """The place of ``name``, also before a model has come to it."""
        slot = self._slots.get(name)
        if slot is None:
            slot = self._slots[name] = ModelSlot(name)
        return slot

    def version_slot(self, name: str, version: int) -> ModelSlot | None:
        """The place of one version, also of one that was replaced and is still called by somebody;
        None where it is not loaded."""
        slot = self._versions.get((name, version))
        if slot is None and (served := self._served(name, version)) is not None:
            slot = self._versions[name, version] = ModelSlot(name)
            slot.served = served
        return slot

    def publish(
        self, name: str, version: int, instance: ModelInstance, *, bounded: bool = True
    ) -> None:
        """From now on calls of ``name`` go to ``instance``; those under way stay where they are.

        ``bounded``: calls beyond the bound on each model's fail as overloaded.
        """
        slot = self.slot(name)
        self._retire(slot)
        slot.served = Served(instance, version, slot.under_way, bounded=bounded)
        if (of_version := self._versions.get((name, version))) is not None:
            of_version.served = slot.served
        if self._book is not None and bounded:  # each gateway has pipelines of its own
            self._book.publish(name, version, instance)

    def withdraw(self, name: str, reason: str) -> None:
        """From now on calls of ``name`` fail with ``not-ready`` and this reason."""
        slot = self.slot(name)
        self._retire(slot)
        slot.reason = reason
        if self._book is not None:
            self._book.withdraw(name, reason)

    def forget(self, name: str) -> None:
        """Nothing calls ``name`` any more: drop its place."""
        slot = self._slots.pop(name, None)
        if slot is not None:
            self._retire(slot)
        if self._book is not None:
            self._book.forget(name)

    async def drained(self, instance: ModelInstance) -> None:
        """Return when no call is under way on an instance that was replaced or withdrawn, and
        nobody elsewhere begins one any more."""
        if self._book is not None:
            await self._book.given_up(instance)
        retired = self._retired.get(instance)
        if retired is not None:
            await retired.served.idle()
            self._retired.pop(instance, None)
            self._close_version(*retired)

    def _served(self, name: str, version: int) -> Served | None:
        """What is in service of a version, or was at last."""
        current = self._slots.get(name)
        if current is not None and current.served and current.served.version == version:
            return current.served
        retired = [each.served for each in self._retired.values() if each.name == name]
        return next((each for each in reversed(retired) if each.version == version), None)

    def _close_version(self, name: str, served: Served) -> None:
        slot = self._versions.get((name, served.version))
        if slot is not None and slot.served is served:
            slot.served = None
            slot.reason = f"version {served.version} is not loaded any more"
            del self._versions[name, served.version]

    def _retire(self, slot: ModelSlot) -> None:
        if slot.served is not None:
            if slot.served.bounded:  # who serves others sees to their end
                self._retired[slot.served.instance] = _Retired(slot.name, slot.served)
            slot.served = None
