"""A local Apache Kafka: one broker, or three that keep copies of each other's records."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from penstock.core.errors import ConflictError, InvalidRequestError
from penstock.core.folder_lock import alone_with
from penstock.core.free_ports import free_ports
from penstock.transports.kafka.broker.broker import Broker
from penstock.transports.kafka.broker.jars import Progress, kafka_jars
from penstock.transports.kafka.broker.java import find_java
from penstock.transports.kafka.broker.listeners import PLAINTEXT, Listener
from penstock.transports.kafka.broker.properties import Place, server_properties
from penstock.transports.kafka.broker.storage import claim, format_storage, is_formatted

SIZES: Final = (1, 3)
"""How many brokers a cluster may have: two are no better than one, for neither has a majority."""

QUICK: Final = ("-Xms256m", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
"""Options of Java for a broker that is soon up; for one that is measured, leave the last away."""

LAST_PORT: Final = 65535

_LOGGING: Final = Path(__file__).with_name("log4j2.properties")
_SERVER: Final = "kafka.Kafka"
_STORAGE_TOOL: Final = "kafka.tools.StorageTool"


def quietly(line: str) -> None:
    """Progress that nobody looks at."""


@dataclass(frozen=True, slots=True)
class ClusterOptions:
    """How a local Kafka is to be.

    ``port`` is that of the first broker's plain listener, the others take the ones after it; 0
    takes free ones. ``listeners`` are further ones, whose ports are always free ones.
    ``properties`` go over a stock broker's. ``fresh`` deletes what the folder holds.
    """

    brokers: int = 1
    port: int = 0
    listeners: tuple[Listener, ...] = ()
    properties: Mapping[str, str] = field(default_factory=dict)
    java_options: tuple[str, ...] = QUICK
    fresh: bool = False


class LocalKafka:
    """Brokers that run as children of this process, between enter and exit, or start and stop.

    What they write stays in the folder, from where another one goes on. All methods block.
    """

    def __init__(
        self,
        folder: Path,
        options: ClusterOptions | None = None,
        progress: Progress = quietly,
    ) -> None:
        self._folder = folder.absolute()
        self._options = options or ClusterOptions()
        self._progress = progress
        self._held = ExitStack()
        self.brokers: tuple[Broker, ...] = ()

    @property
    def bootstrap_servers(self) -> str:
        """The addresses of the plain listeners, with commas between them, as clients want them."""
        return self.addresses(PLAINTEXT)

    def addresses(self, listener: str) -> str:
        """The addresses of one listener, with commas between them."""
        return ",".join(broker.place.address(listener) for broker in self.brokers)

    def start(self) -> None:
        """Start all brokers, and wait until they answer.

        Raises PenstockError when they cannot be started, and says what to do.
        """
        try:
            self._start()
        except BaseException:
            self.kill()
            raise

    def terminate(self) -> None:
        """Have all brokers end in peace. Does not wait."""
        for broker in self.brokers:
            broker.terminate()

    def stop(self) -> None:
        """End all brokers in peace. Does nothing when they do not run."""
        self.terminate()
        for broker in self.brokers:
            broker.stop()
        self._held.close()

    def kill(self) -> None:
        """End all brokers without a warning."""
        for broker in self.brokers:
            broker.kill()
        self._held.close()

    def __enter__(self) -> LocalKafka:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _start(self) -> None:
        self._check()
        java = [str(find_java()), *self._options.java_options]
        java += ["-cp", f"{kafka_jars(self._progress)}/*"]
        lock = self._held.enter_context(self._alone())
        note = claim(self._folder, self._options.brokers, fresh=self._options.fresh)
        places = tuple(self._places())
        for place in places:
            self._write_properties(place, places)
        new = [place for place in places if not is_formatted(place)]
        format_storage([*java, _STORAGE_TOOL], note.cluster, new, self._options.listeners)
        self.brokers = tuple(Broker(place, _command(java, place), lock) for place in places)
        self._progress("starting " + ("a broker" if len(places) == 1 else f"{len(places)} brokers"))
        for broker in self.brokers:
            broker.begin()
        for broker in self.brokers:
            broker.wait_started()

    def _check(self) -> None:
        count, port = self._options.brokers, self._options.port
        if count not in SIZES:
            raise InvalidRequestError(f"a local Kafka has 1 or 3 brokers, not {count}")
        if port + count - 1 > LAST_PORT:
            raise InvalidRequestError(f"there are no {count} ports from {port} on")
        if "," in str(self._folder):
            raise InvalidRequestError(f"Kafka takes no folder with a comma: {self._folder}")

    @contextmanager
    def _alone(self) -> Iterator[int]:
        """Have the folder to ourselves, and to the brokers, which inherit it."""
        try:
            self._folder.parent.mkdir(parents=True, exist_ok=True)
            with alone_with(self._folder, wait=False) as lock:
                yield lock
        except BlockingIOError:
            raise ConflictError(
                f"another Kafka runs on {self._folder}; stop that one, or name another folder"
            ) from None

    def _places(self) -> Iterator[Place]:
        """Where each broker listens and writes."""
        count, names = self._options.brokers, [each.name for each in self._options.listeners]
        ports = iter(free_ports(count * (2 + len(names))))
        for index in range(count):
            own, controller = next(ports), next(ports)
            if self._options.port:
                own = self._options.port + index
            listening = {PLAINTEXT: own, **{name: next(ports) for name in names}}
            yield Place(index + 1, controller, listening, self._folder / f"broker-{index + 1}")

    def _write_properties(self, place: Place, places: Sequence[Place]) -> None:
        place.folder.mkdir(exist_ok=True)
        options = self._options
        text = server_properties(place, places, options.listeners, options.properties)
        place.properties.touch(mode=0o600)  # keys and passwords may stand in it
        place.properties.write_text(text)


def _command(java: Sequence[str], place: Place) -> Sequence[str]:
    logging = (f"-Dlog4j2.configurationFile={_LOGGING}", f"-Dpenstock.log={place.log}")
    return [*java, *logging, _SERVER, str(place.properties)]
