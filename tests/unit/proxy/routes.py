"""Routes as a scheduler tells of them, for tests of what a proxy makes of them."""

from __future__ import annotations

from penstock.core.contracts.model import CopyPlace
from penstock.core.resources import Experiment
from penstock.core.routing.route import (
    Copies,
    Door,
    Gone,
    NotReady,
    Route,
    RouteKey,
    ServedExperiment,
    ServedModel,
    Update,
)

DOOR = Door("http://gateway:8900", "grpc://gateway:8901", "a")


def place(number: int, *, rest: bool = True) -> CopyPlace:
    """A copy with the agent of that number."""
    return CopyPlace(
        f"grpc://agent{number}:2", "m_1", rest=f"http://agent{number}:1" if rest else "", zone="z"
    )


def copies(name: str, version: int, *places: CopyPlace, revision: int = 1) -> Route:
    """Where a version of a model is called."""
    return Route(RouteKey("copies", name), revision, Copies(version, None, places))


def model(name: str, version: int, revision: int = 1) -> Route:
    """The version that requests get."""
    return Route(RouteKey("model", name), revision, ServedModel(version, None))


def not_ready(name: str, revision: int = 1) -> Route:
    """A model that serves nothing."""
    return Route(RouteKey("model", name), revision, NotReady(1, "it is being loaded"))


def door(name: str, where: Door = DOOR, revision: int = 1) -> Route:
    """A gateway."""
    return Route(RouteKey("door", name), revision, where)


def experiment(
    name: str, weights: dict[str, float], version: int = 1, revision: int = 1, **spec: object
) -> Route:
    """An experiment over candidates with these weights in force."""
    document = {
        "apiVersion": "penstock.io/v1",
        "kind": "Experiment",
        "metadata": {"name": name},
        "spec": {"candidates": [{"name": each, "weight": 1} for each in weights], **spec},
    }
    manifest = Experiment.model_validate(document, by_alias=True, by_name=False)
    body = ServedExperiment(version, manifest, tuple(weights.values()))
    return Route(RouteKey("experiment", name), revision, body)


def told(*routes: Route | Gone, whole: bool = False, epoch: str = "e", revision: int = 1) -> Update:
    """What a scheduler says that knows what serves."""
    return Update(epoch, revision, routes, whole=whole, settled=True)
