"""Environments that are made for models: real ones, with other versions than those of the tests."""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
import socket
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.calls import ask, call_with, values
from harness.real_servers import servers_home
from penstock.core.contracts.model import ModelSpec
from penstock.core.errors import NotReadyError, UnsupportedError
from penstock.core.home import HOME_VARIABLE
from penstock.servers.environments.options import VenvOptions
from penstock.servers.environments.server import VenvServer

OTHER_NUMPY = "1.26.4" if sys.version_info < (3, 13) else "2.1.3"

MODELS = """
import sys
from typing import Annotated, TypedDict
import numpy as np
from numpy.typing import NDArray
import penstock
from penstock import InvalidRequest, Model, Shape

class Doubled(TypedDict):
    y: Annotated[NDArray[np.float32], Shape("n")]

class Double(Model):
    def load(self, context):
        self.factor = context.parameters["factor"]

    def predict(self, x: Annotated[NDArray[np.float32], Shape("n")]) -> Doubled:
        if (x < 0).any():
            raise InvalidRequest("none below zero")
        return {
            "y": x * np.float32(self.factor),
            "numpy": np.__version__,
            "python": "{}.{}".format(*sys.version_info),
            "others": [name for name in ("pydantic", "pluggy", "grpc") if name in sys.modules],
        }
"""


@pytest.fixture
def spec(tmp_path: Path) -> ModelSpec:
    (tmp_path / "models.py").write_text(MODELS)
    return ModelSpec(
        "m", 1, python="models:Double", folders=(tmp_path,), parameters={"factor": 2.0}
    )


