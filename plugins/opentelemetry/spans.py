"""Spans of requests and of the visits of their steps."""

from __future__ import annotations

import re
from typing import Final

from opentelemetry.context import Context
from opentelemetry.sdk.trace.sampling import Decision, ParentBased, Sampler
from opentelemetry.trace import (
    Span,
    SpanContext,
    SpanKind,
    StatusCode,
    Tracer,
    get_current_span,
    set_span_in_context,
)
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from penstock.core.contracts.follower import Follower, Following, RequestSeen, VisitSeen
from penstock.core.errors import PenstockError
from penstock.core.inference import InferenceResponse
from penstock.core.plan import PIPELINE_SUFFIX
from penstock.core.records import Absent, Body, Failed, Headers
from penstock.core.statuses import STATUSES
from penstock.plugins.opentelemetry.provider import ChosenIds, Tracing

TRACEPARENT: Final = "traceparent"

_SERVER_ERROR: Final = 500
_UNSAMPLED: Final = re.compile(
    r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f][02468ace]", re.ASCII
)
_NO_CONTEXT: Final = Context()
_PROPAGATOR: Final = TraceContextTextMapPropagator()


class SpanFollower(Follower):
    """Asks the sampler about each request, and has those followed that it wants."""

    def __init__(self, tracing: Tracing) -> None:
        self._sampler: Sampler = tracing.sampler
        self._ids: ChosenIds = tracing.ids
        self._tracer = tracing.tracer
        self._parent_decides = isinstance(tracing.sampler, ParentBased)

    def follow(self, request: RequestSeen) -> Following | None:
        parent = _NO_CONTEXT
        trace_id = 0
        if TRACEPARENT in request.headers:
            if self._parent_decides and _UNSAMPLED.fullmatch(request.headers[TRACEPARENT]):
                return None  # as the sampler would say, which takes ten times as long
            parent = _PROPAGATOR.extract(request.headers, _NO_CONTEXT)
            trace_id = get_current_span(parent).get_span_context().trace_id
        if not trace_id:
            trace_id = self._ids.generate_trace_id()
            self._ids.chosen = trace_id
        noun = "model" if request.single_model else "pipeline"
        name = f"{noun} {request.name}"
        kind = _kind_of(request)
        sampling = self._sampler.should_sample(parent, trace_id, name, kind, None, None)
        if sampling.decision is not Decision.RECORD_AND_SAMPLE:
            self._ids.chosen = None
            return None
        attributes = {
            **(sampling.attributes or {}),
            "penstock.request": request.identity,
            f"penstock.{noun}": request.name,
            "penstock.version": request.version,
        }
        if request.begun_by:
            attributes |= {
                "messaging.system": "penstock",
                "messaging.operation.type": "process",
                "messaging.destination.name": request.begun_by,
            }
        if "x-request-id" in request.headers:
            attributes["penstock.x_request_id"] = request.headers["x-request-id"]
        span = self._tracer.start_span(
            name, parent, kind, attributes, start_time=nanoseconds(request.at_ms)
        )
        self._ids.chosen = None
        return RequestSpans(self._tracer, span, request, noun)


def _kind_of(request: RequestSeen) -> SpanKind:
    if request.begun_by:
        return SpanKind.CONSUMER
    return SpanKind.INTERNAL if request.child else SpanKind.SERVER


