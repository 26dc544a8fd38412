"""The texts that manifests are read from: files, and the files of folders."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Final

from penstock.core.contracts.control import ManifestText
from penstock.core.problems import Position, Problem, ProblemsError

SUFFIXES: Final = (".yaml", ".yml", ".json")
CONFIG_FILE: Final = "penstock.yaml"
"""The configuration, which may lie beside manifests and is none."""

MAX_MANIFEST_BYTES: Final = 16 * 1024 * 1024


def texts_of(paths: Iterable[Path]) -> list[ManifestText]:
    """The manifests at ``paths``; of a folder its files that end in one of ``SUFFIXES``, sorted.

    Raises ProblemsError with every path that cannot be read.
    """
    texts = []
    problems = []
    for path in paths:
        try:
            texts += [_text_of(file) for file in _files_of(path)]
        except (OSError, ValueError) as error:
            problems.append(Problem(Position(str(path), 1, 1), "", _sentence(error, path)))
    if problems:
        raise ProblemsError(problems)
    return texts


def _files_of(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    files = sorted(
        file for file in path.iterdir() if file.suffix in SUFFIXES and file.name != CONFIG_FILE
    )
    if not files:
        raise ValueError(f"the folder holds no manifests ({', '.join(SUFFIXES)})")
    return files


def _text_of(file: Path) -> ManifestText:
    with file.open("rb") as stream:
        data = stream.read(MAX_MANIFEST_BYTES + 1)
    if len(data) > MAX_MANIFEST_BYTES:
        raise ValueError(f"'{file}' is larger than {MAX_MANIFEST_BYTES} bytes")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"'{file}' is no UTF-8 text (byte {error.start})") from error
    return ManifestText(text, str(file), str(file.absolute().parent))


def _sentence(error: Exception, path: Path) -> str:
    if isinstance(error, FileNotFoundError):
        return "there is no such file or folder"
    if isinstance(error, OSError):
        return f"'{error.filename or path}' cannot be read: {error.strerror}"
    return str(error)
