"""Circles in a graph, for the sentences that name them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping


def find_circles(readers_of: Mapping[str, Collection[str]]) -> list[tuple[str, ...]]:
    """Circles among names that read each other; ``(a, b)`` means a is read by b, and b by a.

    ``readers_of`` maps every name to those that read it; readers that are no keys are left out.
    No two of the circles share a name, and there is none left when the names of those that are
    returned are taken away. A circle begins with its first name in the order of the mapping.
    """
    graph = _Graph(readers_of)
    graph.take_away(name for name, count in list(graph.open_sources.items()) if not count)
    order = {name: index for index, name in enumerate(readers_of)}
    circles = []
    for name in readers_of:
        while name in graph.left:
            circle = graph.circle_before(name)
            first = circle.index(min(circle, key=order.__getitem__))
            circles.append(tuple(circle[first:] + circle[:first]))
            graph.take_away(circle)
    return circles


class _Graph:
    """What is left of a graph while names are taken away from it."""

    def __init__(self, readers_of: Mapping[str, Collection[str]]) -> None:
        self.left = set(readers_of)
        self.open_sources = dict.fromkeys(readers_of, 0)
        self._readers_of = readers_of
        self._sources_of: dict[str, list[str]] = {name: [] for name in readers_of}
        for name, readers in readers_of.items():
            for reader in readers:
                if reader in self.left:
                    self._sources_of[reader].append(name)
                    self.open_sources[reader] += 1

    def take_away(self, names: Iterable[str]) -> None:
        """Take out ``names``, and then all that has no source left (Kahn's algorithm)."""
        loose = [name for name in names if name in self.left]
        self.left.difference_update(loose)
        while loose:
            for reader in self._readers_of[loose.pop()]:
                if reader in self.left:
                    self.open_sources[reader] -= 1
                    if not self.open_sources[reader]:
                        self.left.remove(reader)
                        loose.append(reader)

    def circle_before(self, name: str) -> list[str]:
        """Walk against the flow from ``name``, where everything has a source, until a name comes
        again; the circle in the direction of the flow."""
        walked: dict[str, int] = {}
        while name not in walked:
            walked[name] = len(walked)
            name = next(source for source in self._sources_of[name] if source in self.left)
        return list(walked)[walked[name] :][::-1]
