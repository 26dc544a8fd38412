"""Bearer tokens, which the config file names and never holds."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, TypeAlias

from penstock.core.errors import InvalidRequestError

Token: TypeAlias = Callable[[], str]
"""Gives the token as it is now. Called on the event loop, for every call."""

_log = logging.getLogger(__name__)

FRESH_S: Final = 60.0
"""Who hands out tokens in files writes a new one long before the old one is over."""


def token_of_environment(
    name: str, environment: Mapping[str, str] = os.environ, *, named: str = "token.env"
) -> Token:
    """The token in an environment variable; raises InvalidRequestError when there is none.
    ``named`` says where the variable is named."""
    token = environment.get(name, "").strip()
    if not token:
        raise InvalidRequestError(
            f"the environment variable {name}, which {named} names, is not set; set it to the "
            f"{_noun(named)}, or correct the name"
        )
    return lambda: token


def token_of_file(
    path: Path, monotonic: Callable[[], float] = time.monotonic, *, named: str = "token.file"
) -> Token:
    """The token in a file, which is read again once a minute; raises InvalidRequestError when it
    cannot be read now. One that cannot be read later stays as it was. ``named`` says where the file
    is named."""
    token, read_at = _read(path, named), monotonic()

    def current() -> str:
        nonlocal token, read_at
        if monotonic() - read_at >= FRESH_S:
            read_at = monotonic()
            try:
                token = _read(path, named)
            except InvalidRequestError as error:
                _log.warning("%s", error)
        return token

    return current


def _noun(named: str) -> str:
    """What is in a variable that is named at ``named``, as ``token`` at ``token.env``."""
    return named.split(".")[-2]


def _read(path: Path, named: str) -> str:
    try:
        token = path.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidRequestError(
            f"the file {path}, which {named} names, cannot be read: {error}"
        ) from error
    if not token:
        raise InvalidRequestError(f"the file {path}, which {named} names, is empty")
    return token
