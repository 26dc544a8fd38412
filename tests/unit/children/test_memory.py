"""How much memory a group of processes holds, and what was ended for it, as Linux writes it."""

from __future__ import annotations

import os
from pathlib import Path

from penstock.core.children.memory import memory_of_group
from penstock.core.children.out_of_memory import ended_for_memory

ROLLUP = "00400000-7fff0000 ---p 00000000 00:00 0 [rollup]\nRss: {rss} kB\nPss: {pss} kB\n"


def process(proc: Path, pid: int, group: int, *, pages: int, pss: int | None = None) -> None:
    folder = proc / str(pid)
    folder.mkdir(parents=True)
    (folder / "stat").write_text(f"{pid} (a (b) c) S 1 {group} {group} 0")
    (folder / "statm").write_text(f"9999 {pages} 0 0 0 0 0")
    if pss is not None:
        (folder / "smaps_rollup").write_text(ROLLUP.format(rss=9999, pss=pss))


def test_what_is_shared_counts_in_parts_where_the_system_says_so(tmp_path: Path) -> None:
    process(tmp_path, 10, 10, pages=100, pss=40)
    process(tmp_path, 11, 10, pages=3)
    process(tmp_path, 12, 12, pages=1000, pss=1000)
    (tmp_path / "meminfo").touch()
    assert memory_of_group(10, tmp_path) == 40 * 1024 + 3 * os.sysconf("SC_PAGE_SIZE")
    assert memory_of_group(13, tmp_path) is None
    assert memory_of_group(10, tmp_path / "nowhere") is None


def test_how_many_were_ended_for_memory_is_counted(tmp_path: Path) -> None:
    counters = tmp_path / "vmstat"
    counters.write_text("nr_free_pages 12\noom_kill 3\nnuma_hit 4\n")
    assert ended_for_memory(counters) == 3
    counters.write_text("nr_free_pages 12\n")
    assert ended_for_memory(counters) == 0
    assert ended_for_memory(tmp_path / "nowhere") == 0
