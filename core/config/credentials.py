"""Sections about who is who: certificates and tokens. Neither ever stands in the file itself."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from pydantic import Field, model_validator

from penstock.core.config.section import Section
from penstock.core.credentials import (
    Access,
    ServerTls,
    Tls,
    Token,
    token_of_environment,
    token_of_file,
)


class TlsOptions(Section):
    """How the server proves who it is, and this client who it is."""

    ca_file: Path | None = Field(
        default=None,
        description="Certificates (PEM) of who signs the server's; without it the system's.",
    )
    certificate_file: Path | None = Field(
        default=None, description="This client's certificate (PEM), for mTLS."
    )
    key_file: Path | None = Field(default=None, description="The key (PEM) of that certificate.")
    server_name: str | None = Field(
        default=None,
        min_length=1,
        description="The name in the server's certificate, where it is not the address's.",
    )

    @model_validator(mode="after")
    def _together(self) -> Self:
        if (self.certificate_file is None) != (self.key_file is None):
            raise ValueError("certificateFile and keyFile belong together; write both, or none")
        return self

    def tls(self) -> Tls:
        """As clients take it."""
        return Tls(self.ca_file, self.certificate_file, self.key_file, self.server_name)


class ServerTlsSection(Section):
    """How this server proves who it is, and whether its clients must."""

    certificate_file: Path = Field(
        description="This server's certificate (PEM), with those between it and the authority's; "
        "read again when it is replaced."
    )
    key_file: Path = Field(description="The key (PEM) of that certificate.")
    client_ca_file: Path | None = Field(
        default=None,
        description="Certificates (PEM) of who signs clients'; with it nobody connects without "
        "one (mTLS).",
    )

    def tls(self) -> ServerTls:
        """As servers take it."""
        return ServerTls(self.certificate_file, self.key_file, self.client_ca_file)


class SecretOptions(Section):
    """Where a secret is; never the secret itself."""

    env: str | None = Field(
        default=None, min_length=1, description="The environment variable that holds it."
    )
    file: Path | None = Field(
        default=None, description="The file that holds it, read again every minute."
    )

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.env is None) == (self.file is None):
            raise ValueError("write one of env and file")
        return self

    def secret(self, named: str) -> Token:
        """``named`` is the key that this section stands under. Raises InvalidRequestError where it
        cannot be read."""
        if self.env is not None:
            return token_of_environment(self.env, named=f"{named}.env")
        assert self.file is not None, "one of them is there"
        return token_of_file(self.file, named=f"{named}.file")


class TokenOptions(SecretOptions):
    """Where the bearer token is; never the token itself."""

    def token(self) -> Token:
        """Raises InvalidRequestError where it cannot be read."""
        return self.secret("token")


class AccessSection(Section):
    """Who may call the control plane, and who may send requests; everybody without it."""

    token: TokenOptions | None = Field(
        default=None, description="The bearer token that calls of the control plane must bring."
    )
    inference_token: TokenOptions | None = Field(
        default=None,
        description="The bearer token that requests to models and pipelines must bring, where "
        "not everybody may send them; the other token will do as well.",
    )

    @model_validator(mode="after")
    def _guarded(self) -> Self:
        if self.token is None and self.inference_token is not None:
            raise ValueError(
                "inferenceToken alone would leave the control plane open; write token as well"
            )
        return self

    def own_token(self) -> Token | None:
        """What processes of this one's own bring to its control plane, None where that is open.

        Raises InvalidRequestError for a token that cannot be read.
        """
        return None if self.token is None else self.token.token()

    def access(self) -> Access | None:
        """None where everybody may do everything. Raises InvalidRequestError for tokens that
        cannot be read."""
        if self.token is None:
            return None
        inference = self.inference_token
        return Access(self.token.token(), None if inference is None else inference.token())
