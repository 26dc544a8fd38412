"""What came of a case that was played, for people."""

from __future__ import annotations

from pathlib import Path

from rich.console import Group
from rich.text import Text

from penstock.core.cases.player import Played
from penstock.core.cli.story_view import story_view
from penstock.core.journal.documents import whole


def played_view(file: Path, played: Played) -> Group:
    """The way of the request this time, and where it is another one."""
    children = [{**whole(child), "children": []} for child in played.children]
    document = {
        **whole(played.story),
        "children": children,
        "readers": [{**whole(reader), "children": children} for reader in played.readers],
    }
    return Group(_headline(file, played), story_view(document), *_verdict(played))


def _headline(file: Path, played: Played) -> Text:
    real, steps = played.real_steps, played.story.plan.steps if played.story.plan else ()
    if len(real) == len(steps):
        how = "all models called"
    elif not real:
        how = "all models played back"
    else:
        how = f"called: {', '.join(step.name for step in steps if step.name in real)}"
    return Text(f"{file.name}: played again, {how}", "dim")


def _verdict(played: Played) -> list[Text]:
    lines = [Text.assemble(("differs at ", "red"), str(each)) for each in played.differences]
    if not played.differences:
        lines.append(Text("everything that was recorded is the same", "green"))
    elif played.answer_is_the_same:
        lines.append(Text("the answer is the same", "green"))
    else:
        lines.append(Text("the answer is another one", "red"))
    lines += [Text(f"not played: {each}", "yellow") for each in played.left_out]
    lines += [Text(f"not in the case: {each}", "yellow") for each in played.case.missing]
    lines += [
        Text(f"not compared: {each.port}, {each.tensor} ({each.note})", "yellow")
        for each in played.case.withheld
    ]
    return lines
