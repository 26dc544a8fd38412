"""The rounds of questions by which a newcomer finds out what others own."""

from __future__ import annotations

from penstock.transports.kafka.leases.ledger import Ledger
from penstock.transports.kafka.leases.messages import Act, Ask, Hello, Holdings, MemberId, Message


class RollCall:
    """Who begins to read the log in the middle says hello, and all who live then say what they own.

    What they say is exact if nobody does anything meanwhile; else all are asked again.
    """

    def __init__(self, caller: MemberId, ledger: Ledger, lease_ms: float) -> None:
        self._caller = caller
        self._ledger = ledger
        self._lease_ms = lease_ms
        self._began: float | None = None
        """When the round that is under way began, in the log's time."""
        self._waiting: set[MemberId] = set()
        """Those who have not answered."""

    def is_to_begin_again(self, offset: int, message: Message, *, known: bool, hello: int) -> bool:
        """Follow the log, after the ledger; the caller is a member. True says that it has to ask
        again.

        ``known``: the writer was a member before this. ``hello``: the number of the last hello.
        """
        comes = isinstance(message, Hello) and message.first
        if message.member == self._caller and isinstance(message, Hello | Ask):
            self._begin(offset)
        elif self._began is not None and not comes:
            # Who says hello and did not just come may have been left out by all who know its name.
            if isinstance(message, Act) or not known:
                self._began = None
                return True
            self._note_answer(message)
        self._end_when_all_have_answered(message)
        return self._is_lost(message, hello)

    def _begin(self, offset: int) -> None:
        self._began = self._ledger.now
        self._waiting = set(self._ledger.members) - {self._caller}
        self._ledger.asked_at = offset

    def _note_answer(self, message: Message) -> None:
        if isinstance(message, Holdings) and self._ledger.is_to_be_believed(message):
            self._waiting.discard(message.member)

    def _end_when_all_have_answered(self, message: Message) -> None:
        if self._began is None:
            return
        if isinstance(message, Hello) and message.first:
            # It has just come, and owns nothing.
            self._waiting.discard(message.member)
        self._waiting.intersection_update(self._ledger.members)
        # Who has not been heard for a lease is out. Before that, more may be there.
        if not self._waiting and self._ledger.now >= self._lease_ms:
            self._began = None
            self._ledger.exact = True

    def _is_lost(self, message: Message, hello: int) -> bool:
        """Whether the question, or an answer, will not come any more. What the caller wrote before
        this message has come through, or never will."""
        if self._ledger.exact or message.member != self._caller or message.number <= hello:
            return False
        return self._began is None or self._ledger.now - self._began >= self._lease_ms
