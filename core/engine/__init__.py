"""The pure dataflow engine and what it asks of whoever drives it."""

from penstock.core.engine.effects import (
    Abandon,
    Answer,
    Call,
    Closed,
    DeadLetter,
    Effect,
    Effects,
    Emit,
    Resumed,
    Retried,
    SharedCall,
    StateChanged,
    Turn,
)
from penstock.core.engine.engine import Engine
from penstock.core.engine.passage import ExternalPassage, Passage, Tally

__all__ = [
    "Abandon",
    "Answer",
    "Call",
    "Closed",
    "DeadLetter",
    "Effect",
    "Effects",
    "Emit",
    "Engine",
    "ExternalPassage",
    "Passage",
    "Resumed",
    "Retried",
    "SharedCall",
    "StateChanged",
    "Tally",
    "Turn",
]
