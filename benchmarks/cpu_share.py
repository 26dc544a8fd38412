"""A fixed share of a core for a process: a control group with a quota, of version 1 or 2.

On a machine with few cores, more workers then show what more cores would give.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

PERIOD_US = 20_000
"""A group that has used its share waits for the next period: with a tenth of a core for 18 ms at
most, where Linux's default of 100 ms would have it stand still for 90."""

MOUNTS = Path("/proc/mounts")


class NoShareError(Exception):
    """A share cannot be given here; says why, and what to do."""


@contextmanager
def cpu_share(pid: int, cores: float) -> Iterator[None]:
    """Have a process, with all of its threads and those that it started or will start, use no more
    than so much of a core, until the end; then they are free again.

    Raises NoShareError.
    """
    parent, quota = control_groups(MOUNTS.read_text())
    group = parent / f"penstock-{pid}"
    try:
        if quota == "cpu.max":
            (parent / "cgroup.subtree_control").write_text("+cpu")
        group.mkdir()
    except OSError as error:
        raise NoShareError(
            f"no share of a core can be given to a process: {error}; run as root, in a container "
            "with --privileged, or with --no-shares"
        ) from error
    try:
        for name, text in settings(quota, cores).items():
            (group / name).write_text(text)
        _move(_family(pid), group)
        yield
    finally:
        members = (group / "cgroup.procs").read_text().split()
        _move(map(int, members), parent)
        group.rmdir()


def control_groups(mounts: str) -> tuple[Path, str]:
    """The folder of the groups that bound the CPU, out of what ``/proc/mounts`` says, and the file
    of a group with its quota. Raises NoShareError where there is none."""
    unified = None
    for line in mounts.splitlines():
        _, folder, kind, options, *_ = line.split()
        if kind == "cgroup" and "cpu" in options.split(","):
            return Path(folder), "cpu.cfs_quota_us"
        if kind == "cgroup2":
            unified = Path(folder)
    if unified is None:
        raise NoShareError(
            "this machine has no control groups that bound the CPU; run it on Linux with cgroups, "
            "or with --no-shares"
        )
    return unified, "cpu.max"


def settings(quota: str, cores: float) -> dict[str, str]:
    """What is written into which file of a group, whose quota stands in the file ``quota``."""
    quota_us = round(cores * PERIOD_US)
    if quota == "cpu.max":
        return {quota: f"{quota_us} {PERIOD_US}"}
    return {"cpu.cfs_period_us": str(PERIOD_US), quota: str(quota_us)}


def _move(pids: Iterable[int], group: Path) -> None:
    for pid in pids:
        try:
            (group / "cgroup.procs").write_text(str(pid))
        except ProcessLookupError:
            continue  # it has ended


def cpu_s(pid: int) -> float:
    """The CPU time of a process and of those that it started, in seconds."""
    return sum(map(_ticks, _family(pid))) / os.sysconf("SC_CLK_TCK")


def _family(pid: int) -> Iterator[int]:
    """A process, and those that it started."""
    yield pid
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    for child in children:
        yield from _family(int(child))


def _ticks(pid: int) -> int:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])
