"""What the ends of requests say of the arm that had them: one table, for who ever counts."""

from __future__ import annotations

from typing import Final

COUNTED_AS: Final[dict[str, bool | None]] = {
    "ok": False,
    "invalid-request": False,
    "unauthenticated": False,
    "forbidden": False,
    "not-found": False,
    "conflict": False,
    "too-large": False,
    "no-output": False,
    "unsupported": True,
    "overloaded": True,
    "step-failed": True,
    "internal": True,
    "not-ready": True,
    "lost": True,
    "deadline": True,
    "cancelled": None,
}
"""By the code that the arm answers with: whether it counts as failed, None where it does not count
at all."""
