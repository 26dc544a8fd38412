"""The sections of the config file, as typed values.

Numbers and flags may be written as text, so that they can come from the environment.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Final, Literal, TypeAlias
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema

from penstock.core.config.credentials import AccessSection, ServerTlsSection
from penstock.core.config.following import ADDRESS, ReachedSection, RoutesSection
from penstock.core.config.section import Section
from penstock.core.errors import InvalidRequestError
from penstock.core.request_headers import checked_name
from penstock.core.resources.quantity import Bytes

MIB: Final = 1024 * 1024
GIB: Final = 1024 * MIB


def _no_flag(value: object) -> object:
    # pydantic takes true for 1.
    if isinstance(value, bool):
        raise ValueError(f"must be a whole number, not {'true' if value else 'false'}")
    return value


Port: TypeAlias = Annotated[int, Field(ge=0, le=65535), BeforeValidator(_no_flag)]
"""A TCP port; 0 takes a free one."""

Milliseconds: TypeAlias = Annotated[
    int, Field(ge=1, le=366 * 24 * 3600 * 1000), BeforeValidator(_no_flag)
]
Window: TypeAlias = Annotated[
    int, Field(ge=0, le=366 * 24 * 3600 * 1000), BeforeValidator(_no_flag)
]
"""A time in milliseconds that may be none."""

Bound: TypeAlias = Annotated[int, Field(ge=1, le=2**31 - 1), BeforeValidator(_no_flag)]

ByteCount: TypeAlias = Annotated[
    Bytes,
    Field(ge=1),
    WithJsonSchema(
        {
            "anyOf": [{"type": "integer", "minimum": 1}, {"type": "string"}],
            "description": "An amount of memory: 64Mi, 1.5G, or a number of bytes.",
        }
    ),
]
"""An amount of memory, at least one byte."""


def _origin(address: str) -> str:
    parts = urlsplit(address)
    if parts.scheme not in ("http", "https") or address != f"{parts.scheme}://{parts.netloc}":
        raise ValueError(f"must be an address as https://console.example.org, not '{address}'")
    return address


WebOrigin: TypeAlias = Annotated[str, AfterValidator(_origin)]
"""Whose web page it is, as browsers write it: scheme, name and port, nothing behind them."""


def _header(name: str) -> str:
    try:
        return checked_name(name)
    except InvalidRequestError as error:
        raise ValueError(error.message) from error


PassedHeader: TypeAlias = Annotated[str, AfterValidator(_header)]
"""The name of a header that may travel with a request."""


PORTS_CAN_BE_SHARED: Final = sys.platform == "linux"
"""Other systems have the option too, and give all connections to one process."""

UNIX: Final = "unix:"


def unix_path(host: str) -> Path | None:
    """The path of a Unix socket that stands for a host (``unix:/run/penstock.sock``), None for a
    host of a network."""
    return Path(host.removeprefix(UNIX)) if host.startswith(UNIX) else None


def _host(host: str) -> str:
    path = unix_path(host)
    if path is not None and not path.is_absolute():
        raise ValueError(f"must have a whole path, as unix:/run/penstock.sock, not '{host}'")
    return host


def _shareable(asked: bool) -> bool:
    if asked and not PORTS_CAN_BE_SHARED:
        raise ValueError(
            "processes can share a port on Linux only, which spreads connections over them"
        )
    return asked


Host: TypeAlias = Annotated[
    str,
    Field(
        min_length=1,
        description="A name or number of this machine, or unix:/PATH, a Unix socket.",
    ),
    AfterValidator(_host),
]

SharedPort: TypeAlias = Annotated[
    bool,
    Field(
        description="Let other processes of the same user that say so too listen on the port; the "
        "system spreads connections over them (Linux only)."
    ),
    AfterValidator(_shareable),
]


class RestSection(Section):
    """Where REST listens. Nothing listens beyond loopback unless ``host`` says so."""

    host: Host = "127.0.0.1"
    port: Port = 8900
    shared_port: SharedPort = False
    origins: tuple[WebOrigin, ...] = Field(
        default=(),
        description="Addresses (https://console.example.org) whose web pages may change what is "
        "served, beside this server's own where that is localhost or a number.",
    )
    tls: ServerTlsSection | None = Field(default=None, description="TLS; plain HTTP without it.")


class GrpcSection(Section):
    """Where gRPC listens. Nothing listens beyond loopback unless ``host`` says so."""

    host: Host = "127.0.0.1"
    port: Port = 8901
    shared_port: SharedPort = False
    tls: ServerTlsSection | None = Field(default=None, description="TLS; plain gRPC without it.")


class AgentsSection(Section):
    """How a scheduler goes on with its agents."""

    beat_ms: Milliseconds = Field(
        default=1_000, description="How often either side gives a sign of life."
    )
    silence_ms: Milliseconds = Field(
        default=10_000, description="After how long a silence the other side counts as away."
    )
    grace_ms: Milliseconds = Field(
        default=5_000,
        description="How long an agent may be away before its models are loaded elsewhere.",
    )
    return_ms: Milliseconds = Field(
        default=3_000,
        description="How long a scheduler that starts waits for agents to come back, before "
        "models are loaded that none of them has.",
    )
    keep_ms: Milliseconds = Field(
        default=30_000,
        description="How long models that an agent has from before stay when nobody wants them.",
    )


class AutoscalingSection(Section):
    """How models with ``maxReplicas`` above ``minReplicas``, or with ``minReplicas: 0``, are scaled
    by their load."""

    policy: str = Field(
        default="target-in-flight",
        min_length=1,
        description="What says how many copies a model could do with: target-in-flight, "
        "target-rate, target-latency, lag, or that of a plug-in. The target stands in the section "
        "of its plug-in (scaler-in-flight, ...) or in an annotation of the model "
        "(penstock.io/scaling-target).",
    )
    every_ms: Milliseconds = Field(default=2_000, description="How often it is decided.")
    tolerance: Annotated[float, Field(ge=0.0, lt=1.0), BeforeValidator(_no_flag)] = Field(
        default=0.1,
        description="By what part of its copies a recommendation must differ to change them.",
    )
    up_window_ms: Window = Field(
        default=0, description="How long more copies must be recommended before there are more."
    )
    down_window_ms: Window = Field(
        default=60_000,
        description="How long fewer copies must be recommended before there are fewer: a model "
        "that has grown does not shrink sooner.",
    )
    step_up: Bound = Field(default=4, description="The most copies that are added at a time.")
    step_down: Bound = Field(default=4, description="The most copies that are taken at a time.")
    cool_down_ms: Window = Field(
        default=5_000, description="The least time between two changes of one model."
    )
    idle_ms: Milliseconds = Field(
        default=300_000,
        description="How long a model with minReplicas: 0 is not called before its last copy goes; "
        "of one model, the annotation penstock.io/scaling-idle-ms.",
    )
    stale_ms: Milliseconds = Field(
        default=10_000, description="Nothing is changed by figures that are older."
    )
    max_held: Bound = Field(
        default=100,
        description="How many calls of a model that is asleep wait until it is loaded; others are "
        "refused as overloaded.",
    )
    dry_run: bool = Field(
        default=False,
        description="Decide and show (penstock autoscale), and change nothing. Models do not fall "
        "asleep either.",
    )


class SchedulerSection(Section):
    """What the scheduler keeps, and where."""

    database: Path | None = Field(
        default=None,
        description="A file that keeps what was applied over restarts, relative to the config "
        "file. Without one only this process knows it.",
    )
    access: AccessSection = AccessSection()
    settle_ms: Milliseconds = Field(
        default=60_000,
        description="How long after a start gateways keep what works, whatever this process does "
        "not have yet: with a database at most so long, and no longer than until all of it serves.",
    )
    filters: tuple[str, ...] | None = Field(
        default=None,
        description="What says which servers a model cannot go to, in the order in which reasons "
        "are given; server, capabilities, explainer, memory and draining without it.",
    )
    agents: AgentsSection = AgentsSection()
    autoscaling: AutoscalingSection = AutoscalingSection()
    sorters: tuple[str, ...] | None = Field(
        default=None,
        description="What says which of the other servers is best, the first that differs; "
        "loaded, free-memory, spreading and index without it.",
    )


class CacheSection(Section):
    """Where artifacts are kept that were fetched, for all models that want the same."""

    folder: Annotated[Path, AfterValidator(Path.expanduser)] | None = Field(
        default=None,
        description="A folder that processes of this machine may share, relative to the config "
        "file; without it artifacts within PENSTOCK_HOME or where the system keeps caches, as "
        "~/.cache/penstock/artifacts.",
    )
    max_bytes: ByteCount = Field(
        default=32 * GIB,
        description="When it holds more, what was used longest ago goes, but nothing that is in "
        "use.",
    )


class GatewaySection(ReachedSection, RoutesSection):
    """A gateway that follows a scheduler (``penstock run gateway``)."""


class AgentSection(ReachedSection):
    """An agent, which follows a scheduler (``penstock run agent``)."""

    scheduler: Annotated[str, ADDRESS] = "127.0.0.1:8901"
    server: str = Field(
        default="inprocess",
        min_length=1,
        description="The server adapter, as inprocess, mlserver or triton; its options stand in "
        "the section of its plug-in.",
    )
    name: str | None = Field(
        default=None,
        min_length=1,
        description="The server that it is a replica of; the adapter's name without it.",
    )
    number: Annotated[int, Field(ge=0, le=2**31 - 1), BeforeValidator(_no_flag)] | None = Field(
        default=None, description="Which replica, from 0; without it the scheduler says."
    )
    port: Port = Field(
        default=0,
        description="The gRPC port at which its models are called, where the agent shares its "
        "process with other roles; 0 takes a free one. An agent alone listens on grpc.port.",
    )
    memory: ByteCount | None = Field(
        default=None,
        description="The room for models, where no manifest of the server says it.",
    )
    cache: CacheSection = CacheSection()
    eviction: str = Field(
        default="lru",
        min_length=1,
        description="Which model goes where more are registered than fit (overcommitPercent): lru, "
        "the one that was called longest ago; cost, the one that costs least to bring back, by "
        "its calls, the time of its load and its memory; or that of a plug-in. `penstock up` "
        "goes by it as well.",
    )


class DataflowSection(Section):
    """How pipelines are run; the bounds of that stand in ``limits``."""

    partitions: Annotated[int, Field(ge=1, le=10_000), BeforeValidator(_no_flag)] = Field(
        default=1,
        description="How many partitions the streams of a pipeline have whose manifest does not "
        "say (dataflow.partitions): so many workers can share its requests.",
    )


Count: TypeAlias = Annotated[int, Field(ge=0, le=1_000), BeforeValidator(_no_flag)]
Percent: TypeAlias = Annotated[float, Field(ge=0.0, le=100.0), BeforeValidator(_no_flag)]


class HealthSection(Section):
    """How a proxy asks processes whether they are up (``/v2/health/live``)."""

    interval_ms: Milliseconds = Field(default=1_000, description="How often.")
    timeout_ms: Milliseconds = Field(default=1_000, description="How long an answer may take.")
    unhealthy_after: Bound = Field(
        default=2, description="After so many failures in a row nothing is sent there."
    )
    healthy_after: Bound = Field(
        default=1, description="After so many answers in a row it is sent something again."
    )


class OutliersSection(Section):
    """When a proxy sends nothing to a process for a while, since its requests fail."""

    failures: Bound = Field(default=5, description="After so many in a row.")
    eject_ms: Milliseconds = Field(
        default=10_000, description="For so long, times how often that was."
    )
    most_percent: Percent = Field(
        default=50.0, description="Not for more of those with the same answers; one always may be."
    )


class PolicySection(Section):
    """How a proxy chooses, and what it does where no answer comes."""

    balancer: str = Field(
        default="power-of-two",
        min_length=1,
        description="Who of those with the same answers is asked: least-requests, power-of-two, "
        "consistent-hash(HEADER), locality, or that of a plug-in.",
    )
    retries: Count = Field(
        default=2,
        description="How often a request that was never taken in, or that only asks, is sent to "
        "another process.",
    )
    hedge_after_ms: Milliseconds | None = Field(
        default=None,
        description="After so long without an answer a request is sent to a second process as "
        "well, for models that may be called twice; never without it.",
    )
    connect_timeout_ms: Milliseconds = Field(
        default=1_000, description="How long a connection may take."
    )
    in_flight: Bound = Field(
        default=1_024,
        description="How many requests may wait for one process, which is then passed over; with "
        "none left they are overloaded.",
    )
    slow_start_ms: Annotated[int, Field(ge=0), BeforeValidator(_no_flag)] = Field(
        default=0, description="How long a process that has come takes to get its whole share."
    )
    health: HealthSection = HealthSection()
    outliers: OutliersSection = OutliersSection()


class ProxySection(RoutesSection):
    """A proxy, which follows a scheduler (``penstock run proxy``); with ``kind`` written, one
    stands before ``penstock up`` as well."""

    kind: str = Field(
        default="embedded",
        min_length=1,
        description="The forwarder: embedded, envoy, or that of a plug-in, whose options stand in "
        "the section of its plug-in.",
    )
    host: Annotated[str, Field(min_length=1)] = Field(
        default="127.0.0.1", description="The name or number of this machine where it listens."
    )
    rest_port: Port = Field(default=8900, description="Its port of REST; 0 takes a free one.")
    grpc_port: Port = Field(default=8901, description="Its port of gRPC; 0 takes a free one.")
    shared_port: SharedPort = False
    listen_tls: ServerTlsSection | None = Field(
        default=None, description="TLS with callers, on both ports; plain HTTP and gRPC without it."
    )
    policy: PolicySection = PolicySection()


class DefaultsSection(Section):
    """What holds where neither a caller nor a manifest says otherwise."""

    deadline_ms: Milliseconds = Field(default=60_000, description="Time for a synchronous request.")
    async_deadline_ms: Milliseconds = Field(
        default=600_000, description="Time for an asynchronous request."
    )
    record: Literal["boundary", "all", "none"] = Field(
        default="boundary", description="Which ports of a pipeline are kept."
    )
    passed_headers: tuple[PassedHeader, ...] = Field(
        default=(), description="The x-* headers of callers that every step is given."
    )
    drain_ms: Milliseconds = Field(
        default=30_000, description="How long a stop waits for requests under way."
    )


class LimitsSection(Section):
    """The bounds of one process."""

    request_bytes: ByteCount = Field(default=64 * MIB, description="The largest request.")
    header_bytes: ByteCount = Field(
        default=16 * 1024, description="All headers of a request together."
    )
    in_flight: Bound = Field(default=1024, description="Requests under way in the process.")
    in_flight_per_model: Bound = Field(default=256, description="Calls under way for one model.")
    open_joins: Bound = Field(
        default=100_000,
        description="Requests that wait for ports of other pipelines; the oldest then waits no "
        "more.",
    )
    dedup_requests: Bound = Field(
        default=100_000,
        description="Ended requests that each pipeline which reads others remembers, so that none "
        "begins twice.",
    )
    recorded_requests: Bound = Field(
        default=10_000, description="Requests whose records memory keeps."
    )
    recorded_bytes: ByteCount = Field(
        default=256 * MIB, description="Memory for the records that are kept."
    )


class LoggingSection(Section):
    """What is logged, and how it looks."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["console", "json"] = "console"
    kept_lines: Bound = Field(
        default=5000, description="The latest lines, in memory, that penstock logs shows."
    )
