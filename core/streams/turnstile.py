"""Who may be at work together in one worker."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from penstock.core.streams.request import StreamRequest
    from penstock.core.streams.tenure import Tenure


class Turnstile:
    """Lets requests in together, and a suspect alone.

    A suspect is a record that was at work at two crashes already. It waits until all that is taken
    is finished, in all partitions of the worker, and nothing is taken before it is finished: should
    it bring the worker down, it does so to no other record.
    """

    __slots__ = ("_suspect", "_suspect_runs", "inside", "tenures")

    def __init__(self) -> None:
        self.inside = 0
        """Records that are taken and not finished."""
        self.tenures: set[Tenure] = set()
        self._suspect: StreamRequest | None = None
        self._suspect_runs = False

    @property
    def shut(self) -> bool:
        """Whether nothing may be taken."""
        return self._suspect is not None

    def enter(self, suspect: StreamRequest | None = None) -> None:
        """A record has been taken; a suspect begins when it is alone."""
        self.inside += 1
        if suspect is not None:
            self._suspect = suspect
            self._let_suspect_run()

    def leave(self, request: StreamRequest) -> None:
        """A record is finished, given back, or lost."""
        self.inside -= 1
        if request is self._suspect:
            self._suspect = None
            self._suspect_runs = False
            for tenure in sorted(self.tenures, key=lambda each: each.ownership):
                tenure.pump()
        else:
            self._let_suspect_run()

    def _let_suspect_run(self) -> None:
        suspect = self._suspect
        if suspect is not None and not self._suspect_runs and self.inside == 1:
            self._suspect_runs = True
            suspect.tenure.begin(suspect)
