"""The folder of a process that loads models, for what is fetched into no cache."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from pathlib import Path

from penstock.core.runtime.closing import Closing


async def make_work_folder(closing: Closing) -> Path:
    """A new folder, which goes with the process."""
    folder = Path(await asyncio.to_thread(tempfile.mkdtemp, prefix="penstock-"))
    closing.add(
        "the folder of fetched artifacts",
        lambda: asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True),
    )
    return folder
