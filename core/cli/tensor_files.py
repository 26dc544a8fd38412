"""Tensors in numpy's files, .npy and .npz.

Format: numpy.lib.format; a .npz is a zip file of one .npy for each array.
"""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np

from penstock.core.arrays import Array
from penstock.core.errors import InvalidRequestError, NotFoundError
from penstock.core.tensors import Tensor

SUFFIXES: Final = (".npy", ".npz")


def load_tensors(path: Path) -> tuple[Tensor, ...]:
    """One tensor called ``x`` of a .npy file, or those of a .npz file by name.

    Raises NotFoundError when the file cannot be read, InvalidRequestError for what it holds.
    """
    try:
        loaded = np.load(path, allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            return (Tensor.from_numpy("x", loaded),)
        with loaded:
            return tuple(Tensor.from_numpy(name, loaded[name]) for name in loaded.files)
    except OSError as error:
        raise NotFoundError(f"the file '{path}' cannot be read: {error.strerror}") from error
    except (ValueError, TypeError, EOFError, zipfile.BadZipFile) as error:
        raise InvalidRequestError(f"the file '{path}' holds no tensors: {error}") from error


def save_tensors(path: Path, tensors: Sequence[Tensor]) -> None:
    """Write the only tensor to a .npy file, or any number of them to a .npz file by name.

    BF16 becomes float32, which numpy can read without help, and BYTES numpy's strings of bytes.
    Raises InvalidRequestError when that cannot be, or the file cannot be written.
    """
    if path.suffix not in SUFFIXES:
        raise InvalidRequestError(f"'{path}' must end in .npy or .npz")
    if path.suffix == ".npy" and len(tensors) != 1:
        raise InvalidRequestError(
            f"the answer has {len(tensors)} tensors, and a .npy file holds one; write a .npz file"
        )
    arrays = {tensor.name: _saved(tensor) for tensor in tensors}
    try:
        if path.suffix == ".npy":
            for array in arrays.values():
                np.save(path, array, allow_pickle=False)
            return
        with zipfile.ZipFile(path, "w") as archive:
            for name, array in arrays.items():
                with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                    np.lib.format.write_array(member, array, allow_pickle=False)
    except OSError as error:
        raise InvalidRequestError(f"'{path}' cannot be written: {error.strerror}") from error


def _saved(tensor: Tensor) -> Array:
    if tensor.datatype == "BF16":
        return tensor.array.astype(np.float32)
    if tensor.datatype != "BYTES":
        return tensor.array
    if any(element.endswith(b"\0") for element in tensor.array.ravel()):
        raise InvalidRequestError(
            f"tensor '{tensor.name}' has elements that end in a zero byte, which numpy drops; "
            "print it with -o json"
        )
    return tensor.array.astype(np.bytes_)
