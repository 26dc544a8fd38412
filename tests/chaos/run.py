"""Load, kills, and the laws that hold at the end."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence

from chaos.city import APART, ONCE, PARTITIONS, City
from chaos.load import Caller, Reader, Writer

BROKER = "broker"

GAP_S = 3.0
"""How long the requests of a worker that died may wait."""

AGAIN_S = 30.0
"""After so long somebody who waits for requests to go on gives up."""

SETTLE_S = 60.0


class Run:
    """Load on everything, and somebody who kills."""

    def __init__(self, world: City, chance: random.Random, rate: float) -> None:
        self._world = world
        self._chance = chance
        servers = world.kafka.bootstrap_servers
        self.readers = {name: Reader(servers, name) for name in world.pipelines}
        self.writers = {name: Writer(servers, name, rate) for name in world.pipelines}
        urls = [world.url(name) for name in world.gateways]
        self.callers = [Caller(urls, name, 0.02) for name in world.pipelines]
        self.gaps: dict[str, list[float]] = {}
        self._until_all_go_on(time.monotonic() + AGAIN_S)

    def kill_and_leave(self, only: Sequence[str]) -> str:
        """Kill one, and start it again when all goes on without it."""
        chance = self._chance
        name = chance.choice(list(only))
        time.sleep(chance.uniform(0.0, 1.0))
        killed = time.monotonic()
        self._world.kill(name)
        said = self._seen(name, killed)
        self._world.start(name)
        return f"{name:<11} not started again, {said}"

    def kill(self, only: Sequence[str] | None = None) -> str:
        """Kill one, start it again, see what comes."""
        chance = self._chance
        names = only or [*self._world.commands, BROKER]
        name = chance.choice(list(names))
        time.sleep(chance.uniform(0.0, 1.0))
        away_s = chance.choice([0.0, chance.uniform(0.5, 4.0)])
        killed = time.monotonic()
        if name == BROKER:
            self._world.kafka.brokers[0].kill()
            time.sleep(away_s)
            self._world.kafka.brokers[0].start()
            back = time.monotonic()
        else:
            self._world.kill(name)
            back = killed
            time.sleep(away_s)
            self._world.start(name)
        return f"{name:<11} away {away_s:3.1f} s, {self._seen(name, back)}"

    def _seen(self, name: str, back: float) -> str:
        """Wait until all goes on, and say how long that took."""
        time.sleep(max(0.5, back + GAP_S - time.monotonic()))
        until = self._until_all_go_on(back + AGAIN_S)
        gaps = self._gaps_s(back, until)
        gap, where = max((each, place) for place, each in gaps.items())
        self.gaps.setdefault(name.partition("-")[0], []).append(gap)
        return f"longest gap {gap:.2f} s in {where}"

    def _until_all_go_on(self, limit: float) -> float:
        """Wait until answers come in every partition again; comes back with when that was."""
        asked = time.monotonic()
        while time.monotonic() < limit and not all(
            times and times[-1] > asked
            for reader in self.readers.values()
            for times in reader.times
        ):
            time.sleep(0.05)
        return time.monotonic()

    def _gaps_s(self, since: float, until: float) -> dict[str, float]:
        return {
            f"{name}/{number}": reader.longest_gap_s(number, since, until)
            for name, reader in self.readers.items()
            for number in range(PARTITIONS)
        }

    def end(self) -> Sequence[str]:
        """Stop the load, and say which laws do not hold."""
        for writer in self.writers.values():
            writer.stop()
        for caller in self.callers:
            caller.stop()
        self._settle()
        for reader in self.readers.values():
            reader.stop()
        problems = [wrong for caller in self.callers for wrong in caller.wrong]
        for name, writer in self.writers.items():
            problems += [f"{name}: not accepted: {each}" for each in writer.refused]
            problems += [
                f"{name}: lost {identity} at {place}, it is {time.monotonic():.1f}"
                for identity, place in writer.accepted.items()
                if not self.readers[name].seen[identity]
            ]
        problems += [
            f"{name}: {each} is there {times} times"
            for name in self.readers
            if APART.get(name, name) == ONCE
            for each, times in self._doubled(name)
        ]
        return problems

    def late(self) -> Sequence[str]:
        """Deaths of workers after which it took too long; on a machine that has time, there are
        none."""
        return [
            f"after the death of {name} it took {gap:.2f} s"
            for name, gaps in self.gaps.items()
            if name in ("dataflow", "up")
            for gap in gaps
            if gap > GAP_S
        ]

    def figures(self) -> str:
        """What is worth telling."""
        lines = [
            "longest gaps: "
            + ", ".join(f"{n} {max(g):.2f} s of {len(g)}" for n, g in self.gaps.items())
        ]
        for name, writer in self.writers.items():
            reader = self.readers[name]
            failed = [
                f"{each} {why}" for each, why in reader.failed.items() if each in writer.accepted
            ]
            lines.append(
                f"{name}: {len(writer.accepted)} accepted, "
                f"{sum(times - 1 for _, times in self._doubled(name))} more than once, "
                f"{len(failed)} failed: {failed[:3]}"
            )
        lines += [f"{caller.outcomes}" for caller in self.callers]
        return "\n".join(lines)

    def _doubled(self, pipeline: str) -> Sequence[tuple[str, int]]:
        return [(each, times) for each, times in self.readers[pipeline].seen.items() if times > 1]

    def _settle(self) -> None:
        until = time.monotonic() + SETTLE_S
        while time.monotonic() < until and not all(
            writer.accepted.keys() <= self.readers[name].seen.keys()
            for name, writer in self.writers.items()
        ):
            time.sleep(0.1)
        time.sleep(1.0)
