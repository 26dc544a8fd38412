"""What plug-ins have registered under names, one registry per kind."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Generic, NamedTuple, TypeVar, cast

from penstock.core.errors import PenstockError
from penstock.core.nearest import did_you_mean
from penstock.core.plugins.errors import (
    Origin,
    PluginProblem,
    PluginsError,
    UnknownNameError,
    cause_of,
)
from penstock.core.plugins.kinds import Kind

T = TypeVar("T")


class Registration(NamedTuple):
    """A name's factory, checked against its kind, and the plug-in that registered it."""

    factory: Callable[..., object]
    origin: Origin


class Registry(Generic[T]):
    """The factories of one kind by name.

    ``unavailable`` says of plug-ins that are not active why, for the sentence about a name that is
    not there.
    """

    def __init__(
        self,
        kind: Kind,
        registered: Mapping[str, Registration],
        unavailable: Mapping[str, str],
    ) -> None:
        self._kind = kind
        self._registered = dict(sorted(registered.items()))
        self._unavailable = unavailable

    def names(self) -> tuple[str, ...]:
        """All names, in alphabetical order."""
        return tuple(self._registered)

    def get(self, name: str) -> Callable[..., T]:
        """What makes the thing of that name, usually its class.

        Raises UnknownNameError, which lists what is installed and names the nearest.
        """
        # The manager has checked that a class is one of T; make() checks what a function returns.
        return cast("Callable[..., T]", self._registration(name).factory)

    def origin(self, name: str) -> Origin:
        """The plug-in that registered ``name``. Raises UnknownNameError."""
        return self._registration(name).origin

    def make(self, name: str, *args: object, **kwargs: object) -> T:
        """A new one of that name.

        Raises UnknownNameError, and PluginsError, which names the plug-in, when it cannot be made
        or is no instance of the kind's contract. A PenstockError of the plug-in's own passes.
        """
        factory, origin = self._registration(name)
        try:
            made = factory(*args, **kwargs)
        except PenstockError:
            raise
        except Exception as error:
            message = f"the {self._kind.noun} '{name}' cannot be made: {cause_of(error)}"
            raise PluginsError([PluginProblem(origin, message)]) from error
        if not isinstance(made, self._kind.contract):
            message = (
                f"the {self._kind.noun} '{name}' gave a {type(made).__name__}, "
                f"which is no {self._kind.contract.__name__}"
            )
            raise PluginsError([PluginProblem(origin, message)])
        return cast("T", made)

    def _registration(self, name: str) -> Registration:
        registration = self._registered.get(name)
        if registration is None:
            raise UnknownNameError(self._unknown(name))
        return registration

    def _unknown(self, name: str) -> str:
        known = ", ".join(self._registered) or "none"
        sentence = f"there is no {self._kind.noun} '{name}'; installed: {known}"
        for plugin, why in self._unavailable.items():
            if name == plugin or name.endswith(f"_{plugin}"):
                return f"{sentence}; the plug-in '{plugin}' is not active: {why}"
        question = did_you_mean(name, self._registered)
        return f"{sentence}; {question}" if question else sentence
