"""The JSON Schema of the config file, with the sections of the active plug-ins.

``python -m penstock.core.plugins.config_schema FILE`` writes that of the installed ones; the
repository keeps that of the built-in ones at ``docs/reference/penstock.schema.json``.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from penstock.core.config import Config, PluginsSection, TransportSection
from penstock.core.plugins.manager import assemble
from penstock.core.plugins.options import core_options
from penstock.core.plugins.plugins import Plugins

_REFERENCE: Final = {"type": "string", "pattern": r"\$\{env:"}
"""A value from the environment stands wherever a number, a flag or a word does."""


def config_schema(plugins: Plugins) -> dict[str, Any]:
    """The schema (draft 2020-12), to be written as JSON."""
    schemas = plugins.schemas()
    models: list[type[BaseModel]] = [Config, *schemas.values()]
    references, together = models_json_schema(
        [(model, "validation") for model in models], by_alias=True
    )
    definitions: dict[str, Any] = together["$defs"]
    own = {name: references[schema, "validation"] for name, schema in schemas.items()}

    section = definitions[PluginsSection.__name__]
    section["additionalProperties"] = False
    carriers = {plugins.transports.origin(name).plugin for name in plugins.transports.names()}
    for name, reference in own.items():
        if name not in carriers and core_options(Config(), name) is None:
            section["properties"][name] = reference

    transport = definitions[TransportSection.__name__]
    default = transport["properties"]["kind"]["default"]
    transport["oneOf"] = [
        _transport(name, own.get(plugins.transports.origin(name).plugin), definitions, default)
        for name in plugins.transports.names()
    ]
    del transport["additionalProperties"], transport["properties"]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "The config file of Penstock (penstock.yaml)",
        **references[Config, "validation"],
        "$defs": _with_references(definitions),
    }


def _transport(
    name: str, reference: dict[str, str] | None, definitions: dict[str, Any], default: str
) -> dict[str, Any]:
    """The section ``transport`` for one kind."""
    options = definitions[reference["$ref"].rpartition("/")[2]] if reference else {}
    required = [] if name == default else ["kind"]
    return {
        "properties": {"kind": {"const": name}, **options.get("properties", {})},
        "required": [*required, *options.get("required", [])],
        "additionalProperties": False,
    }


def _with_references(schema: Any) -> Any:
    """``schema`` with references to the environment allowed in place of simple values, and
    without the titles that pydantic makes of names."""
    if isinstance(schema, list):
        return [_with_references(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    if "enum" in schema or schema.get("type") in ("integer", "number", "boolean"):
        return {"anyOf": [_without_title(schema), _REFERENCE]}
    return {key: _with_references(value) for key, value in _without_title(schema).items()}


def _without_title(schema: dict[str, Any]) -> dict[str, Any]:
    # A property that is named so has a schema there, and no text.
    return {k: v for k, v in schema.items() if k != "title" or not isinstance(v, str)}


def written_schema(plugins: Plugins) -> str:
    """The schema as it stands in a file."""
    return json.dumps(config_schema(plugins), indent=2, sort_keys=True) + "\n"


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(written_schema(assemble(Config())), encoding="utf-8")
