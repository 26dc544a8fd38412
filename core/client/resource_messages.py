"""Resources and what happens to them, as messages of ``penstock.control.v1`` and back."""

from __future__ import annotations

from typing import Any, Final, Literal

import orjson

from penstock.core.contracts.control import Change, ManifestText, ResourceDocument, WatchEvent
from penstock.proto import control_pb2 as pb

ChangeAction = Literal["created", "changed", "unchanged", "deleted"]
WatchAction = Literal["put", "deleted"]

_CHANGE_ACTIONS: Final[dict[ChangeAction, pb.Change.Action]] = {
    "created": pb.Change.ACTION_CREATED,
    "changed": pb.Change.ACTION_CHANGED,
    "unchanged": pb.Change.ACTION_UNCHANGED,
    "deleted": pb.Change.ACTION_DELETED,
}
_CHANGE_WORDS: Final = {number: word for word, number in _CHANGE_ACTIONS.items()}

_WATCH_ACTIONS: Final[dict[WatchAction, pb.WatchResponse.Action]] = {
    "put": pb.WatchResponse.ACTION_PUT,
    "deleted": pb.WatchResponse.ACTION_DELETED,
}
_WATCH_WORDS: Final = {number: word for word, number in _WATCH_ACTIONS.items()}


def write_manifest(manifest: ManifestText) -> pb.Manifest:
    """A manifest as a message."""
    return pb.Manifest(text=manifest.text, source=manifest.source, folder=manifest.folder or "")


def read_manifest(message: pb.Manifest) -> ManifestText:
    """The manifest in a message; one without a source is called ``<request>``."""
    return ManifestText(message.text, message.source or "<request>", message.folder or None)


def write_change(change: Change) -> pb.Change:
    """A change as a message."""
    return pb.Change(
        kind=change.kind,
        name=change.name,
        action=_CHANGE_ACTIONS[change.action],
        version=change.version,
        warnings=change.warnings,
        because=change.because,
        before=_text(change.before),
        after=_text(change.after),
    )


def read_change(message: pb.Change) -> Change:
    """The change in a message."""
    return Change(
        message.kind,
        message.name,
        _CHANGE_WORDS[message.action],
        message.version,
        tuple(message.warnings),
        message.because,
        _document(message.before),
        _document(message.after),
    )


def _text(document: dict[str, Any] | None) -> str:
    return "" if document is None else orjson.dumps(document).decode()


def _document(text: str) -> dict[str, Any] | None:
    if not text:
        return None
    document: dict[str, Any] = orjson.loads(text)
    return document


def write_resource(document: ResourceDocument) -> pb.Resource:
    """A resource as a message: its manifest stays JSON, its status is typed."""
    status = document["status"]
    manifest = {key: value for key, value in document.items() if key != "status"}
    return pb.Resource(
        kind=document["kind"],
        name=document["metadata"]["name"],
        manifest=orjson.dumps(manifest).decode(),
        status=pb.Status(
            revision=status["revision"],
            version=status["version"],
            conditions=[pb.Condition(**condition) for condition in status["conditions"]],
        ),
    )


def read_resource(message: pb.Resource) -> ResourceDocument:
    """The resource in a message, as it was written."""
    document: ResourceDocument = orjson.loads(message.manifest)
    document["status"] = {
        "revision": message.status.revision,
        "version": message.status.version,
        "conditions": [
            {
                "type": condition.type,
                "status": condition.status,
                "reason": condition.reason,
                "message": condition.message,
                "since": condition.since,
            }
            for condition in message.status.conditions
        ],
    }
    return document


def write_event(event: WatchEvent) -> pb.WatchResponse:
    """An event of a watch as a message."""
    return pb.WatchResponse(
        revision=event.revision,
        action=_WATCH_ACTIONS[event.action],
        resource=write_resource(event.resource),
    )


def read_event(message: pb.WatchResponse) -> WatchEvent:
    """The event in a message."""
    return WatchEvent(
        message.revision, _WATCH_WORDS[message.action], read_resource(message.resource)
    )
