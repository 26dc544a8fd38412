"""What can be wrong with plug-ins, each thing named with where it comes from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from penstock.core.errors import InvalidRequestError, NotFoundError
from penstock.core.problems import Problem

if TYPE_CHECKING:
    from penstock.core.plugins.description import PluginDescription


@dataclass(frozen=True, slots=True)
class Origin:
    """Which plug-in something comes from, and which distribution that is part of.

    ``distribution`` is None where a plug-in was handed in by a program and not installed.
    """

    plugin: str
    distribution: str | None = None
    version: str | None = None

    def __str__(self) -> str:
        if self.distribution is None:
            return f"plug-in '{self.plugin}'"
        return f"plug-in '{self.plugin}' ({self.distribution} {self.version})"


@dataclass(frozen=True, slots=True)
class PluginProblem:
    """One thing that is wrong with one plug-in; ``hook`` names the hook where there is one."""

    origin: Origin
    message: str
    hint: str | None = None
    hook: str | None = None

    @property
    def reason(self) -> str:
        """The problem without the plug-in's name."""
        hook = f"hook {self.hook}: " if self.hook else ""
        return hook + self.message + (f"; {self.hint}" if self.hint else "")

    def __str__(self) -> str:
        return f"{self.origin}{', ' if self.hook else ': '}{self.reason}"


class PluginsError(InvalidRequestError):
    """Start-up is refused: ``details`` has every problem of the plug-ins and of their options.

    ``descriptions`` shows all plug-ins that were found, for ``penstock plugins``.
    """

    def __init__(
        self,
        problems: Sequence[PluginProblem | Problem],
        descriptions: Sequence[PluginDescription] = (),
    ) -> None:
        self.problems = tuple(problems)
        self.descriptions = tuple(descriptions)
        first, count = str(self.problems[0]), len(self.problems)
        super().__init__(
            f"start-up is refused: {first}"
            if count == 1
            else f"start-up is refused for {count} problems, the first of them: {first}",
            details=[str(problem) for problem in self.problems],
        )


class UnknownNameError(NotFoundError):
    """No plug-in that is installed registers that name."""


def cause_of(error: BaseException) -> str:
    """An error that a plug-in raised, in one line: its type and what it says."""
    said = " ".join(str(error).split())
    return f"{type(error).__name__}: {said}" if said else type(error).__name__
