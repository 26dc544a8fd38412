"""What a broker runs on and is fetched with is found, or missed in words that help.

Java and Maven are programs of the test here, which say what real ones say.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from penstock.core.errors import InvalidRequestError, NotReadyError, UnsupportedError
from penstock.transports.kafka.broker.cluster import quietly
from penstock.transports.kafka.broker.jars import kafka_jars, kafka_version
from penstock.transports.kafka.broker.java import find_java

FETCHES = """\
for word in "$@"; do
  case "$word" in -DoutputDirectory=*) folder="${word#-DoutputDirectory=}" ;; esac
done
/bin/mkdir -p "$folder"
echo jar > "$folder/kafka_2.13-4.3.0.jar"
"""

FAILS = """\
echo "[ERROR] Failed to execute goal on project kafka-broker: Could not transfer artifact \
from/to central: Connection refused -> [Help 1]"
echo "[ERROR] To see the full stack trace of the errors, re-run Maven with the -e switch."
exit 1
"""


def program(folder: Path, name: str, script: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}")
    path.chmod(0o755)
    return path


def java(folder: Path, version: str) -> Path:
    return program(folder, "java", f"echo '{version}' >&2\n")


@pytest.mark.parametrize(
    "version", ['openjdk version "17.0.15" 2025-04-15', 'java version "25" 2025-09-16']
)
def test_java_is_found(tmp_path: Path, version: str) -> None:
    found = java(tmp_path, version)
    assert find_java({"PATH": str(tmp_path)}) == found


def test_java_home_comes_first(tmp_path: Path) -> None:
    java(tmp_path, 'openjdk version "11.0.2" 2019-01-15')
    home = java(tmp_path / "home" / "bin", 'openjdk version "21" 2023-09-19')
    assert find_java({"PATH": str(tmp_path), "JAVA_HOME": str(tmp_path / "home")}) == home


@pytest.mark.parametrize(
    ("version", "number"),
    [('openjdk version "11.0.2" 2019-01-15', 11), ('java version "1.8.0_202"', 8)],
)
def test_java_that_is_too_old_is_refused(tmp_path: Path, version: str, number: int) -> None:
    java(tmp_path, version)
    with pytest.raises(UnsupportedError, match=rf"is Java {number}, .*Java 17 or newer"):
        find_java({"PATH": str(tmp_path)})


def test_what_is_no_java_is_said(tmp_path: Path) -> None:
    with pytest.raises(NotReadyError, match=r"there is no java; install .*bootstrapServers"):
        find_java({"PATH": str(tmp_path)})
    java(tmp_path, "hello")
    with pytest.raises(NotReadyError, match="says no version: hello; install"):
        find_java({"PATH": str(tmp_path)})
    # As on macOS, where there is a program that only says where to get one.
    program(tmp_path, "java", "exit 1\n")
    with pytest.raises(NotReadyError, match=r"does not run: .*; install"):
        find_java({"PATH": str(tmp_path)})


def test_jars_are_fetched_once(tmp_path: Path) -> None:
    maven = program(tmp_path / "bin", "mvn", FETCHES)
    environment = {"PATH": str(tmp_path / "bin"), "PENSTOCK_HOME": str(tmp_path / "home")}
    told: list[str] = []
    folder = kafka_jars(told.append, environment)
    assert folder == tmp_path / "home" / "kafka" / kafka_version()
    assert told == [f"fetching Apache Kafka {kafka_version()} into {folder}"]
    maven.unlink()
    assert kafka_jars(told.append, environment) == folder
    assert len(told) == 1


def test_a_fetch_that_fails_says_why_and_leaves_nothing(tmp_path: Path) -> None:
    program(tmp_path / "bin", "mvn", FETCHES + FAILS)
    environment = {"PATH": str(tmp_path / "bin"), "PENSTOCK_HOME": str(tmp_path / "home")}
    with pytest.raises(NotReadyError) as failure:
        kafka_jars(quietly, environment)
    assert "central: Connection refused; give it a network" in failure.value.message
    assert "PENSTOCK_KAFKA_LIBS" in failure.value.message
    kept = {each.name for each in (tmp_path / "home" / "kafka").iterdir()}
    assert kept == {f".{kafka_version()}.lock"}


def test_without_maven_it_says_what_to_do(tmp_path: Path) -> None:
    environment = {"PATH": str(tmp_path), "PENSTOCK_HOME": str(tmp_path / "home")}
    with pytest.raises(NotReadyError, match=r"install Maven .*bootstrapServers"):
        kafka_jars(quietly, environment)


def test_jars_of_ones_own_need_no_maven(tmp_path: Path) -> None:
    (tmp_path / "kafka_2.13-4.1.1.jar").touch()
    assert kafka_jars(quietly, {"PENSTOCK_KAFKA_LIBS": str(tmp_path)}) == tmp_path
    (tmp_path / "kafka_2.13-4.1.1.jar").unlink()
    with pytest.raises(InvalidRequestError, match="has no jars of a Kafka broker"):
        kafka_jars(quietly, {"PENSTOCK_KAFKA_LIBS": str(tmp_path)})


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    program(tmp_path / "bin", "mvn", FETCHES)
    (tmp_path / "home").touch()
    environment = {"PATH": str(tmp_path / "bin"), "PENSTOCK_HOME": str(tmp_path / "home")}
    with pytest.raises(NotReadyError, match=r"cannot be written: .*PENSTOCK_HOME"):
        kafka_jars(quietly, environment)
