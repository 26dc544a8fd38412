"""What requests are addressed to: a path or a header, resolved once and kept while it is right."""

from __future__ import annotations

import re
from typing import Final, TypeVar
from urllib.parse import unquote_to_bytes

from penstock.core.contracts.gateway import Gateway, Target, TargetKind

K = TypeVar("K", bytes, str, tuple[bytes, str | None, str])

INFERENCE_PATH: Final = re.compile(
    rb"/v2/(?:models/(?P<model>[^/?#]+)(?:/versions/(?P<version>[^/?#]+))?"
    rb"|pipelines/(?P<pipeline>[^/?#]+))/infer"
)
"""A path of inference as it stands in the request line, percent-encoded and without a query."""

MAX_KEPT: Final = 4096
"""Paths that are kept; at the bound it begins anew, so that callers cannot fill the memory."""


class Address:
    """The name of a target as a caller wrote it, and the target while that is current."""

    __slots__ = ("_gateway", "_target", "kind", "name", "version")

    def __init__(
        self, gateway: Gateway, name: str, *, kind: TargetKind | None = None, version: str = ""
    ) -> None:
        self._gateway = gateway
        self._target: Target | None = None
        self.kind = kind
        self.name = name
        self.version = version

    def target(self) -> Target:
        """The target; raises NotFoundError when there is none (any more)."""
        target = self._target
        if target is None or not target.current:
            self._target = None
            target = self._gateway.resolve(self.name, kind=self.kind, version=self.version or None)
            self._target = target
        return target


class AddressBook:
    """The addresses that requests have used, by the bytes in which they wrote them."""

    __slots__ = ("_by_header", "_by_path", "_by_version", "_gateway")

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._by_path: dict[bytes, Address] = {}
        self._by_header: dict[str, Address] = {}
        self._by_version: dict[tuple[bytes, str | None, str], Address] = {}

    def __len__(self) -> int:
        return len(self._by_path) + len(self._by_header) + len(self._by_version)

    def at_path(self, path: bytes) -> Address | None:
        """The address of a request target; None when that is no plain path of inference.

        Raises NotFoundError when nothing has the name in it.
        """
        address = self._by_path.get(path)
        if address is not None:
            return address
        match = INFERENCE_PATH.fullmatch(path)
        if match is None:
            return None
        return _keep(self._by_path, path, self._written(match))

    def in_header(self, name: str, version: str = "") -> Address:
        """The address in one of the headers that go before the path. Raises NotFoundError."""
        if version:
            return Address(self._gateway, name, version=version)
        address = self._by_header.get(name)
        if address is None:
            address = _keep(self._by_header, name, Address(self._gateway, name))
        return address

    def of_version(self, path: bytes, target: str | None, version: str) -> Address | None:
        """As :meth:`at_path`, where headers name a version, and perhaps the target; a version in
        the path is right for the name in it."""
        key = (path, target, version)
        address = self._by_version.get(key)
        if address is not None:
            return address
        match = INFERENCE_PATH.fullmatch(path)
        if match is None:
            return None
        if target is None:
            written = self._written(match)
            target, kind = written.name, written.kind
            version = written.version or version
        else:
            kind = None
        address = Address(self._gateway, target, kind=kind, version=version)
        return _keep(self._by_version, key, address)

    def _written(self, match: re.Match[bytes]) -> Address:
        model, version, pipeline = match.group("model", "version", "pipeline")
        return Address(
            self._gateway,
            decoded(pipeline or model),
            kind="pipeline" if pipeline else None,
            version=decoded(version or b""),
        )

    def called(self, name: str, *, kind: TargetKind | None, version: str) -> Address:
        """An address that is not kept, of a path that somebody else has taken apart."""
        return Address(self._gateway, name, kind=kind, version=version)


def decoded(segment: bytes) -> str:
    """A segment of a path without its percent-encoding, as ASGI servers decode paths."""
    return unquote_to_bytes(segment).decode("utf-8", "replace")


def _keep(kept: dict[K, Address], key: K, address: Address) -> Address:
    address.target()
    if len(kept) >= MAX_KEPT:
        kept.clear()
    kept[key] = address
    return address
