"""Case files on the disk of whoever sits at the command line."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from penstock.core.errors import InvalidRequestError

if TYPE_CHECKING:
    from penstock.core.cases import Case


def load_case(file: Path) -> Case:
    """The case in a file. Raises InvalidRequestError when it cannot be read, or is none."""
    from penstock.core.cases import read_case

    try:
        data = file.read_bytes()
    except OSError as error:
        raise InvalidRequestError(f"'{file}' cannot be read: {error.strerror}") from error
    return read_case(data, str(file))


def write_file(file: Path, data: bytes) -> None:
    """Write a file. Raises InvalidRequestError when that cannot be done."""
    try:
        file.write_bytes(data)
    except OSError as error:
        raise InvalidRequestError(f"'{file}' cannot be written: {error.strerror}") from error
