"""Looking at a plug-in's hooks before they are registered.

pluggy refuses what does not fit one thing at a time, and only after it has registered the rest.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import pluggy

from penstock.core.nearest import did_you_mean
from penstock.core.plugins import specification
from penstock.core.plugins.errors import Origin, PluginProblem, cause_of
from penstock.core.plugins.names import ENTRY_POINT_GROUP, HOOK_PREFIX

_API_ATTRIBUTE = "penstock_api"


@dataclass(frozen=True, slots=True)
class Hooks:
    """The hooks that a plug-in implements, in alphabetical order, and what is wrong with them."""

    names: tuple[str, ...]
    problems: tuple[PluginProblem, ...]


def specified_hooks() -> Mapping[str, Callable[..., object]]:
    """Every hook by name, in the order of the specification."""
    return {
        name: function
        for name, function in vars(specification).items()
        if name.startswith(HOOK_PREFIX) and inspect.isfunction(function)
    }


def hooks_of(plugin: object, origin: Origin) -> Hooks:
    """What ``plugin`` (a module or an instance) implements."""
    specified = specified_hooks()
    names: list[str] = []
    problems: list[PluginProblem] = []
    for attribute, function in _candidates(plugin):
        options = _options(function)
        if options is None:
            problems.append(
                PluginProblem(origin, "it is not marked", "write @penstock.hookimpl", attribute)
            )
            continue
        name = options.get("specname") or attribute
        problem = _problem(name, function, options, specified)
        if problem is None:
            names.append(name)
        else:
            message, hint = problem
            problems.append(PluginProblem(origin, message, hint, name))
    return Hooks(tuple(sorted(names)), tuple(problems))


def _candidates(plugin: object) -> Iterator[tuple[str, Callable[..., object]]]:
    """What is marked as a hook, and what is named as one."""
    for attribute in dir(plugin):
        if attribute == _API_ATTRIBUTE:
            continue
        named = attribute.startswith(HOOK_PREFIX)
        if not named and not inspect.isroutine(inspect.getattr_static(plugin, attribute)):
            continue
        value = getattr(plugin, attribute)
        if callable(value) and (named or _options(value) is not None):
            yield attribute, value


def _options(function: Callable[..., object]) -> pluggy.HookimplOpts | None:
    """What ``@penstock.hookimpl`` left on a function (pluggy's documented attribute)."""
    options: pluggy.HookimplOpts | None = getattr(function, f"{ENTRY_POINT_GROUP}_impl", None)
    return options


def _problem(
    name: str,
    function: Callable[..., object],
    options: pluggy.HookimplOpts,
    specified: Mapping[str, Callable[..., object]],
) -> tuple[str, str | None] | None:
    specification_of = specified.get(name)
    if specification_of is None:
        return "there is no such hook", did_you_mean(name, specified)
    if options.get("wrapper") or options.get("hookwrapper"):
        return "hooks of Penstock cannot be wrapped", "write a plain function"
    allowed = list(inspect.signature(specification_of).parameters)
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError) as error:
        return f"its arguments cannot be read: {cause_of(error)}", None
    wrong = [
        parameter.name
        for parameter in parameters
        if parameter.default is parameter.empty
        and parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
        and parameter.name not in allowed
    ]
    if wrong:
        takes = ", ".join(allowed) or "no arguments"
        return f"it takes {', '.join(wrong)}, which the hook does not give", f"it gives {takes}"
    return None
