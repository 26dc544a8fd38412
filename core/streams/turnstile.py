"""Who may be at work together in one worker."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from penstock.core.streams.request import StreamRequest
    from penstock.core.streams.tenure import Tenure


class Turnstile:
    """Lets requests in together, and a suspect alone.

    A suspect is a record that was at work at two crashes already. It waits until all that is taken
    is finished, in all partitions of the worker, and nothing is on its way here; and nothing is
    taken before it is finished. Should it bring the worker down, it does so to no other record.
    """

    __slots__ = ("_suspect", "_suspect_runs", "_tenures", "inside")

    def __init__(self) -> None:
        self.inside = 0
        """Records that are taken and not finished."""
        self._tenures: set[Tenure] = set()
        self._suspect: StreamRequest | None = None
        self._suspect_runs = False

    @property
    def shut(self) -> bool:
        """Whether nothing may be taken."""
        return self._suspect is not None

    def add(self, tenure: Tenure) -> None:
        """A partition is worked on from now on."""
        self._tenures.add(tenure)

    def remove(self, tenure: Tenure) -> None:
        """A partition is worked on no more."""
        self._tenures.discard(tenure)
        self.settle()

    def enter(self, suspect: StreamRequest | None = None) -> None:
        """A record has been taken; a suspect begins when it is alone."""
        self.inside += 1
        if suspect is not None:
            self._suspect = suspect
            for tenure in self._in_order():
                tenure.stop_taking()
            self.settle()

    def leave(self, request: StreamRequest) -> None:
        """A record is finished, given back, or lost."""
        self.inside -= 1
        if request is self._suspect:
            self._suspect = None
            self._suspect_runs = False
            self.pump()
        else:
            self.settle()

    def pump(self) -> None:
        """Have all partitions ask for what they can ask for."""
        for tenure in self._in_order():
            tenure.pump()

    def settle(self) -> None:
        """Something is over that a suspect may have waited for."""
        suspect = self._suspect
        if suspect is None or suspect.tenure.over or self._suspect_runs or self.inside > 1:
            return
        if not any(tenure.takes for tenure in self._tenures):
            self._suspect_runs = True
            suspect.tenure.begin(suspect)

    def _in_order(self) -> list[Tenure]:
        return sorted(self._tenures, key=lambda each: each.ownership)
