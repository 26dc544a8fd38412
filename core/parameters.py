"""V2's parameters: named scalars beside a request, a response, a tensor or a requested output."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

Scalar: TypeAlias = bool | int | float | str
Parameters: TypeAlias = Mapping[str, Scalar]

NO_PARAMETERS: Parameters = {}
"""Shared by all that have none; never written to."""
