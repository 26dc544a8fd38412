"""How the description of a resource is printed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import click
from rich.text import Text

from penstock.core.cli.output import Output
from penstock.core.cli.placement_view import print_placement, room_of
from penstock.core.contracts.control import ResourceDocument

_STATUS_STYLES = {"True": "green", "False": "red", "Over": "dim"}


def print_description(output: Output, description: ResourceDocument) -> None:
    """One section after the other; those with nothing in them are left out."""
    resource = description["resource"]
    status = resource["status"]
    title = f"{resource['kind'].lower()} '{resource['metadata']['name']}'"
    output.console.print(Text(title, style="bold").append(_version(status), style="not bold"))
    _print_manifest(output, resource)
    _print_conditions(output, "conditions", "since", status["conditions"])
    if "placement" in description:
        _head(output, "placement")
        print_placement(output, description["placement"])
    if description.get("replicas"):
        _head(output, "replicas")
        headings = ("replica", "standing", "room", "takes models", "models", "why")
        output.table(headings, map(_replica, description["replicas"]), unfolded=("replica",))
    for title in ("uses", "used_by"):
        _print_neighbours(output, title.replace("_", " "), description[title])
    if description["warnings"]:
        _head(output, "warnings")
        for warning in description["warnings"]:
            output.console.print(Text(warning, style="yellow"))
    _print_conditions(output, "events", "at", description["events"])


def _version(status: Mapping[str, Any]) -> str:
    return f", version {status['version']}, revision {status['revision']}"


def _head(output: Output, title: str) -> None:
    output.console.print()
    output.console.print(Text(title, style="bold"))


def _print_manifest(output: Output, resource: ResourceDocument) -> None:
    import yaml

    _head(output, "manifest")
    metadata = {key: value for key, value in resource["metadata"].items() if key != "name"}
    shown = ({"metadata": metadata} if metadata else {}) | {"spec": resource["spec"]}
    click.echo(yaml.safe_dump(shown, sort_keys=False, allow_unicode=True), nl=False)


def _print_conditions(
    output: Output, title: str, when: str, conditions: Iterable[Mapping[str, Any]]
) -> None:
    rows = [_condition(each, when) for each in conditions]
    if rows:
        _head(output, title)
        headings = (when, "condition", "status", "reason", "message")
        output.table(headings, rows, unfolded=(when, "condition", "reason"))


def _condition(condition: Mapping[str, Any], when: str) -> tuple[str, str, Text, str, Text]:
    moment = datetime.fromisoformat(condition[when]).astimezone()
    status = condition["status"]
    return (
        f"{moment:%m-%d %H:%M:%S}",
        condition["type"],
        Text(status, style=_STATUS_STYLES.get(status, "")),
        condition["reason"],
        Text(condition["message"]),
    )


def _replica(replica: Mapping[str, Any]) -> tuple[str, str, str, Text, Text, Text]:
    takes = Text("no", style="yellow") if replica["drained"] else Text("yes", style="green")
    models = ", ".join(_copy(copy) for copy in replica["models"])
    return (
        str(replica["replica"]),
        replica["standing"],
        room_of(replica),
        takes,
        Text(models),
        Text(replica["why"] or ""),
    )


def _copy(copy: Mapping[str, Any]) -> str:
    said = f"{copy['name']} {copy['version']}"
    return said if copy["outlook"] is None else f"{said} ({copy['outlook']})"


def _print_neighbours(output: Output, title: str, neighbours: Sequence[Mapping[str, Any]]) -> None:
    if not neighbours:
        return
    _head(output, title)
    words = {True: ("ready", "green"), False: ("not ready", "red"), None: ("missing", "red")}
    for each in neighbours:
        text = Text(f"{each['kind'].lower()} {each['name']} ")
        output.console.print(text.append(*words[each["ready"]]))
