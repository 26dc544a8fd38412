"""The properties file of one broker."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Final

from penstock.core.free_ports import LOOPBACK
from penstock.transports.kafka.broker.listeners import PLAINTEXT, Listener

_HERE: Final = Path(__file__).parent
_CONTROLLER: Final = "CONTROLLER"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a broker listens, with the port of each listener by its name, and its folder."""

    node_id: int
    controller_port: int
    ports: Mapping[str, int]
    folder: Path

    @property
    def records(self) -> Path:
        """The folder that Kafka itself writes into."""
        return self.folder / "records"

    @property
    def properties(self) -> Path:
        """The file with the broker's properties."""
        return self.folder / "server.properties"

    @property
    def log(self) -> Path:
        """The file that the broker logs into."""
        return self.folder / "server.log"

    def address(self, listener: str) -> str:
        """``host:port`` of one listener."""
        return f"{LOOPBACK}:{self.ports[listener]}"


def server_properties(
    place: Place,
    cluster: Sequence[Place],
    listeners: Sequence[Listener],
    extra: Mapping[str, str],
) -> str:
    """The text of the file for the broker at ``place`` among all of its ``cluster``; ``extra``
    properties come last and win."""
    open_to_clients = [f"{name}://{place.address(name)}" for name in place.ports]
    controller = f"{_CONTROLLER}://{LOOPBACK}:{place.controller_port}"
    protocols = {_CONTROLLER: "PLAINTEXT", PLAINTEXT: "PLAINTEXT"}
    protocols |= {each.name: each.protocol for each in listeners}
    text = Template((_HERE / "server.properties").read_text()).substitute(
        node_id=place.node_id,
        voters=",".join(f"{each.node_id}@{LOOPBACK}:{each.controller_port}" for each in cluster),
        listeners=",".join([*open_to_clients, controller]),
        advertised=",".join(open_to_clients),
        protocols=",".join(f"{name}:{protocol}" for name, protocol in protocols.items()),
        folder=escaped(str(place.records)),
    )
    if len(cluster) == 1:
        text += (_HERE / "alone.properties").read_text()
    return text + "".join(_lines(listeners, extra))


def _lines(listeners: Sequence[Listener], extra: Mapping[str, str]) -> Iterator[str]:
    for listener in listeners:
        for key, value in listener.settings.items():
            yield f"listener.name.{listener.name.lower()}.{key}={escaped(value)}\n"
    for key, value in extra.items():
        yield f"{key}={escaped(value)}\n"


def escaped(value: str) -> str:
    """A value as Java reads it from a properties file, which is Latin-1 to it."""
    text = value.replace("\\", "\\\\").replace("\n", "\\n").replace("\r", "\\r")
    units = memoryview(text.encode("utf-16-le", "surrogatepass")).cast("H")
    return "".join(chr(unit) if 32 <= unit < 127 else f"\\u{unit:04x}" for unit in units)
