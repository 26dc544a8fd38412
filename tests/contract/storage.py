"""The contract of artifact storages. Every implementation subclasses :class:`StorageContract`."""

from __future__ import annotations

from pathlib import Path

import pytest

from penstock.core.contracts.storage import ArtifactStorage
from penstock.core.errors import NotFoundError


def names(folder: Path) -> list[str]:
    """What is in a folder."""
    return [each.name for each in folder.iterdir()]


class StorageContract:
    """Subclasses give a storage, and put things where it finds them."""

    folders = True
    """Whether an address may be that of a folder."""

    @pytest.fixture
    def storage(self) -> ArtifactStorage:
        raise NotImplementedError

    async def put(self, name: str, content: bytes) -> str:
        """Put a file at ``name`` (parts separated by ``/``); its address."""
        raise NotImplementedError

    @pytest.fixture
    def into(self, tmp_path: Path) -> Path:
        into = tmp_path / "into"
        into.mkdir()
        return into

    async def test_it_handles_its_addresses(self, storage: ArtifactStorage) -> None:
        assert storage.handles(await self.put("f.bin", b""))
        assert not storage.handles("unheard-of://x/y")

    @pytest.mark.parametrize("content", [b"", b"abc", bytes(3_000_000)])
    async def test_a_file(self, storage: ArtifactStorage, into: Path, content: bytes) -> None:
        path = await storage.fetch(await self.put("model.bin", content), into)
        assert path.name == "model.bin"
        assert path.read_bytes() == content
        assert set(names(into)) <= {"model.bin"}

    async def test_it_says_what_is_here_already(self, storage: ArtifactStorage, into: Path) -> None:
        uri = await self.put("model.bin", b"abc")
        assert storage.local(uri) in (None, await storage.fetch(uri, into))
        if storage.local(uri) is not None:
            assert names(into) == []
            with pytest.raises(NotFoundError):
                storage.local(f"{uri}-gone")

    async def test_a_name_with_letters_of_all_kinds(
        self, storage: ArtifactStorage, into: Path
    ) -> None:
        path = await storage.fetch(await self.put("größe 1.bin", b"x"), into)
        assert path.name == "größe 1.bin"

    async def test_a_folder(self, storage: ArtifactStorage, into: Path) -> None:
        if not self.folders:
            return
        one = await self.put("model/a.bin", b"a")
        await self.put("model/deep/er/b.bin", b"b")
        path = await storage.fetch(one.rpartition("/")[0], into)
        assert path.name == "model"
        found = {str(each.relative_to(path)): each.read_bytes() for each in path.rglob("*.*")}
        assert found == {"a.bin": b"a", "deep/er/b.bin": b"b"}

    async def test_what_is_not_there(self, storage: ArtifactStorage, into: Path) -> None:
        address = (await self.put("there.bin", b"")).replace("there.bin", "thare.bin")
        with pytest.raises(NotFoundError, match=r"thare\.bin"):
            await storage.fetch(address, into)
        assert not names(into)

    async def test_an_identity_is_of_the_contents(
        self, storage: ArtifactStorage, into: Path
    ) -> None:
        first = await self.put("model.bin", b"abc")
        one = await storage.identity(first)
        await storage.fetch(first, into)
        assert await storage.identity(first) == one, "reading makes no other contents"
        other = await storage.identity(await self.put("model.bin", b"abcd"))
        assert (one is None) == (other is None)
        assert one is None or one != other
