"""The cache of artifacts of a process that loads models."""

from __future__ import annotations

import asyncio
import sys

from penstock.core.artifacts import ArtifactCache, default_folder
from penstock.core.config.sections import CacheSection
from penstock.core.runtime.closing import Closing


def open_cache(section: CacheSection, closing: Closing) -> ArtifactCache | None:
    """The cache that is configured, closed with the process; nothing is made before it is used.

    None on Windows, which lacks its locks: what is fetched is fetched for each copy there.
    """
    if sys.platform == "win32":
        return None
    cache = ArtifactCache(section.folder or default_folder(), section.max_bytes)
    closing.add("the cache of artifacts", lambda: asyncio.to_thread(cache.close))
    return cache
