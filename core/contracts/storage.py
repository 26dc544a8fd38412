"""The contract of artifact storage: how the files of a model get to where it is loaded."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path


class ArtifactStorage(ABC):
    """Fetches artifacts from one kind of place."""

    @abstractmethod
    def handles(self, uri: str) -> bool:
        """Whether ``uri`` is an address of this storage. Looks at the text alone.

        Of several storages that handle an address, the one that is configured first is asked.
        """

    def local(self, uri: str) -> Path | None:
        """Where the file or folder at ``uri`` is, if this machine has it without a transfer.

        None for what has to be fetched, the default. Called before a fetch, by ``penstock check``,
        which uses no network, and at every apply: a model is loaded anew when what is there has
        changed. Blocks for as long as a look at files takes. Raises NotFoundError when there is
        nothing at ``uri``.
        """
        return None

    async def identity(self, uri: str) -> str | None:
        """What tells the contents at ``uri`` from those that are there at another time: an etag, a
        checksum, sizes with the times of their changes. Any text; no content of a file is read.

        None when there is nothing of the kind, the default: artifacts are then fetched for each
        copy of a model. Of those that have one, contents with the same address and the same
        identity are fetched once and kept for all, in other processes as well; so they may not be
        changed where they are. Asked before and after a fetch. Raises what :meth:`fetch` raises, or
        leaves that to it. May be cancelled.
        """
        return None

    @abstractmethod
    async def fetch(self, uri: str, into: Path) -> Path:
        """Bring the file or folder at ``uri`` to this machine, and return where it is.

        ``into`` is an empty folder that belongs to this fetch; what comes back lies within it, or
        is ``into`` itself. Nothing but this call may know it: what it holds is thrown away when the
        call fails, and may be moved when it is done. A storage whose artifacts are files of this
        machine already returns their path and leaves ``into`` empty. Raises NotFoundError when
        there is nothing at ``uri``, NotReadyError when trying again may help. May be cancelled.
        """
