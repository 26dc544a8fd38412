"""Parameters in JSON: an object of scalars."""

from __future__ import annotations

from typing import cast

from penstock.core.codecs.json.document import Document, described
from penstock.core.errors import InvalidRequestError
from penstock.core.parameters import Scalar

SCALARS = frozenset((bool, int, float, str))


def read_parameters(document: Document, where: str) -> dict[str, Scalar]:
    """The member ``parameters``, without those that are null; the caller may change the result.

    Raises InvalidRequestError, naming the parameter, for what is no scalar.
    """
    value = document.get("parameters")
    if value is None:
        return {}
    if type(value) is not dict:
        raise InvalidRequestError(
            f"{where}: 'parameters' is {described(value)}; it must be an object"
        )
    if SCALARS.issuperset(map(type, value.values())):
        return cast(dict[str, Scalar], value)
    return {key: checked(key, item, where) for key, item in value.items() if item is not None}


def checked(key: str, item: object, where: str) -> Scalar:
    """One value of a parameter."""
    if isinstance(item, bool | int | float | str):
        return item
    raise InvalidRequestError(
        f"{where}: parameter '{key[:40]}' is {described(item)}; parameters are booleans, numbers "
        "and strings"
    )


def take_flag(parameters: dict[str, Scalar], key: str, where: str) -> bool | None:
    """Take a boolean parameter of the encoding out of the others; None when it is not there."""
    flag = parameters.pop(key, None)
    if flag is None or isinstance(flag, bool):
        return flag
    raise InvalidRequestError(
        f"{where}: parameter '{key}' is {described(flag)}; it must be true or false"
    )
