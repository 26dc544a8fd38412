"""A REST front end in a thread, for clients that block and clients in other processes."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any

import uvloop

from penstock.core.config import RestSection
from penstock.core.contracts.frontend import FrontEndContext
from penstock.transports.rest.front_end import RestFrontEnd


@contextmanager
def serving(make_context: Callable[[], FrontEndContext]) -> Iterator[str]:
    """The address of a front end that serves what ``make_context`` makes in its loop."""
    loop = uvloop.new_event_loop()
    front_end = RestFrontEnd(RestSection(port=0))

    async def start() -> str:
        return await front_end.start(make_context())

    def run(work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, loop).result(30.0)

    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        address: str = run(start())
        yield address
        run(front_end.drain())
    finally:
        run(front_end.stop())
        loop.call_soon_threadsafe(loop.stop)
        thread.join(30.0)
        loop.close()
