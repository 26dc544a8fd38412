"""What a model's files are like, told by a digest."""

from __future__ import annotations

from typing import NamedTuple


class Digest(NamedTuple):
    """Of the code and of the artifacts that are files of this machine; empty where there are none.

    Two are equal when loading the model once more would bring nothing new.
    """

    code: str = ""
    artifacts: str = ""

    def changed_since(self, before: Digest) -> str:
        """What is different from ``before``, in words; empty when nothing is."""
        words = []
        if self.code != before.code:
            words.append("code changed")
        if self.artifacts != before.artifacts:
            words.append("artifacts changed")
        return ", ".join(words)


NO_FILES = Digest()
