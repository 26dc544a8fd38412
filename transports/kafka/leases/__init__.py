"""Who owns which partition number, as a log of leases says it (decision 42). No I/O, no clock.

A :class:`Ledger` follows the log; a :class:`Member` decides for one process what to write into it.
"""

from penstock.transports.kafka.leases.effects import (
    Effect,
    Fenced,
    Lose,
    Replaced,
    Won,
    Write,
)
from penstock.transports.kafka.leases.lease import LeaseTimes
from penstock.transports.kafka.leases.ledger import Ledger
from penstock.transports.kafka.leases.member import Member

__all__ = [
    "Effect",
    "Fenced",
    "LeaseTimes",
    "Ledger",
    "Lose",
    "Member",
    "Replaced",
    "Won",
    "Write",
]
