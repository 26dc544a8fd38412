"""One broker of a local cluster."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future
from typing import Final

from penstock.core.errors import ConflictError, NotReadyError
from penstock.core.free_ports import is_free
from penstock.transports.kafka.broker.listeners import PLAINTEXT
from penstock.transports.kafka.broker.process import BrokerProcess
from penstock.transports.kafka.broker.properties import Place

START_S: Final = 60.0
"""How long a broker may take until it answers."""

GRACE_S: Final = 15.0
"""How long a broker may take to end in peace."""

END_S: Final = 10.0
"""How long the system may take to end a process by force."""


class Broker:
    """A broker that can be started, stopped, killed and started again, on the same folder and the
    same ports. All methods block, but for those that say otherwise."""

    def __init__(self, place: Place, command: Sequence[str], lock: int) -> None:
        self.place = place
        self._command = command
        self._lock = lock
        self._process: BrokerProcess | None = None

    @property
    def address(self) -> str:
        """``host:port`` of the plain listener."""
        return self.place.address(PLAINTEXT)

    @property
    def pid(self) -> int | None:
        """The number of its process; None when it does not run."""
        process = self._process
        return None if process is None or process.ended.done() else process.pid

    @property
    def ended(self) -> Future[str]:
        """Is done, with how it ended, when the run that was begun last has ended."""
        assert self._process is not None, "it was begun"
        return self._process.ended

    def start(self) -> None:
        """Start it and wait until it answers.

        Raises NotReadyError with its last words when it does not, ConflictError when a port of it
        is taken.
        """
        self.begin()
        self.wait_started()

    def begin(self) -> None:
        """Start it and wait for nothing."""
        assert self.pid is None, "it does not run"
        for name, port in self.place.ports.items():
            if not is_free(port):
                raise ConflictError(
                    f"port {port}, which the broker wants for its listener {name}, is taken; stop "
                    "what listens there, or name another with --port (0 takes a free one)"
                )
        self._process = BrokerProcess(self._command, self.place.folder, GRACE_S, self._lock)

    def wait_started(self) -> None:
        """Wait until it answers."""
        assert self._process is not None, "it was begun"
        try:
            self._process.started.result(START_S)
        except NotReadyError as error:
            raise self._not_up(error.message) from error
        except TimeoutError:
            self.kill()
            raise self._not_up(f"was not up within {START_S:g} s") from None

    def terminate(self) -> None:
        """Have it end in peace. Does not wait."""
        if self._process is not None:
            self._process.terminate()

    def stop(self) -> None:
        """Have it end in peace, and wait for that; does nothing when it does not run."""
        self.terminate()
        self._wait_ended(GRACE_S + END_S)

    def kill(self) -> None:
        """End it without a warning (``kill -9``); does nothing when it does not run."""
        if self._process is not None:
            self._process.kill()
        self._wait_ended(END_S)

    def _wait_ended(self, timeout_s: float) -> None:
        if self._process is not None:
            self._process.ended.result(timeout_s)

    def _not_up(self, why: str) -> NotReadyError:
        return NotReadyError(f"broker {self.place.node_id} {why} (its log: {self.place.log})")
