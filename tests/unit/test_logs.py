"""Logs: the same lines from structlog and from the standard library."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from penstock.core.config import LoggingSection
from penstock.core.log_ring import LogQuery
from penstock.core.logs import HANDLER_NAME, configure_logging


@pytest.fixture(autouse=True)
def _logging_as_before() -> Iterator[None]:
    root = logging.getLogger()
    level = root.level
    yield
    for handler in [each for each in root.handlers if each.name == HANDLER_NAME]:
        root.removeHandler(handler)
    root.setLevel(level)
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


def configured(**options: Any) -> io.StringIO:
    stream = io.StringIO()
    configure_logging(LoggingSection.model_validate(options), stream=stream)
    return stream


def test_json_has_the_sentence_and_what_belongs_to_it() -> None:
    stream = configured(format="json")

    logging.getLogger("penstock.test").warning(
        "step '%s' failed", "scale", extra={"request": "01J", "step": "scale"}
    )

    line = json.loads(stream.getvalue())
    assert line["message"] == "step 'scale' failed"
    assert (line["request"], line["step"]) == ("01J", "scale")
    assert (line["level"], line["logger"]) == ("warning", "penstock.test")
    assert line["timestamp"].endswith("Z")


def test_structlog_ends_in_the_same_lines() -> None:
    stream = configured(format="json")
    structlog.contextvars.bind_contextvars(request="01J")

    structlog.get_logger("penstock.test").info("loaded", model="scale")

    line = json.loads(stream.getvalue())
    assert (line["message"], line["model"], line["request"]) == ("loaded", "scale", "01J")


def test_a_console_gets_a_line_without_colours_unless_it_is_a_terminal() -> None:
    stream = configured()

    logging.getLogger("penstock.test").info("serving", extra={"model": "scale"})

    (line,) = stream.getvalue().splitlines()
    assert "serving" in line
    assert "model=scale" in line
    assert "\x1b" not in line
    assert "penstock.test" not in line


@pytest.mark.parametrize("format", ["console", "json"])
def test_an_error_keeps_its_traceback(format: str) -> None:
    stream = configured(format=format)
    try:
        raise KeyError("weights")
    except KeyError:
        logging.getLogger("penstock.test").exception("it failed")
    assert "KeyError" in stream.getvalue()


def test_below_the_level_nothing_is_written() -> None:
    stream = configured(level="warning")
    logging.getLogger("penstock.test").info("not this")
    structlog.get_logger("penstock.test").info("nor this")
    assert stream.getvalue() == ""


def test_libraries_keep_their_small_talk_to_themselves() -> None:
    stream = configured(level="debug")
    logging.getLogger("asyncio").info("using selector")
    logging.getLogger("asyncio").warning("slow callback")
    assert "slow callback" in stream.getvalue()
    assert "using selector" not in stream.getvalue()


def test_configured_again_it_replaces_itself() -> None:
    first = configured()
    second = configured()
    logging.getLogger("penstock.test").info("once")
    assert first.getvalue() == ""
    assert second.getvalue().count("once") == 1


async def test_the_latest_lines_are_kept_as_they_were_logged() -> None:
    ring = configure_logging(LoggingSection(kept_lines=10), stream=io.StringIO())
    log = logging.getLogger("penstock.test")
    log.info("model '%s' is up", "scale", extra={"model": "scale", "version": 3})
    structlog.get_logger("penstock.other").warning("grpc_failed", method="Get")
    log.debug("not said")
    try:
        raise ValueError("broken")
    except ValueError:
        log.exception("it failed", extra={"odd": object})
    kept = [told.record async for told in ring.read(LogQuery(), follow=False)]
    first, second, third = [record for record in kept if record is not None]
    assert first["at"].endswith("+00:00")
    assert first | {"at": ""} == {
        "at": "",
        "level": "info",
        "logger": "penstock.test",
        "message": "model 'scale' is up",
        "about": {"model": "scale", "version": 3},
    }
    assert (second["level"], second["message"]) == ("warning", "grpc_failed")
    assert second["about"] == {"method": "Get"}
    assert third["level"] == "error"
    assert third["exception"].endswith("ValueError: broken")


async def test_an_old_ring_is_given_up_with_its_handler() -> None:
    before = configure_logging(LoggingSection(), stream=io.StringIO())
    after = configure_logging(LoggingSection(), stream=io.StringIO())
    logging.getLogger("penstock.test").warning("once")
    for ring, count in ((before, 0), (after, 1)):
        assert len([told async for told in ring.read(LogQuery(), follow=False)]) == count
