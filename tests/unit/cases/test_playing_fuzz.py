"""A case in which anything was changed is played, or refused with a sentence: nothing breaks."""

from __future__ import annotations

import asyncio
import io
import json
import zipfile
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.core.cases import read_case, write_case
from penstock.core.cases.player import PlayOptions, play
from penstock.core.errors import PenstockError
from penstock.core.journal.documents import whole
from penstock.core.plugins.plugins import Plugins
from unit.cases.test_playing import SPECS, recorded
from unit.cases.test_playing import plugins as plugins

VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.text(max_size=6),
    st.sampled_from(["slow", "quick", "loop", "inputs", "failed", "absent", "deadline", "p"]),
    st.just([]),
    st.just({}),
)
DELETED = object()


def paths(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place in a document."""
    found = [path] if path else []
    items = list(value.items()) if isinstance(value, dict) else []
    if isinstance(value, list):
        items = list(enumerate(value))
    for key, each in items:
        found += paths(each, (*path, key))
    return found


@pytest.mark.parametrize("name", ["diamond", "loop", "retries", "failure as absence"])
def test_whatever_was_changed(name: str, plugins: Plugins) -> None:
    whole_file = write_case(recorded(SPECS[name]))
    with zipfile.ZipFile(io.BytesIO(whole_file)) as archive:
        files = {each: archive.read(each) for each in archive.namelist()}
    document = json.loads(files["case.json"])

    @settings(max_examples=150, deadline=None)
    @given(st.sampled_from(paths(document)), VALUES | st.just(DELETED))
    def change_and_play(path: tuple[Any, ...], value: Any) -> None:
        changed = json.loads(files["case.json"])
        inner = changed
        for key in path[:-1]:
            inner = inner[key]
        if value is DELETED:
            del inner[path[-1]]
        else:
            inner[path[-1]] = value
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            for each, data in files.items():
                archive.writestr(each, json.dumps(changed) if each == "case.json" else data)
        with suppress(PenstockError):
            case = read_case(buffer.getvalue(), "x.penstock")
            played = asyncio.run(play(case, plugins, PlayOptions("recorded")))
            whole(case.story)
            json.dumps(whole(played.story))

    change_and_play()
