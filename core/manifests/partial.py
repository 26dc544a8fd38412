"""What can still be checked of a document that does not have the shape of its kind.

Every problem of a file is to be told at once. So the fields that are wrong are taken out, and the
rules are run over the rest; findings that may only follow from what was taken out are dropped.
"""

from __future__ import annotations

from collections.abc import Iterable

from pydantic import ValidationError

from penstock.core.manifests.findings import Finding
from penstock.core.positions import YamlValue
from penstock.core.problems import KeyPath
from penstock.core.resources import Manifest


def read_rest(
    kind: type[Manifest], data: YamlValue, error: ValidationError
) -> tuple[Manifest | None, list[KeyPath]]:
    """The manifest without the fields that ``error`` is about, and the sections they were in.

    The fields are taken out of ``data``; where a section cannot be without one, the section goes
    as well. None when what is left is no manifest.
    """
    spoilt: list[KeyPath] = []
    while True:
        wrong = {
            details["loc"][:-1] if details["type"] == "missing" else details["loc"]
            for details in error.errors(include_url=False, include_context=False)
        }
        taken = [path for path in wrong if len(path) > 1 and take_out(data, path)]
        if not taken:
            return None, spoilt
        spoilt += [path[:-1] for path in taken]
        try:
            return kind.model_validate(data, by_alias=True, by_name=False), spoilt
        except ValidationError as again:
            error = again


def sound_findings(findings: Iterable[Finding], spoilt: Iterable[KeyPath]) -> list[Finding]:
    """The findings that are not in a step or a section of which something was taken out."""
    # At the top of a spec everything is in one section; there only the field itself is gone.
    sections = [path for path in spoilt if len(path) > 1]
    return [
        finding
        for finding in findings
        if not any(finding.path[: len(section)] == section for section in sections)
    ]


def take_out(data: YamlValue, path: KeyPath) -> bool:
    """Remove the field at ``path``; whether it was there. Items of lists stay, for the others
    keep their indexes."""
    *way, last = path
    for key in way:
        inner = _inside(data, key)
        if inner is None:
            return False
        data = inner
    if not isinstance(data, dict) or not isinstance(last, str) or last not in data:
        return False
    del data[last]
    return True


def _inside(data: YamlValue, key: str | int) -> YamlValue:
    if isinstance(data, dict) and isinstance(key, str):
        return data.get(key)
    if isinstance(data, list) and isinstance(key, int) and key < len(data):
        return data[key]
    return None
