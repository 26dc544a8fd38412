"""The code under test: the real package, or a copy with a bug in it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Final

import penstock.transports.kafka.leases
from harness.planted import Bug, planted

REAL: Final = penstock.transports.kafka.leases


@contextmanager
def bugged(bug: Bug) -> Iterator[ModuleType]:
    """The same with a bug in it."""
    with planted(bug, {"leases": REAL}) as packages:
        yield packages["leases"]
