"""How many copies models have that are scaled by their load."""

from __future__ import annotations

from collections.abc import Iterable, Mapping


class ScaledCopies:
    """What was decided, by model; a model of which nothing was begins as its manifest says.

    ``held`` is how many calls may wait for a model that is asleep. ``changed`` says whether there
    is something that was not kept yet.
    """

    def __init__(self, decided: Mapping[str, int], held: int) -> None:
        self._decided = dict(decided)
        self.held = held
        self.changed = False

    def copies(self, model: str) -> int | None:
        """How many were decided on, None where nothing was."""
        return self._decided.get(model)

    def decide(self, model: str, copies: int) -> None:
        """It is to have so many from now on."""
        if self._decided.get(model) != copies:
            self._decided[model] = copies
            self.changed = True

    def begin_anew(self, model: str) -> None:
        """It has as many as its manifest says, whatever was decided before."""
        self.changed |= self._decided.pop(model, None) is not None

    def keep_only(self, models: Iterable[str]) -> None:
        """Forget all others."""
        there = frozenset(models)
        for model in [each for each in self._decided if each not in there]:
            self.begin_anew(model)

    def document(self) -> dict[str, int]:
        """All that was decided, as it is kept."""
        return dict(sorted(self._decided.items()))
