"""How a client of Kafka proves who it is, and whom it believes."""

from __future__ import annotations

from pathlib import Path
from typing import Final, Literal, Self

from pydantic import Field, model_validator

from penstock.core.config import Section
from penstock.core.config.credentials import SecretOptions, TokenOptions

TLS_PROTOCOLS: Final = frozenset(("ssl", "sasl_ssl"))
SASL_PROTOCOLS: Final = frozenset(("sasl_plaintext", "sasl_ssl"))


class OidcOptions(Section):
    """An OAuth 2 server that gives tokens for the client's own credentials."""

    token_endpoint: str = Field(
        pattern="^https?://.+", description="The address that tokens are asked for at."
    )
    client_id: str = Field(min_length=1, description="The client's name there.")
    client_secret: SecretOptions = Field(description="The client's secret there.")
    scope: str | None = Field(
        default=None, min_length=1, description="What the token is to be good for."
    )
    extensions: str | None = Field(
        default=None,
        min_length=1,
        description="SASL extensions for the broker, as name=value,name=value.",
    )


class SecurityOptions(Section):
    """The security of connections to brokers. Secrets are named here, and never stand here."""

    protocol: Literal["plaintext", "ssl", "sasl_plaintext", "sasl_ssl"] = Field(
        default="plaintext",
        description="With TLS (ssl), with a user (sasl_plaintext), with both (sasl_ssl).",
    )
    ca_file: Path | None = Field(
        default=None,
        description="Certificates (PEM) of who signs the brokers'; without it the system's.",
    )
    certificate_file: Path | None = Field(
        default=None, description="This client's certificate (PEM), for mTLS."
    )
    key_file: Path | None = Field(default=None, description="The key (PEM) of that certificate.")
    key_password: SecretOptions | None = Field(
        default=None, description="The password of that key, where it has one."
    )
    mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"] | None = Field(
        default=None, description="How the user proves who it is (SASL)."
    )
    username: str | None = Field(
        default=None, min_length=1, description="The user, of PLAIN and SCRAM."
    )
    password: SecretOptions | None = Field(default=None, description="The user's password.")
    token: TokenOptions | None = Field(
        default=None,
        description="The token of OAUTHBEARER: a JWT, whose own time it is good for, or another, "
        "which is read again every minute.",
    )
    oidc: OidcOptions | None = Field(
        default=None, description="Where tokens of OAUTHBEARER are asked for."
    )

    @model_validator(mode="after")
    def _fits(self) -> Self:
        sasl = ("mechanism", "username", "password", "token", "oidc")
        tls = ("ca_file", "certificate_file", "key_file", "key_password")
        self._refuse(sasl, self.protocol in SASL_PROTOCOLS, "sasl_plaintext or sasl_ssl")
        self._refuse(tls, self.protocol in TLS_PROTOCOLS, "ssl or sasl_ssl")
        if (self.certificate_file is None) != (self.key_file is None):
            raise ValueError("certificateFile and keyFile belong together; write both, or none")
        if self.key_password is not None and self.key_file is None:
            raise ValueError("keyPassword is for keyFile; write that as well")
        if self.protocol in SASL_PROTOCOLS:
            self._check_sasl()
        return self

    def _refuse(self, names: tuple[str, ...], fits: bool, protocols: str) -> None:
        fields = type(self).model_fields
        for name in names:
            if not fits and getattr(self, name) is not None:
                key = fields[name].alias
                raise ValueError(f"{key} has no effect with {self.protocol}; write {protocols}")

    def _check_sasl(self) -> None:
        if self.mechanism is None:
            raise ValueError(f"{self.protocol} needs a mechanism; write one")
        user = self.username is not None and self.password is not None
        named = self.username is not None or self.password is not None
        if self.mechanism != "OAUTHBEARER":
            if not user or self.token or self.oidc:
                raise ValueError(f"{self.mechanism} takes username and password; write both")
        elif named or (self.token is None) == (self.oidc is None):
            raise ValueError("OAUTHBEARER takes token or oidc; write one of them")
