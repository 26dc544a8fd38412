"""Extensions of V2 that clients may ask for by a parameter, and that Penstock does not have."""

from __future__ import annotations

from penstock.core.errors import UnsupportedError
from penstock.core.parameters import Parameters

UNSUPPORTED = {
    "shared_memory_region": "shared memory is not supported; let the data travel in the message",
    "classification": "the classification extension is not supported; ask for the plain output",
}


def refuse_extensions(parameters: Parameters, where: str) -> None:
    """Raise UnsupportedError for a parameter of a tensor or a requested output that means one."""
    for parameter, sentence in UNSUPPORTED.items():
        if parameter in parameters:
            raise UnsupportedError(f"{where}: {sentence}")
