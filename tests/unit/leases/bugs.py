"""Bugs in who is in under which name, and in what is lost on its way: the simulation finds each.

Those in the other rules are in ``unit.kafka.leases.bugs``.
"""

from __future__ import annotations

from harness.planted import Bug

BUGS = (
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
