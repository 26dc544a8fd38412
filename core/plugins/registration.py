"""Checking what a plug-in registers before anybody can use it."""

from __future__ import annotations

import inspect
from collections.abc import Mapping

from pydantic import BaseModel

from penstock.core.names import problem_of_name
from penstock.core.plugins.errors import Origin, PluginProblem
from penstock.core.plugins.kinds import Kind
from penstock.core.plugins.names import CONFIG_HOOK
from penstock.core.plugins.registry import Registration


def check_registrations(
    kind: Kind, returned: object, origin: Origin
) -> tuple[dict[str, Registration], list[PluginProblem]]:
    """What a hook of registration returned, as far as it is right, and what is wrong with it."""
    if not isinstance(returned, Mapping):
        message = f"it returned {_shown(returned)}, not a mapping from names to {kind.noun} classes"
        return {}, [PluginProblem(origin, message, hook=kind.hook)]
    registrations: dict[str, Registration] = {}
    problems = []
    for name, factory in returned.items():
        wrong = _problem_of_key(name) or _problem_of_factory(name, factory, kind)
        if wrong is None:
            registrations[name] = Registration(factory, origin)
        else:
            problems.append(PluginProblem(origin, *wrong, hook=kind.hook))
    return registrations, problems


def check_schema(returned: object, origin: Origin) -> type[BaseModel] | PluginProblem:
    """The schema of options that a plug-in returned, or what is wrong with it."""
    if not (isinstance(returned, type) and issubclass(returned, BaseModel)):
        message = f"it returned {_shown(returned)}, not a pydantic model class"
        return PluginProblem(origin, message, hook=CONFIG_HOOK)
    settings = returned.model_config
    if settings.get("extra") != "forbid" or not settings.get("frozen"):
        message = f"'{returned.__name__}' must be frozen and forbid unknown keys"
        hint = "derive it from penstock.core.config.Section"
        return PluginProblem(origin, message, hint, CONFIG_HOOK)
    return returned


def _problem_of_key(name: object) -> tuple[str, str | None] | None:
    if not isinstance(name, str):
        return f"it registers under {_shown(name)}, and names are text", None
    problem = problem_of_name(name)
    return None if problem is None else (problem, None)


def _problem_of_factory(name: str, factory: object, kind: Kind) -> tuple[str, str | None] | None:
    contract = f"{kind.contract.__module__}.{kind.contract.__name__}"
    if isinstance(factory, type):
        if not issubclass(factory, kind.contract):
            return (
                f"'{name}' is the class {factory.__name__}, which is no {kind.contract.__name__}",
                f"derive it from {contract}",
            )
        if inspect.isabstract(factory):
            missing = ", ".join(
                name
                for name in dir(factory)
                if getattr(getattr(factory, name), "__isabstractmethod__", False)
            )
            return f"'{name}' is the class {factory.__name__}, which lacks {missing}", None
        return None
    if isinstance(factory, kind.contract):
        return f"'{name}' is an instance of {type(factory).__name__}", "register the class itself"
    if not callable(factory):
        return f"'{name}' is {_shown(factory)}, and can make no {kind.noun}", None
    return None


def _shown(value: object) -> str:
    if value is None:
        return "nothing"
    kind = value if isinstance(value, type) else type(value)
    return f"the class {kind.__name__}" if kind is value else f"a value of type {kind.__name__}"
