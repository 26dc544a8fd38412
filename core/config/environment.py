"""Values from the environment: ``${env:NAME}``, or ``${env:NAME:-what else}``.

Nothing else of the environment reaches the configuration. What stands there is taken as text and
never read as YAML; ``$${env:`` writes the words themselves.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from typing import Final

from penstock.core.nearest import did_you_mean
from penstock.core.positions import (
    KeyPath,
    PositionedDocument,
    Problem,
    YamlValue,
    format_path,
)

_REFERENCE: Final = re.compile(
    r"\$(?P<escape>\$\{env:)"
    r"|\$\{env:(?:(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?::-(?P<default>[^}]*))?(?P<end>\}))?"
)


def resolve_environment(
    document: PositionedDocument, environment: Mapping[str, str]
) -> tuple[PositionedDocument, list[Problem]]:
    """The document with every reference in its values replaced, and what is wrong with them:
    variables that are not set and have no default, references that are not complete.
    """
    problems: list[Problem] = []

    def replace(value: YamlValue, path: KeyPath) -> YamlValue:
        if isinstance(value, dict):
            return {key: replace(inner, (*path, key)) for key, inner in value.items()}
        if isinstance(value, list):
            return [replace(inner, (*path, index)) for index, inner in enumerate(value)]
        if isinstance(value, str) and "${env:" in value:
            return _REFERENCE.sub(lambda match: resolve(match, path), value)
        return value

    def resolve(match: re.Match[str], path: KeyPath) -> str:
        name = match["name"]
        if match["escape"] is not None:
            return match["escape"]
        if match["end"] is None:
            complain(path, "a reference to the environment is not complete", "write ${env:NAME}")
        elif name in environment:
            return environment[name]
        elif match["default"] is not None:
            return match["default"]
        else:
            hint = did_you_mean(name, environment) or f"set it, or write ${{env:{name}:-default}}"
            complain(path, f"the environment variable '{name}' is not set", hint)
        return ""

    def complain(path: KeyPath, message: str, hint: str) -> None:
        problems.append(Problem(document.position(path), format_path(path), message, hint))

    data = replace(document.data, ())
    return dataclasses.replace(document, data=data), problems
