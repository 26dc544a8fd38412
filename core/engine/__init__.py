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
from penstock.core.engine.engine import Engine, absence_of, visit_deadline_reason
from penstock.core.engine.passage import ExternalPassage, Passage, Tally, VisitPassage

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
    "VisitPassage",
    "absence_of",
    "visit_deadline_reason",
]
