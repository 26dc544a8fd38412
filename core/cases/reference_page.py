"""Makes ``docs/reference/case-files.md`` from the document of case files.

``python -m penstock.core.cases.reference_page FILE`` writes it.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from penstock.core.cases.documents import FORMAT, PARTS, Document

_HEAD: Final = f"""\
# Case files

A request as a file: `penstock inspect ID --export FILE.penstock`, or `GET /v1/cases/{{request}}`,
writes it, `penstock run` and pytest [play it](../how-to/requests.md#a-request-as-a-file).

It is a zip archive with the document `case.json` and, under `tensors/`, the contents of tensors,
each once whatever ports show them. This is format {FORMAT}. A reader takes its own format and the
one before it, leaves out keys that it does not know, and refuses an archive of more than 2 GiB
unpacked. A part below is called by the name that others have for it; what is not required may be
missing.

This page is made from the code: `python -m penstock.core.cases.reference_page FILE`."""


def reference_page() -> str:
    """The page, as Markdown."""
    return "\n\n".join([_HEAD, *map(_section, PARTS)]) + "\n"


def _section(part: type[Document]) -> str:
    schema = part.model_json_schema()
    described = " ".join((part.__doc__ or "").split()).replace("``", "`")
    required = schema.get("required", ())
    rows = ["| key | type | required | what |", "|---|---|---|---|"]
    rows += [
        f"| `{key}` | {_type(field)} | {'yes' if key in required else ''} "
        f"| {field.get('description', '')} |"
        for key, field in schema["properties"].items()
    ]
    lines = "\n".join(rows)
    return f"## {_named(part.__name__)}\n\n{described}\n\n{lines}"


def _named(name: str) -> str:
    """``RequestDocument`` as ``Request``."""
    return re.sub("Document$", "", name)


def _type(field: dict[str, Any]) -> str:
    return " or ".join(_types(field))


def _types(field: dict[str, Any]) -> Iterator[str]:
    if "$ref" in field:
        yield _named(field["$ref"].rpartition("/")[2])
    elif "anyOf" in field:
        for each in field["anyOf"]:
            yield from _types(each)
    elif "enum" in field:
        yield " or ".join(f"`{each}`" for each in field["enum"])
    elif field.get("type") == "array":
        yield f"list of {_type(field['items'])}"
    elif field.get("type") == "object" and isinstance(field.get("additionalProperties"), dict):
        yield f"mapping to {_type(field['additionalProperties'])}"
    else:
        yield str(field["type"])


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(reference_page(), encoding="utf-8")
