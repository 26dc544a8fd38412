"""Makes ``docs/reference/states.md`` from the tables that the code keeps to.

``python -m penstock.core.control.states_page FILE`` writes it.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from penstock.core.control.reasons import Reason
from penstock.core.control.states import (
    PIPELINE_REASONS,
    PIPELINE_STATES,
    VERSION_REASONS,
    VERSION_STATES,
)
from penstock.core.fleet.states import COPY_STATES, SERVER_STATES
from penstock.core.states import State, StateTable

_HEAD: Final = """\
# States

What versions of models, their copies, replicas of servers and pipelines go through. The code
keeps to these very tables: a turn that is not in them is an error that tests would see.
"""

_MODELS: Final = """
## Versions of models

A model is one version or two: the one that serves, and the one that is to come after it. `Ready`
says whether some version serves, `Progressing` what keeps the wanted one from it
([status](status.md)).
"""

_COPIES: Final = """
## Copies of models

A version has copies on as many replicas of servers as are wanted and fit. Calls go to those that
are loaded.
"""

_SERVERS: Final = """
## Replicas of servers

A server is as many replicas as are wanted.
"""

_PIPELINES: Final = """
## Pipelines

A pipeline needs the models that it calls, and the pipelines that are its steps or that it reads.
A version that stopped serving for want of them does not come back once another is wanted:
`waiting` leads to the newest version only.
"""

_FOOT: Final = """
This page is made from the code: `python -m penstock.core.control.states_page FILE`.
"""


def states_page() -> str:
    """The page."""
    return "".join(
        (
            _HEAD,
            _MODELS,
            _section(VERSION_STATES, VERSION_REASONS),
            _COPIES,
            _section(COPY_STATES),
            _SERVERS,
            _section(SERVER_STATES),
            _PIPELINES,
            _section(PIPELINE_STATES, PIPELINE_REASONS),
            _FOOT,
        )
    )


def _section(
    table: StateTable[State], reasons: Mapping[State, tuple[Reason, ...]] | None = None
) -> str:
    return f"\n{_drawing(table)}\n{_states(table, reasons)}"


def _drawing(table: StateTable[State]) -> str:
    lines = ["stateDiagram-v2", f"    [*] --> {table.start}"]
    lines += [f"    {turn.before} --> {turn.after}: {turn.because}" for turn in table.turns]
    lines += [f"    {end} --> [*]" for end in table.ends]
    return "".join(f"{line}\n" for line in ("```mermaid", *lines, "```"))


def _states(table: StateTable[State], reasons: Mapping[State, tuple[Reason, ...]] | None) -> str:
    if reasons is None:
        rows = ["| state | means |", "|---|---|"]
        rows += [f"| `{state}` | {means} |" for state, means in table.states.items()]
    else:
        rows = ["| state | means | reasons in the status |", "|---|---|---|"]
        for state, means in table.states.items():
            said = ", ".join(f"`{reason}`" for reason in reasons[state])
            rows.append(f"| `{state}` | {means} | {said} |")
    return "".join(f"{row}\n" for row in rows)


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(states_page(), encoding="utf-8")
