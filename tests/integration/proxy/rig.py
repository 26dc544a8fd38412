"""A proxy before gateways and agents, everything in processes of its own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from harness.program import Program, program
from integration.agents.rig import agent, scheduler
from integration.gateways.rig import PORTS, write
from penstock.core.free_ports import free_ports

SHARED = "proxy: {sharedPort: true, policy: {health: {intervalMs: 200}}}\n"


class City:
    """A scheduler, which answers as well, two agents, a gateway and two proxies at one address."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self._folder = folder
        self._stack = stack
        self.manifests = folder / "scheduler"
        write(self.manifests)
        self.scheduler = stack.enter_context(scheduler(self.manifests))
        self.agents = [self.agent(number) for number in range(2)]
        self.first_gateway = self.gateway()
        self.rest_port, self.grpc_port = free_ports(2)  # which the proxies share
        self.proxies = [self.proxy() for _ in range(2)]

    @property
    def rest(self) -> str:
        """Where the proxies are, over REST."""
        return f"127.0.0.1:{self.rest_port}"

    @property
    def grpc(self) -> str:
        """Where the proxies are, over gRPC."""
        return f"127.0.0.1:{self.grpc_port}"

    def agent(self, number: int) -> Program:
        """One more agent."""
        folder = self._folder / f"agent{number}"
        return self._stack.enter_context(agent(folder, self.scheduler, "--number", str(number)))

    def gateway(self) -> Program:
        """One more gateway."""
        return self._follower("gateway", *PORTS)

    def proxy(self) -> Program:
        """One more proxy at the same address."""
        ports = ("--rest-port", str(self.rest_port), "--grpc-port", str(self.grpc_port))
        return self._follower("proxy", *ports, config=SHARED)

    def _follower(self, role: str, *words: str, config: str = "") -> Program:
        folder = self._folder / f"{role}{len(list(self._folder.iterdir()))}"
        folder.mkdir()
        (folder / "penstock.yaml").write_text(config, encoding="utf-8")
        follows = ("--scheduler", self.scheduler.grpc, "-c", "penstock.yaml")
        started = self._stack.enter_context(program(folder, "run", role, *follows, *words))
        started.ready()
        return started

    def logged(self) -> str:
        """What all that are part of it have logged."""
        everybody = (self.scheduler, *self.agents, self.first_gateway, *self.proxies)
        return "".join(each.logged() for each in everybody)


@contextmanager
def city(folder: Path) -> Iterator[City]:
    """A city that is gone at the end."""
    with ExitStack() as stack:
        yield City(folder, stack)
