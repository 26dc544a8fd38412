"""The OpenAPI document, made from what is served."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from harness.asgi import ask
from penstock.transports.rest.schemas import SCHEMAS

from .conftest import RestRig


def references(node: Any) -> Iterator[str]:
    """Every ``$ref`` in a document."""
    if isinstance(node, dict):
        if "$ref" in node:
            yield node["$ref"]
        for value in node.values():
            yield from references(value)
    elif isinstance(node, list):
        for value in node:
            yield from references(value)


async def test_every_operation_is_in_it_once(rig: RestRig) -> None:
    document = (await ask(rig.app, "GET", "/openapi.json")).json
    assert document["openapi"].startswith("3.1.")
    described = {
        (method.upper(), path) for path, each in document["paths"].items() for method in each
    }
    assert described == {(each.method, each.path) for each in rig.operations}
    names = [each["operationId"] for path in document["paths"].values() for each in path.values()]
    assert len(set(names)) == len(names)


async def test_every_reference_leads_somewhere_and_every_schema_is_used(rig: RestRig) -> None:
    document = (await ask(rig.app, "GET", "/openapi.json")).json
    used = {each.removeprefix("#/components/schemas/") for each in references(document)}
    assert used == set(SCHEMAS) == set(document["components"]["schemas"])


async def test_every_path_parameter_is_described(rig: RestRig) -> None:
    document = (await ask(rig.app, "GET", "/openapi.json")).json
    for path, methods in document["paths"].items():
        for operation in methods.values():
            described = {each["name"] for each in operation["parameters"] if each["in"] == "path"}
            assert described == set(re.findall(r"\{(\w+)\}", path))
