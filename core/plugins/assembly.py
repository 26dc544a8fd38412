"""The steps of assembling plug-ins; problems are collected, and what is broken is left out."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

from penstock.core.config import Config
from penstock.core.contracts.placement import Filter, Sorter
from penstock.core.names import problem_of_name
from penstock.core.plugins.candidate import Candidate
from penstock.core.plugins.description import PluginState
from penstock.core.plugins.discovery import EntryPoint
from penstock.core.plugins.errors import Origin, PluginProblem, UnknownNameError
from penstock.core.plugins.kinds import KINDS
from penstock.core.plugins.names import CONFIG_HOOK
from penstock.core.plugins.options import problems_of_names, problems_of_transport
from penstock.core.plugins.plugins import Plugins
from penstock.core.plugins.registry import Registration, Registry
from penstock.core.problems import Problem


class Assembly:
    """Assembles plug-ins from entry points, in the order of their names, once."""

    def __init__(self, config: Config, entry_points: Iterable[EntryPoint]) -> None:
        self._config = config
        self._candidates = sorted(
            (Candidate(entry_point) for entry_point in entry_points),
            key=lambda candidate: (candidate.origin.plugin, candidate.origin.distribution or ""),
        )
        self._disable()
        shared = self._refuse_names()
        for candidate in self._having("active"):
            candidate.load()
        self._refuse_shared_registrations()
        for candidate in self._having("active"):
            candidate.configure(config)
        self.plugins = self._assembled()
        """The plug-ins that work."""
        self.problems: Sequence[PluginProblem | Problem] = [
            *shared,
            *(problem for candidate in self._candidates for problem in candidate.problems),
            *self._problems_of_config(),
        ]
        """Everything that is wrong, with others and with what the config file says of them."""

    def _having(self, state: PluginState) -> list[Candidate]:
        return [candidate for candidate in self._candidates if candidate.state == state]

    def _disable(self) -> None:
        for candidate in self._candidates:
            if candidate.origin.plugin in self._config.plugins.disable:
                candidate.leave_out("disabled", "the config file disables it")

    def _refuse_names(self) -> list[PluginProblem]:
        """Refuse names that are none; returned are those that several distributions claim."""
        by_name: dict[str, list[Candidate]] = defaultdict(list)
        for candidate in self._having("active"):
            by_name[candidate.origin.plugin].append(candidate)
            wrong = problem_of_name(candidate.origin.plugin)
            if candidate.origin.plugin == "disable":
                wrong = "the name 'disable' has a meaning of its own in the config file"
            if wrong is not None:
                hint = "rename its entry point"
                candidate.fail(PluginProblem(candidate.origin, wrong, hint))
        shared = []
        for name, claimants in by_name.items():
            if len(claimants) > 1:
                named = " and ".join(_distribution(claimant.origin) for claimant in claimants)
                message = f"{named} have plug-ins of this name"
                problem = PluginProblem(Origin(name), message, "uninstall all but one")
                shared.append(problem)
                for claimant in claimants:
                    claimant.leave_out("failed", problem.reason)
        return shared

    def _refuse_shared_registrations(self) -> None:
        for kind in KINDS:
            first: dict[str, Candidate] = {}
            for candidate in self._having("active"):
                for name in candidate.registered.get(kind.name, {}):
                    other = first.setdefault(name, candidate)
                    if other is not candidate:
                        message = (
                            f"the {kind.noun} '{name}' is registered by the {other.origin} as well"
                        )
                        hint = "disable one of them"
                        candidate.fail(PluginProblem(candidate.origin, message, hint, kind.hook))

    def _assembled(self) -> Plugins:
        registered: dict[str, dict[str, Registration]] = defaultdict(dict)
        for candidate in self._having("active"):
            for kind, registrations in candidate.registered.items():
                registered[kind].update(registrations)
        active = (candidate.active() for candidate in self._candidates)
        return Plugins(
            [plugin for plugin in active if plugin is not None],
            registered,
            [candidate.describe() for candidate in self._candidates],
        )

    def _problems_of_config(self) -> list[Problem]:
        """What the config file names must be there, and take the options that it has for it."""
        config = self._config
        takes_options = {
            candidate.origin.plugin: candidate.state != "active" or CONFIG_HOOK in candidate.hooks
            for candidate in self._candidates
        }
        carriers = {candidate.origin.plugin: candidate.transports for candidate in self._candidates}
        carrying = [name for name, transports in carriers.items() if transports]
        problems = problems_of_names(config, takes_options, carrying)

        kind = config.transport.kind
        failed = [candidate.origin.plugin for candidate in self._having("failed")]
        chosen = [name for name, transports in carriers.items() if kind in transports]
        if any(not takes_options[name] for name in chosen):
            problems += problems_of_transport(config)
        if config.document.has(("transport", "kind")) and not chosen and kind not in failed:
            try:
                self.plugins.transports.get(kind)
            except UnknownNameError as error:
                problems.append(config.problem(("transport", "kind"), error.message))
        rules = (
            ("filters", config.scheduler.filters, self.plugins.filters),
            ("sorters", config.scheduler.sorters, self.plugins.sorters),
        )
        for key, names, registry in rules:
            problems += self._problems_of_rules(key, names or (), registry)
        policies = (
            (("agent", "eviction"), config.agent.eviction, self.plugins.evictions),
            (
                ("scheduler", "autoscaling", "policy"),
                config.scheduler.autoscaling.policy,
                self.plugins.scalers,
            ),
        )
        for path, name, policies_there in policies:
            if config.document.has(path):
                try:
                    policies_there.get(name)
                except UnknownNameError as error:
                    problems.append(config.problem(path, error.message))
        return problems

    def _problems_of_rules(
        self, key: str, names: Sequence[str], registry: Registry[Filter] | Registry[Sorter]
    ) -> Iterator[Problem]:
        for index, name in enumerate(names):
            try:
                registry.get(name)
            except UnknownNameError as error:
                yield self._config.problem(("scheduler", key, index), error.message)


def _distribution(origin: Origin) -> str:
    return f"{origin.distribution} {origin.version}" if origin.distribution else "a program"
