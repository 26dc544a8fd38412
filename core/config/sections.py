"""The sections of the config file, as typed values.

Numbers and flags may be written as text, so that they can come from the environment.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final, Literal, TypeAlias
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    WithJsonSchema,
)
from pydantic.alias_generators import to_camel

from penstock.core.errors import InvalidRequestError
from penstock.core.request_headers import checked_name
from penstock.core.resources.quantity import Bytes

MIB: Final = 1024 * 1024
GIB: Final = 1024 * MIB


class Section(BaseModel):
    """The base of every section, also of those that plug-ins register.

    It never changes, takes no key that it does not know, and has camelCase keys in the file for
    snake_case names in Python.
    """

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        alias_generator=to_camel,
        validate_by_name=True,
        validate_by_alias=True,
        validate_default=True,
    )


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


class RestSection(Section):
    """Where REST listens. Nothing listens beyond loopback unless ``host`` says so."""

    host: str = Field(default="127.0.0.1", min_length=1)
    port: Port = 8900
    origins: tuple[WebOrigin, ...] = Field(
        default=(),
        description="Addresses (https://console.example.org) whose web pages may change what is "
        "served, beside this server's own where that is localhost or a number.",
    )


class GrpcSection(Section):
    """Where gRPC listens. Nothing listens beyond loopback unless ``host`` says so."""

    host: str = Field(default="127.0.0.1", min_length=1)
    port: Port = 8901


class SchedulerSection(Section):
    """What the scheduler keeps, and where."""

    database: Path | None = Field(
        default=None,
        description="A file that keeps what was applied over restarts, relative to the config "
        "file. Without one only this process knows it.",
    )
    filters: tuple[str, ...] | None = Field(
        default=None,
        description="What says which servers a model cannot go to, in the order in which reasons "
        "are given; server, capabilities, explainer, memory and draining without it.",
    )
    sorters: tuple[str, ...] | None = Field(
        default=None,
        description="What says which of the other servers is best, the first that differs; "
        "loaded, free-memory, spreading and index without it.",
    )


class CacheSection(Section):
    """Where artifacts are kept that were fetched, for all models that want the same."""

    folder: Path | None = Field(
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


class AgentSection(Section):
    """What fetches and loads models."""

    cache: CacheSection = CacheSection()


class DataflowSection(Section):
    """The dataflow engine takes no options of its own yet; its bounds stand in ``limits``."""


class ProxySection(Section):
    """The proxy takes no options yet."""


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
