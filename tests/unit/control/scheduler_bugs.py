"""Bugs that a scheduler of this kind may well have, and a way to put each into the real one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import penstock.core.control
import penstock.core.fleet
from harness.planted import Bug, planted
from penstock.core.control import LocalControlPlane

BUGS = (
    Bug(
        "a copy is unloaded though it is called",
        "control",
        "copies",
        "        if calls:\n            await asyncio.wait(calls)\n",
        "",
    ),
    Bug(
        "a version that is replaced is unloaded though it is called",
        "control",
        "models",
        "        if published is not None:\n            await self._models.drained(published)\n",
        "",
    ),
    Bug(
        "one copy is enough, whatever is the least",
        "control",
        "copies",
        "return len(self._loaded) >= min(least, self.wanted) > 0",
        "return len(self._loaded) >= min(1, self.wanted) > 0",
    ),
    Bug(
        "room that gets free is told to nobody",
        "control",
        "copies",
        '        finally:\n            self._turn(replica, "gone")\n'
        "            self._placer.fleet.changed()\n\n    def _turn",
        '        finally:\n            self._turn(replica, "gone")\n\n    def _turn',
    ),
    Bug(
        "what leaves keeps its room",
        "fleet",
        "replica",
        "        self.used_bytes -= copy.memory_bytes\n",
        "",
    ),
    Bug(
        "what is being loaded takes no room",
        "fleet",
        "replica",
        ", 0) + 1\n        self.used_bytes += copy.memory_bytes\n",
        ", 0) + 1\n",
    ),
    Bug(
        "a load that was given up leaves its room at once",
        "control",
        "copies",
        "            await self._placer.loader.undone(self._model.name, self.version, "
        "replica.adapter)\n",
        "            pass\n",
    ),
    Bug(
        "a copy leaves a server that goes before another is loaded",
        "control",
        "copies",
        'or (replica.standing == "draining" and not self._loading)',
        'or replica.standing == "draining"',
    ),
    Bug(
        "a server that is not up is loaded on",
        "fleet",
        "replica",
        '        if self.standing == "starting":\n            return f"is not',
        '        if False:\n            return f"is not',
    ),
    Bug(
        "copies that are too many stay",
        "control",
        "copies",
        "leaving = [*gone, *replaced, *staying[self.wanted :]]",
        "leaving = [*gone, *replaced]",
    ),
    Bug(
        "what an operator drains loses its copies at once",
        "control",
        "copies",
        "replaced = drained[: max(0, len(staying) + len(drained) - self.wanted)]",
        "replaced = drained",
    ),
    Bug(
        "a server stops with models on it",
        "fleet",
        "fleet",
        "            if not replica.models:\n                empty.set()\n",
        "            empty.set()\n",
    ),
    Bug(
        "what failed in passing is not tried again",
        "control",
        "copies",
        "        self._pause = None\n        self._plan()\n",
        "        self._pause = None\n",
    ),
    Bug(
        "what was loaded counts as serving",
        "control",
        "models",
        "        serving = None if place.published is None else place.serving\n",
        "        serving = place.serving\n",
    ),
    Bug(
        "a version that breaks a pipeline serves",
        "control",
        "models",
        "                if blocked is None:\n",
        "                if blocked is None or name not in waiting:\n",
    ),
    Bug(
        "a version that is resized becomes another",
        "control",
        "copies",
        "        self._model = sized_as(self._model, model)\n",
        "        self._model = model\n",
    ),
    Bug(
        "pipelines are not told of a model that goes",
        "control",
        "models",
        '        self._gateway.remove("model", name)\n        self._on_change(name)\n',
        '        self._gateway.remove("model", name)\n',
    ),
    Bug(
        "the old version of a server goes before the new one is up",
        "control",
        "servers",
        "            if len(up) == len(place.replicas) == place.count:\n",
        "            if True:\n",
    ),
    Bug(
        "what is taken away is forgotten at a stop",
        "control",
        "copies",
        "        for replica in list(self._leaving):\n            await self._unload(replica)\n",
        '        for replica in [each for each in self._leaving if each.standing == "up"]:\n'
        "            await self._unload(replica)\n",
    ),
    Bug(
        "why there is no room is said once and for all",
        "control",
        "copies",
        "        self._look_out(found if self._tries else None)\n",
        "",
    ),
)


@contextmanager
def installed(bug: Bug) -> Iterator[type[LocalControlPlane]]:
    """The control plane with a bug in it."""
    packages = {"fleet": penstock.core.fleet, "control": penstock.core.control}
    with planted(bug, packages) as found:
        made_by: type[LocalControlPlane] = found["control"].LocalControlPlane
        yield made_by
