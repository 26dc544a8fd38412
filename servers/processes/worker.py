"""A process of its own for a model, seen from the process that serves."""

from __future__ import annotations

import logging
import os
import pickle
import signal
import socket
import subprocess
import sys
from dataclasses import replace
from math import isinf
from typing import Final

from penstock.core.clock import Clock
from penstock.core.contracts.model import Loader, ModelCall, ModelSpec
from penstock.core.errors import NotReadyError, PenstockError, UnsupportedError, error_of
from penstock.core.records import Tensors
from penstock.core.signature import Signature
from penstock.servers.binding.worker import Worker
from penstock.servers.processes.documents import call_document
from penstock.servers.processes.frames import receive, send

FIRST_PAUSE_MS: Final = 500.0
LONGEST_PAUSE_MS: Final = 30_000.0
"""Between the ends of a worker that keeps ending and its next start; the first is at once."""

OVERTIME_S: Final = 30.0
"""How long after its deadline a call may go on before its process counts as hanging."""

END_PATIENCE_S: Final = 5.0
"""How long a worker has for ending by itself."""

_log = logging.getLogger(__name__)


class WorkerProcess(Worker):
    """Loads a model in a new interpreter (nothing is forked) and calls it there.

    A process that dies is an error of the call that is in it, and is started again with the next
    one, after a pause that doubles while it keeps dying; one in which a call hangs long after its
    deadline is killed. It ends when this process does.
    """

    waits_on_close = True

    def __init__(
        self, loader: Loader, spec: ModelSpec, clock: Clock, *, overtime_s: float = OVERTIME_S
    ) -> None:
        self._name = spec.name
        self._clock = clock
        self._overtime_s = overtime_s
        self._connection: socket.socket | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._lifeline: int | None = None
        self._deaths = 0
        self._not_before_ms = float("-inf")
        self.signature: Signature | None = None
        self.warnings: tuple[str, ...] = ()
        plain = replace(spec, parameters=dict(spec.parameters))
        try:
            pickle.dumps((loader, plain))
        except Exception as error:
            raise UnsupportedError(
                f"model '{spec.name}' cannot be sent to a process of its own: {error}; "
                "use another execution"
            ) from error
        self._load = ("load", loader, plain)

    def start(self) -> None:
        """Start the process and load the model; blocks. Raises PenstockError as loading does."""
        self._started()

    def _started(self) -> socket.socket:
        ours, theirs = socket.socketpair()
        reading, self._lifeline = os.pipe()
        code = (
            f"import sys; sys.path[:] = {sys.path!r}\n"
            "from penstock.servers.processes.main import main\n"
            f"main({theirs.fileno()}, {reading})"
        )
        self._connection = ours
        try:
            with theirs:
                self._process = subprocess.Popen(
                    [sys.executable, "-c", code], pass_fds=(theirs.fileno(), reading)
                )
        finally:
            os.close(reading)
        try:
            send(ours, self._load)
            header, _ = receive(ours)
        except (OSError, EOFError):
            raise NotReadyError(
                f"the worker process of model '{self._name}' {self._end()} while it loaded"
            ) from None
        if header[0] == "error":
            self._end()
            raise error_of(header[1], header[2])
        _, self.signature, self.warnings = header
        return ours

    def call(self, call: ModelCall) -> Tensors:
        connection = self._connected()
        left_s = (call.deadline_ms - self._clock.now_ms()) / 1000.0
        connection.settimeout(None if isinf(left_s) else max(0.0, left_s) + self._overtime_s)
        try:
            send(connection, ("call", call_document(call, self._clock.now_ms())), call.tensors)
            header, tensors = receive(connection)
        except TimeoutError:
            self.abort()
            raise self._dead(f"hung in a call and {self._end()}") from None
        except (OSError, EOFError):
            raise self._dead(f"{self._end()} during the call") from None
        self._deaths = 0
        if header[0] == "error":
            raise error_of(header[1], header[2])
        return tensors

    def close(self) -> None:
        self._end()

    def abort(self) -> None:
        process = self._process
        if process is not None:
            process.kill()

    def _connected(self) -> socket.socket:
        """The connection to a process that lives; starts one when there is none."""
        if self._process is not None and self._process.poll() is not None:
            _log.warning(
                "the worker process of model '%s' %s",
                self._name,
                self._end(),
                extra={"model": self._name},
            )
        if self._connection is not None:
            return self._connection
        left_ms = self._not_before_ms - self._clock.now_ms()
        if left_ms > 0.0:
            raise NotReadyError(
                f"the worker process of model '{self._name}' keeps ending; "
                f"it is started again in {left_ms / 1000.0:.1f} s"
            )
        try:
            return self._started()
        except PenstockError as error:
            raise self._dead(f"could not be started again: {error}") from error

    def _dead(self, said: str) -> NotReadyError:
        """Note a death, and when the next start may be."""
        self._deaths += 1
        pause_ms = 0.0
        if self._deaths > 1:
            pause_ms = min(FIRST_PAUSE_MS * 2.0 ** min(self._deaths - 2, 30), LONGEST_PAUSE_MS)
        self._not_before_ms = self._clock.now_ms() + pause_ms
        _log.warning(
            "the worker process of model '%s' %s", self._name, said, extra={"model": self._name}
        )
        return NotReadyError(f"the worker process of model '{self._name}' {said}")

    def _end(self) -> str:
        """Have the process end, if it has not; how it did, in words after "the process"."""
        process, self._process = self._process, None
        connection, self._connection = self._connection, None
        lifeline, self._lifeline = self._lifeline, None
        if connection is not None:
            connection.close()
        status = 0
        if process is not None:
            try:
                status = process.wait(END_PATIENCE_S)
            except subprocess.TimeoutExpired:
                process.kill()
                status = process.wait()
        if lifeline is not None:
            os.close(lifeline)
        if status < 0:
            return f"was ended by {signal.Signals(-status).name}"
        return f"ended with status {status}"
