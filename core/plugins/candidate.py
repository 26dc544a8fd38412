"""One entry point on its way to being an active plug-in."""

from __future__ import annotations

from collections.abc import Collection

from pydantic import BaseModel

from penstock.core.config import Config
from penstock.core.plugins.calls import HookCalls
from penstock.core.plugins.description import PluginDescription, PluginState
from penstock.core.plugins.discovery import EntryPoint, load, origin_of
from penstock.core.plugins.errors import PluginProblem, cause_of
from penstock.core.plugins.inspection import hooks_of
from penstock.core.plugins.kinds import KINDS, TRANSPORTS, Kind
from penstock.core.plugins.names import CONFIG_HOOK
from penstock.core.plugins.options import core_options, options_of
from penstock.core.plugins.plugins import ActivePlugin
from penstock.core.plugins.registration import check_registrations, check_schema
from penstock.core.plugins.registry import Registration
from penstock.core.problems import Problem


class Candidate:
    """What is known so far of one plug-in. The first of its ``problems`` puts it out of use."""

    def __init__(self, entry_point: EntryPoint) -> None:
        self.origin = origin_of(entry_point)
        self.state: PluginState = "active"
        self.hooks: tuple[str, ...] = ()
        self.registered: dict[str, dict[str, Registration]] = {}
        self.problems: list[PluginProblem | Problem] = []
        self._entry_point = entry_point
        self._reason: str | None = None
        self._calls: HookCalls | None = None
        self._schema: type[BaseModel] | None = None
        self._options: BaseModel | None = None

    @property
    def transports(self) -> Collection[str]:
        """The names of the transports that it registers."""
        return self.registered.get(TRANSPORTS.name, {}).keys()

    def leave_out(self, state: PluginState, reason: str) -> None:
        """Not used, and ``penstock plugins`` says why."""
        self.state, self._reason = state, reason

    def fail(self, *problems: PluginProblem | Problem) -> None:
        """Not used, and start-up is refused."""
        self.problems += problems
        if problems and self.state == "active":
            first = problems[0]
            reason = first.reason if isinstance(first, PluginProblem) else str(first)
            self.leave_out("failed", reason)

    def load(self) -> None:
        """Import it and call its hooks of registration."""
        loaded = load(self._entry_point)
        if loaded.unavailable is not None:
            self.leave_out("unavailable", loaded.unavailable)
        elif loaded.problem is not None:
            self.fail(loaded.problem)
        else:
            hooks = hooks_of(loaded.plugin, self.origin)
            self.hooks = hooks.names
            self.fail(*hooks.problems)
            if not hooks.problems:
                self._register(HookCalls(loaded.plugin))

    def configure(self, config: Config) -> None:
        """Check its options."""
        if self._schema is None:
            self._options = core_options(config, self.origin.plugin)
            return
        self._options, problems = options_of(config, self.origin, self._schema, self.transports)
        self.fail(*problems)

    def active(self) -> ActivePlugin | None:
        """The plug-in, unless it is not used."""
        if self._calls is None or self.state != "active":
            return None
        return ActivePlugin(self.origin, self.hooks, self._calls, self._schema, self._options)

    def describe(self) -> PluginDescription:
        """What ``penstock plugins`` shows of it."""
        return PluginDescription(
            name=self.origin.plugin,
            module=self._entry_point.value,
            distribution=self.origin.distribution,
            version=self.origin.version,
            state=self.state,
            hooks=self.hooks,
            registers={
                kind: tuple(sorted(names)) for kind, names in self.registered.items() if names
            },
            reason=self._reason,
        )

    def _register(self, calls: HookCalls) -> None:
        self._calls = calls
        if CONFIG_HOOK in self.hooks:
            self._register_schema(calls)
        for kind in KINDS:
            if kind.hook in self.hooks:
                self._register_kind(calls, kind)

    def _register_schema(self, calls: HookCalls) -> None:
        try:
            returned = calls.config_schema()
        except Exception as error:
            self.fail(self._raised(error, CONFIG_HOOK))
            return
        checked = check_schema(returned, self.origin)
        if isinstance(checked, PluginProblem):
            self.fail(checked)
        else:
            self._schema = checked

    def _register_kind(self, calls: HookCalls, kind: Kind) -> None:
        try:
            returned = calls.registrations(kind)
        except Exception as error:
            self.fail(self._raised(error, kind.hook))
            return
        self.registered[kind.name], problems = check_registrations(kind, returned, self.origin)
        self.fail(*problems)

    def _raised(self, error: Exception, hook: str) -> PluginProblem:
        return PluginProblem(self.origin, f"it raised {cause_of(error)}", hook=hook)
