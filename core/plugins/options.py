"""The options of plug-ins: the sections of the config file against the registered schemas."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping

from pydantic import BaseModel, ValidationError

from penstock.core.config import Config
from penstock.core.nearest import did_you_mean
from penstock.core.plugins.errors import Origin, PluginProblem, cause_of
from penstock.core.plugins.names import CONFIG_HOOK
from penstock.core.problems import KeyPath, Problem
from penstock.core.validation import problems_of_validation


def core_options(config: Config, plugin: str) -> BaseModel | None:
    """The options of a plug-in whose section the config file itself knows."""
    sections: Mapping[str, BaseModel] = {"rest": config.rest, "grpc": config.grpc}
    return sections.get(plugin)


def options_of(
    config: Config, origin: Origin, schema: type[BaseModel], transports: Collection[str]
) -> tuple[BaseModel | None, list[PluginProblem | Problem]]:
    """The options of one plug-in, and what is wrong with them.

    ``transports`` are those that the plug-in registers: its options are the ones beside
    ``transport.kind`` when it is one of them, and the defaults, if it has all, when it is not.
    """
    path: KeyPath = ("plugins", origin.plugin)
    section: Mapping[str, object] = config.plugins.sections.get(origin.plugin, {})
    chosen = config.transport.kind in transports
    if transports:
        path = ("transport",)
        section = config.transport.options if chosen else {}
    try:
        return schema.model_validate(section), []
    except ValidationError as error:
        if transports and not chosen:
            return None, []
        found = problems_of_validation(error, config.document, schema, at=path)
        if not section:
            hint = f"the {origin} needs it, or disable the plug-in"
            found = [dataclasses.replace(problem, hint=hint) for problem in found]
        return None, [*found]
    except Exception as error:
        message = f"the options cannot be checked: {cause_of(error)}"
        return None, [PluginProblem(origin, message, hook=CONFIG_HOOK)]


def problems_of_names(
    config: Config, takes_options: Mapping[str, bool], carriers: Collection[str]
) -> list[Problem]:
    """Plug-ins that the config file names and that cannot be meant.

    ``takes_options`` has every plug-in that is installed; those that were not looked at count as
    if they took some. ``carriers`` are the plug-ins that register transports.
    """
    problems = []
    for index, name in enumerate(config.plugins.disable):
        if name not in takes_options:
            path: KeyPath = ("plugins", "disable", index)
            problems.append(_not_installed(config, path, name, takes_options))
    for name in config.plugins.sections:
        path = ("plugins", name)
        if name not in takes_options:
            problems.append(_not_installed(config, path, name, takes_options))
        elif core_options(config, name) is not None:
            message = f"the options of '{name}' stand in the section '{name}' at the top"
            problems.append(config.problem(path, message, of_key=True))
        elif name in carriers:
            message = f"the options of the transport '{name}' stand in the section 'transport'"
            problems.append(config.problem(path, message, of_key=True))
        elif not takes_options[name]:
            message = f"the plug-in '{name}' takes no options"
            problems.append(config.problem(path, message, of_key=True))
    return problems


def problems_of_transport(config: Config) -> list[Problem]:
    """The options of a transport that takes none."""
    message = f"the transport '{config.transport.kind}' takes no options"
    return [
        config.problem(("transport", key), message, of_key=True) for key in config.transport.options
    ]


def _not_installed(
    config: Config, path: KeyPath, name: str, installed: Mapping[str, bool]
) -> Problem:
    hint = did_you_mean(name, installed) or f"installed: {', '.join(sorted(installed)) or 'none'}"
    of_key = path[-1] == name
    return config.problem(path, f"there is no plug-in '{name}'", hint, of_key=of_key)
