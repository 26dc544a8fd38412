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

        None for what has to be fetched, the default. Called by ``penstock check``, which uses no
        network, and when a manifest is applied, whose model is loaded anew when what is there has
        changed. Raises NotFoundError when there is nothing at ``uri``.
        """
        return None

    @abstractmethod
    async def fetch(self, uri: str, into: Path) -> Path:
        """Bring the file or folder at ``uri`` to this machine, and return where it is.

        ``into`` is an empty folder that belongs to this fetch; it is deleted with the model
        version. A storage whose artifacts are files of this machine already returns their path and
        leaves ``into`` empty. Raises NotFoundError when there is nothing at ``uri``, NotReadyError
        when trying again may help. May be cancelled.
        """
