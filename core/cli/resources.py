"""How resources and their status are printed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from penstock.core.cli.output import Output
from penstock.core.contracts.control import ResourceDocument


def conditions_of(resource: ResourceDocument) -> dict[str, dict[str, Any]]:
    """The conditions of a resource by their type."""
    conditions = resource.get("status", {}).get("conditions", [])
    return {condition["type"]: condition for condition in conditions}


def is_settled(resource: ResourceDocument) -> bool:
    """Whether nothing changes unless somebody acts."""
    return str(conditions_of(resource).get("Progressing", {}).get("status")) != "True"


def is_ready(resource: ResourceDocument) -> bool:
    """Whether the version that is wanted serves."""
    conditions = conditions_of(resource)
    return (
        str(conditions.get("Ready", {}).get("status")) == "True" and "Progressing" not in conditions
    )


def reasons(resource: ResourceDocument) -> Iterator[str]:
    """Why a resource is not ready, in sentences."""
    for kind, condition in conditions_of(resource).items():
        wrong = kind == "Progressing" or str(condition.get("status")) != "True"
        if wrong and condition.get("message"):
            yield str(condition["message"])


def _said_of(resource: ResourceDocument, *, ready: bool) -> Iterator[str]:
    """Why a resource is not ready, and of what is ready that nobody reaches it now."""
    if not ready:
        yield from reasons(resource)
        return
    reached = conditions_of(resource).get("TransportReached")
    if reached is not None and reached["status"] != "True":
        yield str(reached["message"])


def print_resources(output: Output, resources: Sequence[ResourceDocument]) -> None:
    """A row for each resource: what it is, whether it is ready, and why not."""
    from rich.text import Text

    def row(resource: ResourceDocument) -> tuple[str, str, str, Text, Text]:
        ready = is_ready(resource)
        return (
            resource["kind"].lower(),
            resource["metadata"]["name"],
            str(resource.get("status", {}).get("version", "")),
            Text("yes" if ready else "no", style="green" if ready else "red"),
            Text("; ".join(dict.fromkeys(_said_of(resource, ready=ready)))),
        )

    output.table(("kind", "name", "version", "ready", "why"), map(row, resources))
