"""The operations of inference."""

from __future__ import annotations

from penstock.core.contracts.gateway import TargetKind
from penstock.core.request_headers import TIMEOUT_HEADER
from penstock.transports.rest.asgi_call import InferenceApp
from penstock.transports.rest.call import InferenceService
from penstock.transports.rest.information import TARGET_PARAMETERS
from penstock.transports.rest.operation import Content, Operation, Parameter
from penstock.transports.rest.schemas import ref

BINARY_BODY = {
    "type": "string",
    "contentEncoding": "binary",
    "description": "JSON, and behind it the contents of the tensors that have binary_data_size.",
}

ERRORS = (
    "invalid-request",
    "not-found",
    "no-output",
    "overloaded",
    "cancelled",
    "step-failed",
    "unsupported",
    "not-ready",
    "lost",
    "deadline",
)

HEADERS = (
    *TARGET_PARAMETERS,
    Parameter(
        TIMEOUT_HEADER,
        "header",
        "Time for the request in milliseconds; the server's own limit holds as well.",
        {"type": "number", "exclusiveMinimum": 0},
    ),
    Parameter(
        "x-request-id", "header", "The caller's own name for it, given back.", {"type": "string"}
    ),
    Parameter("traceparent", "header", "The trace it belongs to.", {"type": "string"}),
    Parameter(
        "inference-header-content-length",
        "header",
        "How much of the body is JSON, where binary tensors follow it.",
        {"type": "integer", "minimum": 0},
    ),
)

REQUEST = Content(
    "The tensors; gzip and deflate are taken as content encodings",
    {
        "application/json": ref("InferenceRequest"),
        "application/octet-stream": BINARY_BODY,
    },
)

RESPONSE = Content(
    "The answer; with binary tensors where they were asked for",
    {
        "application/json": ref("InferenceResponse"),
        "application/octet-stream": BINARY_BODY,
    },
    {
        "penstock-request": "The identity that the gateway gave the request.",
    },
)


def inference_operations(service: InferenceService) -> list[Operation]:
    """Inference on models, their versions, and pipelines."""

    def operation(
        path: str, name: str, summary: str, parameter: str, kind: TargetKind | None
    ) -> Operation:
        return Operation(
            "POST",
            path,
            name,
            summary,
            "V2",
            InferenceApp(service, parameter, kind),
            RESPONSE,
            ERRORS,
            HEADERS,
            REQUEST,
            media_checked=True,
        )

    return [
        operation(
            "/v2/models/{model}/infer",
            "modelInfer",
            "Ask a model, or a pipeline by its name",
            "model",
            None,
        ),
        operation(
            "/v2/models/{model}/versions/{version}/infer",
            "modelVersionInfer",
            "Ask a version of a model",
            "model",
            None,
        ),
        operation(
            "/v2/pipelines/{pipeline}/infer",
            "pipelineInfer",
            "Ask a pipeline",
            "pipeline",
            "pipeline",
        ),
    ]
