"""Storages over real files, a real HTTP server, and fsspec's file system in memory."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import fsspec
import pytest

from contract.storage import StorageContract, names
from harness.web import Web, serving
from penstock.core.artifacts import disk_space
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


@pytest.fixture
def web() -> Iterator[Web]:
    with serving() as web:
        yield web


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
        return self.patient(30.0)

    def patient(self, timeout_s: float) -> ArtifactStorage:
        return HttpStorage(HttpOptions(timeout_s=timeout_s, max_bytes=4_000_000))

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

    async def test_what_does_not_go_on_is_given_up(self, into: Path) -> None:
        address = await self.put("silent", b"abc")
        with pytest.raises(NotReadyError, match="cannot be fetched: timed out"):
            await self.patient(0.3).fetch(address, into)
        assert not names(into)

    async def test_redirections_that_do_not_end(self, storage: ArtifactStorage, into: Path) -> None:
        with pytest.raises(InvalidRequestError, match="in circles, or more than 10 times"):
            await storage.fetch(f"{self.web.address}/circle", into)

    async def test_a_full_disk(self, storage: ArtifactStorage, into: Path) -> None:
        address = await self.put("model.bin", bytes(100_000))
        (into / "model.bin.part").symlink_to("/dev/full")
        with pytest.raises(
            NotReadyError,
            match=rf"does not fit on the disk of {into}: it takes 100000 bytes, and \d+ bytes are",
        ):
            await storage.fetch(address, into)
        assert not names(into)

    async def test_nothing_is_begun_that_cannot_fit(
        self, storage: ArtifactStorage, into: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        address = await self.put("model.bin", bytes(1000))
        monkeypatch.setattr(disk_space, "free_bytes", lambda folder: 999)
        with pytest.raises(NotReadyError, match="it takes 1000 bytes, and 999 bytes are free"):
            await storage.fetch(address, into)

    async def test_without_an_etag_there_is_no_identity(
        self, storage: ArtifactStorage, into: Path
    ) -> None:
        address = await self.put("model.bin", b"abc")
        assert await storage.identity(address) is not None
        self.web.untold.add("/model.bin")
        assert await storage.identity(address) is None
        assert await storage.identity(f"{self.web.address}/status/405") is None

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

    async def test_an_identity_of_a_folder(self, storage: ArtifactStorage) -> None:
        await self.put("model/a.bin", b"abc")
        address = (await self.put("model/b.bin", b"abc")).rpartition("/")[0]
        before = await storage.identity(address)
        assert before is not None
        await self.put("model/b.bin", b"abd")
        assert await storage.identity(address) not in (None, before)

    async def test_less_than_was_announced(
        self, storage: ArtifactStorage, into: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        address = await self.put("model.bin", b"abc")
        size = {"name": "/store/model.bin", "type": "file", "size": 4}
        monkeypatch.setattr(type(self.system), "info", lambda *_, **__: size)
        with pytest.raises(NotReadyError, match="broke off after 3 of 4 bytes"):
            await storage.fetch(address, into)
        assert not names(into)

    async def test_silence(self, into: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        address = await self.put("model.bin", b"abc")
        release = threading.Event()
        monkeypatch.setattr(type(self.system), "open", lambda *_: release.wait(10.0))
        storage = FsspecStorage(FsspecOptions(timeout_s=0.05))
        try:
            with pytest.raises(NotReadyError, match=r"nothing came for 0\.05 s"):
                await storage.fetch(address, into)
        finally:
            release.set()

    async def test_what_may_not_be_read(
        self, storage: ArtifactStorage, into: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        address = await self.put("model.bin", b"abc")

        def refuse(*_: object) -> None:
            raise PermissionError("Forbidden")

        monkeypatch.setattr(type(self.system), "open", refuse)
        with pytest.raises(ForbiddenError, match="cannot be fetched: Forbidden"):
            await storage.fetch(address, into)

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
