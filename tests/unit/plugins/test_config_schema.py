"""The JSON Schema of the config file."""

from __future__ import annotations

import tomllib
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest
from pydantic import Field

from harness.entry_points import FakeEntryPoint, a_plugin
from penstock.core.config import Config, Section
from penstock.core.contracts import Transport
from penstock.core.plugins.config_schema import config_schema, written_schema
from penstock.core.plugins.manager import assemble

REPOSITORY = Path(__file__).parents[3]


def test_the_committed_schema_is_that_of_the_built_in_plug_ins() -> None:
    table = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))
    entry_points = table["project"]["entry-points"]["penstock"]
    plugins = assemble(
        Config(),
        entry_points=[EntryPoint(name, value, "penstock") for name, value in entry_points.items()],
    )
    written = (REPOSITORY / "docs/reference/penstock.schema.json").read_text(encoding="utf-8")
    assert written == written_schema(plugins), (
        "run: python -m penstock.core.plugins.config_schema docs/reference/penstock.schema.json"
    )


class Options(Section):
    max_held: int = Field(default=3, ge=1)


class Streams(Section):
    servers: str


def make_nothing() -> Transport:
    raise AssertionError("nothing is made for a schema")


@pytest.fixture
def definitions() -> dict[str, Any]:
    entry_points = [
        FakeEntryPoint("majority", a_plugin(register_config=Options)),
        FakeEntryPoint("plain", a_plugin(register_transports={"memory": make_nothing})),
        FakeEntryPoint(
            "streams",
            a_plugin(register_config=Streams, register_transports={"kafka": make_nothing}),
        ),
    ]
    schema = config_schema(assemble(Config(), entry_points=entry_points))
    assert schema["$ref"] == "#/$defs/Config"
    definitions: dict[str, Any] = schema["$defs"]
    return definitions


def test_a_plug_in_with_options_has_its_section(definitions: dict[str, Any]) -> None:
    section = definitions["PluginsSection"]
    assert section["additionalProperties"] is False
    assert section["properties"].keys() == {"disable", "majority"}
    assert section["properties"]["majority"] == {"$ref": "#/$defs/Options"}


def test_the_transport_has_the_options_of_its_kind(definitions: dict[str, Any]) -> None:
    kafka, memory = definitions["TransportSection"]["oneOf"]
    assert memory == {
        "properties": {"kind": {"const": "memory"}},
        "required": [],
        "additionalProperties": False,
    }
    assert kafka == {
        "properties": {"kind": {"const": "kafka"}, "servers": {"type": "string"}},
        "required": ["kind", "servers"],
        "additionalProperties": False,
    }


def test_a_reference_to_the_environment_may_stand_for_a_number(
    definitions: dict[str, Any],
) -> None:
    assert definitions["Options"]["properties"]["maxHeld"] == {
        "anyOf": [
            {"type": "integer", "minimum": 1, "default": 3},
            {"type": "string", "pattern": r"\$\{env:"},
        ]
    }
