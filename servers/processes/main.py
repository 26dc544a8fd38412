"""The main function of a worker process: one model, called over a socket.

Requests: ``("load", loader, spec)``, then any number of ``("call", fields)`` with tensors.
Answers: ``("loaded", signature, warnings)``, ``("answer",)`` with tensors, or
``("error", code, message)``.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import threading
from typing import Any

from penstock.core.clock import Clock, SystemClock
from penstock.core.contracts.model import CallOrigin, ModelCall, SharedOrigin
from penstock.core.errors import PenstockError
from penstock.core.records import Tensors
from penstock.servers.binding.bound_model import OwnLoopWorker
from penstock.servers.binding.loading import load_model
from penstock.servers.binding.worker import Worker
from penstock.servers.processes.frames import receive, send


def main(connection_fd: int, lifeline_fd: int) -> None:
    """Load one model and serve it until the other side closes the connection."""
    # Control-C goes to the whole group; the process that serves drains, and ends this one.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    logging.basicConfig(format="%(levelname)s %(name)s: %(message)s")
    threading.Thread(target=_end_with, args=(lifeline_fd,), daemon=True).start()
    clock = SystemClock()
    with socket.socket(fileno=connection_fd) as connection:
        (_, loader, spec), _ = receive(connection)
        try:
            model = load_model(loader, spec, clock)
        except PenstockError as error:
            send(connection, ("error", error.code, error.message))
            return
        send(connection, ("loaded", model.signature, model.warnings))
        worker: Worker = OwnLoopWorker(model) if model.is_async else model
        try:
            while True:
                (_, fields), tensors = receive(connection)
                _answer(connection, worker, _call(fields, tensors, clock))
        except (EOFError, ConnectionError):
            worker.close()


def _call(fields: dict[str, Any], tensors: Tensors, clock: Clock) -> ModelCall:
    identities = fields["identities"]
    parameters, headers = fields["parameters"], fields["headers"]
    if len(identities) > 1:
        origin: CallOrigin = SharedOrigin(identities, parameters, headers)
    else:
        origin = CallOrigin(identities[0], fields["request_id"], parameters, headers)
    return ModelCall(
        fields["step"],
        tensors,
        origin,
        # The clocks of two processes agree on durations only.
        clock.now_ms() + fields["left_ms"],
        attempt=fields["attempt"],
        round=fields["round"],
    )


def _answer(connection: socket.socket, worker: Worker, call: ModelCall) -> None:
    try:
        tensors = worker.call(call)
    except PenstockError as error:
        send(connection, ("error", error.code, error.message))
    else:
        send(connection, ("answer",), tensors)


def _end_with(lifeline_fd: int) -> None:
    """End this process when the other one has, whatever the model is doing."""
    os.read(lifeline_fd, 1)
    os._exit(0)
