"""The Java that a broker runs on."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from penstock.core.errors import NotReadyError, UnsupportedError

OLDEST: Final = 17
"""The oldest version of Java that brokers of Kafka 4 run on."""

OTHERWISE: Final = "or give the address of a broker that runs already (bootstrapServers)"
"""What else may be done by who has no Java or no Maven."""

_VERSION: Final = re.compile(r'version "(?:1\.)?(\d+)')
_LOOK_S: Final = 30.0


def find_java(environment: Mapping[str, str] | None = None) -> Path:
    """The program ``java`` of ``JAVA_HOME``, else of ``PATH``.

    Raises NotReadyError when there is none that runs, UnsupportedError when it is too old.
    """
    environment = os.environ if environment is None else environment
    home = environment.get("JAVA_HOME")
    found = (
        str(Path(home) / "bin" / "java")
        if home
        else shutil.which("java", path=environment.get("PATH"))
    )
    if found is None:
        raise NotReadyError(f"there is no java; {_advice()}")
    version = _version_of(found)
    if version < OLDEST:
        raise UnsupportedError(f"{found} is Java {version}, which is too old; {_advice()}")
    return Path(found)


def _version_of(java: str) -> int:
    try:
        done = subprocess.run(
            [java, "-version"], capture_output=True, text=True, timeout=_LOOK_S, check=True
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise NotReadyError(f"{java} does not run: {error}; {_advice()}") from error
    said = done.stderr + done.stdout
    version = _VERSION.search(said)
    if version is None:
        raise NotReadyError(f"{java} says no version: {said.strip()[:200]}; {_advice()}")
    return int(version[1])


def _advice() -> str:
    return (
        f"install Java {OLDEST} or newer (apt-get install openjdk-{OLDEST}-jre-headless, "
        f"brew install openjdk), set JAVA_HOME to one, {OTHERWISE}"
    )
