"""The contract of a command: what a plug-in adds to the command line."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import click


class Command(ABC):
    """A subcommand of ``penstock``, named as it is registered."""

    @abstractmethod
    def build(self) -> click.Command:
        """The command, or group of commands. Called when the command line is put together, so it
        must import nothing heavy; the command's own body may.

        The body ends by returning (exit code 0), or by raising PenstockError, which the command
        line prints (exit code 1). An error of this method is named and leaves the command out.
        """
