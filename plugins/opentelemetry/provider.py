"""Sets OpenTelemetry's SDK up for one runtime: nothing of it is global."""

from __future__ import annotations

import os

from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.sdk.trace.sampling import ALWAYS_ON, ParentBased, Sampler, TraceIdRatioBased

import penstock
from penstock.plugins.opentelemetry.options import TracingOptions


class ChosenIds(RandomIdGenerator):
    """Random identities, but for the trace whose sampling has been decided already."""

    def __init__(self) -> None:
        self.chosen: int | None = None

    def generate_trace_id(self) -> int:
        """The chosen identity, once."""
        chosen, self.chosen = self.chosen, None
        return super().generate_trace_id() if chosen is None else chosen


class Tracing:
    """A provider whose spans are all recorded: ``sampler`` is asked beforehand, once a request."""

    def __init__(self, options: TracingOptions, exporter: SpanExporter | None = None) -> None:
        self.ids = ChosenIds()
        self.sampler = sampler_of(options)
        self.provider = TracerProvider(
            sampler=ALWAYS_ON, resource=resource_of(options), id_generator=self.ids
        )
        # In a thread of its own, with a bounded queue; what does not fit is dropped.
        processor = BatchSpanProcessor(exporter_of(options) if exporter is None else exporter)
        self.provider.add_span_processor(processor)
        self.tracer = self.provider.get_tracer("penstock", penstock.__version__)


def sampler_of(options: TracingOptions) -> Sampler:
    """The one that the options ask for, else that of OTEL_TRACES_SAMPLER, as the SDK reads it."""
    if options.ratio is not None:
        return ParentBased(TraceIdRatioBased(options.ratio))
    return TracerProvider(shutdown_on_exit=False).sampler


def resource_of(options: TracingOptions) -> Resource:
    """What the spans say of this process."""
    found = Resource.create({"service.version": penstock.__version__})
    named = found.attributes.get(SERVICE_NAME, "")
    if options.service_name is not None:
        return found.merge(Resource({SERVICE_NAME: options.service_name}))
    if str(named).startswith("unknown_service"):
        return found.merge(Resource({SERVICE_NAME: "penstock"}))
    return found


def exporter_of(options: TracingOptions) -> SpanExporter:
    """OTLP over gRPC or HTTP."""
    headers = dict(options.headers) or None
    if options.protocol_in(os.environ) == "grpc":
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import (
            OTLPSpanExporter as GrpcExporter,
        )

        return GrpcExporter(endpoint=options.endpoint, headers=headers, timeout=options.timeout_s)
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import (
        OTLPSpanExporter as HttpExporter,
    )

    return HttpExporter(endpoint=options.endpoint, headers=headers, timeout=options.timeout_s)
