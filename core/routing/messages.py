"""Routes as messages of ``penstock.routes.v1``, both ways."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Final, cast

import orjson

from penstock.core.codecs.signatures import read_signature, write_signature
from penstock.core.contracts.model import CopyPlace
from penstock.core.experiments.reports import Report
from penstock.core.experiments.tally_messages import read_tally, write_tally
from penstock.core.plan import Recording
from penstock.core.records import Port, PortSide
from penstock.core.resources import Experiment, Pipeline
from penstock.core.routing.route import (
    Acknowledgement,
    Copies,
    Door,
    Gone,
    InUse,
    NotReady,
    Route,
    RouteBody,
    RouteKey,
    RouteKind,
    ServedExperiment,
    ServedModel,
    ServedPipeline,
    Update,
)
from penstock.core.signature import Signature
from penstock.proto import routes_pb2 as pb

ROUTES_PER_MESSAGE: Final = 500
"""A message of so many stays far below what gRPC takes."""

_KINDS: Final[dict[RouteKind, pb.Kind]] = {
    "copies": pb.Kind.KIND_COPIES,
    "model": pb.Kind.KIND_MODEL,
    "pipeline": pb.Kind.KIND_PIPELINE,
    "experiment": pb.Kind.KIND_EXPERIMENT,
    "door": pb.Kind.KIND_DOOR,
}
_UNREADABLE: Final = "this gateway cannot read its manifest, bring it to the scheduler's release"

_KIND_WORDS: Final = {number: word for word, number in _KINDS.items()}


# Acknowledgements


def write_acknowledgement(said: Acknowledgement) -> pb.Acknowledgement:
    """What a gateway says, as a message."""
    return pb.Acknowledgement(
        gateway=said.gateway,
        epoch=said.epoch,
        seen=said.seen,
        in_use=[
            pb.InUse(
                kind=_KINDS[used.key.kind],
                name=used.key.name,
                version=used.version,
                revision=used.revision,
            )
            for used in said.in_use
        ],
        leaving=said.leaving,
        door=None if said.door is None else _write_door(said.door),
        tallies=[write_tally(key, tally) for key, tally in said.report.tallies],
        report=said.report.number,
        trouble=said.trouble,
    )


def read_acknowledgement(message: pb.Acknowledgement, host: str = "") -> Acknowledgement:
    """What a gateway says in a message that came from ``host``."""
    return Acknowledgement(
        message.gateway,
        message.epoch,
        message.seen,
        tuple(
            [
                InUse(RouteKey(_KIND_WORDS[used.kind], used.name), used.version, used.revision)
                for used in message.in_use
                if used.kind in _KIND_WORDS
            ]
        ),
        message.leaving,
        _read_door(message.door).with_host(host) if message.HasField("door") else None,
        Report(message.report, tuple([read_tally(tally) for tally in message.tallies])),
        message.trouble,
    )


# Updates


def write_update(update: Update) -> Iterator[pb.Update]:
    """An update as one message, or several if it is large."""
    routes = update.routes
    for start in range(0, max(len(routes), 1), ROUTES_PER_MESSAGE):
        end = start + ROUTES_PER_MESSAGE
        yield pb.Update(
            epoch=update.epoch,
            revision=update.revision,
            whole=update.whole,
            settled=update.settled,
            kept=update.kept,
            routes=map(_write_route, routes[start:end]),
            more=end < len(routes),
        )


def whole_message(routes: Sequence[Route]) -> pb.Update:
    """Routes as one message, however many there are."""
    return pb.Update(whole=True, routes=map(_write_route, routes))


async def read_updates(messages: AsyncIterator[pb.Update]) -> AsyncIterator[Update]:
    """The updates in a stream of messages."""
    routes: list[Route | Gone] = []
    async for message in messages:
        routes += read_routes(message)
        if not message.more:
            yield Update(
                message.epoch,
                message.revision,
                tuple(routes),
                message.whole,
                message.settled,
                message.kept,
            )
            routes = []


def read_routes(message: pb.Update) -> Iterator[Route | Gone]:
    """The routes in one message; kinds that this release does not know are left out."""
    for each in message.routes:
        kind = _KIND_WORDS.get(each.kind)
        if kind is None:
            continue
        key = RouteKey(kind, each.name)
        body = _read_body(each)
        yield Gone(key, each.revision) if body is None else Route(key, each.revision, body)


def _write_route(route: Route | Gone) -> pb.Route:
    kind, name = route.key
    message = pb.Route(kind=_KINDS[kind], name=name, revision=route.revision)
    if isinstance(route, Gone):
        message.gone.SetInParent()
        return message
    match route.body:
        case Copies(version, signature, places):
            written = [
                pb.Place(
                    address=place.address,
                    model=place.model,
                    version=place.version,
                    rest=place.rest,
                    zone=place.zone,
                )
                for place in places
            ]
            message.copies.MergeFrom(
                pb.Copies(version=version, signature=write_signature(signature), places=written)
            )
        case ServedModel(version, signature):
            message.model.MergeFrom(pb.Model(version=version, signature=write_signature(signature)))
        case ServedPipeline() as served:
            message.pipeline.MergeFrom(_write_pipeline(served))
        case ServedExperiment(version, manifest, weights):
            text = orjson.dumps(manifest.document()).decode()
            message.experiment.MergeFrom(
                pb.Experiment(version=version, manifest=text, weights=weights)
            )
        case Door() as door:
            message.door.MergeFrom(_write_door(door))
        case NotReady(version, reason):
            message.not_ready.MergeFrom(pb.NotReady(version=version, reason=reason))
    return message


def _write_pipeline(served: ServedPipeline) -> pb.Pipeline:
    return pb.Pipeline(
        version=served.version,
        signature=write_signature(served.signature),
        manifest=orjson.dumps(served.manifest.document()).decode(),
        record=served.record,
        read=[
            pb.Port(step=port.step or "", side=port.side) for port in sorted(served.read, key=str)
        ],
        partitions=served.partitions,
        matched=served.matched,
    )


def _write_door(door: Door) -> pb.Door:
    return pb.Door(rest=door.rest, grpc=door.grpc, zone=door.zone)


def _read_door(message: pb.Door) -> Door:
    return Door(message.rest, message.grpc, message.zone)


def _read_body(message: pb.Route) -> RouteBody | None:
    """What a name stands for; None where it is gone."""
    match message.WhichOneof("body"):
        case "copies":
            copies = message.copies
            places = [
                CopyPlace(each.address, each.model, each.version, each.rest, each.zone)
                for each in copies.places
            ]
            return Copies(copies.version, _signature_in(copies), tuple(places))
        case "model":
            return ServedModel(message.model.version, _signature_in(message.model))
        case "pipeline":
            return _read_pipeline(message.pipeline)
        case "experiment":
            return _read_experiment(message.experiment)
        case "door":
            return _read_door(message.door)
        case "not_ready":
            return NotReady(message.not_ready.version, message.not_ready.reason)
    return None


def _read_pipeline(message: pb.Pipeline) -> RouteBody:
    try:
        document = orjson.loads(message.manifest)
        manifest = Pipeline.model_validate(document, by_alias=True, by_name=False)
    except ValueError as error:
        return NotReady(message.version, f"{_UNREADABLE}: {error}")
    return ServedPipeline(
        message.version,
        _signature_in(message),
        manifest,
        cast(Recording, message.record),
        frozenset([Port(each.step or None, cast(PortSide, each.side)) for each in message.read]),
        message.partitions or 1,
        message.matched,
    )


def _read_experiment(message: pb.Experiment) -> RouteBody:
    try:
        document = orjson.loads(message.manifest)
        manifest = Experiment.model_validate(document, by_alias=True, by_name=False)
        if len(manifest.spec.candidates) != len(message.weights):
            raise ValueError("it has another number of weights than of candidates")
    except ValueError as error:
        return NotReady(message.version, f"{_UNREADABLE}: {error}")
    return ServedExperiment(message.version, manifest, tuple(message.weights))


def _signature_in(message: pb.Copies | pb.Model | pb.Pipeline) -> Signature | None:
    return read_signature(message.signature) if message.HasField("signature") else None
