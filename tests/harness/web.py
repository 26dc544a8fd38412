"""A web server with files, on which some paths misbehave."""

from __future__ import annotations

import hashlib
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Web(ThreadingHTTPServer):
    """Serves what is put into ``files``, and counts what is got."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files: dict[str, bytes] = {}
        self.got: Counter[str] = Counter()
        self.untold: set[str] = set()
        """Paths that have no ETag."""
        self.release = threading.Event()
        """What half a file at ``/held`` waits for, and one at ``/slow`` or ``/silent`` to end."""
        self.begun = threading.Event()

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients go away in the middle, as tests want them to."""

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: Web

    def do_HEAD(self) -> None:
        content = self._head()
        if content is not None:
            self.end_headers()

    def do_GET(self) -> None:
        content = self._head()
        if content is None:
            return
        path = self._path
        self.server.got[path] += 1
        self.end_headers()
        half = len(content) // 2 if path == "/held" else len(content)
        self.wfile.write(content[:half])
        self.wfile.flush()
        if path in ("/held", "/slow", "/silent"):
            self.server.begun.set()
            self.server.release.wait(30.0)
        self.wfile.write(content[half:])

    @property
    def _path(self) -> str:
        return self.path.partition("?")[0]

    def _head(self) -> bytes | None:
        """Begin an answer with a file; None when it was another, and is complete."""
        path = self._path
        if path.startswith("/status/"):
            self.send_error(int(path.rpartition("/")[2]))
            return None
        if path in ("/moved", "/circle"):
            self.send_response(302)
            self.send_header("Location", "/model.bin" if path == "/moved" else path)
            self.end_headers()
            return None
        content = self.server.files.get(path)
        if content is None:
            self.send_error(404)
            return None
        self.send_response(200)
        if path not in self.server.untold:
            self.send_header("ETag", f'"{hashlib.sha256(content).hexdigest()}"')
        if path != "/endless":
            missing = path in ("/broken", "/silent", "/slow")
            self.send_header("Content-Length", str(len(content) + missing))
        return content

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@contextmanager
def serving() -> Iterator[Web]:
    """A web server until the end of the block."""
    web = Web()
    thread = threading.Thread(target=web.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield web
    finally:
        web.release.set()
        web.shutdown()
        thread.join()
        web.server_close()
