"""What of a pipeline is still to come behind a join, and how long that usually takes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeAlias

Rest: TypeAlias = tuple[tuple[int, tuple[int, ...]], ...]
"""Steps by their numbers, each behind those that read it, with these. In a loop, the way back to
where one came from is left out: a loop counts as one round."""


def rest_of(names: Sequence[str], read: Mapping[str, Iterable[str]]) -> Rest:
    """The steps of a pipeline in such an order, from the names of those that each one reads."""
    number = {name: i for i, name in enumerate(names)}
    readers: dict[int, list[int]] = {i: [] for i in range(len(names))}
    for name, sources in read.items():
        for source in sources:
            readers[number[source]].append(number[name])
    ordered: dict[int, tuple[int, ...]] = {}
    seen: set[int] = set()
    for start in readers:
        if start in seen:
            continue
        seen.add(start)
        way = [(start, iter(readers[start]))]
        while way:
            step, more = way[-1]
            for reader in more:
                if reader not in seen:
                    seen.add(reader)
                    way.append((reader, iter(readers[reader])))
                    break
            else:
                way.pop()
                ordered[step] = tuple(reader for reader in readers[step] if reader in ordered)
    return tuple(ordered.items())


def time_for_rest(
    rest: Rest, usual_ms: Callable[[int], float | None], step: int, left_ms: float
) -> float:
    """How much of the ``left_ms`` a step and all that follows from it will need.

    It is what the longest way to the end usually takes. Steps of which that is not known share
    what is left, among each other and with the join that asks: each gets as much as the join.
    """
    longest: dict[int, tuple[int, float]] = {}
    for each, readers in rest:
        unknown, known_ms = max((longest[reader] for reader in readers), default=(0, 0.0))
        takes_ms = usual_ms(each)
        if takes_ms is None:
            longest[each] = (unknown + 1, known_ms)
        else:
            longest[each] = (unknown, known_ms + takes_ms)
        if each == step:
            break
    unknown, known_ms = longest[step]
    return known_ms + max(0.0, left_ms - known_ms) * unknown / (unknown + 1)
