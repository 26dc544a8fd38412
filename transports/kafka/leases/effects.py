"""What a member asks of the process that it is in."""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

from penstock.core.contracts.transport import Ownership


class Write(NamedTuple):
    """Append this to the log."""

    message: bytes


class Won(NamedTuple):
    """The partition is this member's now."""

    ownership: Ownership


class Lose(NamedTuple):
    """Hand the partition over, and call :meth:`Member.released`."""

    ownership: Ownership


class Fenced(NamedTuple):
    """The partition is somebody else's already."""

    ownership: Ownership


class Replaced(NamedTuple):
    """Another process has come under the same name: this one owns nothing, and never will."""


Effect: TypeAlias = Write | Won | Lose | Fenced | Replaced
