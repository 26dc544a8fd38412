"""The JSON document of a request or a response, and what stands in its members."""

from __future__ import annotations

from collections.abc import Collection
from difflib import get_close_matches
from itertools import islice
from typing import TypeAlias, cast

import orjson

from penstock.core.byte_elements import Buffer
from penstock.core.errors import InvalidRequestError, TooLargeError

Document: TypeAlias = dict[str, object]

MAX_JSON_BYTES = 64 * 1024 * 1024
"""The default limit; JSON of n bytes may take some 20 n bytes while it is read."""


def parse_document(text: Buffer, max_bytes: int) -> Document:
    """The object that ``text`` is.

    Raises TooLargeError beyond ``max_bytes``, InvalidRequestError when it is no JSON object.
    """
    if len(text) > max_bytes:
        raise TooLargeError(
            f"the JSON has {len(text)} bytes, {max_bytes} are the most; send large tensors as "
            "binary data"
        )
    try:
        document = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise InvalidRequestError(unreadable(text, error)) from None
    if type(document) is not dict:
        raise InvalidRequestError(f"the body is {described(document)}; send a JSON object")
    return cast(Document, document)


def unreadable(text: Buffer, error: orjson.JSONDecodeError) -> str:
    """Why ``text`` is no JSON, and what to do."""
    if not len(text):
        return "the body is empty; send a JSON object"
    sentence = (
        f"the body is not valid JSON: {error.msg} at line {error.lineno}, column {error.colno}"
    )
    content = bytes(text)
    if b"NaN" in content or b"Infinity" in content:
        sentence += "; JSON has no NaN and no Infinity, send such tensors as binary data"
    return sentence


def string_member(document: Document, key: str, where: str) -> str | None:
    """An optional string; ``where`` is what a sentence calls the object."""
    value = document.get(key)
    if value is None or type(value) is str:
        return value
    raise InvalidRequestError(f"{where}: '{key}' is {described(value)}; it must be a string")


def array_member(document: Document, key: str, where: str) -> list[object] | None:
    """An optional array."""
    value = document.get(key)
    if value is None or type(value) is list:
        return value
    raise InvalidRequestError(f"{where}: '{key}' is {described(value)}; it must be an array")


def missing(
    document: Document, key: str, known: Collection[str], where: str
) -> InvalidRequestError:
    """The error for a member that must be there, with what may have been meant for it."""
    unknown = [other for other in guessable(document) if other not in known]
    nearest = get_close_matches(key, unknown, 1, 0.6)
    advice = f"; did you mean it by '{nearest[0]}'?" if nearest else ""
    return InvalidRequestError(f"{where} has no '{key}'{advice}")


def refuse_misspelt(document: Document, known: Collection[str], where: str) -> None:
    """Refuse a member that nobody knows and that looks like an optional one that is not there."""
    absent = [key for key in known if key not in document]
    if len(document) + len(absent) == len(known):
        return
    for key in guessable(document):
        if key not in known and (nearest := get_close_matches(key, absent, 1, 0.75)):
            raise InvalidRequestError(
                f"{where} has an unknown '{key}'; did you mean '{nearest[0]}'?"
            )


def guessable(document: Document) -> list[str]:
    """Some of the keys: comparing them is slow, and a body may hold millions."""
    return [key for key in islice(document, 32) if len(key) <= 32]


def described(value: object) -> str:
    """A JSON value as a sentence calls it."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    if isinstance(value, str):
        return f'"{value[:40]}"'
    return "an array" if isinstance(value, list) else "an object"
