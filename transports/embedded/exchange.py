"""One request and its answer: which way it goes, what is tried elsewhere, and how it ends."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Final

from penstock.core.errors import (
    DeadlineError,
    LostError,
    PenstockError,
    UnreachableError,
    at_intake,
)
from penstock.core.experiments.fault import fault_of_status
from penstock.core.forwarding.fork import Arm
from penstock.core.forwarding.pool import Pool
from penstock.core.forwarding.seat import Seat
from penstock.core.request_headers import ROUTE_HEADERS
from penstock.core.request_limit import too_large
from penstock.core.statuses import http_status
from penstock.transports.embedded.answer_head import AnswerHead
from penstock.transports.embedded.answered import NOWHERE, Answered
from penstock.transports.embedded.attempt import Attempt
from penstock.transports.embedded.bodies import BodyReader
from penstock.transports.embedded.chunks import LAST_CHUNK, chunk
from penstock.transports.embedded.passage import MOST_COPIES, MOST_HELD_BYTES, Passage
from penstock.transports.embedded.request_head import RequestHead
from penstock.transports.rest.answer import error_answer
from penstock.transports.rest.errors import defect

KEPT_BYTES: Final = 1024 * 1024
"""Of a body, so that it can be sent again; longer ones are let go as they are sent."""

AHEAD_BYTES: Final = 64 * 1024
"""Of a body, while there is nobody yet to send it to."""


class Exchange:
    """One request on its way. ``done`` when its answer is complete, or cannot be completed."""

    __slots__ = (
        "_arm",
        "_attempts",
        "_begun_ms",
        "_body_bytes",
        "_body_complete",
        "_chosen",
        "_chunked_answer",
        "_copied",
        "_fork",
        "_hedge",
        "_held_bytes",
        "_kept",
        "_pool",
        "_progress_ms",
        "_retries",
        "_status",
        "_timeout_ms",
        "_timer",
        "_tried",
        "answered",
        "done",
        "head",
        "passage",
    )

    def __init__(self, passage: Passage, head: RequestHead, answered: Answered) -> None:
        self.passage = passage
        self.head = head
        self.answered = answered
        self.done = False
        self._attempts: list[Attempt] = []
        self._tried: list[Seat] = []
        self._kept: list[bytes] | None = []
        """The body as it was, while it may be sent (again)."""
        self._body_bytes = 0
        self._held_bytes = 0
        self._body_complete = False
        self._chosen: Attempt | None = None
        self._chunked_answer = False
        self._status: int | None = 0
        self._retries = 0
        self._pool: Pool | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._hedge: asyncio.TimerHandle | None = None
        self._copied: Arm | None = None
        self._begun_ms = self._progress_ms = passage.now_ms()
        self._timeout_ms = head.timeout_ms or passage.policy.timeout_ms

    # The request

    def begin(self, body: bytes, *, complete: bool) -> None:
        """Send it on its way, with what there is of its body. Hot."""
        passage = self.passage
        self._fork, self._arm = passage.route(self.head)
        if body:
            self._body_bytes = len(body)
            self._kept = [body]
        self._body_complete = complete
        try:
            self._take_way(passage.table.gateways if self._arm is None else self._arm.pool)
        except PenstockError as error:
            self._fail(error)
        except Exception as error:
            self._fail(defect(error, "forwarding"))

    def _take_way(self, pool: Pool) -> None:
        passage = self.passage
        self._pool = pool
        passage.begin(pool)
        self._timer = passage.call_later(self._timeout_ms / 1000.0, self._time_over)
        if self._fork is not None:
            self._copied = self._fork.copied(passage.random())
            if self._copied is not None and self._body_complete:
                self._copy()
        self._try_next(None)
        hedge_ms = passage.policy.hedge_after_ms
        if hedge_ms is not None and not self.done:
            self._hedge = passage.call_later(hedge_ms / 1000.0, self._try_second)

    def copy_to(self, arm: Arm, body: list[bytes]) -> None:
        """Send a copy of a whole request to ``arm``."""
        self._fork, self._arm = None, arm
        self._kept = body
        self._body_bytes = self._held_bytes = sum(map(len, body))
        self._body_complete = True
        try:
            self._take_way(arm.pool)
        except PenstockError as error:
            self._fail(error)

    def feed(self, pieces: list[bytes], *, complete: bool) -> None:
        """More of the body has come."""
        self._body_complete = complete
        self._body_bytes += sum(map(len, pieces))
        self._progress_ms = self.passage.now_ms()
        if self._body_bytes > self.passage.context.max_request_bytes:
            self._refuse_larger()
            return
        self._keep(pieces)
        sending = [attempt for attempt in self._attempts if attempt.sent]
        for attempt in sending:
            self._write_body(attempt, pieces)
        if not sending and self._body_bytes > AHEAD_BYTES and not complete:
            self.answered.pause()
        if complete and self._copied is not None:
            self._copy()

    def _keep(self, pieces: list[bytes]) -> None:
        """Keep what may be sent again; without anybody to send it to, all that there is."""
        kept = self._kept
        if kept is None:
            return
        kept.extend(pieces)
        if self._copied is not None:
            self._hold()
        elif self._body_bytes > KEPT_BYTES and any(each.sent for each in self._attempts):
            self._kept = None

    def _hold(self) -> None:
        """Count what is held for a copy; over the bound there is none."""
        passage = self.passage
        passage.held_bytes += self._body_bytes - self._held_bytes
        self._held_bytes = self._body_bytes
        if passage.held_bytes > MOST_HELD_BYTES:
            self._copied = None
            self._let_go()

    def _let_go(self) -> None:
        self.passage.held_bytes -= self._held_bytes
        self._held_bytes = 0

    def _copy(self) -> None:
        """Send the copy, whose answer nobody waits for."""
        passage, arm = self.passage, self._copied
        self._copied = None
        self._let_go()
        room = passage.held_bytes + self._body_bytes <= MOST_HELD_BYTES
        if arm is not None and self._kept is not None and room and passage.copies < MOST_COPIES:
            passage.copies += 1
            passage.held_bytes += self._body_bytes
            Copy(passage, self.head, NOWHERE).copy_to(arm, list(self._kept))

    def _write_body(self, attempt: Attempt, pieces: list[bytes]) -> None:
        if self.head.length is None:
            data = b"".join(map(chunk, pieces)) + (LAST_CHUNK if self._body_complete else b"")
        else:
            data = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        if data:
            attempt.write(data)

    # Attempts

    def _try_next(self, error: PenstockError | None) -> None:
        """Ask somebody who has not been asked; with nobody left it ends with ``error``. Hot."""
        passage, pool = self.passage, self._pool
        assert pool is not None
        seat = passage.pick(pool, self.head.headers, self._tried)
        if seat is None:
            assert error is not None, "a destination without seats raises"
            raise error
        self._tried.append(seat)
        attempt = Attempt(self, seat)
        self._attempts.append(attempt)
        attempt.begin()

    def connected(self, attempt: Attempt) -> None:
        """``attempt`` can send. Hot."""
        head, arm, pool = self.head, self._arm, self._pool
        assert pool is not None
        target = "" if arm is None else arm.share.target
        if head.timeout_ms is None or len(self._tried) == 1:
            written = head.written(target, pool.version)
        else:
            left_ms = self._timeout_ms - (self.passage.now_ms() - self._begun_ms)
            written = head.written_anew(target, pool.version, max(1.0, left_ms))
        kept = self._kept
        assert kept is not None, "nobody is asked for the rest of a body"
        if head.length is not None and len(kept) == 1:
            attempt.write(written + kept[0])
        else:
            attempt.write(written)
            if kept or head.length is None:
                self._write_body(attempt, kept)
        if not self._may_send_again:
            self._kept = None
        if not self._body_complete:
            self.answered.resume()

    @property
    def _may_send_again(self) -> bool:
        """Whether the body may be needed once more after it has been sent. Hot."""
        return (
            self.head.asks_only
            or self._copied is not None
            or self.passage.policy.hedge_after_ms is not None
        )

    def unreachable(self, attempt: Attempt, error: UnreachableError) -> None:
        """Nothing was sent: somebody else is asked."""
        self._attempt_failed(attempt, error.message)
        if self._attempts or self.done:
            return
        self._retry(error)

    def broken(self, attempt: Attempt, why: str) -> None:
        """It was sent, and is not answered whole."""
        self._attempt_failed(attempt, why)
        if self.done or (self._chosen is None and self._attempts):
            return
        if self._chosen is not None:
            self._cut_off()
            return
        error = LostError(
            f"{attempt.seat.endpoint.rest} was sent the request and did not answer it ({why}); "
            "whether it was carried out is not known"
        )
        if self.head.asks_only and self._kept is not None and self.passage.budget.spend():
            self._retry(error)
        else:
            self._fail(error)

    def _attempt_failed(self, attempt: Attempt, why: str) -> None:
        self._attempts.remove(attempt)
        self._failed(attempt, why)

    def _failed(self, attempt: Attempt, why: str) -> None:
        assert self._pool is not None
        self._pool.failed(attempt.seat, why, self.passage.now_ms())

    def _retry(self, error: PenstockError) -> None:
        self._retries += 1
        if self._retries > self.passage.policy.retries:
            self._fail(error)
            return
        try:
            self._try_next(error)
        except PenstockError as failure:
            self._fail(failure)

    def _try_second(self) -> None:
        """The answer takes long: ask somebody else as well."""
        unanswered = self._chosen is None and len(self._attempts) == 1
        if not unanswered or not self._body_complete or self._kept is None:
            return
        assert self._pool is not None
        if len(self._pool.seats) > len(self._tried) and self.passage.budget.spend():
            with suppress(PenstockError):  # the first one goes on
                self._try_next(LostError("nobody is left to ask"))

    # The answer

    def answer_began(
        self,
        attempt: Attempt,
        head: AnswerHead,
        pieces: list[bytes],
        body: BodyReader | None,
        *,
        complete: bool,
    ) -> None:
        """The first of those asked answers. Hot."""
        if self._chosen is not None or self.done:
            attempt.end()
            return
        self._choose(attempt)
        self._status = head.status
        assert self._pool is not None
        self._pool.answered(attempt.seat, head.status, self.passage.now_ms())
        keep_alive = self._keeps_alive
        self._chunked_answer = body is not None and head.length is None and not self.head.http10
        written = head.written(
            chunked=self._chunked_answer, close=not keep_alive, extra=self._told()
        )
        if complete:
            self._end_attempt(attempt)
        else:
            self._watch_progress(head)
        self.answered.write(written + self._coded(pieces, complete=complete))
        if complete:
            self._finish()

    def answer_continued(self, attempt: Attempt, pieces: list[bytes], *, complete: bool) -> None:
        """More of the answer has come."""
        if complete:
            self._end_attempt(attempt)
        self._progress_ms = self.passage.now_ms()
        data = self._coded(pieces, complete=complete)
        if data:
            self.answered.write(data)
        if complete:
            self._finish()

    @property
    def _keeps_alive(self) -> bool:
        return self.head.keep_alive and self._body_complete and not self.passage.draining

    def _choose(self, attempt: Attempt) -> None:
        self._chosen = attempt
        if len(self._attempts) > 1:
            for other in self._attempts:
                if other is not attempt:
                    other.end()
            self._attempts = [attempt]

    def _end_attempt(self, attempt: Attempt) -> None:
        self._attempts.clear()
        attempt.end(reusable=self._body_complete)

    def _told(self) -> bytes:
        """What the caller is told of its way."""
        arm = self._arm
        if arm is None or not arm.share.trail:
            return b""
        trail = arm.share.trail.encode("latin-1", "replace")
        return b"".join(name.encode() + b": " + trail + b"\r\n" for name in ROUTE_HEADERS)

    def _coded(self, pieces: list[bytes], *, complete: bool) -> bytes:
        if self._chunked_answer:
            return b"".join(map(chunk, pieces)) + (LAST_CHUNK if complete else b"")
        if not pieces:
            return b""
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def hold_answer(self) -> None:
        """The caller does not keep up."""
        if self._chosen is not None:
            self._chosen.hold_answer()

    def go_on(self) -> None:
        """The caller has caught up."""
        self._progress_ms = self.passage.now_ms()
        if self._chosen is not None:
            self._chosen.go_on()

    # Time

    def _time_over(self) -> None:
        """There is no answer in time."""
        within = f"within {self._timeout_ms:g} ms"
        attempts, self._attempts = self._attempts, []
        sent = any(attempt.sent for attempt in attempts)
        for attempt in attempts:
            attempt.end()
        if sent and not self._body_complete:
            self._fail(at_intake(DeadlineError(f"the request was not sent whole {within}")))
            return
        what = "answer" if sent else "connection"
        asked = " and ".join(attempt.seat.endpoint.rest for attempt in attempts) or "the process"
        for attempt in attempts:
            self._failed(attempt, f"it gave no {what} {within}")
        self._fail(DeadlineError(f"{asked} gave no {what} {within}"))

    def _watch_progress(self, head: AnswerHead) -> None:
        """An answer that has begun may take its time, as long as it goes on."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if not head.is_events:
            self._progress_ms = self.passage.now_ms()
            self._timer = self.passage.call_later(self._timeout_ms / 1000.0, self._check_progress)

    def _check_progress(self) -> None:
        left_ms = self._progress_ms + self._timeout_ms - self.passage.now_ms()
        if left_ms > 0:
            self._timer = self.passage.call_later(left_ms / 1000.0, self._check_progress)
        else:
            self._cut_off()

    # The end

    def _refuse_larger(self) -> None:
        if self._chosen is None:
            self._fail(too_large(self.passage.context.max_request_bytes))
        else:
            self._cut_off(http_status("too-large"))

    def _fail(self, error: PenstockError) -> None:
        """Answer with an error."""
        answer = error_answer(error, None, self.head.request_id)
        self._status = None if error.at_intake else answer.status
        self._stop_attempts()
        keep_alive = self._keeps_alive
        written = answer.http1(keep_alive=keep_alive)
        if self.head.head_only:
            written = written[: written.index(b"\r\n\r\n") + 4]
        self._close(keep_alive=keep_alive, written=written)

    def _finish(self) -> None:
        """The answer is complete. Hot."""
        self._close(keep_alive=self._keeps_alive)

    def _close(self, *, keep_alive: bool, written: bytes = b"") -> None:
        self._settle()
        if written:
            self.answered.write(written)
        self._count()
        self.answered.answered(keep_alive=keep_alive)

    def _cut_off(self, status: int = 503) -> None:
        self._status = status
        self.abandon()
        self._count()
        self.answered.cut_off()

    @property
    def answering(self) -> bool:
        """Whether a part of the answer has been sent."""
        return self._chosen is not None

    def abandon(self) -> None:
        """Nobody waits for the answer any more."""
        self._stop_attempts()
        self._settle()

    def _stop_attempts(self) -> None:
        for attempt in self._attempts:
            attempt.end()
        self._attempts.clear()

    def _settle(self) -> None:
        """Give back what it holds, once. Hot."""
        if self.done:
            return
        self.done = True
        if self._pool is not None:
            self._pool.under_way -= 1
        if self._timer is not None:
            self._timer.cancel()
        if self._hedge is not None:
            self._hedge.cancel()
        if self._held_bytes:
            self._let_go()

    def _count(self) -> None:
        fork, arm = self._fork, self._arm
        if fork is not None and arm is not None and self._status is not None:
            took_ms = self.passage.now_ms() - self._begun_ms
            self.passage.count(fork, arm, took_ms, fault_of_status(self._status))


class Copy(Exchange):
    """A copy of a request, whose answer goes nowhere."""

    __slots__ = ()

    def _settle(self) -> None:
        if not self.done:
            self.passage.copies -= 1
        super()._settle()