class RequestSpans(Following):
    """The spans of one request: its own, and those of the visits that are under way."""

    __slots__ = ("_about", "_context", "_failed", "_span", "_tracer", "_visits")

    def __init__(self, tracer: Tracer, span: Span, request: RequestSeen, noun: str) -> None:
        self._tracer = tracer
        self._span = span
        self._context = set_span_in_context(span, _NO_CONTEXT)
        self._about: dict[str, str | int] = {
            f"penstock.{noun}": request.name,
            "penstock.version": request.version,
        }
        self._visits: dict[VisitSeen, tuple[Span, int]] = {}
        self._failed: Failed | None = None

    def visit_called(self, visit: VisitSeen, at_ms: float) -> Headers | None:
        span = self._begin(visit, at_ms)
        self._visits[visit] = span, 1
        return {TRACEPARENT: traceparent(span.get_span_context())}

    def visit_retried(self, visit: VisitSeen, attempt: int, failed: Failed, at_ms: float) -> None:
        span, _ = self._visits[visit]
        self._visits[visit] = span, attempt
        span.add_event(
            "retry",
            {"penstock.attempt": attempt, "penstock.code": failed.code, "reason": failed.reason},
            nanoseconds(at_ms),
        )

    def visit_ended(self, visit: VisitSeen, body: Body, at_ms: float) -> None:
        called = self._visits.pop(visit, None)
        span, attempts = (self._begin(visit, at_ms), 0) if called is None else called
        span.set_attribute("penstock.attempt", attempts)
        _end_visit(span, body, was_called=called is not None, at_ms=at_ms)

    def record_read(self, visit: VisitSeen | None) -> Headers | None:
        called = None if visit is None else self._visits.get(visit)
        span = self._span if called is None else called[0]
        return {TRACEPARENT: traceparent(span.get_span_context())}

    def record_came(self, headers: Headers) -> None:
        # As the conventions for messages have it: a link to what put out each of them, while the
        # first one is the parent as well, so that one trace shows all that a request brought about.
        context = get_current_span(_PROPAGATOR.extract(headers, _NO_CONTEXT)).get_span_context()
        if context.is_valid:
            self._span.add_link(context)

    def answered(self, result: InferenceResponse | PenstockError, at_ms: float) -> None:
        if isinstance(result, PenstockError):
            self._fail(result.code, result.message, result.step)
        else:
            self._span.set_attributes({"penstock.outcome": "ok", "penstock.code": "ok"})
        self._span.end(nanoseconds(at_ms))

    def buried(self, failed: Failed, at_ms: float) -> None:
        self._failed = self._failed or failed
        if self._span.is_recording():
            attributes = {"penstock.code": failed.code, "reason": failed.reason}
            if failed.step is not None:
                attributes["penstock.step"] = failed.step
            self._span.add_event("dead letter", attributes, nanoseconds(at_ms))

    def closed(self, at_ms: float) -> None:
        for span, _ in self._visits.values():
            span.end(nanoseconds(at_ms))
        if not self._span.is_recording():
            return  # it ended with the answer
        if self._failed is None:
            self._span.set_attributes({"penstock.outcome": "ok", "penstock.code": "ok"})
        else:
            self._fail(self._failed.code, self._failed.reason, self._failed.step)
        self._span.end(nanoseconds(at_ms))

    def _begin(self, visit: VisitSeen, at_ms: float) -> Span:
        model, suffix, _ = visit.model.partition(PIPELINE_SUFFIX)
        attributes: dict[str, str | int] = {
            **self._about,
            "penstock.step": visit.step,
            "penstock.child" if suffix else "penstock.model": model,
            "penstock.round": visit.round,
        }
        return self._tracer.start_span(
            f"step {visit.step}",
            self._context,
            SpanKind.INTERNAL,
            attributes,
            start_time=nanoseconds(at_ms),
        )

    def _fail(self, code: str, sentence: str, step: str | None) -> None:
        outcome = "absent" if code == "no-output" else "failed"
        attributes = {"penstock.outcome": outcome, "penstock.code": code}
        if step is not None:
            attributes["penstock.step"] = step
        self._span.set_attributes(attributes)
        if STATUSES[code].http >= _SERVER_ERROR:
            # What the caller did wrong is no error of the server's span.
            self._span.set_status(StatusCode.ERROR, sentence)


def _end_visit(span: Span, body: Body, *, was_called: bool, at_ms: float) -> None:
    at_ns = nanoseconds(at_ms)
    if isinstance(body, Absent):
        outcome = "absent" if was_called else "skipped"
        span.set_attributes({"penstock.outcome": outcome, "penstock.cause": body.cause})
        span.add_event(outcome, {"penstock.cause": body.cause, "reason": body.reason}, at_ns)
    elif isinstance(body, Failed):
        span.set_attributes({"penstock.outcome": "failed", "penstock.code": body.code})
        if body.step is not None:
            span.set_attribute("penstock.failed_step", body.step)
        span.set_status(StatusCode.ERROR, body.reason)
    else:
        span.set_attributes({"penstock.outcome": "ok", "penstock.code": "ok"})
    span.end(at_ns)


def traceparent(context: SpanContext) -> str:
    """The header of a span, as https://www.w3.org/TR/trace-context/#traceparent-header has it."""
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"


def nanoseconds(at_ms: float) -> int:
    """Milliseconds since the epoch as OpenTelemetry counts them."""
    return int(at_ms * 1e6)
