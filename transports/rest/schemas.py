"""The schemas of the API's bodies, by name, for the OpenAPI document."""

from __future__ import annotations

from typing import Any, Final

from penstock.core.datatypes import DATATYPES
from penstock.core.errors import ERROR_TYPES
from penstock.transports.rest.operation import Schema


def ref(name: str) -> Schema:
    """A schema of :data:`SCHEMAS` by its name."""
    return {"$ref": f"#/components/schemas/{name}"}


def array_of(name: str) -> Schema:
    """An array of such."""
    return {"type": "array", "items": ref(name)}


def _object(required: tuple[str, ...] = (), /, **properties: Any) -> Schema:
    document: dict[str, Any] = {"type": "object", "properties": properties}
    if required:
        document["required"] = list(required)
    return document


_STRING: Final = {"type": "string"}
_COUNT: Final = {"type": "integer", "minimum": 0}
_STRINGS: Final = {"type": "array", "items": _STRING}
_SHAPE: Final = {"type": "array", "items": {"type": "integer", "minimum": 0}}
_DATATYPE: Final = {"type": "string", "enum": sorted(DATATYPES)}
_PARAMETERS: Final = ref("Parameters")
_DATA: Final = {
    "description": "The values in row-major order: flat, or nested as the shape says.",
    "type": "array",
}

_STRING_OR_NULL: Final = {"type": ["string", "null"]}
_NUMBER_OR_NULL: Final = {"type": ["number", "null"]}
_LENGTH: Final = {"type": "number", "minimum": 0}
_SUMMARY: Final = {
    "id": _STRING,
    "pipeline": _STRING,
    "version": _COUNT,
    "asynchronous": {"type": "boolean"},
    "external": {
        "type": "boolean",
        "description": "Whether a record of another pipeline began it, whose request it is too.",
    },
    "begun_by": {
        "type": ["string", "null"],
        "description": "The port of another pipeline whose record began it.",
    },
    "opened": {"type": "string", "format": "date-time"},
    "took_ms": _NUMBER_OR_NULL,
    "under_way": {"type": "boolean"},
    "outcome": _STRING_OR_NULL,
    "step": _STRING_OR_NULL,
    "x_request_id": _STRING_OR_NULL,
}
_SUMMARY_REQUIRED: Final = tuple(_SUMMARY)

