"""Bugs that a log of leases may well have: the simulation must find each of them."""

from __future__ import annotations

from harness.planted import Bug


def _bug(name: str, module: str, right: str, wrong: str) -> Bug:
    return Bug(name, "leases", module, right, wrong)


BUGS = (
    _bug(
        "a claim takes what is owned",
        "ledger",
        "                if self.owner(subject, partition) is None:\n",
        "                if True:\n",
    ),
    _bug(
        "a lease is half as long in the log",
        "ledger",
        "            if self.now - seen.lived < self._lease_ms:\n",
        "            if self.now - seen.lived < self._lease_ms / 2:\n",
    ),
    _bug(
        "a lease never ends",
        "ledger",
        "            if self.now - seen.lived < self._lease_ms:\n",
        "            if True:\n",
    ),
    _bug(
        "a broker that was away is a silence of members",
        "ledger",
        "                seen.lived = time_ms\n",
        "                pass\n",
    ),
    _bug(
        "who was silent for a lease is in without a hello",
        "ledger",
        "            if self.exact or member == self._reader:\n",
        "            if False:\n",
    ),
    _bug(
        "a newcomer takes itself for one that was there before",
        "ledger",
        "            if self.exact or member == self._reader:\n",
        "            if self.exact:\n",
    ),
    _bug(
        "who has the name is not put out",
        "ledger",
        "        if (other := self._namesake(member)) is not None:\n",
        "        if (other := self._namesake(member)) is not None and False:\n",
    ),
    _bug(
        "who comes again takes its name back from who has it now",
        "ledger",
        "if message.first or not self.exact or self._namesake(member) is None:",
        "if True:",
    ),
    _bug(
        "what the dead owned stays theirs",
        "ledger",
        "            self._disown(member)\n            self.version += 1\n",
        "            self.version += 1\n",
    ),
    _bug(
        "a newcomer does not wait for those it has not heard of",
        "member",
        "        if not waiting and self.ledger.was_followed:\n",
        "        if not waiting:\n",
    ),
    _bug(
        "a newcomer does not wait for answers",
        "member",
        "        if not waiting and self.ledger.was_followed:\n",
        "        if self.ledger.was_followed:\n",
    ),
    _bug(
        "a newcomer waits for who has died",
        "member",
        "        waiting.intersection_update(members)\n",
        "",
    ),
    _bug(
        "a question that was lost is not asked again",
        "member",
        "if mine and isinstance(message, Beat) and (self._round is None or self._round.waiting):",
        "if False:",
    ),
    _bug(
        "nobody answers",
        "member",
        "            self._asked = True\n",
        "            pass\n",
    ),
    _bug(
        "an answer says nothing of what is owned",
        "member",
        "            owns.setdefault(subject, {})[partition] = ownership.epoch\n",
        "            pass\n",
    ),
    _bug(
        "a lease counts from when the beat came back",
        "member",
        "            self._heard_ms = self._sent.popleft().at_ms\n",
        "            self._sent.popleft()\n            self._heard_ms = self._observed_ms\n",
    ),
    _bug(
        "nobody is ever suspended",
        "member",
        "proven = self._is_in and now_ms < self._proven_until_ms",
        "proven = self._is_in",
    ),
    _bug(
        "a lease ends when it is over, and not before",
        "member",
        "return self._heard_ms + self._times.lease_ms - self._times.margin_ms",
        "return self._heard_ms + self._times.lease_ms + 400.0",
    ),
    _bug(
        "a clock is not looked at until there is something to write",
        "member",
        "return due_ms if self.suspended else min(due_ms, self._proven_until_ms)",
        "return due_ms + 4000.0",
    ),
    _bug(
        "who learns that it was out goes on",
        "member",
        "        if self._introduced and was_in and self.id not in self.ledger.members:\n",
        "        if False:\n",
    ),
    _bug(
        "a hello that was lost is not said again",
        "member",
        "        elif message.number > self._hello and self._introduced and not self._welcomed:\n",
        "        elif False:\n",
    ),
    _bug(
        "what was handed over is forgotten before the log says so",
        "member",
        "        claims = self._share(set(quits))\n",
        "        for each in list(self._released):\n"
        "            self._losing.discard(each)\n"
        "            del self._owned[_place_of(each)]\n"
        "        self._released.clear()\n"
        "        claims = self._share(set(quits))\n",
    ),
    _bug(
        "a release does not wait for the hand-over",
        "member",
        "            self.effects.append(Lose(ownership))\n",
        "            self.effects.append(Lose(ownership))\n"
        "            self._released[ownership] = None\n",
    ),
    _bug(
        "who has too much keeps it",
        "member",
        "            self._lose(sorted(keeps, key=lambda each: each.partition)[quota:])\n",
        "",
    ),
    _bug(
        "who competes no more keeps what it has",
        "member",
        "        for subject in dict.fromkeys([*held, *self._wanted]):\n",
        "        for subject in list(self._wanted):\n",
    ),
    _bug(
        "all get what is left over",
        "shares",
        "each + (place < rest)",
        "each + (rest > 0)",
    ),
    _bug(
        "nobody gets what is left over",
        "shares",
        "each + (place < rest)",
        "each",
    ),
    _bug(
        "whatever is claimed counts as won",
        "member",
        "                if self.ledger.is_owned(subject, partition, self.id, offset):\n",
        "                if True:\n",
    ),
    _bug(
        "a claim that came to nothing is not made again",
        "member",
        "            self._decided = None  # it has come, or never will\n",
        "            pass\n",
    ),
    _bug(
        "nothing is written when the lease of another is over",
        "member",
        "        return min(self._beat_due_ms, end_ms)\n",
        "        return self._beat_due_ms + 3000.0\n",
    ),
)
