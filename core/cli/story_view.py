"""The story of a request for people: its way through the pipeline as a tree."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Group
from rich.text import Text
from rich.tree import Tree

Document = Mapping[str, Any]

_STYLES = {"value": "green", "absent": "yellow", "failed": "red", "ok": "green", "open": "cyan"}


def story_view(story: Document) -> Group:
    """A line about the request, a branch for each visit, and what nobody was told of; in the
    pipeline that was called, and in each that read it."""
    return Group(*map(_tree, (story, *story.get("readers", ()))))


def tap_line(record: Document) -> Text:
    """One record of a port, as it went by."""
    text = Text()
    text.append(record["at"][11:23], "dim")
    text.append(f"  {record['id']}  ")
    text.append(record["port"], "bold")
    if record["round"]:
        text.append(f" round {record['round']}", "cyan")
    text.append("  ")
    return text.append_text(_port("", record))


def _tree(story: Document) -> Tree:
    tree = Tree(_headline(story), guide_style="dim")
    if story.get("same_x_request_id"):
        others = ", ".join(story["same_x_request_id"])
        tree.add(Text(f"the same x-request-id came with {others} as well", "cyan"))
    _add_brought(tree, story)
    if story["visits"]:
        _add_all(tree, story)
    else:
        _add_ports(tree, story["records"])
    if story["error"] is not None:
        _add_error(tree, story["error"])
    if story["missing"]:
        tree.add(
            Text(f"answered without {', '.join(story['missing'])}: their time was over", "yellow")
        )
    for letter in story["dead_letters"]:
        tree.add(Text(f"nobody was told: {_failure(letter)}", "red"))
    return tree


def _add_brought(tree: Tree, story: Document) -> None:
    """What other pipelines brought, where more came than what began it, or of other requests."""
    if len(story["brought"]) < 2:
        return
    branch = tree.add(Text("came of other pipelines", "bold"))
    for each in story["brought"]:
        line = Text(f"{each['port']}  ")
        line.append(f"after {each['after_ms']:g} ms", "dim")
        if each["id"] != story["id"]:
            line.append(f", of another request: penstock inspect {each['id']}", "cyan")
        branch.add(line)


def _add_all(tree: Tree, story: Document) -> None:
    """The visits of a request whose every port was kept, what came in before and what out after."""
    records = {(record["port"], record["round"]): record for record in story["records"]}
    children = {child["id"]: child for child in story.get("children", ())}
    rounds = {visit["step"] for visit in story["visits"] if visit["round"]}
    came = records.get(("inputs", 0))
    if came is not None:
        tree.add(Text("inputs", "bold")).add(_port("", came))
    for visit in story["visits"]:
        title = _title(visit, in_rounds=visit["step"] in rounds)
        if visit["state"] == "skipped" and visit["step"] is not None:
            record = records[f"{visit['step']}.outputs", visit["round"]]
            title.append(f"  {record['reason']}", "not bold yellow")
        branch = tree.add(title)
        _add_join(branch, visit, "join", "steps" if visit["step"] is None else "inputs")
        _add_join(branch, visit, "triggers", "triggers")
        for attempt in visit["failed_attempts"]:
            branch.add(
                Text(
                    f"attempt {attempt['attempt']} failed after {attempt['after_ms']:g} ms: "
                    f"{_failure(attempt)}",
                    "red",
                )
            )
        _add_records(branch, visit, records)
        for identity in visit["children"]:
            child = children.get(identity)
            if child is not None:
                branch.add(_tree(child))
            elif visit["state"] != "waiting":
                branch.add(Text(f"its request: penstock inspect {identity}", "dim"))


def _title(visit: Document, *, in_rounds: bool) -> Text:
    title = Text("outputs" if visit["step"] is None else visit["step"], "bold")
    if in_rounds:
        title.append(f" round {visit['round']}", "not bold cyan")
    called = visit["model"] or visit["pipeline"]
    if called is not None and visit["state"] not in ("skipped", "waiting"):
        kind = "model" if visit["pipeline"] is None else "pipeline"
        version = "" if visit["version"] is None else f" {visit['version']}"
        title.append(f"  {kind} {called}{version}", "not bold dim")
    if visit["took_ms"] is not None:
        after, took = visit["called_after_ms"], visit["took_ms"]
        title.append(f"  called after {after:g} ms, took {took:.3g} ms", "not bold dim")
        if visit["shared_by"] > 1:
            title.append(f", in one call with {visit['shared_by'] - 1} more", "not bold cyan")
    elif visit["ended_after_ms"] is not None:
        title.append(f"  after {visit['ended_after_ms']:g} ms", "not bold dim")
    if visit["state"] in ("called", "waiting"):
        title.append(f"  {'at work' if visit['state'] == 'called' else 'waits'}", "not bold cyan")
    return title


def _add_join(branch: Tree, visit: Document, key: str, what: str) -> None:
    """What a join waited for; nothing where it had nothing to wait for."""
    join = visit[key]
    if join is None or (key == "join" and len(join["sources"]) < 2 and visit["state"] != "waiting"):
        return
    line = Text(f"{what} joined by {join['strategy']}", "dim")
    if join["waited_ms"] is not None:
        line.append(f", waited {join['waited_ms']:.3g} ms", "not dim")
    if join["ended_by"] is not None:
        line.append(f", ended by {_ended_by(join['ended_by'])}", "not dim")
    waiting = branch.add(line)
    for source in join["sources"]:
        told = Text(f"{source['source']}  ")
        told.append(source["state"], _STYLES.get(source["state"], "cyan"))
        if source["after_ms"] is not None:
            late = " only" if source["state"] == "open" else ""
            told.append(f"{late} after {source['after_ms']:g} ms", "dim")
        if source["round"]:
            told.append(f", round {source['round']}", "cyan")
        if source["reason"]:
            told.append(f": {source['reason']}", "dim")
        waiting.add(told)


def _ended_by(word: str) -> str:
    return {
        "window": "its window",
        "deadline": "the deadline",
        "cancelled": "the caller, who went away",
        "clock": "a time of the join's own",
    }.get(word, word)


def _add_records(
    branch: Tree, visit: Document, records: Mapping[tuple[str, int], Document]
) -> None:
    step, number = visit["step"], visit["round"]
    if step is None:
        record = records.get(("outputs", 0))
        if record is not None:
            branch.add(_port("", record))
        return
    inputs = records.get((f"{step}.inputs", number))
    outputs = records.get((f"{step}.outputs", number))
    if inputs is not None and inputs["state"] == "value":
        branch.add(_port("in", inputs))
    if outputs is not None and visit["state"] != "skipped":
        called = inputs is not None and inputs["state"] == "value"
        branch.add(_port("out" if called else "", outputs))


def _add_ports(tree: Tree, records: Sequence[Document]) -> None:
    """Those ports that were kept, where not all were."""
    for record in records:
        title = Text(record["port"], "bold")
        title.append(f"  after {record['after_ms']:g} ms", "not bold dim")
        tree.add(title).add(_port("", record))
    if not records:
        tree.add(Text("none of its ports was kept; see record in the pipeline's manifest", "dim"))


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
    if story["begun_by"]:
        text.append(f", begun by {story['begun_by']}")
    elif story["asynchronous"]:
        text.append(", asynchronous")
    if story["ended_ms"] is None:
        text.append(", still under way", "cyan")
    elif story["took_ms"] is not None and story["ended_ms"] > story["took_ms"]:
        text.append(f", all of it at an end after {story['ended_ms']:g} ms", "dim")
    if story["x_request_id"]:
        text.append(f", x-request-id {story['x_request_id']}", "dim")
    return text


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
