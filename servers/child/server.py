"""A server adapter whose server is a process of its own, looked after by a supervisor."""

from __future__ import annotations

import asyncio
import logging
import shutil
import tempfile
from abc import abstractmethod
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Final, Generic, TypeVar

from penstock.core.children.output import Output
from penstock.core.children.process import ChildProcess
from penstock.core.children.supervisor import Charge, Supervisor, Watching
from penstock.core.clock import Clock, SystemClock
from penstock.core.contracts.model import ModelInstance, ModelSpec, ServerAdapter
from penstock.core.errors import DeadlineError, LostError, NotReadyError, PenstockError
from penstock.core.free_ports import LOOPBACK, free_ports
from penstock.core.names import name_of_copy
from penstock.servers.child.client import ChildClient, Run
from penstock.servers.child.options import ChildOptions
from penstock.servers.child.repository import ModelRepository
from penstock.servers.v2.attaching import attach
from penstock.servers.v2.client import V2Client
from penstock.servers.v2.connecting import connect
from penstock.servers.v2.endpoint import ClientLimits, Endpoint
from penstock.servers.v2.remote_model import RemoteModel

OptionsT = TypeVar("OptionsT", bound=ChildOptions)

FIRST_LOOK_S: Final = 0.02
LONGEST_LOOK_S: Final = 1.0
"""Between two questions to a server whether a model is gone; no server says so by itself."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Program:
    """What is to be run: a command with all its arguments, and its environment variables."""

    command: tuple[str, ...]
    environment: dict[str, str]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a server is to be: its ports on the loopback address, the folder of its models, and a
    folder to work in."""

    grpc_port: int
    rest_port: int
    models: Path
    work: Path