@pytest.fixture
async def server(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[VenvServer]:
    """A server with the options that a test is given; its environment is kept for the next run."""
    monkeypatch.setenv(HOME_VARIABLE, str(servers_home()))
    server = VenvServer(VenvOptions(**request.param))
    await started(server)
    yield server
    await server.stop()


async def started(server: VenvServer) -> None:
    """Skips where nothing can be downloaded, with pip's own words; fails in CI."""
    try:
        await server.start()
    except NotReadyError as error:
        if "cannot be downloaded" not in error.message or os.environ.get("CI"):
            raise
        pytest.skip(error.message)


def python_of(version: str) -> Path:
    """A Python of that version, as it is installed or pyenv has it; skips without one."""
    found = shutil.which(f"python{version}")
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    candidates = [*pyenv.glob(f"versions/{version}.*/bin/python")]
    if found is not None and Path(found).parent.name != "shims":
        candidates.append(Path(found))
    if not candidates:
        pytest.skip(f"there is no Python {version} here")
    return candidates[0]


async def check(server: VenvServer, spec: ModelSpec, numpy: str, python: str) -> None:
    """A model answers there as it does here, and its signature is known before and after."""
    assert {"venv", "python", "numpy"} <= server.capabilities()
    model = await server.load(spec)
    assert model.signature is not None
    assert model.signature == server.signature(spec)
    for size in (3, 100_000):
        given = np.arange(size, dtype=np.float32)
        answer = values(await ask(model, call_with(x=given)))
        assert answer["y"] == (2 * given).tolist()
        assert answer["numpy"] == numpy.encode()
        assert answer["python"] == python.encode()
        assert answer["others"] == []


@pytest.mark.parametrize("server", [{"requirements": (f"numpy=={OTHER_NUMPY}",)}], indirect=True)
async def test_a_model_has_the_versions_that_were_asked_for(
    server: VenvServer, spec: ModelSpec
) -> None:
    assert np.__version__ != OTHER_NUMPY
    await check(server, spec, OTHER_NUMPY, "{}.{}".format(*sys.version_info))


@pytest.mark.parametrize(("version", "numpy"), [("3.10", "1.22.4"), ("3.12", "2.1.3")])
async def test_a_model_runs_on_another_python(
    version: str, numpy: str, spec: ModelSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(HOME_VARIABLE, str(servers_home()))
    options = VenvOptions(python=python_of(version), requirements=(f"numpy=={numpy}",))
    server = VenvServer(options)
    await started(server)
    try:
        await check(server, spec, numpy, version)
        bf16 = call_with(x=np.ones(1, np.float32)).tensors[0]
        bf16.datatype = "BF16"
        call = call_with(x=np.ones(1, np.float32))
        call.tensors = (bf16,)
        with pytest.raises(UnsupportedError, match="is BF16, which needs the package ml_dtypes"):
            await ask(await server.load(spec), call)
    finally:
        await server.stop()


async def test_a_python_that_is_too_old_is_told(tmp_path: Path) -> None:
    server = VenvServer(VenvOptions(python=python_of("3.9")))
    with pytest.raises(NotReadyError, match=r"Python 3.9 is too old: .* need 3.10 or newer"):
        await server.start()


async def test_an_environment_without_numpy_is_told(tmp_path: Path) -> None:
    making = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "venv", "--without-pip", str(tmp_path / "bare")
    )
    assert await making.wait() == 0
    server = VenvServer(VenvOptions(python=tmp_path / "bare" / "bin" / "python"))
    with pytest.raises(NotReadyError, match=r"has no numpy; install it there: .* -m pip install"):
        await server.start()


async def test_two_that_want_the_same_make_it_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    monkeypatch.setenv(HOME_VARIABLE, str(tmp_path / "home"))
    (tmp_path / "needs.txt").write_text(f"numpy=={OTHER_NUMPY}\n")
    options = VenvOptions(requirements_file=tmp_path / "needs.txt")
    servers = [VenvServer(options) for _ in range(2)]
    await asyncio.gather(*map(started, servers))
    await asyncio.gather(*(server.stop() for server in servers))
    made = [line for line in caplog.messages if "making an environment" in line]
    assert len(made) == 1
    [there] = [each for each in (tmp_path / "home/environments").iterdir() if each.name[0] != "."]
    # Another file is another environment.
    (tmp_path / "needs.txt").write_text("numpy\n")
    other = VenvServer(options)
    with pytest.raises(NotReadyError, match="has not been made yet") as caught:
        other.signature(ModelSpec("m", 1, python="models:Double"))
    assert str(there) not in caught.value.message


@pytest.mark.parametrize(
    ("requirement", "sentence"),
    [
        ("/no/such/file.whl", r"the environment cannot be installed: .*file.whl"),
        ("penstock-no-such-package==1", r"the environment cannot be downloaded .*PIP_INDEX_URL"),
    ],
)
async def test_what_pip_says_is_told(
    requirement: str, sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(HOME_VARIABLE, str(tmp_path))
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("PIP_RETRIES", "0")
    server = VenvServer(VenvOptions(requirements=(requirement,)))
    with pytest.raises(NotReadyError, match=sentence):
        await server.start()
    # Nothing of it is left but the lock.
    assert {each.suffix for each in (tmp_path / "environments").iterdir()} == {".lock"}


async def test_a_start_that_is_given_up_ends_pip(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    silent = socket.create_server(("127.0.0.1", 0))
    with silent:
        monkeypatch.setenv(HOME_VARIABLE, str(tmp_path))
        monkeypatch.setenv("PIP_INDEX_URL", f"http://127.0.0.1:{silent.getsockname()[1]}")
        server = VenvServer(VenvOptions(requirements=("--no-cache-dir", "numpy")))
        starting = asyncio.create_task(server.start())
        asked, _ = await asyncio.to_thread(silent.accept)
        starting.cancel()
        await asyncio.wait([starting])
        assert starting.cancelled()
        with asked:
            # It hangs up when it ends.
            asked.settimeout(20.0)
            while await asyncio.to_thread(asked.recv, 4096):
                pass


def test_an_option_of_pips_may_stand_among_requirements(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(HOME_VARIABLE, str(tmp_path))
    first: dict[str, Any] = {"requirements": ("torch==1.13.1", "scikit-learn<1.4", "My_Own.Thing")}
    words = VenvServer(VenvOptions(**first)).capabilities()
    assert words == {"venv", "python", "torch", "scikit-learn", "sklearn", "my-own-thing", "numpy"}
    chosen = VenvServer(VenvOptions(**first, capabilities=("mine",))).capabilities()
    assert chosen == {"mine"}
