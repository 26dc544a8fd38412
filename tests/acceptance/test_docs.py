"""What the documentation says is so: links lead somewhere, files are valid, the tutorial works."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.command_line import Penstock
from harness.kafka import need_kafka
from harness.up import penstock_up

REPOSITORY = Path(__file__).resolve().parents[2]
PAGES = sorted(
    [
        *REPOSITORY.glob("*.md"),
        *(REPOSITORY / "docs").rglob("*.md"),
        *(REPOSITORY / "examples").rglob("*.md"),
    ]
)
LINK = re.compile(r"(?<!!)\[[^\]]+\]\(([^)\s]+)\)")
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(page: Path, language: str) -> list[str]:
    """The code blocks of a page in one language."""
    return [text for found, text in BLOCK.findall(page.read_text()) if found == language]


def anchors(page: Path) -> set[str]:
    """What a link into a page may name, made as GitHub makes it."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", each.lower()).replace(" ", "-") for each in headings}


def links() -> Iterator[tuple[Path, str]]:
    for page in PAGES:
        text = BLOCK.sub("", page.read_text())
        for link in LINK.findall(text):
            if not link.startswith(("http://", "https://", "mailto:")):
                yield page, link


@pytest.mark.parametrize(
    ("page", "link"), list(links()), ids=lambda each: each if isinstance(each, str) else each.name
)
def test_a_link_leads_somewhere(page: Path, link: str) -> None:
    path, _, anchor = link.partition("#")
    target = (page.parent / path).resolve() if path else page
    assert target.exists()
    if anchor:
        assert anchor in anchors(target)


# The generated page of hooks shows signatures, which are no whole programs.
WRITTEN = [page for page in PAGES if page.parent.name != "reference"]


@pytest.mark.parametrize("page", WRITTEN, ids=lambda page: str(page.relative_to(REPOSITORY)))
def test_python_in_a_page_is_python(page: Path) -> None:
    for text in blocks(page, "python"):
        ast.parse(text)


@pytest.fixture
def penstock(tmp_path: Path) -> Penstock:
    return Penstock(tmp_path)


def test_the_pipeline_of_the_readme_answers(penstock: Penstock) -> None:
    readme = REPOSITORY / "README.md"
    [models], [pipeline] = blocks(readme, "python"), blocks(readme, "yaml")
    (penstock.folder / "models.py").write_text(models)
    (penstock.folder / "pipeline.yaml").write_text(pipeline)
    assert penstock("check", "pipeline.yaml").code == 0
    [console] = blocks(readme, "console")
    [ask] = re.findall(r"^\$ penstock (infer \S+) --tensor '(.+)'$", console, re.MULTILINE)
    with penstock_up(penstock.folder, Path("pipeline.yaml")) as addresses:
        address = addresses["rest"].removeprefix("http://")
        words = (*ask[0].split(), "--tensor", ask[1], "--server", address, "-o", "json")
        done = penstock(*words)
    assert done.code == 0, done.err
    [output] = done.document["outputs"]
    assert output["name"] == "note", "the example shows the way that has something to say"


def test_the_tutorial_works_as_it_is_written(penstock: Penstock) -> None:
    tutorial = REPOSITORY / "docs" / "tutorial" / "first-pipeline.md"
    python, yaml = blocks(tutorial, "python"), blocks(tutorial, "yaml")
    [curl] = re.findall(r"^curl .*$", tutorial.read_text(), re.MULTILINE)
    assert len(python) == 3
    assert len(yaml) == 3
    folder = penstock.folder
    (folder / "models.py").write_text(python[0])
    (folder / "pipeline.yaml").write_text(yaml[0])

    def ask(name: str, values: str) -> dict[str, object]:
        tensor = f"x={values}:FP32"
        done = penstock("infer", name, "--tensor", tensor, "--server", penstock.rest, "-o", "json")
        assert done.code == 0, done.err
        return {each["name"]: each["data"] for each in done.document["outputs"]}

    def apply() -> None:
        checked = penstock("check", "pipeline.yaml")
        assert checked.code == 0, checked.err
        applied = penstock("apply", "pipeline.yaml")
        assert applied.code == 0, applied.err
        assert penstock("status", "--wait").code == 0

    with penstock_up(folder, Path("pipeline.yaml")) as addresses:
        penstock.rest = addresses["rest"].removeprefix("http://")
        penstock.grpc = addresses["grpc"]
        assert ask("add", "[[1, 2, 3]]") == {"y": [2.0, 3.0, 4.0]}
        typed = curl.replace("localhost:8900", penstock.rest)
        answer = subprocess.run(typed, shell=True, capture_output=True, check=True, timeout=30)
        assert json.loads(answer.stdout)["outputs"][0]["data"] == [2.0, 3.0, 4.0]

        (folder / "models.py").write_text(python[0] + python[1])
        (folder / "pipeline.yaml").write_text(yaml[0] + yaml[1])
        apply()
        assert ask("compare", "[[1, 2, 3]]") == {"gap": [0.0, 1.0, 2.0]}

        (folder / "models.py").write_text("".join(python))
        head, end = yaml[1].split("  output:")
        assert end.count("\n") == 1, "the output section that the tutorial has replaced"
        more = "".join(
            f"kind: Model\nmetadata: {{name: {name}}}\nspec: {{python: models:{name}}}\n---\n"
            for name in ("judge", "cheer", "worry")
        )
        (folder / "pipeline.yaml").write_text(more + yaml[0] + head + yaml[2])
        apply()
        assert ask("compare", "[[1, 2, 2]]") == {"note": ["close together"]}
        assert ask("compare", "[[1, 2, 30]]") == {"note": ["apart by 29"]}


