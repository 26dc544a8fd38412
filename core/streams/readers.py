"""Which pipelines read which ports of others, where records go through streams."""

from __future__ import annotations

from math import inf

from penstock.core.contracts.transport import Output
from penstock.core.crossing import crossed
from penstock.core.plan import ExternalPort, Plan
from penstock.core.records import Record
from penstock.core.streams.names import StreamNames


class StreamReaders:
    """Knows the streams in which the readers of a port hear of it.

    Whoever runs a pipeline that is read writes there what it puts out, with all else that it
    writes. Versions are told in the order in which they are served, and their streams are there.
    """

    __slots__ = ("_names", "_ports", "_streams")

    def __init__(self, names: StreamNames) -> None:
        self._names = names
        self._ports: dict[str, frozenset[ExternalPort]] = {}
        self._streams: dict[ExternalPort, tuple[str, ...]] = {}

    def serve(self, plan: Plan) -> None:
        """This version of a pipeline takes new requests from now on, whether it reads or not."""
        self._ports.pop(plan.name, None)
        if plan.external:
            self._ports[plan.name] = frozenset(plan.external)
        self._index()

    def leave(self, pipeline: str) -> None:
        """No version of a pipeline takes new requests."""
        if self._ports.pop(pipeline, None) is not None:
            self._index()

    def told(self, record: Record) -> list[Output]:
        """What those are to be told who read the port of a record."""
        streams = self._streams.get(ExternalPort(record.pipeline, record.port))
        if streams is None:
            return []
        # Each passage has a deadline of its own.
        body = crossed(record.body, record.pipeline)
        return [Output(stream, record._replace(body=body, deadline_ms=inf)) for stream in streams]

    def _index(self) -> None:
        streams: dict[ExternalPort, tuple[str, ...]] = {}
        for name, ports in self._ports.items():
            for port in ports:
                streams[port] = (*streams.get(port, ()), self._names.externals(name))
        self._streams = streams
