"""Cases over models that are loaded, and the plug-in of pytest."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.builtin import builtin_entry_points
from penstock.core.cases import Case, CaseManifest, write_case
from penstock.core.cases.player import Played, PlayOptions, play
from penstock.core.config import Config
from penstock.core.errors import InvalidRequestError, NotReadyError
from penstock.core.inference import InferenceRequest, InferenceResponse
from penstock.core.journal import PortRecord, Story
from penstock.core.plugins.manager import assemble
from penstock.core.plugins.plugins import Plugins
from penstock.core.records import Port
from penstock.core.tensors import Tensor

SAME = """\
def left(x):
    return {"y": x + 1}
def right(x):
    return {"y": x * 2}
def total(a, b):
    return {"y": a + b}
"""
PIPELINE = {
    "kind": "Pipeline",
    "metadata": {"name": "p"},
    "spec": {
        "steps": [
            {"name": "left"},
            {"name": "right"},
            {
                "name": "total",
                "inputs": ["left.outputs.y", "right.outputs.y"],
                "tensorMap": {"left.outputs.y": "a", "right.outputs.y": "b"},
            },
        ],
        "output": {"steps": ["total"]},
    },
}


def tensor(name: str, *values: int) -> Tensor:
    return Tensor.from_numpy(name, np.array(values, np.int64))


def a_case(folder: Path, **spec: Any) -> Case:
    """What a server recorded in which the right model took 20 ms."""
    x, one, two, end = tensor("x", 1, 2), tensor("y", 2, 3), tensor("y", 2, 4), tensor("y", 4, 7)
    story = Story("r", "p", 1, InferenceRequest(None, (x,)), {}, 0.0, 1000.0, asynchronous=False)
    for step, side, at_ms, body in (
        (None, "inputs", 0.0, (x,)),
        ("left", "inputs", 0.0, (x,)),
        ("right", "inputs", 0.0, (x,)),
        ("left", "outputs", 1.0, (one,)),
        ("right", "outputs", 20.0, (two,)),
        ("total", "inputs", 20.0, (one.renamed("a"), two.renamed("b"))),
        ("total", "outputs", 21.0, (end,)),
        (None, "outputs", 21.0, (end,)),
    ):
        story.add(PortRecord(Port(step, side), 0, at_ms, body))  # type: ignore[arg-type]  # sides
    story.settle(InferenceResponse("p", "1", None, (end,)), 21.0)
    story.end(21.0)
    models = [
        CaseManifest(
            {
                "kind": "Model",
                "metadata": {"name": name},
                "spec": {"python": f"models:{name}", "execution": "process", **spec},
            },
            1,
            str(folder),
        )
        for name in ("left", "right", "total")
    ]
    return Case(story, [], [CaseManifest(PIPELINE, 1), *models], kept="all")


@pytest.fixture(scope="module")
def plugins() -> Plugins:
    return assemble(Config(), entry_points=builtin_entry_points())


async def played_with(source: str, folder: Path, plugins: Plugins, **options: Any) -> Played:
    (folder / "models.py").write_text(source)
    return await play(a_case(folder), plugins, PlayOptions(**options))


async def test_models_run_where_a_debugger_sees_them_and_time_stands_still(
    tmp_path: Path, plugins: Plugins
) -> None:
    source = f"{SAME}import threading, time\ndef left(x):\n    time.sleep(0.05)\n"
    source += "    assert threading.current_thread() is threading.main_thread()\n"
    source += "    return {'y': x + 1}\n"
    played = await played_with(source, tmp_path, plugins)
    assert list(played.differences) == []
    assert played.real_steps == {"left", "right", "total"}
    assert [record.at_ms for record in played.story.records] == [0, 0, 0, 1, 20, 20, 21, 21]


async def test_asynchronous_models_are_awaited(tmp_path: Path, plugins: Plugins) -> None:
    source = f"{SAME}import asyncio\nasync def left(x):\n    await asyncio.sleep(0.001)\n"
    source += "    return {'y': x + 1}\n"
    assert list((await played_with(source, tmp_path, plugins)).differences) == []


async def test_another_model_differs_at_all_that_follows(tmp_path: Path, plugins: Plugins) -> None:
    played = await played_with(SAME.replace("x + 1", "x + 3"), tmp_path, plugins)
    assert [(str(each.port), each.by) for each in played.differences] == [
        ("left.outputs", 2.0),
        ("total.inputs", 2.0),
        ("total.outputs", 2.0),
        ("outputs", 2.0),
    ]
    again = await played_with(SAME.replace("x + 1", "x + 3"), tmp_path, plugins, from_step="total")
    assert list(again.differences) == []


async def test_what_a_model_raises_is_told(tmp_path: Path, plugins: Plugins) -> None:
    told: list[BaseException] = []
    source = f"{SAME}def total(a, b):\n    raise RuntimeError('no good')\n"
    played = await played_with(source, tmp_path, plugins, on_error=told.append)
    assert [str(error.__cause__) for error in told] == ["no good"]
    assert [str(each) for each in played.differences] == [
        "total.outputs: was a value, is failed (step-failed)",
        "outputs: was a value, is failed (step-failed)",
    ]
    assert not played.answer_is_the_same


async def test_models_and_files_may_have_moved(tmp_path: Path, plugins: Plugins) -> None:
    there, here = tmp_path / "there", tmp_path / "here"
    (here / "artifacts").mkdir(parents=True)
    (here / "models.py").write_text(SAME)
    case = a_case(there, storageUri=str(there / "artifacts"))
    with pytest.raises(NotReadyError, match=r"model 'left' cannot be loaded here: .*--folder"):
        await play(case, plugins, PlayOptions())
    played = await play(case, plugins, PlayOptions(folder=here))
    assert list(played.differences) == []


async def test_a_model_is_not_called_without_its_input(tmp_path: Path, plugins: Plugins) -> None:
    (tmp_path / "models.py").write_text(SAME)
    case = a_case(tmp_path)
    empty = (Tensor("y", "INT64", (2,), b""),)
    case.story.records[3] = case.story.records[3]._replace(body=empty)
    with pytest.raises(InvalidRequestError, match=r"step 'total' cannot be called.*'a' are not"):
        await play(case, plugins, PlayOptions(from_step="total"))
    # A model that is called makes them anew, and what is not there is not compared.
    assert list((await play(case, plugins, PlayOptions())).differences) == []


def run_pytest(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    program = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *words]
    return subprocess.run(program, cwd=folder, capture_output=True, text=True, check=False)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Tests with a case of a server that is not there any more."""
    (tmp_path / "cases").mkdir()
    case = write_case(a_case(tmp_path / "gone"))
    (tmp_path / "cases" / "sum.penstock").write_bytes(case)
    (tmp_path / "models.py").write_text(SAME)
    (tmp_path / "pytest.ini").write_text("[pytest]\npenstock_folder = .\n")
    return tmp_path


