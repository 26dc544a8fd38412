"""The options of the plug-in ``opentelemetry``, and what the environment says in their place."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

from pydantic import Field

from penstock.core.config import Section

TURNS_ON: Final = (
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
    "OTEL_TRACES_EXPORTER",
)
"""Variables that say where traces go, and so that there shall be some."""


class TracingOptions(Section):
    """Where traces go. What is not written is as OpenTelemetry's own variables (``OTEL_*``) say."""

    endpoint: str | None = Field(
        default=None,
        pattern="^https?://.+",
        description="Where OTLP is taken: http://HOST:4317 over gRPC, or with protocol http the "
        "whole address, as http://HOST:4318/v1/traces. Traces are made when this is written, or "
        "when OTEL_EXPORTER_OTLP_ENDPOINT is set.",
    )
    protocol: Literal["grpc", "http"] | None = Field(
        default=None, description="OTLP over gRPC (the default) or HTTP."
    )
    headers: Mapping[str, str] = Field(
        default={}, description="Sent with every export, as keys of the collector."
    )
    ratio: float | None = Field(
        default=None,
        ge=0.0,
        le=1.0,
        description="The share of requests that are traced, where the caller's traceparent does "
        "not say; by default all.",
    )
    service_name: str | None = Field(
        default=None, min_length=1, description="The service's name in traces: penstock."
    )
    timeout_s: float | None = Field(
        default=None, gt=0.0, le=600.0, description="How long one export may take, 10 by default."
    )

    def is_on(self, environment: Mapping[str, str]) -> bool:
        """Whether there is anywhere that traces shall go to."""
        if environment.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
            return False
        if environment.get("OTEL_TRACES_EXPORTER", "").strip().lower() == "none":
            return False
        return self.endpoint is not None or any(environment.get(name) for name in TURNS_ON)

    def protocol_in(self, environment: Mapping[str, str]) -> Literal["grpc", "http"]:
        """The protocol that is written, else that of the environment."""
        if self.protocol is not None:
            return self.protocol
        named = environment.get("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL") or environment.get(
            "OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"
        )
        return "http" if named.startswith("http") else "grpc"
