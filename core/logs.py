"""Logs of a process: one line for each event, for people on a console or as JSON.

Modules log through the standard library (``logging.getLogger(__name__)``) and put what belongs to
an event beside the sentence: ``extra={"request": ..., "pipeline": ...}``. Both structlog's loggers
and the standard ones end in the same lines. Nothing is logged per request unless access logs are
asked for, which is the front ends' matter.
"""

from __future__ import annotations

import logging
import sys
from typing import Final, TextIO

import structlog
from structlog.types import EventDict, Processor, WrappedLogger

from penstock.core.config import LoggingSection
from penstock.core.log_ring import LogRing, RingHandler

HANDLER_NAME: Final = "penstock"

_QUIET: Final = ("asyncio", "grpc", "uvicorn", "uvicorn.error")
"""Loggers of libraries that tell at ``info`` what their users have no use for."""


def configure_logging(options: LoggingSection, *, stream: TextIO | None = None) -> LogRing:
    """Send the logs of this process to ``stream``, standard error when it is None.

    Comes back with the ring that keeps the latest lines from now on.

    For the main program of a process, once or again; a library never calls it. Lines on a console
    are coloured when ``stream`` is a terminal.
    """
    stream = sys.stderr if stream is None else stream
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.stdlib.ExtraAdder(),
        _without_leftovers,
        structlog.processors.TimeStamper(fmt="iso", utc=options.format == "json"),
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
    ring = LogRing(options.kept_lines)
    written, kept = logging.StreamHandler(stream), RingHandler(ring)
    for handler, rendering in ((written, _rendering(options, stream)), (kept, _FOR_THE_RING)):
        handler.name = HANDLER_NAME
        handler.setFormatter(
            structlog.stdlib.ProcessorFormatter(
                foreign_pre_chain=shared,
                processors=[
                    structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                    *rendering,
                ],
            )
        )
    level = options.level.upper()
    root = logging.getLogger()
    for old in [each for each in root.handlers if each.name == HANDLER_NAME]:
        root.removeHandler(old)
    root.addHandler(written)
    root.addHandler(kept)
    root.setLevel(level)
    for name in _QUIET:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))
    return ring


_FOR_THE_RING: Final[list[Processor]] = [
    structlog.processors.format_exc_info,
    structlog.processors.JSONRenderer(),
]


def _rendering(options: LoggingSection, stream: TextIO) -> list[Processor]:
    if options.format == "json":
        return [
            structlog.processors.dict_tracebacks,
            structlog.processors.EventRenamer("message"),
            structlog.processors.JSONRenderer(),
        ]
    return [
        _without_logger,
        structlog.dev.ConsoleRenderer(
            colors=stream.isatty(), exception_formatter=structlog.dev.plain_traceback
        ),
    ]


def _without_leftovers(logger: WrappedLogger, name: str, event: EventDict) -> EventDict:
    """Other handlers leave what they have formatted on the record, which is no extra."""
    event.pop("message", None)
    event.pop("asctime", None)
    return event


def _without_logger(logger: WrappedLogger, name: str, event: EventDict) -> EventDict:
    """People read the sentence; which module says it is noise to them."""
    event.pop("logger", None)
    return event
