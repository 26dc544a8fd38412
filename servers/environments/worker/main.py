"""What a worker does: it serves models over a socket, or describes one and ends."""

from __future__ import annotations

import json
import logging
import mmap
import os
import signal
import socket
import sys

from penstock.core.clock import SystemClock
from penstock.core.errors import PenstockError
from penstock.servers.binding.agreement import agree, served_signature
from penstock.servers.binding.predictor import predictor_of
from penstock.servers.environments.worker.connection import Connection
from penstock.servers.environments.worker.host import ModelHost
from penstock.servers.environments.worker.loaders import loaders
from penstock.servers.loader_choice import choose_loader
from penstock.servers.processes.documents import signature_document, spec_of


def serve(connection_fd: int, region_fd: int, spare: int) -> None:
    """Serve models until the other side is gone. ``region_fd`` is the shared memory, -1 where
    there is none; with ``spare`` a thread is left to listen while all models are at work."""
    # Control-C goes to the whole group; the process that serves drains, and ends this one.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    logging.basicConfig(format="%(levelname)s %(name)s: %(message)s")
    region = None
    if region_fd >= 0:
        region = memoryview(mmap.mmap(region_fd, 0))
        os.close(region_fd)
    connection = Connection(socket.socket(fileno=connection_fd), region)
    ModelHost(connection, loaders(), SystemClock(), spare=bool(spare)).run()


def describe() -> None:
    """Read a model from standard input, and write its signature, or what is wrong with it."""
    answers = os.dup(1)
    os.dup2(2, 1)  # what modules print while they are imported is no answer
    spec = spec_of(json.load(sys.stdin))
    try:
        definition = choose_loader(spec, loaders()).definition(spec)
        known = spec.signature
        if definition is not None:
            known = served_signature(definition, agree(predictor_of(definition), known))
        answer = {"signature": signature_document(known)}
    except PenstockError as error:
        answer = {"code": error.code, "message": error.message}
    with os.fdopen(answers, "w") as file:
        json.dump(answer, file)
