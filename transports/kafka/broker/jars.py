"""The jars of Apache Kafka: fetched by Maven once, and kept for all that need them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, TypeAlias

from penstock.core.errors import InvalidRequestError, NotReadyError
from penstock.core.folder_lock import alone_with
from penstock.core.home import HOME_VARIABLE, cache_folder
from penstock.transports.kafka.broker.java import OTHERWISE

JARS_VARIABLE: Final = "PENSTOCK_KAFKA_LIBS"
POM: Final = Path(__file__).with_name("pom.xml")

Progress: TypeAlias = Callable[[str], None]
"""Is told what is being done, a short line at a time."""

_FETCH_S: Final = 600.0
_VERSION: Final = re.compile(r"<kafka\.version>(.+)</kafka\.version>")
_REASON: Final = re.compile(r"^\[ERROR\] (.+?)(?: -> \[Help \d+\])?$", re.MULTILINE)


def kafka_version() -> str:
    """The version of Apache Kafka that is fetched."""
    found = _VERSION.search(POM.read_text())
    assert found is not None, "it stands there"
    return found[1]


def kafka_jars(progress: Progress, environment: Mapping[str, str] | None = None) -> Path:
    """A folder with all jars that a broker needs: the one that ``PENSTOCK_KAFKA_LIBS`` names, else
    one in the user's cache, which is filled when it is not there. Blocks.

    Raises NotReadyError when they cannot be fetched, InvalidRequestError when the named folder has
    none.
    """
    environment = os.environ if environment is None else environment
    own = environment.get(JARS_VARIABLE)
    if own:
        return _checked(Path(own).expanduser().absolute())
    folder = cache_folder(environment) / "kafka" / kafka_version()
    if not folder.exists():
        _fill(folder, progress, environment)
    return folder


def _checked(folder: Path) -> Path:
    if not any(folder.glob("kafka_2.*.jar")):
        raise InvalidRequestError(
            f"{folder}, which {JARS_VARIABLE} names, has no jars of a Kafka broker in it; name the "
            "folder libs of Apache's download, or unset the variable"
        )
    return folder


def _fill(folder: Path, progress: Progress, environment: Mapping[str, str]) -> None:
    maven = shutil.which("mvn", path=environment.get("PATH"))
    if maven is None:
        raise NotReadyError(
            "there is no mvn to fetch Apache Kafka with; install Maven (apt-get install maven, "
            f"brew install maven), name a folder with Kafka's jars in {JARS_VARIABLE}, {OTHERWISE}"
        )
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with alone_with(folder) as lock:
            if not folder.exists():
                progress(f"fetching Apache Kafka {kafka_version()} into {folder}")
                _fetch(maven, folder, lock, environment)
    except OSError as error:
        raise NotReadyError(
            f"{folder} cannot be written: {error}; name another place in {HOME_VARIABLE}"
        ) from error


def _fetch(maven: str, folder: Path, lock: int, environment: Mapping[str, str]) -> None:
    """Fetch aside, so that the folder has its name only when it is whole."""
    aside = folder.with_name(f".{folder.name}.making")
    shutil.rmtree(aside, ignore_errors=True)
    goal = ["dependency:copy-dependencies", "-DincludeScope=runtime"]
    try:
        done = subprocess.run(
            [maven, "-q", "-B", "-f", str(POM), *goal, f"-DoutputDirectory={aside}"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_FETCH_S,
            check=False,
            env=dict(environment),
            # Should this process be killed, what it has begun ends first, alone as it was.
            pass_fds=(lock,),
        )
        if done.returncode:
            raise NotReadyError(_failure(done.stdout + done.stderr))
        aside.rename(folder)
    except subprocess.TimeoutExpired as error:
        raise NotReadyError(_failure(f"it took longer than {_FETCH_S:.0f} s")) from error
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _failure(said: str) -> str:
    reason = _REASON.search(said)
    why = reason[1] if reason else " ".join(said.split())[:500]
    return (
        f"Apache Kafka {kafka_version()} could not be fetched by Maven: {why}; give it a network "
        f"or a mirror (~/.m2/settings.xml), name a folder with Kafka's jars in {JARS_VARIABLE}, "
        f"{OTHERWISE}"
    )
