"""Dead letters: failures that no caller was told of, whole enough to be sent again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import count
from typing import Final, NamedTuple

from penstock.core.inference import InferenceRequest
from penstock.core.records import Failed, Headers

MOST_LETTERS: Final = 1_000
MOST_BYTES: Final = 64 * 1024 * 1024


class Letter(NamedTuple):
    """One failure: what happened to which request, and the request itself.

    ``number`` is that of the letter in this process; ``omitted`` says that the request was too
    large to be kept, so that it cannot be sent again.
    """

    number: int
    identity: str
    pipeline: str
    version: int
    failure: Failed
    at_ms: float
    request: InferenceRequest
    headers: Headers
    omitted: bool


class LetterBox:
    """Keeps the latest letters, within bounds of their number and of their bytes."""

    __slots__ = ("_held", "_letters", "_most", "_most_bytes", "_numbers")

    def __init__(
        self,
        most: int = MOST_LETTERS,
        most_bytes: int = MOST_BYTES,
        numbers: Iterable[int] | None = None,
    ) -> None:
        """``numbers`` are those of the letters in their order, 1, 2, 3 and so on without them."""
        self._most = most
        self._most_bytes = most_bytes
        self._letters: dict[int, Letter] = {}
        self._held = 0
        self._numbers = iter(count(1) if numbers is None else numbers)

    def put(
        self,
        identity: str,
        pipeline: str,
        version: int,
        failure: Failed,
        at_ms: float,
        request: InferenceRequest,
        headers: Headers,
    ) -> None:
        """Keep a failure; the oldest go where there is no room."""
        size = _size(request)
        omitted = size > self._most_bytes
        if omitted:
            request, size = InferenceRequest(request.id, (), request.parameters), 0
        letter = Letter(
            next(self._numbers),
            identity,
            pipeline,
            version,
            failure,
            at_ms,
            request,
            headers,
            omitted,
        )
        self._letters[letter.number] = letter
        self._held += size
        while len(self._letters) > self._most or self._held > self._most_bytes:
            self.remove(next(iter(self._letters)))

    def find(self, number: int) -> Letter | None:
        """The letter of that number, if it is kept."""
        return self._letters.get(number)

    def remove(self, number: int) -> None:
        """Throw a letter away."""
        self._held -= _size(self._letters.pop(number).request)

    def latest(self) -> Iterator[Letter]:
        """All letters, the latest first."""
        return reversed(list(self._letters.values()))


def _size(request: InferenceRequest) -> int:
    return sum(tensor.nbytes for tensor in request.tensors)
