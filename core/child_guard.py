"""Stands between this process and a server: starts it, and sees that it never outlives us.

Run as a program, in an interpreter of its own, with nothing but the standard library:
``child_guard.py CONNECTION GRACE_S PASSED COMMAND...``. The connection is a stream socket, and
PASSED the numbers of the open files that the server inherits, with commas between them. The guard
writes the server's process number, and when it has ended its status, one to a line. It is told
``terminate`` or ``kill``, one to a line; that the other side is gone means ``terminate``. After
the server itself, whatever is left of its process group is ended.
"""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import subprocess
import sys
import threading
from contextlib import suppress

PROGRAM = __file__
"""To be run with Python's options -I and -S."""

DIE_WITH_PARENT = 1
"""Linux's PR_SET_PDEATHSIG."""


def main(connection_fd: int, grace_s: float, passed: list[int], command: list[str]) -> None:
    """Run the command until it ends by itself or is ended."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        # Who stops everything at once stops us first: a server is ended when its user is.
        signal.signal(number, signal.SIG_IGN)
    with socket.socket(fileno=connection_fd) as connection:
        try:
            server = subprocess.Popen(
                command,
                process_group=0,
                pass_fds=passed,
                preexec_fn=_before,  # noqa: PLW1509 - no thread runs yet
            )
        except OSError as error:
            connection.sendall(f"error {error}\n".encode())
            return
        for file in passed:
            os.close(file)  # what is closed there shall be closed
        connection.sendall(f"{server.pid}\n".encode())
        threading.Thread(target=_listen, args=(connection, server, grace_s), daemon=True).start()
        status = server.wait()
        _end_group(server.pid)
        with suppress(OSError):  # nobody may be there to be told
            connection.sendall(f"{status}\n".encode())


def in_words(status: str) -> str:
    """How a server has ended, in words after "the server": of the status that its guard wrote,
    which is empty when the guard has gone before it could."""
    if not status:
        return "was ended with its guard"
    number = int(status)
    if number < 0:
        return f"was ended by {signal.Signals(-number).name}"
    return f"ended with status {number}"


def _before() -> None:
    """In the server's process, before its program: ends with the guard, however that ends."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(DIE_WITH_PARENT, signal.SIGKILL)


def _listen(connection: socket.socket, server: subprocess.Popen[bytes], grace_s: float) -> None:
    killing = None
    while True:
        try:
            words = connection.recv(64).split()
        except OSError:
            words = []
        if b"kill" in words:
            _end_group(server.pid)
            return
        if killing is None:
            server.terminate()
            killing = threading.Timer(grace_s, _end_group, (server.pid,))
            killing.daemon = True
            killing.start()
        if not words:
            return


def _end_group(group: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)


if __name__ == "__main__":
    files = [int(number) for number in sys.argv[3].split(",") if number]
    main(int(sys.argv[1]), float(sys.argv[2]), files, sys.argv[4:])
