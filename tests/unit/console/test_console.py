"""What the console serves: its page, its files, its figures; and that it can be left out."""

from __future__ import annotations

import logging
import re
from importlib.resources import files
from pathlib import Path

import orjson
import pytest
from pydantic import ValidationError

from harness.builtin import builtin_entry_points
from penstock.core.config import Config
from penstock.core.contracts.page import PageContent
from penstock.core.errors import NotFoundError
from penstock.core.metrics import Metrics
from penstock.core.plan.single_model import compile_model
from penstock.core.plugins.manager import assemble
from penstock.plugins.console.observer import MEDIA_TYPES, ConsoleObserver
from penstock.plugins.console.options import ConsoleOptions
from penstock.plugins.console.plugin import penstock_started
from penstock.testing.joins import Joins

WRITTEN = Path(__file__).parents[3] / "plugins/console/files"


def console(metrics: Metrics | None = None, path: str = "/console") -> ConsoleObserver:
    observer = ConsoleObserver(ConsoleOptions(path=path))
    observer.start(metrics or Metrics())
    return observer


def page(observer: ConsoleObserver, path: str, **names: str) -> PageContent:
    return observer.pages()[path](names)


def test_the_page_runs_nothing_that_is_not_a_file_of_the_console() -> None:
    index = page(console(), "/console")
    assert index.media_type.startswith("text/html")
    policy = index.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    text = index.body.decode()
    assert "$" not in text
    assert 'src="./console/files/app.js"' in text
    assert 'name="penstock-root" content="./"' in text
    assert not re.search(r"<script>|<style|style=|https?://", text)


def test_addresses_are_relative_however_deep_the_path_is() -> None:
    text = page(console(path="/ops/models/console"), "/ops/models/console").body.decode()
    assert 'src="./console/files/app.js"' in text
    assert 'name="penstock-root" content="../../"' in text


def test_every_file_is_in_the_package_and_is_served() -> None:
    observer = console()
    packaged = {file.name for file in files("penstock.plugins.console").joinpath("files").iterdir()}
    assert packaged == {file.name for file in WRITTEN.iterdir()}
    for name in packaged:
        served = page(observer, "/console/files/{file}", file=name)
        assert served.media_type == MEDIA_TYPES[name.rpartition(".")[2]]
        assert re.fullmatch(r'"[0-9a-f]{32}"', served.headers["etag"])
        assert served.headers["x-content-type-options"] == "nosniff"


def test_modules_import_only_what_is_there() -> None:
    for module in WRITTEN.glob("*.js"):
        for imported in re.findall(r'from "(.*)";', module.read_text()):
            assert (WRITTEN / imported).is_file(), f"{module.name} imports {imported}"


def test_a_file_that_is_not_there() -> None:
    with pytest.raises(NotFoundError, match=r"no file '\.\./plugin\.py'"):
        page(console(), "/console/files/{file}", file="../plugin.py")


def test_figures() -> None:
    metrics = Metrics()
    tally = metrics.tally(compile_model("m", 1, Joins()))
    tally.count_answer("ok", 0.003)
    tally.steps[0].calls.observe(0.005)
    tally.count_failure(0, "step-failed")
    tally.count_skip(0, "absent")
    metrics.refuse("not-found")
    observer = console(metrics)
    figures = orjson.loads(page(observer, "/console/figures").body)
    assert figures == {
        "pipelines": [
            {
                "name": "m",
                "kind": "model",
                "answers": {"ok": 1},
                "in_flight": 0,
                "dead_letters": 0,
                "latency": [0, 0, 1],
                "steps": [
                    {
                        "step": "m",
                        "model": "m",
                        "calls": [0, 0, 0, 1],
                        "failures": {"step-failed": 1},
                        "skips": {"absent": 1},
                        "retries": 0,
                        "dropped": 0,
                    }
                ],
            }
        ],
        "refused": {"not-found": 1},
    }


@pytest.mark.parametrize("path", ["console", "/", "/console/", "/con sole", "/{x}", "//x"])
def test_a_path_that_is_none(path: str) -> None:
    with pytest.raises(ValidationError, match="path"):
        ConsoleOptions(path=path)


def test_the_log_says_where_it_is(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    config = Config.model_validate({"plugins": {"console": {"path": "/look"}}})
    penstock_started(config, {"grpc": "127.0.0.1:1"})
    assert not caplog.messages
    penstock_started(config, {"rest": "http://127.0.0.1:2"})
    assert caplog.messages == ["the console is at http://127.0.0.1:2/look"]


def test_it_can_be_left_out() -> None:
    config = Config.model_validate({"plugins": {"disable": ["console"]}})
    assert "console" in assemble(Config(), entry_points=builtin_entry_points()).observers.names()
    assert "console" not in assemble(config, entry_points=builtin_entry_points()).observers.names()
