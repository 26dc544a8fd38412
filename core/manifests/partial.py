"""What can still be checked of a document that does not have the shape of its kind.

Every problem of a file is to be told at once. So the fields that are wrong are taken out, and the
rules are run over the rest; findings that may only follow from what was taken out are dropped.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from pydantic import ValidationError

from penstock.core.manifests.findings import Finding
from penstock.core.positions import YamlValue
from penstock.core.problems import KeyPath
from penstock.core.resources import Manifest


@dataclass(slots=True)
class TakenOut:
    """What a manifest lacks: ``sections`` that had a field taken out, and the ``names`` of items
    (steps) that had to be given another one."""

    sections: list[KeyPath] = field(default_factory=list)
    names: list[str] = field(default_factory=list)

    def may_explain(self, finding: Finding) -> bool:
        """Whether the finding may only follow from what is missing."""
        # At the top of a spec everything is in one section; there only the field itself is gone.
        return any(
            len(section) > 1 and finding.path[: len(section)] == section
            for section in self.sections
        ) or any(f"'{name}'" in finding.message for name in self.names)


def read_rest(
    kind: type[Manifest], data: YamlValue, error: ValidationError
) -> tuple[Manifest | None, TakenOut]:
    """The manifest without the fields that ``error`` is about, and what became of them.

    The fields are taken out of ``data``; where a section cannot be without one, the section goes
    as well, and an item of a list that cannot be without a name gets one. None when what is left
    is no manifest.
    """
    gone = TakenOut()
    try:
        while True:
            changed = False
            for details in error.errors(include_url=False, include_context=False):
                path: KeyPath = details["loc"]
                if _is_name_of_item(path):
                    changed |= _name_anew(data, path, gone)
                    continue
                if details["type"] == "missing":
                    path = path[:-1]
                if len(path) > 1 and take_out(data, path):
                    gone.sections.append(path[:-1])
                    changed = True
            if not changed:
                return None, gone
            try:
                return kind.model_validate(data, by_alias=True, by_name=False), gone
            except ValidationError as again:
                error = again
    finally:
        # It leads to this frame by a way that the garbage collector cannot follow (pydantic's
        # errors are not Python objects within): what the frame held would be kept for ever.
        del error


def sound_findings(findings: Iterable[Finding], gone: TakenOut) -> list[Finding]:
    """The findings that are there whatever was taken out."""
    return [finding for finding in findings if not gone.may_explain(finding)]


def take_out(data: YamlValue, path: KeyPath) -> bool:
    """Remove the field at ``path``; whether it was there. Items of lists stay, for the others
    keep their indexes."""
    *way, last = path
    section = _section(data, way)
    if not isinstance(section, dict) or not isinstance(last, str) or last not in section:
        return False
    del section[last]
    return True


def _is_name_of_item(path: KeyPath) -> bool:
    return len(path) > 1 and path[-1] == "name" and isinstance(path[-2], int)


def _name_anew(data: YamlValue, path: KeyPath, gone: TakenOut) -> bool:
    """Give an item the name of its place; whether that changes anything."""
    item, name = _section(data, path[:-1]), f"unnamed-{path[-2]}"
    if not isinstance(item, dict) or item.get("name") == name:
        return False
    before = item.get("name")
    if isinstance(before, str):
        gone.names.append(before)
    item["name"] = name
    gone.sections.append(path[:-1])
    return True


def _section(data: YamlValue, way: Sequence[str | int]) -> YamlValue:
    """What stands at the end of ``way``, None where that leads nowhere."""
    for key in way:
        if isinstance(data, dict) and isinstance(key, str):
            data = data.get(key)
        elif isinstance(data, list) and isinstance(key, int) and key < len(data):
            data = data[key]
        else:
            return None
    return data
