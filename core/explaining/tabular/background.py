"""The background: rows that stand for what is usual, from the manifest or from its artifacts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np

from penstock.core.arrays import Array
from penstock.core.errors import InvalidRequestError

FILE_NAMES: Final = ("background.npy", "background.npz")
SEED: Final = 0
"""The same rows are taken of a large background whenever it is loaded."""


def background_of(
    written: Sequence[Sequence[float]] | None, artifacts: Path | None, most: int
) -> Array | None:
    """FP64 [rows, features], ``most`` rows drawn of more; None where there is none.

    Raises InvalidRequestError for what is no such matrix.
    """
    if written is not None:
        return _drawn(_matrix(written, "the parameter 'background'"), most)
    path = None if artifacts is None else _file(artifacts)
    return None if path is None else _drawn(_matrix(_read(path), str(path)), most)


def _file(artifacts: Path) -> Path:
    if artifacts.is_file():
        return artifacts
    for name in FILE_NAMES:
        if (artifacts / name).is_file():
            return artifacts / name
    raise InvalidRequestError(f"{artifacts} holds no background; put {' or '.join(FILE_NAMES)} in")


def _read(path: Path) -> object:
    try:
        loaded = np.load(path, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise InvalidRequestError(f"{path} is no file of numpy: {error}") from error
    if isinstance(loaded, np.ndarray):
        return loaded
    with loaded:
        name = "background" if "background" in loaded else next(iter(loaded), None)
        if name is None:
            raise InvalidRequestError(f"{path} holds no array")
        return loaded[name]


def _matrix(contents: object, what: str) -> Array:
    try:
        array = np.asarray(contents, np.float64)
    except (TypeError, ValueError) as error:
        raise InvalidRequestError(f"{what} is no matrix of numbers: {error}") from error
    if array.ndim < 2 or not array.size:
        raise InvalidRequestError(
            f"{what} has the shape {list(array.shape)}; write rows with one number per feature"
        )
    return array.reshape(len(array), -1)


def _drawn(background: Array, most: int) -> Array:
    if len(background) <= most:
        return background
    drawn = np.random.default_rng(SEED).choice(len(background), most, replace=False)
    return background[np.sort(drawn)]
