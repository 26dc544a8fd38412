"""How a drain of a server is printed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

from penstock.core.cli.output import Output
from penstock.core.contracts.control import ResourceDocument

if TYPE_CHECKING:
    from rich.text import Text

_STYLES: Final = {"moves": "yellow", "leaves": "yellow", "stays": "red"}


def print_drain(output: Output, state: ResourceDocument) -> None:
    """A row for each replica, and for each model on one that is drained."""
    columns = ("replica", "standing", "takes models", "model", "outlook", "why")
    rows = [row for replica in state["replicas"] for row in _rows(state["server"], replica)]
    output.table(columns, rows, unfolded=("replica", "model"))


def _rows(server: str, replica: dict[str, Any]) -> Iterator[tuple[str, str, Text, str, Text, Text]]:
    from rich.text import Text

    drained = replica["drained"]
    takes = Text("no", style="yellow") if drained else Text("yes", style="green")
    head = (f"{server}/{replica['replica']}", replica["standing"], takes)
    if not drained or not replica["models"]:
        held = "none" if not replica["models"] else str(len(replica["models"]))
        yield (*head, held, Text(""), Text(""))
        return
    for copy in replica["models"]:
        outlook = Text(copy["outlook"], style=_STYLES[copy["outlook"]])
        yield (*head, f"{copy['name']} {copy['version']}", outlook, Text(copy["why"] or ""))
