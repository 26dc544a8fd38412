"""Whether others than the users of this machine can change what is served."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address

from penstock.core.config import Config, unix_path


def exposures(config: Config) -> Iterator[str]:
    """A sentence for each thing that others can do which nobody may have meant."""
    guarded = config.scheduler.access.token is not None
    for name, section in (("rest", config.rest), ("grpc", config.grpc)):
        if _is_loopback(section.host):
            continue
        if not guarded:
            yield (
                f"{name} listens on {section.host}, and whoever reaches it may change what is "
                "served; name a token in scheduler.access.token"
            )
        elif section.tls is None:
            yield (
                f"{name} listens on {section.host} without TLS, and whoever listens in can read "
                f"tokens; give it {name}.tls, unless a proxy before it speaks TLS"
            )


def _is_loopback(host: str) -> bool:
    if unix_path(host) is not None:
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
