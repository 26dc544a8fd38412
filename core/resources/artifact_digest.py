"""What a manifest declares of the contents of a model's artifacts: ``sha256:<64 hex>``."""

from __future__ import annotations

import re
from typing import Annotated, Final, TypeAlias

from pydantic import AfterValidator

_DIGEST: Final = re.compile(r"sha256:[0-9a-fA-F]{64}")
_BEHIND: Final = "#sha256="


def _checked(written: str) -> str:
    if _DIGEST.fullmatch(written) is None:
        raise ValueError(
            f"'{written}' is no digest; write sha256: and 64 hexadecimal digits, "
            "as penstock digest prints them"
        )
    return written.lower()


ArtifactDigest: TypeAlias = Annotated[str, AfterValidator(_checked)]
"""The digest of a file or a folder, in small letters."""


def without_digest(uri: str) -> tuple[str, str | None]:
    """The address, and the digest that may stand behind it: ``…/model.joblib#sha256=<64 hex>``.

    Raises ValueError for a ``#sha256=`` that is followed by anything else.
    """
    address, separator, written = uri.rpartition(_BEHIND)
    if not separator:
        return uri, None
    return address, _checked(f"sha256:{written}")
