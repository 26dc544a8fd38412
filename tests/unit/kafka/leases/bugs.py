"""Bugs that a log of leases may well have: the simulation must find each of them."""

from __future__ import annotations

from harness.planted import Bug

BUGS = (
    Bug(
        "a lease is over too early",
        "leases",
        "ledger",
        "if self.now - seen.lived < self._lease_ms:",
        "if self.now - seen.lived < self._lease_ms / 2:",
    ),
    Bug(
        "a silence of all counts whole",
        "leases",
        "ledger",
        "self.now += min(gap_ms, self._longest_gap_ms)",
        "self.now += gap_ms",
    ),
    Bug(
        "the last claim wins",
        "leases",
        "ledger",
        "owned.setdefault(partition, Owned(act.member, offset))",
        "owned[partition] = Owned(act.member, offset)",
    ),
    Bug(
        "what the dead owned stays theirs",
        "leases",
        "ledger",
        "            self._note(seen.competes)\n            self._disown(member)\n",
        "            self._note(seen.competes)\n",
    ),
    Bug(
        "quitting changes nothing",
        "leases",
        "ledger",
        "            seen.competes.pop(subject, None)\n",
        "            pass\n",
    ),
    Bug(
        "what is released stays owned",
        "leases",
        "ledger",
        "            self._release(act.member, subject, partitions)\n",
        "            pass\n",
    ),
    Bug(
        "a lost act is not repeated",
        "leases",
        "member",
        "if acts and not self._lease.awaits(self._acted):",
        "if False:",
    ),
    Bug(
        "a release is over before it is in the log",
        "leases",
        "member",
        "        releases = self._holding.releases()\n",
        "        releases = self._holding.releases()\n        self._holding._released.clear()\n",
    ),
    Bug(
        "a lost hello is not repeated",
        "leases",
        "member",
        "        if is_later and self.id not in self.ledger.members:\n",
        "        if False:\n",
    ),
    Bug(
        "questions are not answered",
        "leases",
        "member",
        "            self._asked = True\n",
        "            self._asked = False\n",
    ),
    Bug(
        "one more than the share is kept",
        "leases",
        "member",
        "self._lose(kept[quota:])",
        "self._lose(kept[quota + 1 :])",
    ),
    Bug(
        "what is lost is claimed while it is handed over",
        "leases",
        "ledger",
        "return [partition for partition in range(partitions) if partition not in owned]",
        "return list(range(partitions))",
    ),
    Bug(
        "what is taken is not noticed",
        "leases",
        "member",
        "                if is_taken and self._holding.remove(ownership):\n",
        "                if False:\n",
    ),
    Bug(
        "a roll call does not wait for answers",
        "leases",
        "roll_call",
        "self._waiting = set(self._ledger.members) - {self._caller}",
        "self._waiting = set()",
    ),
    Bug(
        "the same member is first for all streams",
        "leases",
        "shares",
        '"\\0".join((*subject, instance))',
        '"\\0".join((instance,))',
    ),
    Bug(
        "a newcomer takes itself for one that was there before",
        "leases",
        "ledger",
        "            if self.exact or member == self._reader:\n",
        "            if self.exact:\n",
    ),
    Bug(
        "who was silent for a lease is in without a hello",
        "leases",
        "ledger",
        "            if self.exact or member == self._reader:\n",
        "            if False:\n",
    ),
    Bug(
        "who comes again takes its name back from who has it now",
        "leases",
        "ledger",
        "if message.first or not self.exact or self._namesake(member) is None:",
        "if True:",
    ),
    Bug(
        "who has the name is not put out",
        "leases",
        "ledger",
        "            self._remove(other)\n",
        "            pass\n",
    ),
    Bug(
        "a lease counts from when the beat came back",
        "leases",
        "member",
        "        self._lease.read_back(message.number)\n",
        "        self._lease.read_back(message.number)\n"
        "        self._lease._proven_ms = self._observed_ms\n",
    ),
)