def test_pytest_plays_case_files(project: Path) -> None:
    done = run_pytest(project, "-v")
    assert done.returncode == 0, done.stdout
    assert "cases/sum.penstock::answer PASSED" in done.stdout


def test_pytest_tells_where_another_answer_comes_from(project: Path) -> None:
    (project / "models.py").write_text(SAME.replace("x + 1", "x + 3"))
    done = run_pytest(project)
    assert done.returncode == 1
    assert "sum.penstock: the answer is not the one that was recorded" in done.stdout
    assert "left.outputs: y: 2 of 2 elements differ, by up to 2" in done.stdout
    assert "Traceback" not in done.stdout
    recorded = run_pytest(project, "-o", "penstock_models=recorded")
    assert recorded.returncode == 0, recorded.stdout


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("-o", "penstock_models=other"), "penstock_models is 'other'; it is real or recorded"),
        (("-o", "penstock_tolerance=much"), "penstock_tolerance is 'much'; it is a number"),
    ],
)
def test_settings_that_make_no_sense(project: Path, words: tuple[str, ...], sentence: str) -> None:
    done = run_pytest(project, *words)
    assert done.returncode == 1
    assert sentence in done.stdout


def test_a_broken_file_is_a_sentence(project: Path) -> None:
    (project / "cases" / "sum.penstock").write_bytes(b"nothing")
    done = run_pytest(project)
    assert done.returncode == 1
    assert "'sum.penstock' is no case file, or damaged" in done.stdout
    assert "Traceback" not in done.stdout


def test_the_plug_in_costs_nothing_where_there_are_no_files(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(
        "import sys\n"
        "def test_it():\n"
        "    assert 'penstock.testing.cases' in sys.modules\n"
        "    assert 'penstock.core.cases' not in sys.modules\n"
    )
    done = run_pytest(tmp_path)
    assert done.returncode == 0, done.stdout
