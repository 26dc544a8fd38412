"""Where clients of a broker come in, beside its plain listener, and what they must show there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, Literal, TypeAlias

Protocol: TypeAlias = Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"]
ScramMechanism: TypeAlias = Literal["SCRAM-SHA-256", "SCRAM-SHA-512"]

PLAINTEXT: Final = "PLAINTEXT"
"""The name of the listener that every broker has: without TLS, for everybody on this machine."""

_LOGIN_MODULES: Final = "org.apache.kafka.common.security"
_WITH_TLS: Final[Mapping[Protocol, Protocol]] = {"PLAINTEXT": "SSL", "SASL_PLAINTEXT": "SASL_SSL"}


@dataclass(frozen=True, slots=True)
class Listener:
    """A listener: its name (capital letters, digits and underscores), how it is spoken to, and its
    settings, without ``listener.name.<name>.`` before each.

    ``scram`` has, for each mechanism, the passwords of users that are made when the folder of a
    broker is new.
    """

    name: str
    protocol: Protocol = "PLAINTEXT"
    settings: Mapping[str, str] = field(default_factory=dict)
    scram: Mapping[ScramMechanism, Mapping[str, str]] = field(default_factory=dict)

    def over_tls(self, key: Path, certificate: Path, *, clients: Path | None = None) -> Listener:
        """The same behind TLS. ``key`` (PKCS #8) and ``certificate`` are PEM files; with
        ``clients``, the authority of theirs, clients must show a certificate."""
        settings = {
            **self.settings,
            "ssl.keystore.type": "PEM",
            "ssl.keystore.key": key.read_text(),
            "ssl.keystore.certificate.chain": certificate.read_text(),
        }
        if clients is not None:
            settings["ssl.truststore.type"] = "PEM"
            settings["ssl.truststore.certificates"] = clients.read_text()
            settings["ssl.client.auth"] = "required"
        return replace(self, protocol=_WITH_TLS[self.protocol], settings=settings)


def plain(name: str, users: Mapping[str, str]) -> Listener:
    """SASL PLAIN, with the passwords of ``users``."""
    options = {f"user_{user}": password for user, password in users.items()}
    return _sasl(name, "PLAIN", "plain.PlainLoginModule", options)


def scram(name: str, mechanism: ScramMechanism, users: Mapping[str, str]) -> Listener:
    """SASL SCRAM, with the passwords of ``users``."""
    listener = _sasl(name, mechanism, "scram.ScramLoginModule", {})
    return replace(listener, scram={mechanism: users})


def oauthbearer(name: str) -> Listener:
    """SASL OAUTHBEARER that takes every unsigned token at its word: for tests alone."""
    options = {"unsecuredLoginStringClaim_sub": "broker"}
    return _sasl(name, "OAUTHBEARER", "oauthbearer.OAuthBearerLoginModule", options)


def _sasl(name: str, mechanism: str, module: str, options: Mapping[str, str]) -> Listener:
    words = "".join(f" {key}={_quoted(value)}" for key, value in options.items())
    jaas = f"{_LOGIN_MODULES}.{module} required{words};"
    settings = {
        "sasl.enabled.mechanisms": mechanism,
        f"{mechanism.lower()}.sasl.jaas.config": jaas,
    }
    return Listener(name, "SASL_PLAINTEXT", settings)


def _quoted(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
