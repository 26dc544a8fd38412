"""Registers the observer that serves the console, and says where it is."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Final

from penstock.core.config import Config
from penstock.core.contracts.observer import Observer
from penstock.core.plugins import hookimpl
from penstock.plugins.console.options import ConsoleOptions

penstock_api = 1

NAME: Final = "console"

_log = logging.getLogger(__name__)


def console_observer(options: ConsoleOptions) -> Observer:
    """The observer whose pages are the console."""
    from penstock.plugins.console.observer import ConsoleObserver

    return ConsoleObserver(options)


@hookimpl
def penstock_register_config() -> type[ConsoleOptions]:
    """The options of the section ``plugins.console``."""
    return ConsoleOptions


@hookimpl
def penstock_register_observers() -> Mapping[str, Callable[..., Observer]]:
    """The observer ``console``."""
    return {NAME: console_observer}


@hookimpl
def penstock_started(config: Config, addresses: Mapping[str, str]) -> None:
    """Say where the console is, if there is HTTP."""
    if (address := addresses.get("rest")) is not None:
        options = ConsoleOptions.model_validate(config.plugins.sections.get(NAME, {}))
        _log.info("the console is at %s%s", address, options.path)
