"""The story of a request for people: its way through the pipeline as a tree."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from rich.console import Group
from rich.text import Text
from rich.tree import Tree

Document = Mapping[str, Any]

_STYLES = {"value": "green", "absent": "yellow", "failed": "red", "ok": "green", "open": "cyan"}


class _Visit(NamedTuple):
    """One run of one step, or what the pipeline itself took in and gave back."""

    name: str
    round: int
    inputs: Document | None
    outputs: Document | None


def story_view(story: Document) -> Group:
    """A line about the request, a branch for each visit, and what nobody was told of."""
    tree = Tree(_headline(story), guide_style="dim")
    visits = _visits(story["records"])
    rounds = {visit.name for visit in visits if visit.round}
    for visit in visits:
        _add_visit(tree, visit, in_rounds=visit.name in rounds)
    if not visits:
        tree.add(Text("none of its ports was kept; see record in the pipeline's manifest", "dim"))
    if story["error"] is not None:
        _add_error(tree, story["error"])
    for letter in story["dead_letters"]:
        tree.add(Text(f"nobody was told: {_failure(letter)}", "red"))
    return Group(tree)


def _headline(story: Document) -> Text:
    outcome = story["outcome"] or "open"
    text = Text()
    text.append(story["id"], "bold")
    text.append(f"  pipeline {story['pipeline']}, version {story['version']}, {story['opened']}")
    text.append("\n")
    text.append(outcome, _STYLES.get(outcome, "red"))
    if story["took_ms"] is not None:
        text.append(f" after {story['took_ms']:g} ms")
    text.append(f" of {story['deadline_ms']:g}", "dim")
    if story["asynchronous"]:
        text.append(", asynchronous")
    if story["ended_ms"] is None:
        text.append(", still under way", "cyan")
    elif story["took_ms"] is not None and story["ended_ms"] > story["took_ms"]:
        text.append(f", all of it at an end after {story['ended_ms']:g} ms", "dim")
    if story["x_request_id"]:
        text.append(f", x-request-id {story['x_request_id']}", "dim")
    return text


def _visits(records: Sequence[Document]) -> list[_Visit]:
    """Ports brought together by step and round, in the order in which they began to end."""
    visits: dict[tuple[str, int], _Visit] = {}
    for record in records:
        step, _, side = record["port"].rpartition(".")
        name = step or record["port"]
        key = (name, record["round"])
        visit = visits.get(key, _Visit(name, record["round"], None, None))
        visits[key] = (
            visit._replace(inputs=record) if side == "inputs" else visit._replace(outputs=record)
        )
    return list(visits.values())


def _add_visit(tree: Tree, visit: _Visit, *, in_rounds: bool) -> None:
    title = Text(visit.name, "bold")
    if in_rounds:
        title.append(f" round {visit.round}", "not bold cyan")
    inputs, outputs = visit.inputs, visit.outputs
    if inputs is not None and outputs is not None:
        if inputs["state"] == "value":
            took_ms = outputs["after_ms"] - inputs["after_ms"]
            title.append(
                f"  called after {inputs['after_ms']:g} ms, took {took_ms:.3g} ms", "not bold dim"
            )
            others = outputs.get("shared_by", 1) - 1
            if others:
                title.append(f", in one call with {others} more", "not bold cyan")
            branch = tree.add(title)
            branch.add(_port("in", inputs))
            branch.add(_port("out", outputs))
        else:
            title.append(f"  after {outputs['after_ms']:g} ms  ", "not bold dim")
            title.append(_why(outputs), f"not bold {_STYLES[outputs['state']]}")
            tree.add(title)
        return
    record = inputs or outputs
    assert record is not None, "a visit has a record"
    title.append(f"  after {record['after_ms']:g} ms", "not bold dim")
    branch = tree.add(title)
    if visit.name in ("inputs", "outputs"):
        branch.add(_port("", record))
    elif inputs is not None:
        branch.add(_port("in", inputs))
        branch.add(Text("at work", "cyan"))
    else:
        branch.add(_port("out", record))


def _port(label: str, record: Document) -> Text:
    text = Text(f"{label}  " if label else "", "dim")
    if record["state"] != "value":
        return text.append(_why(record), _STYLES[record["state"]])
    for number, tensor in enumerate(record["tensors"]):
        text.append("\n" + " " * (len(label) + 2) if number and label else "\n" if number else "")
        text.append(tensor["name"], "not dim green")
        text.append(f" {tensor['datatype']} {tensor['shape']}", "dim")
        if "data" in tensor:
            text.append(f" = {_values(tensor)}", "not dim")
    if record["omitted_bytes"]:
        text.append(f"  ({record['omitted_bytes']} bytes were not kept)", "dim")
    return text


def _values(tensor: Document) -> str:
    shown = ", ".join(
        f"{value:.6g}" if isinstance(value, float) else str(value) for value in tensor["data"]
    )
    return f"{shown}, ..." if tensor["shortened"] else shown


def _why(record: Document) -> str:
    if record["state"] == "failed":
        return _failure(record)
    return str(record["reason"])


def _failure(failure: Document) -> str:
    at = f" at step '{failure['step']}'" if failure["step"] else ""
    return f"{failure['code']}{at}: {failure['reason']}"


def _add_error(tree: Tree, error: Document) -> None:
    at = f" at step '{error['step']}'" if error["step"] else ""
    branch = tree.add(Text(f"the caller was told {error['code']}{at}: {error['error']}", "red"))
    for detail in error["details"]:
        branch.add(Text(detail, "dim"))