SCHEMAS: Final[dict[str, Schema]] = {
    "Parameters": {
        "type": "object",
        "additionalProperties": {"type": ["boolean", "number", "string"]},
    },
    "RequestInput": _object(
        ("name", "datatype", "shape"),
        name={"type": "string", "minLength": 1},
        datatype=_DATATYPE,
        shape=_SHAPE,
        data=_DATA,
        parameters=_PARAMETERS,
    ),
    "RequestOutput": _object(
        ("name",), name={"type": "string", "minLength": 1}, parameters=_PARAMETERS
    ),
    "InferenceRequest": _object(
        ("inputs",),
        id=_STRING,
        inputs=array_of("RequestInput"),
        outputs=array_of("RequestOutput"),
        parameters=_PARAMETERS,
    ),
    "ResponseOutput": _object(
        ("name", "datatype", "shape"),
        name=_STRING,
        datatype=_DATATYPE,
        shape=_SHAPE,
        data=_DATA,
        parameters=_PARAMETERS,
    ),
    "InferenceResponse": _object(
        ("model_name", "outputs"),
        model_name=_STRING,
        model_version=_STRING,
        id=_STRING,
        outputs=array_of("ResponseOutput"),
        parameters=_PARAMETERS,
    ),
    "Error": _object(
        ("error", "code"),
        error={"type": "string", "description": "A sentence for people."},
        code={"type": "string", "enum": sorted(ERROR_TYPES)},
        request_id={"type": "string", "description": "The identity that the gateway gave."},
        step={"type": "string", "description": "The step that the error came from."},
        details=_STRINGS,
    ),
    "Live": _object(("live",), live={"type": "boolean"}),
    "Ready": _object(("ready",), ready={"type": "boolean"}),
    "TargetReady": _object(("name", "ready"), name=_STRING, ready={"type": "boolean"}),
    "ServerMetadata": _object(
        ("name", "version", "extensions"), name=_STRING, version=_STRING, extensions=_STRINGS
    ),
    "TensorMetadata": _object(
        ("name", "datatype", "shape"),
        name=_STRING,
        datatype={"type": "string", "description": "Empty where it is not known."},
        shape={"type": "array", "items": {"type": "integer", "minimum": -1}},
    ),
    "TargetMetadata": _object(
        ("name", "versions", "platform", "inputs", "outputs"),
        name=_STRING,
        versions=_STRINGS,
        platform=_STRING,
        inputs=array_of("TensorMetadata"),
        outputs=array_of("TensorMetadata"),
    ),
    "IndexRequest": _object(ready={"type": "boolean", "description": "Only what is ready."}),
    "IndexEntry": _object(
        ("name", "version", "state", "reason"),
        name=_STRING,
        version=_STRING,
        state={"type": "string", "enum": ["READY", "LOADING", "UNAVAILABLE"]},
        reason=_STRING,
    ),
    "Change": _object(
        ("kind", "name", "action", "version", "warnings", "because"),
        kind=_STRING,
        name=_STRING,
        action={"type": "string", "enum": ["created", "changed", "unchanged", "deleted"]},
        version=_COUNT,
        warnings=_STRINGS,
        because=_STRING,
        before={"type": ["object", "null"]},
        after={"type": ["object", "null"]},
    ),
    "Changes": _object(("changes",), changes=array_of("Change")),
    "ModelPlacement": _object(
        ("model", "version", "why", "servers"),
        model=_STRING,
        version=_COUNT,
        wanted=_COUNT,
        loaded=_COUNT,
        why=_STRING_OR_NULL,
        grow=_STRINGS,
        workers=_COUNT,
        servers=array_of("PlacementOnReplica"),
    ),
    "PlacementOnReplica": _object(
        ("server", "replica", "capabilities", "models", "rank", "taken", "refusals", "costs"),
        server=_STRING,
        replica=_COUNT,
        capabilities=_STRINGS,
        memory_bytes={"type": ["integer", "null"]},
        free_memory_bytes={"type": ["integer", "null"]},
        measured_bytes=_COUNT,
        models=_COUNT,
        rank={"type": ["integer", "null"]},
        taken=_STRING_OR_NULL,
        refusals={"type": "object", "additionalProperties": _STRING},
        costs={"type": "object", "additionalProperties": _NUMBER_OR_NULL},
    ),
    "Scaling": _object(
        ("policy", "every_ms", "dry_run", "decided_ms", "workers", "models"),
        policy=_STRING,
        every_ms={"type": "number"},
        dry_run={"type": "boolean"},
        decided_ms=_NUMBER_OR_NULL,
        workers=_COUNT,
        models=array_of("ScalingOfModel"),
    ),
    "ScalingOfModel": _object(
        ("model", "replicas", "decided", "recommended", "why", "reason", "load"),
        model=_STRING,
        replicas=_COUNT,
        decided=_COUNT,
        recommended=_NUMBER_OR_NULL,
        why={"enum": ["load", "stale", "asleep", "short"]},
        reason=_STRING,
        load={"type": "object"},
    ),
    "DrainState": _object(
        ("server", "drained", "replicas"),
        server=_STRING,
        drained={"type": "boolean"},
        replicas=array_of("DrainOfReplica"),
    ),
    "DrainOfReplica": _object(
        ("replica", "standing", "drained", "models"),
        replica=_COUNT,
        standing=_STRING,
        drained={"type": "boolean"},
        why=_STRING_OR_NULL,
        memory_bytes={"type": ["integer", "null"]},
        free_memory_bytes={"type": ["integer", "null"]},
        models=array_of("DrainOfModel"),
    ),
    "ArmsReport": _object(
        ("experiment", "version", "baseline", "confidence", "since_ms", "weights_because", "arms"),
        experiment=_STRING,
        version=_COUNT,
        baseline=_STRING,
        confidence={"type": "number"},
        since_ms={"type": "number"},
        weights_because=_STRING,
        arms=array_of("ArmReport"),
    ),
    "ArmReport": _object(
        ("arm", "share", "silent", "requests", "failures", "verdict", "needed", "measures"),
        arm=_STRING,
        share={"type": "number"},
        silent={"type": ["string", "null"]},
        requests=_COUNT,
        failures=_COUNT,
        verdict=_STRING,
        needed={"type": ["integer", "null"]},
        measures=array_of("ArmMeasure"),
    ),
    "ArmMeasure": _object(
        ("name", "value", "low", "high", "difference", "verdict", "needed"),
        name=_STRING,
        value={"type": "number"},
        low=_NUMBER_OR_NULL,
        high=_NUMBER_OR_NULL,
        difference={"anyOf": [ref("ArmDifference"), {"type": "null"}]},
        verdict=_STRING,
        needed=_COUNT,
    ),
    "ArmDifference": _object(
        ("value", "low", "high"),
        value={"type": "number"},
        low=_NUMBER_OR_NULL,
        high=_NUMBER_OR_NULL,
    ),
    "Description": _object(
        ("resource", "uses", "used_by", "warnings", "events"),
        resource=ref("Resource"),
        uses=array_of("Neighbour"),
        used_by=array_of("Neighbour"),
        warnings=_STRINGS,
        events=array_of("ConditionEvent"),
        placement=ref("ModelPlacement"),
        replicas=array_of("DrainOfReplica"),
    ),
    "Neighbour": _object(
        ("kind", "name", "ready"),
        kind=_STRING,
        name=_STRING,
        ready={"type": ["boolean", "null"]},
    ),
    "ConditionEvent": _object(
        ("at", "type", "status", "reason", "message"),
        at=_STRING,
        type=_STRING,
        status={"type": "string", "enum": ["True", "False", "Unknown", "Over"]},
        reason=_STRING,
        message=_STRING,
    ),
    "DrainOfModel": _object(
        ("name", "version", "outlook", "why"),
        name=_STRING,
        version=_COUNT,
        outlook={"enum": ["moves", "stays", "leaves", None]},
        why=_STRING_OR_NULL,
    ),
    "Condition": _object(
        ("type", "status"),
        type=_STRING,
        status={"type": "string", "enum": ["True", "False", "Unknown"]},
        reason=_STRING,
        message=_STRING,
        since=_STRING,
    ),
    "Status": _object(
        ("revision", "version", "conditions"),
        revision=_COUNT,
        version=_COUNT,
        conditions=array_of("Condition"),
    ),
    "Resource": _object(
        ("apiVersion", "kind", "metadata", "spec", "status"),
        apiVersion=_STRING,
        kind=_STRING,
        metadata={"type": "object"},
        spec={"type": "object"},
        status=ref("Status"),
    ),
    "Resources": _object(("resources",), resources=array_of("Resource")),
    "RequestSummary": _object(_SUMMARY_REQUIRED, **_SUMMARY),
    "RequestSummaries": _object(("requests",), requests=array_of("RequestSummary")),
    "RequestStory": _object(
        (
            *_SUMMARY_REQUIRED,
            "deadline_ms",
            "ended_ms",
            "error",
            "missing",
            "kept",
            "brought",
            "records",
            "visits",
            "dead_letters",
            "children",
        ),
        **_SUMMARY,
        kept={"enum": ["boundary", "all", "none", None]},
        visits=array_of("Visit"),
        children=array_of("RequestStory"),
        same_x_request_id=_STRINGS,
        deadline_ms={"type": "number"},
        ended_ms=_NUMBER_OR_NULL,
        error={"type": ["object", "null"]},
        missing={"type": "array", "items": _STRING},
        brought=array_of("Brought"),
        records=array_of("PortRecord"),
        dead_letters=array_of("Failure"),
        readers={
            **array_of("RequestStory"),
            "description": "Its way through pipelines that read the one that was called.",
        },
    ),
    "Brought": _object(
        ("port", "id", "after_ms"), port=_STRING, id=_STRING, after_ms={"type": "number"}
    ),
    "Visit": _object(
        ("step", "round", "state", "join", "triggers", "failed_attempts", "children"),
        step=_STRING_OR_NULL,
        round=_COUNT,
        model=_STRING_OR_NULL,
        pipeline=_STRING_OR_NULL,
        version={"type": ["integer", "null"]},
        state={
            "type": "string",
            "enum": ["waiting", "called", "value", "absent", "skipped", "failed"],
        },
        join=ref("JoinStanding"),
        triggers={"anyOf": [ref("JoinStanding"), {"type": "null"}]},
        called_after_ms=_NUMBER_OR_NULL,
        ended_after_ms=_NUMBER_OR_NULL,
        took_ms=_NUMBER_OR_NULL,
        failed_attempts=array_of("FailedAttempt"),
        children=_STRINGS,
    ),
    "JoinStanding": _object(
        ("strategy", "opened_after_ms", "decided_after_ms", "waited_ms", "ended_by", "sources"),
        strategy=_STRING,
        opened_after_ms=_NUMBER_OR_NULL,
        decided_after_ms=_NUMBER_OR_NULL,
        waited_ms=_NUMBER_OR_NULL,
        ended_by=_STRING_OR_NULL,
        sources=array_of("SourceStanding"),
    ),
    "SourceStanding": _object(
        ("source", "state", "after_ms", "round", "reason"),
        source=_STRING,
        state={"type": "string", "enum": ["open", "value", "absent", "failed"]},
        after_ms=_NUMBER_OR_NULL,
        round={"type": ["integer", "null"]},
        reason=_STRING_OR_NULL,
    ),
    "FailedAttempt": _object(
        ("attempt", "after_ms", "code", "reason", "step"),
        attempt=_COUNT,
        after_ms={"type": "number"},
        code=_STRING,
        reason=_STRING,
        step=_STRING_OR_NULL,
    ),
    "Failure": _object(
        ("code", "reason", "step"), code=_STRING, reason=_STRING, step=_STRING_OR_NULL
    ),
    "PortRecord": _object(
        ("port", "round", "after_ms", "state"),
        port=_STRING,
        round=_COUNT,
        after_ms={"type": "number"},
        state={"type": "string", "enum": ["value", "absent", "failed"]},
        tensors={"type": "array", "items": {"type": "object"}},
        omitted_bytes=_COUNT,
        reason=_STRING,
        cause=_STRING,
        code=_STRING,
        step=_STRING_OR_NULL,
    ),
    "DeadLetter": _object(
        ("number", "id", "pipeline", "version", "at", "code", "reason", "step", "inputs"),
        number=_COUNT,
        id=_STRING,
        pipeline=_STRING,
        version=_COUNT,
        at=_STRING,
        code=_STRING,
        reason=_STRING,
        step=_STRING_OR_NULL,
        attempts=_COUNT,
        origin=_STRING_OR_NULL,
        x_request_id=_STRING_OR_NULL,
        inputs={"type": "array", "items": {"type": "object"}},
        may_be_sent_again={"type": "boolean"},
    ),
    "DeadLetters": _object(("dead_letters",), dead_letters=array_of("DeadLetter")),
    "GraphBox": _object(
        ("kind", "step", "pipeline", "lines", "left", "top", "width", "height"),
        kind={"type": "string", "enum": ["input", "step", "output", "pipeline"]},
        step=_STRING_OR_NULL,
        pipeline={**_STRING_OR_NULL, "description": "Another one that is read."},
        lines={
            "type": "array",
            "items": _object(("text", "tone"), text=_STRING, tone=_STRING),
        },
        left=_LENGTH,
        top=_LENGTH,
        width=_LENGTH,
        height=_LENGTH,
    ),
    "GraphLine": _object(
        ("path", "source", "target", "tip", "kind"),
        path={"type": "string", "description": "A path as SVG writes it."},
        source={"type": "integer", "description": "The index of a box."},
        target={"type": ["integer", "null"], "description": "Null where the line goes on."},
        tip={"type": ["object", "null"], "description": "Where an arrow points down."},
        kind={"type": "string", "enum": ["line", "gate", "back"]},
    ),
    "Graph": _object(
        ("pipeline", "version", "width", "height", "boxes", "lines"),
        pipeline=_STRING,
        version=_COUNT,
        width=_LENGTH,
        height=_LENGTH,
        boxes=array_of("GraphBox"),
        lines=array_of("GraphLine"),
    ),
    "Links": _object(
        ("name", "version", "links"),
        name=_STRING,
        version=_STRING,
        links={"type": "object", "additionalProperties": _STRING},
    ),
}
"""Every schema that operations refer to."""
