"""Which pipelines read which ports of others, where records go through streams."""

from __future__ import annotations

from penstock.core.plan import ExternalPort, Plan
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

    def of(self, port: ExternalPort) -> tuple[str, ...]:
        """The streams into which records of a port go."""
        return self._streams.get(port, ())

    def _index(self) -> None:
        streams: dict[ExternalPort, tuple[str, ...]] = {}
        for name, ports in self._ports.items():
            for port in ports:
                streams[port] = (*streams.get(port, ()), self._names.externals(name))
        self._streams = streams
