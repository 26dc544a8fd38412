"""What a model's status says of artifacts that cannot be had, and whether they are tried again."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.control_plane import FakeServer, control_plane, model
from harness.web import Web, serving
from penstock.core.artifacts import ArtifactCache, disk_space
from penstock.plugins.http_files import HttpOptions, HttpStorage

ZEROS = f"sha256:{'0' * 64}"


@pytest.fixture
def web() -> Iterator[Web]:
    with serving() as web:
        web.files = dict.fromkeys(("/model.bin", "/broken", "/silent"), b"abc")
        yield web


@pytest.fixture
def cache(tmp_path: Path) -> Iterator[ArtifactCache]:
    cache = ArtifactCache(tmp_path / "cache", 1 << 30)
    yield cache
    cache.close()


@pytest.mark.parametrize(
    ("path", "digest", "reason", "sentence"),
    [
        ("/missing", None, "LoadFailed", "the server answers 404"),
        ("/status/403", None, "LoadFailed", "the server answers 403"),
        ("/model.bin", ZEROS, "LoadFailed", f"has the digest sha256:ba7816bf.*, not {ZEROS} as"),
        ("/circle", None, "LoadFailed", "redirected in circles"),
        ("/broken", None, "Retrying", "broke off after 3 of 4 bytes; it is tried again at"),
        ("/silent", None, "Retrying", "timed out; it is tried again at"),
        ("/status/503", None, "Retrying", "the server answers 503"),
    ],
)
async def test_what_goes_wrong_is_said(
    web: Web,
    cache: ArtifactCache,
    tmp_path: Path,
    path: str,
    digest: str | None,
    reason: str,
    sentence: str,
) -> None:
    assert re.search(sentence, await said(web, cache, tmp_path, reason, path, digest))


async def test_a_full_disk_is_said(
    web: Web, cache: ArtifactCache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(disk_space, "free_bytes", lambda folder: 2)
    sentence = rf"does not fit on the disk of {tmp_path}/cache.*takes 3 bytes, and 2 bytes are free"
    assert re.search(sentence, await said(web, cache, tmp_path, "Retrying", "/model.bin"))


async def said(
    web: Web,
    cache: ArtifactCache,
    folder: Path,
    reason: str,
    path: str,
    digest: str | None = None,
) -> str:
    """What the condition of a model says, once it has the reason."""
    storage = HttpStorage(HttpOptions(timeout_s=0.3 if path == "/silent" else 30.0))
    async with control_plane(folder, storage=storage, cache=cache) as plane:
        await plane.apply(model("m", storageUri=web.address + path, artifactDigest=digest))
        await plane.until(lambda: plane.reason("Model", "m") == reason)
        condition = plane.condition("Model", "m")
        assert condition is not None
        return condition[2]


async def test_copies_on_two_servers_share_what_was_fetched_once(
    web: Web, cache: ArtifactCache, tmp_path: Path
) -> None:
    other = FakeServer("python")
    async with control_plane(tmp_path, storage=HttpStorage(), cache=cache, other=other) as plane:
        await plane.apply(model("m", storageUri=f"{web.address}/model.bin", replicas=2))
        await plane.until(lambda: all(("m", 1) in each.loaded for each in (plane.server, other)))
        paths = {each.loads[0].artifacts for each in (plane.server, other)}
        assert len(paths) == 1
        assert web.got == {"/model.bin": 1}
