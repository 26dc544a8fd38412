"""Where a process answers, as those who send it requests are told."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from penstock.core.config import unix_path
from penstock.core.routing.route import Door

ANY_HOST: Final = ("", "0.0.0.0", "::")
"""Hosts that mean every address of the machine."""


def reached_at(address: str, scheme: str, host: str | None) -> str:
    """An address that a front end listens on, as others reach it: with ``host``, if one is
    written, and without any where that is known by who is called. ``scheme`` stands before one that
    has none."""
    written, _, place = address.rpartition("://")
    own_host, _, port = place.rpartition(":")
    host = host or ("" if own_host.strip("[]") in ANY_HOST else own_host)
    return f"{written or scheme}://{host}:{port}"


def rest_at(addresses: Mapping[str, str], host: str | None) -> str:
    """Where others reach the REST of a process, by its ``addresses``; empty where they do not."""
    address = addresses.get("rest", "")
    return "" if not address or unix_path(address) else reached_at(address, "http", host)


def door_at(addresses: Mapping[str, str], host: str | None, zone: str) -> Door | None:
    """Where others reach a process by its ``addresses``, None where they do not at all."""
    grpc = addresses.get("grpc", "")
    grpc = "" if not grpc or unix_path(grpc) else reached_at(grpc, "grpc", host)
    rest = rest_at(addresses, host)
    return Door(rest, grpc, zone) if rest or grpc else None
