"""The sources of one list of a pipeline."""

from __future__ import annotations

from collections.abc import Iterator

from penstock.core.nearest import did_you_mean
from penstock.core.references import Source


class SourceList:
    """The references of one list that could be read, with their indexes in it.

    ``complete`` is false when some could not be read, so that not all the sources are known.
    """

    def __init__(self) -> None:
        self.complete = True
        self._items: list[tuple[int, Source]] = []
        self._by_port: dict[str, dict[str | None, int]] = {}

    def __iter__(self) -> Iterator[tuple[int, Source]]:
        return iter(self._items)

    def add(self, index: int, source: Source) -> int | None:
        """Add the reference at ``index``; the index of an earlier one that it overlaps."""
        tensors = self._by_port.setdefault(source.port_text, {})
        if source.tensor is None:
            earlier = min(tensors.values(), default=None)
        else:
            earlier = tensors.get(source.tensor, tensors.get(None))
        tensors.setdefault(source.tensor, index)
        self._items.append((index, source))
        return earlier

    def covers(self, tensor: Source) -> bool:
        """Whether some source means this tensor, or the whole port that it is of."""
        tensors = self._by_port.get(tensor.port_text, {})
        return tensor.tensor in tensors or None in tensors

    def nearest(self, tensor: Source) -> str:
        """What to write in place of a reference to one tensor that no source covers."""
        if not self._items:
            return "there are no sources here"
        keys = {
            source.text if source.tensor else f"{source.port_text}.{tensor.tensor}"
            for _, source in self._items
        }
        listed = ", ".join(source.text for _, source in self._items)
        return did_you_mean(tensor.text, keys) or f"the sources are {listed}"
