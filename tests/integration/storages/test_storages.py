"""Storages over real files, a real HTTP server, and fsspec's file system in memory."""

from __future__ import annotations

import asyncio
import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import quote

import fsspec
import pytest

from contract.storage import StorageContract, names
from penstock.core.contracts.storage import ArtifactStorage
from penstock.core.errors import (
    ForbiddenError,
    InvalidRequestError,
    NotFoundError,
    NotReadyError,
    PenstockError,
    TooLargeError,
    UnsupportedError,
)
from penstock.plugins.files import FileStorage
from penstock.plugins.fsspec_storage import FsspecOptions, FsspecStorage
from penstock.plugins.http_files import HttpOptions, HttpStorage


class Web(ThreadingHTTPServer):
    """Serves what is put into it; some paths misbehave."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files: dict[str, bytes] = {}
        self.release = threading.Event()
        self.begun = threading.Event()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: Web

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if path.startswith("/status/"):
            self.send_error(int(path.rpartition("/")[2]))
            return
        if path == "/moved":
            self.send_response(302)
            self.send_header("Location", "/model.bin")
            self.end_headers()
            return
        content = self.server.files.get(path)
        if content is None:
            self.send_error(404)
            return
        self.send_response(200)
        if path != "/endless":
            missing = path in ("/broken", "/silent", "/slow")
            self.send_header("Content-Length", str(len(content) + missing))
        self.end_headers()
        self.wfile.write(content)
        self.wfile.flush()
        if path in ("/slow", "/silent"):
            self.server.begun.set()
            self.server.release.wait(10.0)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def web() -> Iterator[Web]:
    web = Web()
    thread = threading.Thread(target=web.serve_forever, args=(0.01,))
    thread.start()
    yield web
    web.release.set()
    web.shutdown()
    thread.join()
    web.server_close()


class TestFiles(StorageContract):
    @pytest.fixture(autouse=True)
    def folder(self, tmp_path: Path) -> None:
        self.path = tmp_path / "there"

    @pytest.fixture
    def storage(self) -> ArtifactStorage:
        return FileStorage()

    async def put(self, name: str, content: bytes) -> str:
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return str(path)

    async def test_nothing_is_copied(self, storage: ArtifactStorage, into: Path) -> None:
        address = await self.put("a b/f.bin", b"x")
        for written in (address, f"file://{quote(address)}", f"FILE://localhost{quote(address)}"):
            assert storage.handles(written)
            assert str(await storage.fetch(written, into)) == address
        assert not names(into)

    async def test_the_nearest_name(self, storage: ArtifactStorage, into: Path) -> None:
        await self.put("models/scale/model.bin", b"")
        with pytest.raises(NotFoundError, match=r"has no 'modles'; did you mean 'models'\?"):
            await storage.fetch(str(self.path / "modles" / "scale"), into)

    async def test_another_machine(self, storage: ArtifactStorage, into: Path) -> None:
        with pytest.raises(InvalidRequestError, match="names the machine 'there'"):
            await storage.fetch("file://there/x", into)


class TestHttp(StorageContract):
    folders = False

    @pytest.fixture(autouse=True)
    def server(self, web: Web) -> None:
        self.web = web

    @pytest.fixture
    def storage(self) -> ArtifactStorage:
        return HttpStorage(HttpOptions(timeout_s=0.3, max_bytes=4_000_000))

    async def put(self, name: str, content: bytes) -> str:
        path = f"/{quote(name)}"
        self.web.files[path] = content
        return self.web.address + path

    async def test_it_leaves_other_schemes_to_others(self, storage: ArtifactStorage) -> None:
        assert storage.handles("HTTPS://x/y")
        assert not storage.handles("s3://x/y")
        assert not storage.handles("/a/path")

    async def test_redirects_and_queries(self, storage: ArtifactStorage, into: Path) -> None:
        address = await self.put("model.bin", b"abc")
        moved = await storage.fetch(f"{self.web.address}/moved", into)
        assert (moved.name, moved.read_bytes()) == ("moved", b"abc")
        assert (await storage.fetch(f"{address}?token=../../x", into)).name == "model.bin"

    async def test_checksums(self, storage: ArtifactStorage, into: Path) -> None:
        address = await self.put("model.bin", b"abc")
        digest = hashlib.sha256(b"abc").hexdigest()
        path = await storage.fetch(f"{address}#sha256={digest.upper()}", into)
        path.unlink()
        with pytest.raises(InvalidRequestError, match=f"has the SHA-256 {digest}, not 0000"):
            await storage.fetch(f"{address}#sha256={'0' * 64}", into)
        with pytest.raises(InvalidRequestError, match="64 hexadecimal digits"):
            await storage.fetch(f"{address}#sha256=abc", into)
        assert not names(into)

    @pytest.mark.parametrize(
        ("status", "error"),
        [
            (404, NotFoundError),
            (410, NotFoundError),
            (401, ForbiddenError),
            (403, ForbiddenError),
            (418, InvalidRequestError),
            (429, NotReadyError),
            (500, NotReadyError),
            (503, NotReadyError),
        ],
    )
    async def test_refusals(
        self, storage: ArtifactStorage, into: Path, status: int, error: type[PenstockError]
    ) -> None:
        with pytest.raises(error, match=f"the server answers {status} "):
            await storage.fetch(f"{self.web.address}/status/{status}", into)
        assert not names(into)

    @pytest.mark.parametrize(
        ("name", "content", "error", "sentence"),
        [
            ("broken", b"abc", NotReadyError, "broke off after 3 of 4 bytes"),
            ("silent", b"abc", NotReadyError, "cannot be fetched: timed out"),
            ("large", bytes(4_000_001), TooLargeError, "is larger than 4000000 bytes"),
            ("endless", bytes(4_000_001), TooLargeError, "is larger than 4000000 bytes"),
        ],
    )
    async def test_half_a_file_is_no_file(
        self,
        storage: ArtifactStorage,
        into: Path,
        name: str,
        content: bytes,
        error: type[PenstockError],
        sentence: str,
    ) -> None:
        address = await self.put(name, content)
        with pytest.raises(error, match=sentence):
            await storage.fetch(address, into)
        assert not names(into)

    async def test_nobody_answers(self, storage: ArtifactStorage, into: Path) -> None:
        with pytest.raises(NotReadyError, match="cannot be fetched"):
            await storage.fetch("http://127.0.0.1:1/x", into)

    @pytest.mark.parametrize("address", ["http://", "http://[x/", "http://x y/z"])
    async def test_what_is_no_address(
        self, storage: ArtifactStorage, into: Path, address: str
    ) -> None:
        with pytest.raises((InvalidRequestError, NotReadyError), match=r"cannot be|no address"):
            await storage.fetch(address, into)

    async def test_a_fetch_that_is_cancelled_leaves_nothing(
        self, storage: ArtifactStorage, into: Path
    ) -> None:
        address = await self.put("slow", bytes(1000))
        fetching = asyncio.create_task(storage.fetch(address, into))
        await asyncio.to_thread(self.web.begun.wait, 10.0)
        fetching.cancel()
        with pytest.raises(asyncio.CancelledError):
            await fetching
        assert not (into / "slow").exists()


class TestFsspec(StorageContract):
    @pytest.fixture(autouse=True)
    def memory(self) -> Iterator[None]:
        self.system = fsspec.filesystem("memory")
        self.system.mkdirs("/store", exist_ok=True)
        yield
        self.system.rm("/store", recursive=True)

    @pytest.fixture
    def storage(self) -> ArtifactStorage:
        return FsspecStorage(FsspecOptions(max_bytes=4_000_000))

    async def put(self, name: str, content: bytes) -> str:
        self.system.pipe_file(f"/store/{name}", content)
        return f"memory://store/{name}"

    async def test_it_leaves_files_and_http_to_others(self, storage: ArtifactStorage) -> None:
        for address in ("s3://x/y", "gs://x", "simplecache::s3://x/y"):
            assert storage.handles(address)
        for address in ("/a/path", "file:///x", "http://x/y", "https://x/y"):
            assert not storage.handles(address)

    async def test_all_files_together_are_bounded(
        self, storage: ArtifactStorage, into: Path
    ) -> None:
        await self.put("model/a", bytes(3_000_000))
        address = await self.put("model/b", bytes(3_000_000))
        with pytest.raises(TooLargeError, match="is larger than 4000000 bytes"):
            await storage.fetch(address.rpartition("/")[0], into)
        assert not names(into)

    async def test_a_checksum_is_of_one_file(self, storage: ArtifactStorage, into: Path) -> None:
        address = await self.put("model/a.bin", b"abc")
        digest = hashlib.sha256(b"abc").hexdigest()
        assert (await storage.fetch(f"{address}#sha256={digest}", into)).read_bytes() == b"abc"
        with pytest.raises(InvalidRequestError, match="a checksum is of one file"):
            await storage.fetch(f"{address.rpartition('/')[0]}#sha256={digest}", into)
        with pytest.raises(InvalidRequestError, match="has the SHA-256"):
            await storage.fetch(f"{address}#sha256={'0' * 64}", into)

    async def test_options_of_a_scheme(self, into: Path, tmp_path: Path) -> None:
        (tmp_path / "f.bin").write_bytes(b"abc")
        opened_with = {"path": str(tmp_path), "target_protocol": "file"}
        options = FsspecOptions(storage_options={"dir": opened_with})
        path = await FsspecStorage(options).fetch("dir://f.bin", into)
        assert path.read_bytes() == b"abc"

    async def test_what_is_not_installed_is_named(self, into: Path) -> None:
        class Missing(fsspec.AbstractFileSystem):  # type: ignore[misc]  # fsspec has no types
            def __init__(self, **options: object) -> None:
                raise ImportError("Install missingfs to access it")

        fsspec.register_implementation("missing", Missing, clobber=True)
        with pytest.raises(UnsupportedError, match=r"Install missingfs .*needs for 'missing'"):
            await FsspecStorage().fetch("missing://x/y", into)
