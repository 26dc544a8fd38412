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

from penstock.core.clock import SystemClock
from penstock.core.contracts.model import ModelCall
from penstock.core.errors import PenstockError
from penstock.servers.binding.bound_model import OwnLoopWorker
from penstock.servers.binding.loading import load_model
from penstock.servers.binding.worker import Worker
from penstock.servers.processes.documents import call_of
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
                _answer(connection, worker, call_of(fields, tensors, clock))
        except (EOFError, ConnectionError):
            worker.close()


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
