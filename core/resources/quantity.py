"""Amounts of memory as Kubernetes writes them (``100Mi``, ``1.5G``), in bytes.

The format is that of Kubernetes' resource quantities
(https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/).
"""

from __future__ import annotations

import re
from decimal import ROUND_CEILING, Decimal
from typing import Annotated, Final, TypeAlias

from pydantic import BeforeValidator, Field, PlainSerializer

_WRITTEN: Final = re.compile(r"(\d{1,30}(?:\.\d{0,30})?|\.\d{1,30})([eE][+-]?\d{1,2}|[A-Za-z]*)")
_UNITS: Final = {
    "": 1,
    "m": Decimal("0.001"),
    **{unit: 1000**power for power, unit in enumerate("kMGTPE", start=1)},
    **{f"{unit}i": 1024**power for power, unit in enumerate("KMGTPE", start=1)},
}
MAX_BYTES: Final = 2**63 - 1


def parse_bytes(written: object) -> int:
    """The number of bytes, rounded up. Raises ValueError with a sentence."""
    if isinstance(written, int) and not isinstance(written, bool):
        amount = Decimal(written)
    else:
        match = _WRITTEN.fullmatch(str(written).strip()) if isinstance(written, str) else None
        if match is None:
            raise ValueError(_no_amount(written))
        digits, unit = match.groups()
        if unit in _UNITS:
            amount = Decimal(digits) * _UNITS[unit]
        elif unit[:1] in ("e", "E") and unit[1:]:
            amount = Decimal(digits + unit)
        else:
            raise ValueError(_no_amount(written))
    amount = amount.to_integral_value(ROUND_CEILING)
    if not 0 <= amount <= MAX_BYTES:
        raise ValueError(f"an amount of memory is between 0 and {MAX_BYTES} bytes")
    return int(amount)


def format_bytes(amount: int) -> str:
    """The amount in the largest binary unit that is exact: ``104857600`` is ``100Mi``."""
    for power, unit in sorted(enumerate("KMGTPE", start=1), reverse=True):
        if amount and amount % 1024**power == 0:
            return f"{amount // 1024**power}{unit}i"
    return str(amount)


def _no_amount(written: object) -> str:
    shown = str(written)
    shown = shown if len(shown) <= 40 else shown[:40] + "..."
    return f"'{shown}' is no amount of memory; write it as 100Mi or 1.5G"


Bytes: TypeAlias = Annotated[
    int, BeforeValidator(parse_bytes), Field(strict=True), PlainSerializer(format_bytes)
]
"""An amount of memory in bytes."""
