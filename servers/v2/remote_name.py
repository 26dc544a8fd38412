"""Which model of a server elsewhere a manifest means."""

from __future__ import annotations

from typing import Final, NamedTuple

from penstock.core.contracts.model import ModelSpec
from penstock.core.errors import InvalidRequestError
from penstock.core.nearest import did_you_mean
from penstock.servers.v2.client import LoadParameters

NAME: Final = "remoteModel"
VERSION: Final = "remoteVersion"


class RemoteName(NamedTuple):
    """What the server calls the model: ``version`` is empty for the one that it chooses.
    ``parameters`` are all others of the manifest, for its load."""

    name: str
    version: str
    parameters: LoadParameters


def remote_name(spec: ModelSpec) -> RemoteName:
    """What a manifest says; the model's own name without ``spec.parameters.remoteModel``.

    Raises InvalidRequestError for what cannot be given to a server elsewhere.
    """
    for field, value in (("storageUri", spec.artifacts), ("python", spec.python)):
        if value is not None:
            raise InvalidRequestError(
                f"a server elsewhere takes no files and no code, and the manifest has "
                f"spec.{field}; leave it out, and put the model where that server looks for it"
            )
    parameters = dict(spec.parameters)
    name = _text(NAME, parameters.pop(NAME, spec.name))
    version = _text(VERSION, parameters.pop(VERSION, ""))
    for key, value in parameters.items():
        if not isinstance(value, bool | int | str):
            raise InvalidRequestError(
                f"parameter '{key}' cannot be given to a server elsewhere: it is no text, whole "
                "number or flag"
            )
    return RemoteName(name, version, parameters)


def refuse_parameters(remote: RemoteName) -> None:
    """Raise InvalidRequestError for parameters that nobody would read."""
    for key in remote.parameters:
        hint = did_you_mean(key, (NAME, VERSION)) or f"there are {NAME} and {VERSION}"
        raise InvalidRequestError(
            f"'{key}' is no parameter of a model that is simply there; {hint}, and others where "
            "the server's options say load: repository"
        )


def _text(key: str, value: object) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if isinstance(value, str):
        return value
    raise InvalidRequestError(f"parameter '{key}' is {value!r}; it must be text")