class ChildServer(ServerAdapter, Charge, Generic[OptionsT]):
    """One server as a child of this process.

    Its models lie in a folder that is this adapter's own, and are loaded one by one over gRPC.
    When the server ends it is started again, and what was loaded is loaded again. Subclasses say
    what is particular to their kind of server.
    """

    needs_manifest: ClassVar[bool] = True
    kind: ClassVar[str]
    """The name of the adapter."""

    def __init__(self, options: OptionsT, *, clock: Clock | None = None) -> None:
        self._options = options
        self._clock = clock or SystemClock()
        self._begin(self.kind)
        self._process: ChildProcess | None = None
        self._place: Place | None = None
        self._folder: Path | None = None
        self._repository: ModelRepository | None = None
        self._loaded: dict[RemoteModel, str] = {}
        self._names: set[str] = set()
        """The names on the server that are taken, also by what is being loaded or unloaded."""

    def use_clock(self, clock: Clock) -> None:
        self._clock = clock

    def use_name(self, name: str) -> None:
        self._begin(name)

    def _begin(self, name: str) -> None:
        """Be what is called ``name`` and has not been started."""
        self._name = name
        self._output = Output(name)
        self._supervisor = self._new_supervisor()
        self._client = ChildClient(name, self._why_not)

    @abstractmethod
    def program(self, place: Place) -> Program:
        """What is to be run to have the server at ``place``. Blocks. Raises NotReadyError when it
        is not installed, with how to install it."""

    @abstractmethod
    def lay_out(self, spec: ModelSpec, name: str, folder: Path) -> None:
        """Write the folder of a model, as :data:`penstock.servers.child.repository.LayOut`."""

    def left_behind(self, place: Place) -> Iterable[Path]:
        """Files that a server at ``place`` leaves on the machine when it is killed."""
        return ()

    @abstractmethod
    def found_capabilities(self) -> frozenset[str]:
        """What models may require of the server as it is installed. Blocks for a moment."""

    async def explained(self, sentence: str, name: str) -> str:
        """What the server said of a load that failed, with what else is known of it."""
        return sentence

    def capabilities(self) -> frozenset[str]:
        return frozenset(self._options.capabilities) or self.found_capabilities()

    @property
    def client(self) -> V2Client:
        """What talks to the server, also after it was started again."""
        return self._client

    @property
    def pid(self) -> int | None:
        """The number of its process, None while there is none."""
        return None if self._process is None else self._process.pid

    def memory_bytes(self) -> int | None:
        return None if self._process is None else self._process.memory_bytes()

    async def start(self) -> None:
        self._folder = await asyncio.to_thread(_new_folder, self.kind)
        self._repository = ModelRepository(self._folder / "models", self.lay_out)
        self._supervisor = self._new_supervisor()
        try:
            await self._supervisor.start()
        except BaseException:
            await self._remove_folder()
            raise

    async def stop(self) -> None:
        self._loaded.clear()
        self._names.clear()
        await self._supervisor.stop()
        await self._remove_folder()

    async def load(self, spec: ModelSpec) -> ModelInstance:
        self._check_up()
        assert self._repository is not None, "a server that is up has been started"
        name = name_of_copy(spec.name, spec.version, self._names)
        self._names.add(name)
        try:
            await asyncio.to_thread(self._repository.add, spec, name)
            await self._load(name)
            model = await attach(
                self._client,
                spec,
                name,
                "",
                concurrency=self._options.concurrency,
                max_waiting=self._options.max_waiting,
                clock=self._clock,
            )
        except BaseException as error:
            await self._give_up(name)
            if isinstance(error, LostError):
                # Whatever it had begun went with it.
                raise NotReadyError(error.message) from error
            if isinstance(error, PenstockError):
                said = await self.explained(without_traceback(error.message), name)
                raise type(error)(said) from error
            raise
        self._loaded[model] = name
        return model

    async def unload(self, instance: ModelInstance) -> None:
        assert isinstance(instance, RemoteModel), "load gave it"
        name = self._loaded.pop(instance, None)
        await instance.close()
        if name is None:
            return  # it went with its server
        try:
            # A server that has ended has it no more.
            with suppress(LostError, NotReadyError):
                await self._unload(name)
        finally:
            await self._forget(name)

    async def launch(self) -> ChildProcess:
        assert self._folder is not None, "it has been started"
        await asyncio.to_thread(self._sweep)
        grpc_port, rest_port = free_ports(2)
        self._place = place = Place(
            grpc_port, rest_port, self._folder / "models", self._folder / "work"
        )
        program = await asyncio.to_thread(self.program, place)
        process = self._process = await ChildProcess.start(
            [*program.command, *self._options.arguments],
            environment={**program.environment, **self._options.environment},
            folder=place.work,
            output=self._output,
            grace_s=self._options.stop_timeout_s,
        )
        limits = ClientLimits(max_bytes=self._options.max_message_bytes)
        endpoint = Endpoint("grpc", f"{LOOPBACK}:{grpc_port}", limits=limits)
        try:
            await self._client.use(Run(await connect(endpoint), process))
        except BaseException:
            await process.terminate()
            raise
        return process

    async def lives(self, timeout_s: float) -> bool:
        try:
            return await self._client.lives(timeout_s)
        except PenstockError:
            return False

    async def came_up(self) -> None:
        """Load again what was loaded."""
        coming = list(self._loaded.items())
        for model, name in coming:
            said = f"server '{self._name}' was started again, and '{name}' is not loaded there yet"
            model.set_away(True, said)
        for model, name in coming:
            try:
                await self._load(name)
                if model in self._loaded:
                    model.set_away(False)
                else:
                    # It was unloaded meanwhile.
                    await self._unload(name)
            except PenstockError as error:
                said = without_traceback(error.message)
                _log.error(
                    "server '%s' cannot load '%s' again: %s",
                    self._name,
                    name,
                    said,
                    extra={"server": self._name},
                )

    async def went_down(self) -> None:
        for model in self._loaded:
            model.set_away(True)
        self._process = None
        await self._client.use(None)

    async def _load(self, name: str) -> None:
        await self._client.load(name, timeout_s=self._options.load_timeout_s)

    async def _unload(self, name: str) -> None:
        """Have the server unload a model, and wait until it has."""
        try:
            async with asyncio.timeout(self._options.load_timeout_s):
                await self._client.unload(name)
                pause_s = FIRST_LOOK_S
                while not await self._is_gone(name):
                    await asyncio.sleep(pause_s)
                    pause_s = min(2.0 * pause_s, LONGEST_LOOK_S)
        except TimeoutError:
            raise DeadlineError(
                f"server '{self._name}' has not unloaded '{name}' within "
                f"{self._options.load_timeout_s:g} s"
            ) from None

    async def _is_gone(self, name: str) -> bool:
        index = await self._client.repository_index()
        return not any(each.name == name and each.state in _THERE for each in index)

    async def _give_up(self, name: str) -> None:
        """Leave nothing of a model that could not be loaded."""
        with suppress(PenstockError):
            await self._unload(name)
        await self._forget(name)

    async def _forget(self, name: str) -> None:
        if self._repository is not None:
            await asyncio.to_thread(self._repository.remove, name)
        self._names.discard(name)

    def _check_up(self) -> None:
        why_not = self._why_not()
        if why_not is not None:
            raise NotReadyError(why_not)

    def _why_not(self) -> str | None:
        return self._supervisor.life.why_not(self._clock.now_ms())

    def _new_supervisor(self) -> Supervisor:
        options = self._options
        watching = Watching(options.start_timeout_s, options.look_s, options.hang_s)
        return Supervisor(f"server '{self._name}'", self, self._output, watching, self._clock)

    def _sweep(self) -> None:
        """Remove what the server before has left."""
        if self._place is not None:
            for path in self.left_behind(self._place):
                path.unlink(missing_ok=True)

    async def _remove_folder(self) -> None:
        await asyncio.to_thread(self._sweep)
        folder, self._folder, self._repository = self._folder, None, None
        if folder is not None:
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)


_THERE: Final = frozenset(("READY", "LOADING", "UNLOADING"))
"""States of a model that is not gone."""


def _new_folder(kind: str) -> Path:
    folder = Path(tempfile.mkdtemp(prefix=f"penstock-{kind}-"))
    (folder / "models").mkdir()
    (folder / "work").mkdir()
    return folder


def without_traceback(sentence: str) -> str:
    """What a server says of an error, in one line and without the places in code that it passed."""
    lines = [line.strip() for line in sentence.splitlines()]
    end = next((index for index, line in enumerate(lines) if line in _PLACES), len(lines))
    # After the places comes what the client added to the server's words.
    _, separator, advice = "\n".join(lines[end:]).rpartition(";")
    if not separator:
        advice = ""
    return " ".join(filter(None, lines[:end])).rstrip(" ;") + (separator + advice).rstrip(" ;")


_PLACES: Final = frozenset(("At:", "Traceback (most recent call last):"))
"""What the places begin with: Triton's word, and Python's."""
