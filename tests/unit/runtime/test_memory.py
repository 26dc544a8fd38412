"""What the process tells its allocator."""

from __future__ import annotations

import platform

import pytest

from penstock.core.runtime.memory import SETTINGS, keep_freed_memory


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="this is about glibc's allocator")
def test_glibc_takes_the_settings() -> None:
    assert keep_freed_memory({})


@pytest.mark.parametrize("name", SETTINGS)
def test_who_has_decided_is_left_alone(name: str) -> None:
    assert not keep_freed_memory({name: "1"})
