"""What the process tells its allocator."""

from __future__ import annotations

import gc
import platform
from collections.abc import Iterator

import pytest

from penstock.core.runtime.memory import (
    COLLECTED_AFTER,
    SETTINGS,
    collect_less_often,
    keep_freed_memory,
)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="this is about glibc's allocator")
def test_glibc_takes_the_settings() -> None:
    assert keep_freed_memory({})


@pytest.mark.parametrize("name", SETTINGS)
def test_who_has_decided_is_left_alone(name: str) -> None:
    assert not keep_freed_memory({name: "1"})


@pytest.fixture
def thresholds() -> Iterator[None]:
    before = gc.get_threshold()
    yield
    gc.set_threshold(*before)


@pytest.mark.usefixtures("thresholds")
@pytest.mark.parametrize(("before", "after"), [(700, COLLECTED_AFTER), (50_000, 50_000)])
def test_garbage_is_looked_for_less_often(before: int, after: int) -> None:
    gc.set_threshold(before, 10, 10)
    collect_less_often()
    assert gc.get_threshold() == (after, 10, 10)
