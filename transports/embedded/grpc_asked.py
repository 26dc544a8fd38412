"""What a gRPC call says of where it goes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple, TypeAlias

import grpc

from penstock.core.codecs.protobuf.wire import read_varint
from penstock.core.contracts.forwarder import VERSION_HEADER
from penstock.core.request_headers import ROUTE_HEADERS, STRICT_ROUTE_HEADER, TARGET_HEADERS

Metadata: TypeAlias = tuple[tuple[str, str | bytes], ...]

SERVICE: Final = "/inference.GRPCInferenceService/"

ASKS_ONLY: Final = frozenset(
    SERVICE + method
    for method in (
        "ServerLive",
        "ServerReady",
        "ServerMetadata",
        "ModelReady",
        "ModelMetadata",
        "RepositoryIndex",
    )
)
"""What may be sent twice without anything being done twice."""

NAMED: Final = frozenset(SERVICE + each for each in ("ModelInfer", "ModelReady", "ModelMetadata"))
"""Methods of one model, whose message has its name as field 1 and its version as field 2."""

ONE_ANSWER: Final = ASKS_ONLY | NAMED
"""Methods with one message each way; others are passed on as streams, which is right for any."""

OF_A_CONNECTION: Final = frozenset(("user-agent", "te", "content-type", "content-length"))

_NAME_TAG: Final = 0x0A
_VERSION_TAG: Final = 0x12


class GrpcAsked(NamedTuple):
    """As :class:`penstock.transports.embedded.passage.Asked`, with the caller's ``metadata``."""

    name: str
    version: str
    trail: str | None
    strict: bool
    metadata: Metadata

    @property
    def headers(self) -> Mapping[bytes, bytes]:
        """What a balancer may decide by."""
        return {key.encode(): _bytes(value) for key, value in self.metadata[::-1]}

    def written(self, target: str, version: str) -> Metadata:
        """The metadata as it goes on."""
        if not target and not version:
            return self.metadata
        dropped = {VERSION_HEADER} if version else set()
        added: list[tuple[str, str | bytes]] = [(VERSION_HEADER, version)] if version else []
        if target:
            dropped.update(TARGET_HEADERS)
            added.append((TARGET_HEADERS[1], target))
        return (*(each for each in self.metadata if each[0] not in dropped), *added)


def asked_of(method: str, data: bytes, metadata: grpc.aio.Metadata | None) -> GrpcAsked:
    """What a call of ``method`` with a first message ``data`` says. Hot."""
    passed: Metadata = tuple(
        (key, value)
        for key, value in metadata or ()
        if key not in OF_A_CONNECTION and not key.startswith("grpc-")
    )
    if method not in NAMED:
        return GrpcAsked("", "", None, False, passed)
    found = dict(passed[::-1])
    name, version = _front_of(data)
    target = next((found[key] for key in TARGET_HEADERS if found.get(key)), None)
    trail = next((found[key] for key in ROUTE_HEADERS if key in found), None)
    return GrpcAsked(
        name if target is None else str(target),
        version or str(found.get(VERSION_HEADER, "")),
        None if trail is None else str(trail),
        str(found.get(STRICT_ROUTE_HEADER, "")).lower() == "true",
        passed,
    )


def _front_of(data: bytes) -> tuple[str, str]:
    """The name and the version at the front of a message; empty where they stand elsewhere, which
    gateways find as well."""
    name, at = _text(data, 0, _NAME_TAG)
    version, _ = _text(data, at, _VERSION_TAG)
    return name, version


def _text(data: bytes, at: int, tag: int) -> tuple[str, int]:
    if data[at : at + 1] != bytes((tag,)):
        return "", at
    length, start = read_varint(data, at + 1)
    end = start + length
    if end > len(data):
        return "", at
    return data[start:end].decode("utf-8", "replace"), end


def _bytes(value: str | bytes) -> bytes:
    return value if isinstance(value, bytes) else value.encode("latin-1", "replace")
