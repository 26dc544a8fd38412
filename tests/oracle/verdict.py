"""The joins, as a table of what has ended says it: run, skip, fail, or wait (None).

`latest` is driven by its first source; whether the others have a value is not said here.
"""

from collections.abc import Sequence
from typing import Literal

from oracle.model import Join, Kind

Verdict = Literal["run", "skip", "fail"]


def verdict(join: Join, kinds: Sequence[Kind | None], window_ended: bool) -> Verdict | None:
    """Decide over sources that ended as `kinds` say (None: still open)."""
    over = window_ended or None not in kinds
    failed = "failed" in kinds
    if join == "latest":
        if kinds[0] in ("absent", "failed"):
            return "skip" if kinds[0] == "absent" else "fail"
        return "run" if over else None
    if join == "inner":
        if "absent" in kinds:
            return "skip"
        if not over:
            return None
        if failed:
            return "fail"
        return "skip" if None in kinds else "run"
    if join == "outer":
        if failed:
            return "fail"
        if not over:
            return None
        return "run" if "value" in kinds else "skip"
    if "value" in kinds:
        return "run"
    if not over:
        return None
    return "fail" if failed else "skip"