def test_manifests_and_settings_in_the_how_to_pages_are_valid(penstock: Penstock) -> None:
    how_to = REPOSITORY / "docs" / "how-to"
    [model], [manifest, *_] = (
        blocks(how_to / "models.md", "python"),
        blocks(how_to / "models.md", "yaml"),
    )
    (penstock.folder / "models.py").write_text(model)
    (penstock.folder / "router.yaml").write_text(manifest)
    with penstock_up(penstock.folder, Path("router.yaml")) as addresses:
        address = addresses["rest"].removeprefix("http://")
        tensor = "x=[[1, 2, 3, 4]]:FP32"
        done = penstock("infer", "router", "--tensor", tensor, "--server", address, "-o", "json")
        assert [each["name"] for each in done.document["outputs"]] == ["likely"]
    for page in ("plugins.md", "remote-servers.md", "requests.md"):
        found = blocks(how_to / page, "yaml")
        [settings] = [block for block in found if block.startswith("# penstock.yaml\n")]
        (penstock.folder / "penstock.yaml").write_text(settings)
        assert penstock("config", "check").code == 0


def test_the_kafka_of_the_how_to_page_starts(tmp_path: Path) -> None:
    need_kafka()
    [text] = blocks(REPOSITORY / "docs" / "how-to" / "kafka-broker.md", "python")
    done = subprocess.run(
        [sys.executable, "-c", text],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.split(",")) == 5, "three addresses, a space, and three again"
    assert (tmp_path / "kafka" / "broker-3" / "server.log").exists()


def test_the_servers_of_the_how_to_page_are_valid(penstock: Penstock) -> None:
    [manifests, _] = blocks(REPOSITORY / "docs" / "how-to" / "remote-servers.md", "yaml")
    (penstock.folder / "see.yaml").write_text(manifests)
    checked = penstock("check", "see.yaml")
    assert checked.code == 0, checked.err


def run_tests(folder: Path) -> subprocess.CompletedProcess[str]:
    """What pytest says of the tests in a folder."""
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", folder, "-s"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def test_the_rules_of_the_how_to_page_and_their_tests_work(tmp_path: Path) -> None:
    page = REPOSITORY / "docs" / "how-to" / "write-a-placement.md"
    for text in blocks(page, "python"):
        (tmp_path / text.partition("\n")[0].removeprefix("# ")).write_text(text)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["test_tidy.py", "tidy.py"]
    done = run_tests(tmp_path)
    assert done.returncode == 0, done.stdout
    assert "8 passed" in done.stdout, done.stdout
    rules = tmp_path / "tidy.py"
    rules.write_text(rules.read_text().replace('return f"has', 'return f"Has'))
    assert run_tests(tmp_path).returncode == 1


def test_the_join_of_the_how_to_page_and_its_tests_work(tmp_path: Path) -> None:
    page = REPOSITORY / "docs" / "how-to" / "write-a-join.md"
    files = {}
    for text in blocks(page, "python"):
        name = text.partition("\n")[0].removeprefix("# ")
        files[name] = text
        (tmp_path / name).write_text(text)
    assert list(files) == ["two_of_them.py", "test_two_of_them.py", "test_votes.py"]
    done = run_tests(tmp_path)
    assert done.returncode == 0, done.stdout
    spoilt = files["two_of_them.py"].replace(" and not view.window_ended", "")
    assert spoilt != files["two_of_them.py"]
    (tmp_path / "two_of_them.py").write_text(spoilt)
    done = run_tests(tmp_path)
    assert done.returncode == 1
    [shown] = blocks(page, "text")
    assert [line.strip() for line in shown.splitlines()] == [
        line.strip().removeprefix("E   penstock.testing.laws.BrokenLawError: ")
        for line in done.stdout.partition("BrokenLawError: ")[2].splitlines()
    ][: len(shown.splitlines())]
