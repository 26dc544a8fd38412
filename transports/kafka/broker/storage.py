"""The folders that brokers write into: made once, as Kafka wants them, and found again."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from penstock.core.errors import ConflictError, InvalidRequestError, NotReadyError
from penstock.transports.kafka.broker.listeners import Listener
from penstock.transports.kafka.broker.properties import Place

NOTE: Final = "penstock-kafka.json"
"""Written into a folder first: which cluster is kept in it."""

_FORMAT_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Note:
    """What a folder holds: a cluster's identity, and how many brokers it has."""

    cluster: str
    brokers: int


def claim(folder: Path, brokers: int, *, fresh: bool) -> Note:
    """The note of a folder, which is written when it is empty, or is to be ``fresh``.

    Raises InvalidRequestError for a folder that holds other things, ConflictError for one with
    another number of brokers.
    """
    found = _read(folder)
    if fresh and found is not None:
        shutil.rmtree(folder)
        found = None
    if found is None:
        return _write(folder, Note(_new_identity(), brokers))
    if found.brokers != brokers:
        raise ConflictError(
            f"{folder} holds what {found.brokers} broker(s) wrote, and {brokers} were asked for; "
            "name another folder, or begin afresh (--fresh), which deletes it"
        )
    return found


def _read(folder: Path) -> Note | None:
    note = folder / NOTE
    if not note.is_file():
        if folder.exists() and any(folder.iterdir()):
            raise InvalidRequestError(
                f"{folder} holds other things; name an empty folder, or one that is not there"
            )
        return None
    try:
        written = json.loads(note.read_bytes())
        return Note(str(written["cluster"]), int(written["brokers"]))
    except (ValueError, KeyError, TypeError) as error:
        raise InvalidRequestError(
            f"{note} is broken: {error}; delete the folder, or name another one"
        ) from error


def _write(folder: Path, note: Note) -> Note:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / NOTE).write_text(json.dumps({"cluster": note.cluster, "brokers": note.brokers}))
    return note


def _new_identity() -> str:
    """16 random bytes in the letters of URLs, as Kafka has them; "-" may not come first there."""
    return base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=").replace("-", "_")


def is_formatted(place: Place) -> bool:
    """Whether Kafka has its own note in a broker's folder."""
    return (place.records / "meta.properties").exists()


def format_storage(
    tool: Sequence[str], cluster: str, places: Sequence[Place], listeners: Sequence[Listener]
) -> None:
    """Format the folders of brokers, all at once; ``tool`` is the command of Kafka's storage tool.

    Raises NotReadyError with what the tool said.
    """
    users = [word for listener in listeners for word in _scram_words(listener)]
    running = [
        subprocess.Popen(
            [*tool, "format", "-t", cluster, "-c", str(place.properties), *users],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
        for place in places
    ]
    said = [(process, process.communicate(timeout=_FORMAT_S)[0]) for process in running]
    for process, words in said:
        if process.returncode:
            raise NotReadyError(f"Kafka cannot format the folder of a broker: {_reason(words)}")


def _reason(words: str) -> str:
    """The last line that the tool said before it named the places in its code."""
    lines = [line for line in words.splitlines() if line.strip() and not line.startswith("\tat ")]
    return lines[-1] if lines else "without a word"


def _scram_words(listener: Listener) -> Sequence[str]:
    words = []
    for mechanism, users in listener.scram.items():
        for user, password in users.items():
            words += ["--add-scram", f"{mechanism}=[name={user},password={password}]"]
    return words
