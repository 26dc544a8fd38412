"""What a rule finds wrong with a manifest, before it is known where the manifest stands."""

from __future__ import annotations

from typing import NamedTuple

from penstock.core.problems import KeyPath


class Finding(NamedTuple):
    """A broken rule at ``path`` of a manifest: what is wrong, and what to do about it."""

    path: KeyPath
    message: str
    hint: str | None = None
    of_key: bool = False
    """Whether the key at the end of ``path`` is meant, rather than its value."""
