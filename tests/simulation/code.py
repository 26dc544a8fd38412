"""The code under test: the real packages, or copies with a bug in one of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Final, NamedTuple

import penstock.core.engine
import penstock.core.streams
from harness.planted import Bug, planted


class Code(NamedTuple):
    """The packages whose decisions a run is about, each before those that import it."""

    engine: ModuleType
    streams: ModuleType


REAL: Final = Code(penstock.core.engine, penstock.core.streams)


@contextmanager
def bugged(bug: Bug) -> Iterator[Code]:
    """The same with a bug in it."""
    with planted(bug, REAL._asdict()) as packages:
        yield Code(**packages)
