"""A plug-in of pytest: case files (``*.penstock``) among the tests are played back.

Such a file is what ``penstock inspect ID --export FILE`` writes. Its test passes when the pipeline
gives the answer that was recorded. pytest finds the plug-in wherever Penstock is installed; it does
nothing where there are no such files.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast

import pytest

if TYPE_CHECKING:
    from penstock.core.cases.player import Models, Played, PlayOptions

SUFFIX: Final = ".penstock"

_MODELS: Final = "penstock_models"
_FOLDER: Final = "penstock_folder"
_TOLERANCE: Final = "penstock_tolerance"
_CONFIG: Final = "penstock_config"


def pytest_addoption(parser: pytest.Parser) -> None:
    """The settings, which stand with pytest's own."""
    parser.addini(
        _MODELS, "real (call them) or recorded (play them back), for *.penstock", default="real"
    )
    parser.addini(
        _FOLDER,
        "where modules and files of models are, relative to the root folder; else where they were "
        "on the server",
        default="",
    )
    parser.addini(
        _TOLERANCE, "numbers that differ by no more than this part of them are the same", default=""
    )
    parser.addini(_CONFIG, "the configuration file, relative to the root folder", default="")


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> CaseFile | None:
    """Collects case files."""
    if file_path.suffix != SUFFIX:
        return None
    file: CaseFile = CaseFile.from_parent(parent, path=file_path)
    return file


class CaseFile(pytest.File):
    """A case file; it has one test."""

    def collect(self) -> Iterator[CaseItem]:
        """The test, named ``answer``."""
        item: CaseItem = CaseItem.from_parent(self, name="answer")
        yield item


class OtherAnswerError(Exception):
    """A case was played and gave another answer than was recorded."""


class CaseItem(pytest.Item):
    """Plays the case and compares the answers."""

    def runtest(self) -> None:
        """Raises OtherAnswerError when they are not the same, PenstockError when it cannot be
        played."""
        from penstock.core.cases import read_case
        from penstock.core.cases.player import play
        from penstock.core.plugins.manager import start_up

        case = read_case(self.path.read_bytes(), self.path.name)
        _, plugins = start_up(self._path_of(_CONFIG))
        played = asyncio.run(play(case, plugins, self._options()))
        if not played.answer_is_the_same:
            raise OtherAnswerError(_told(played))

    def repr_failure(
        self, excinfo: pytest.ExceptionInfo[BaseException], style: object = None
    ) -> str:
        """What people are told: a sentence, and no traceback where the cause is not in the code."""
        from penstock.core.errors import PenstockError

        if isinstance(excinfo.value, OtherAnswerError | PenstockError):
            return f"{self.path.name}: {excinfo.value}"
        return str(super().repr_failure(excinfo))

    def reportinfo(self) -> tuple[Path, None, str]:
        """Where the test is, and what it is called in reports."""
        return self.path, None, f"{self.path.name}: the answer that was recorded"

    def _options(self) -> PlayOptions:
        from penstock.core.cases.comparison import TOLERANCE
        from penstock.core.cases.player import PlayOptions

        models = self.config.getini(_MODELS)
        if models not in ("real", "recorded"):
            raise pytest.UsageError(f"{_MODELS} is '{models}'; it is real or recorded")
        tolerance = self.config.getini(_TOLERANCE)
        try:
            within = float(tolerance) if tolerance else TOLERANCE
        except ValueError:
            raise pytest.UsageError(f"{_TOLERANCE} is '{tolerance}'; it is a number") from None
        return PlayOptions(cast("Models", models), folder=self._path_of(_FOLDER), tolerance=within)

    def _path_of(self, setting: str) -> Path | None:
        text = self.config.getini(setting)
        return self.config.rootpath / text if text else None


def _told(played: Played) -> str:
    lines = ["the answer is not the one that was recorded"]
    lines += [f"  {difference}" for difference in played.differences]
    return "\n".join(lines)
