"""The values of YAML's plain words: the core schema of YAML 1.2 (chapter 10.3.2).

That is what JSON has: null, booleans, numbers, text. So ``no``, ``on`` and ``2024-01-01`` are
text, unlike in YAML 1.1.
"""

from __future__ import annotations

import re
from typing import TypeAlias

Scalar: TypeAlias = bool | int | float | str | None

_NULL = frozenset(("", "~", "null", "Null", "NULL"))
_BOOL = {
    "true": True,
    "True": True,
    "TRUE": True,
    "false": False,
    "False": False,
    "FALSE": False,
}
_DECIMAL = re.compile(r"[-+]?[0-9]+")
_OCTAL = re.compile(r"0o[0-7]+")
_HEX = re.compile(r"0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_INFINITE = re.compile(r"[-+]?\.(inf|Inf|INF)")
_NOT_A_NUMBER = frozenset((".nan", ".NaN", ".NAN"))
_NUMBER_BEGINS = frozenset("0123456789+-.")

MAX_NUMBER_LENGTH = 400
"""No double has more digits before its point; longer digit strings cost quadratic time."""

_CORE = "tag:yaml.org,2002:"


def plain_scalar(text: str) -> Scalar:
    """The value of a plain (unquoted, untagged) word. Raises ValueError for an endless number."""
    if text in _NULL:
        return None
    if text in _BOOL:
        return _BOOL[text]
    if text[0] not in _NUMBER_BEGINS:
        return text
    number = _number(text)
    return text if number is None else number


def tagged_scalar(text: str, tag: str) -> Scalar:
    """The value of a word with an explicit core tag, as ``!!str 5``.

    Raises ValueError when the tag is none of JSON's kinds, or the word is none of its values.
    """
    if tag in ("!", _CORE + "str"):
        return text
    if tag == _CORE + "null" and text in _NULL:
        return None
    if tag == _CORE + "bool" and text in _BOOL:
        return _BOOL[text]
    if tag in (_CORE + "int", _CORE + "float"):
        number = _number(text)
        if number is not None:
            if tag == _CORE + "float":
                return float(number)
            if isinstance(number, int):
                return number
    raise ValueError(f"the tag '{tag}' is not supported; write the plain value")


def _number(text: str) -> int | float | None:
    if len(text) > MAX_NUMBER_LENGTH:
        if _DECIMAL.fullmatch(text) or _HEX.fullmatch(text) or _OCTAL.fullmatch(text):
            raise ValueError(f"the number has {len(text)} digits; put text into quotes")
        return None
    if _DECIMAL.fullmatch(text):
        return int(text)
    if _OCTAL.fullmatch(text):
        return int(text[2:], 8)
    if _HEX.fullmatch(text):
        return int(text[2:], 16)
    if _FLOAT.fullmatch(text):
        return float(text)
    if _INFINITE.fullmatch(text):
        return float("-inf") if text[0] == "-" else float("inf")
    if text in _NOT_A_NUMBER:
        return float("nan")
    return None
