"""Assembling plug-ins: what comes out, and every sentence when something is wrong."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import pytest
from pydantic import BaseModel

from harness.entry_points import FakeDistribution, FakeEntryPoint, a_plugin
from penstock.core.config import Config, Section
from penstock.core.contracts import Decision, Filter, JoinStrategy, JoinView, Observer, Wait
from penstock.core.contracts.control import WatchEvent
from penstock.core.metrics import Metrics
from penstock.core.plugins import hookimpl
from penstock.core.plugins.errors import Origin, PluginsError, UnknownNameError
from penstock.core.plugins.manager import assemble, start_up
from penstock.core.plugins.plugins import Plugins
from penstock.core.problems import ProblemsError


class PatientJoin(JoinStrategy):
    def decide(self, view: JoinView) -> Decision:
        return Wait()


def make_patient() -> JoinStrategy:
    return PatientJoin()


class QuietObserver(Observer):
    def __init__(self, options: Options) -> None:
        self.options = options

    def start(self, metrics: Metrics) -> None:
        """Nothing to do."""


class Options(Section):
    max_held: int = 3


class Demanding(Section):
    bucket: str


def problems_of(*entry_points: FakeEntryPoint, config: Config | None = None) -> Sequence[str]:
    with pytest.raises(PluginsError) as refused:
        assemble(config or Config(), entry_points=entry_points)
    return refused.value.details


def joins(**by_name: object) -> SimpleNamespace:
    return a_plugin(register_joins=by_name)


def started(folder: Path, text: str, *entry_points: FakeEntryPoint) -> tuple[Config, Plugins]:
    path = folder / "penstock.yaml"
    path.write_text(text)
    return start_up(path, entry_points=entry_points)


class TestWhatWorks:
    def test_names_come_from_all_plug_ins_in_order(self) -> None:
        plugins = assemble(
            Config(),
            entry_points=[
                FakeEntryPoint("z", joins(first=PatientJoin)),
                FakeEntryPoint("a", joins(second=PatientJoin, always=make_patient)),
            ],
        )
        assert plugins.joins.names() == ("always", "first", "second")
        assert plugins.joins.get("first") is PatientJoin
        assert plugins.joins.origin("first") == Origin("z", "some-dist", "1.0")
        assert plugins.filters.names() == ()

    def test_an_instance_of_a_class_is_a_plug_in(self) -> None:
        class MyPlugin:
            penstock_api = 1

            @hookimpl
            def penstock_register_joins(self) -> dict[str, type[JoinStrategy]]:
                return {"mine": PatientJoin}

        plugins = assemble(Config(), entry_points=[FakeEntryPoint("p", MyPlugin())])
        assert plugins.joins.names() == ("mine",)

    def test_the_description_shows_everything(self) -> None:
        plugins = assemble(
            Config.model_validate({"plugins": {"disable": ["off"]}}),
            entry_points=[
                FakeEntryPoint("on", joins(b=PatientJoin, a=PatientJoin), "pkg.mod"),
                FakeEntryPoint("off", RuntimeError("is not even imported")),
            ],
        )
        off, on = (description.as_json() for description in plugins.describe())
        assert on == {
            "name": "on",
            "module": "pkg.mod",
            "distribution": "some-dist",
            "version": "1.0",
            "state": "active",
            "hooks": ("penstock_register_joins",),
            "registers": {"joins": ("a", "b")},
            "reason": None,
        }
        assert (off["state"], off["reason"]) == ("disabled", "the config file disables it")

    def test_nothing_is_made_before_it_is_used(self) -> None:
        def fail() -> JoinStrategy:
            raise AssertionError("made too early")

        assemble(Config(), entry_points=[FakeEntryPoint("p", joins(lazy=fail))])


class TestRegistry:
    @pytest.fixture
    def plugins(self) -> Plugins:
        def wrong() -> object:
            return "a string"

        def broken() -> JoinStrategy:
            raise KeyError("x")

        entry_points = [
            FakeEntryPoint("p", joins(patient=PatientJoin, wrong=wrong, broken=broken)),
            FakeEntryPoint(
                "extra",
                ModuleNotFoundError("No module named 'm'", name="m"),
                extras=["extra"],
            ),
        ]
        return assemble(Config(), entry_points=entry_points)

    def test_an_unknown_name_comes_with_what_there_is(self, plugins: Plugins) -> None:
        with pytest.raises(UnknownNameError) as unknown:
            plugins.joins.get("pateint")
        assert unknown.value.message == (
            "there is no join 'pateint'; installed: broken, patient, wrong; did you mean 'patient'?"
        )
        assert unknown.value.code == "not-found"

    @pytest.mark.parametrize("name", ["extra", "some_extra"])
    def test_an_unavailable_plug_in_says_what_it_needs(self, plugins: Plugins, name: str) -> None:
        with pytest.raises(UnknownNameError) as unknown:
            plugins.loaders.get(name)
        assert unknown.value.message == (
            f"there is no loader '{name}'; installed: none; the plug-in 'extra' is not active: "
            "'m' is not installed; pip install 'some-dist[extra]'"
        )

    def test_what_is_made_must_be_of_the_kind(self, plugins: Plugins) -> None:
        assert isinstance(plugins.joins.make("patient"), PatientJoin)
        with pytest.raises(PluginsError) as refused:
            plugins.joins.make("wrong")
        assert refused.value.details == (
            "plug-in 'p' (some-dist 1.0): the join 'wrong' gave a str, which is no JoinStrategy",
        )

    def test_a_factory_that_fails_is_named(self, plugins: Plugins) -> None:
        with pytest.raises(PluginsError) as refused:
            plugins.joins.make("broken")
        assert refused.value.details == (
            "plug-in 'p' (some-dist 1.0): the join 'broken' cannot be made: KeyError: 'x'",
        )


class TestWhatIsRefused:
    def test_a_hook_that_does_not_exist(self) -> None:
        assert problems_of(FakeEntryPoint("p", a_plugin(register_jions={}))) == (
            "plug-in 'p' (some-dist 1.0), hook penstock_register_jions: "
            "there is no such hook; did you mean 'penstock_register_joins'?",
        )

    def test_a_hook_with_wrong_arguments(self) -> None:
        def with_more(config: object, adresses: object) -> None: ...

        assert problems_of(FakeEntryPoint("p", a_plugin(started=with_more))) == (
            "plug-in 'p' (some-dist 1.0), hook penstock_started: "
            "it takes adresses, which the hook does not give; it gives config, addresses",
        )

    def test_a_hook_without_the_mark(self) -> None:
        plugin = SimpleNamespace(penstock_api=1, penstock_register_joins=dict)
        assert problems_of(FakeEntryPoint("p", plugin)) == (
            "plug-in 'p' (some-dist 1.0), hook penstock_register_joins: "
            "it is not marked; write @penstock.hookimpl",
        )

    def test_a_wrapper(self) -> None:
        plugin = SimpleNamespace(penstock_api=1)
        plugin.penstock_stopping = hookimpl(wrapper=True)(lambda: (yield))
        assert problems_of(FakeEntryPoint("p", plugin)) == (
            "plug-in 'p' (some-dist 1.0), hook penstock_stopping: "
            "hooks of Penstock cannot be wrapped; write a plain function",
        )

    def test_a_hook_that_raises(self) -> None:
        def fail() -> None:
            raise ValueError("no table")

        assert problems_of(FakeEntryPoint("p", a_plugin(register_joins=fail))) == (
            "plug-in 'p' (some-dist 1.0), hook penstock_register_joins: "
            "it raised ValueError: no table",
        )

    @pytest.mark.parametrize(
        ("returned", "shown"),
        [
            (None, "nothing"),
            (["quorum"], "a value of type list"),
            (PatientJoin, "the class PatientJoin"),
        ],
    )
    def test_a_hook_that_returns_no_mapping(self, returned: object, shown: str) -> None:
        assert problems_of(FakeEntryPoint("p", a_plugin(register_joins=returned))) == (
            "plug-in 'p' (some-dist 1.0), hook penstock_register_joins: "
            f"it returned {shown}, not a mapping from names to join classes",
        )

    @pytest.mark.parametrize(
        ("name", "factory", "sentence"),
        [
            (
                "x",
                int,
                "'x' is the class int, which is no JoinStrategy; "
                "derive it from penstock.core.contracts.join.JoinStrategy",
            ),
            ("x", JoinStrategy, "'x' is the class JoinStrategy, which lacks decide"),
            ("x", PatientJoin(), "'x' is an instance of PatientJoin; register the class itself"),
            ("x", 5, "'x' is a value of type int, and can make no join"),
            (
                "a b",
                PatientJoin,
                "'a b' is no name: letters, digits, '-' and '_' are allowed, "
                "with a letter or digit at both ends",
            ),
            (5, PatientJoin, "it registers under a value of type int, and names are text"),
        ],
    )
    def test_what_cannot_be_registered(self, name: object, factory: object, sentence: str) -> None:
        plugin = a_plugin(register_joins={name: factory})
        assert problems_of(FakeEntryPoint("p", plugin)) == (
            f"plug-in 'p' (some-dist 1.0), hook penstock_register_joins: {sentence}",
        )

    def test_two_plug_ins_of_one_name(self) -> None:
        assert problems_of(
            FakeEntryPoint("same", a_plugin(), dist=FakeDistribution("one", "1.0")),
            FakeEntryPoint("same", a_plugin(), dist=FakeDistribution("two", "2.1")),
        ) == (
            "plug-in 'same': one 1.0 and two 2.1 have plug-ins of this name; uninstall all but one",
        )

    def test_two_plug_ins_that_register_one_name(self) -> None:
        assert problems_of(
            FakeEntryPoint("a", joins(quorum=PatientJoin), dist=FakeDistribution("one", "1.0")),
            FakeEntryPoint("b", joins(quorum=PatientJoin), dist=FakeDistribution("two", "2.1")),
        ) == (
            "plug-in 'b' (two 2.1), hook penstock_register_joins: the join 'quorum' is registered "
            "by the plug-in 'a' (one 1.0) as well; disable one of them",
        )

    def test_the_same_name_in_two_kinds_is_fine(self) -> None:
        class Any(Filter):
            def refuse(self, model: object, server: object, snapshot: object) -> None:
                return None

        plugin = a_plugin(register_joins={"x": PatientJoin}, register_filters={"x": Any})
        plugins = assemble(Config(), entry_points=[FakeEntryPoint("p", plugin)])
        assert plugins.joins.names() == plugins.filters.names() == ("x",)

    @pytest.mark.parametrize("name", ["disable", "a b", "-"])
    def test_a_name_that_is_none(self, name: str) -> None:
        [problem] = problems_of(FakeEntryPoint(name, a_plugin()))
        assert problem.startswith(f"plug-in '{name}' (some-dist 1.0): ")
        assert problem.endswith("; rename its entry point")

    def test_everything_comes_at_once(self) -> None:
        with pytest.raises(PluginsError) as refused:
            assemble(
                Config.model_validate({"plugins": {"disable": ["nobody"]}}),
                entry_points=[
                    FakeEntryPoint("a", ImportError("broken")),
                    FakeEntryPoint("b", a_plugin(register_jions={}, register_joins=5)),
                    FakeEntryPoint("c", joins(fine=PatientJoin)),
                ],
            )
        assert len(refused.value.details) == 3
        assert refused.value.message.startswith(
            "start-up is refused for 3 problems, the first of them: plug-in 'a' (some-dist 1.0): "
        )
        assert [(d.name, d.state) for d in refused.value.descriptions] == [
            ("a", "failed"),
            ("b", "failed"),
            ("c", "active"),
        ]
        assert refused.value.descriptions[0].reason == (
            "its module 'some_module' fails on import: ImportError: broken"
        )


class TestOptions:
    def plugin(self, schema: object = Options) -> SimpleNamespace:
        return a_plugin(register_config=schema, register_observers={"quiet": QuietObserver})

    def test_a_section_becomes_the_plug_ins_typed_options(self, tmp_path: Path) -> None:
        _, plugins = started(
            tmp_path, "plugins:\n  quiet:\n    maxHeld: 5\n", FakeEntryPoint("quiet", self.plugin())
        )
        assert plugins.options("quiet") == Options(max_held=5)
        made = plugins.make(plugins.observers, "quiet")
        assert isinstance(made, QuietObserver)
        assert made.options == Options(max_held=5)

    def test_without_a_section_the_defaults_hold(self) -> None:
        plugins = assemble(Config(), entry_points=[FakeEntryPoint("quiet", self.plugin())])
        assert plugins.options("quiet") == Options(max_held=3)

    def test_a_plug_in_without_a_schema_is_made_without_arguments(self) -> None:
        plugins = assemble(Config(), entry_points=[FakeEntryPoint("p", joins(patient=PatientJoin))])
        assert plugins.options("p") is None
        assert isinstance(plugins.make(plugins.joins, "patient"), PatientJoin)

    def test_a_section_that_does_not_fit(self, tmp_path: Path) -> None:
        with pytest.raises(PluginsError) as refused:
            started(
                tmp_path,
                "plugins:\n  quiet:\n    maxHold: 5\n    maxHeld: many\n",
                FakeEntryPoint("quiet", self.plugin()),
            )
        assert refused.value.details == (
            f"{tmp_path}/penstock.yaml:3:5: plugins.quiet.maxHold: unknown key 'maxHold'; "
            "did you mean 'maxHeld'?",
            f"{tmp_path}/penstock.yaml:4:14: plugins.quiet.maxHeld: "
            "must be a whole number, not 'many'",
        )
        assert [d.state for d in refused.value.descriptions] == ["failed"]

    def test_a_key_that_is_needed(self, tmp_path: Path) -> None:
        with pytest.raises(PluginsError) as refused:
            started(tmp_path, "rest: {port: 1}\n", FakeEntryPoint("s3", self.plugin(Demanding)))
        assert refused.value.details == (
            f"{tmp_path}/penstock.yaml:1:1: plugins.s3.bucket: this key is required; "
            "the plug-in 's3' (some-dist 1.0) needs it, or disable the plug-in",
        )

    def test_plug_ins_that_are_not_there(self, tmp_path: Path) -> None:
        with pytest.raises(PluginsError) as refused:
            started(
                tmp_path,
                "plugins:\n  disable: [quite]\n  quit: {}\n  zzz: {}\n",
                FakeEntryPoint("quiet", self.plugin()),
            )
        assert [detail.partition("yaml:")[2] for detail in refused.value.details] == [
            "2:13: plugins.disable[0]: there is no plug-in 'quite'; did you mean 'quiet'?",
            "3:3: plugins.quit: there is no plug-in 'quit'; did you mean 'quiet'?",
            "4:3: plugins.zzz: there is no plug-in 'zzz'; installed: quiet",
        ]

    def test_a_section_for_a_plug_in_without_options(self, tmp_path: Path) -> None:
        with pytest.raises(PluginsError) as refused:
            started(tmp_path, "plugins:\n  p: {x: 1}\n", FakeEntryPoint("p", a_plugin()))
        assert refused.value.details == (
            f"{tmp_path}/penstock.yaml:2:3: plugins.p: the plug-in 'p' takes no options",
        )

    def test_the_section_of_a_disabled_plug_in_is_not_looked_at(self, tmp_path: Path) -> None:
        text = "plugins:\n  disable: [quiet]\n  quiet: {nonsense: 1}\n"
        _, plugins = started(tmp_path, text, FakeEntryPoint("quiet", self.plugin()))
        assert plugins.observers.names() == ()

    @pytest.mark.parametrize(
        ("schema", "sentence"),
        [
            (int, "it returned the class int, not a pydantic model class"),
            (None, "it returned nothing, not a pydantic model class"),
            (
                BaseModel,
                "'BaseModel' must be frozen and forbid unknown keys; "
                "derive it from penstock.core.config.Section",
            ),
        ],
    )
    def test_a_schema_that_is_none(self, schema: object, sentence: str) -> None:
        assert problems_of(FakeEntryPoint("p", self.plugin(schema))) == (
            f"plug-in 'p' (some-dist 1.0), hook penstock_register_config: {sentence}",
        )

    def test_problems_of_the_file_and_of_plug_ins_come_together(self, tmp_path: Path) -> None:
        with pytest.raises(PluginsError) as refused:
            started(tmp_path, "resst: {}\n", FakeEntryPoint("p", a_plugin(register_jions={})))
        assert len(refused.value.details) == 2

    def test_problems_of_the_file_alone_are_no_plug_ins(self, tmp_path: Path) -> None:
        with pytest.raises(ProblemsError):
            started(tmp_path, "resst: {}\n", FakeEntryPoint("p", a_plugin()))


class TestEvents:
    event = WatchEvent(revision=7, action="deleted", resource={})

    def test_plug_ins_are_told_in_the_order_of_their_names(self) -> None:
        told: list[object] = []
        config = Config()

        def note_start(config: Config, addresses: dict[str, str]) -> None:
            told.append((config, addresses))

        entry_points = [
            FakeEntryPoint("b", a_plugin(stopping=lambda: told.append("b"))),
            FakeEntryPoint("a", a_plugin(stopping=lambda: told.append("a"))),
            FakeEntryPoint("c", a_plugin(resource_changed=lambda event: told.extend([event]))),
            FakeEntryPoint("d", a_plugin(started=note_start)),
        ]
        plugins = assemble(config, entry_points=entry_points)
        plugins.started(config, {"rest": "http://127.0.0.1:1"})
        plugins.resource_changed(self.event)
        plugins.stopping()
        assert told == [(config, {"rest": "http://127.0.0.1:1"}), self.event, "a", "b"]

    def test_a_failure_at_the_start_refuses_it_and_names_all(self) -> None:
        def fail(config: Config) -> None:
            raise OSError("disk full")

        entry_points = [FakeEntryPoint(name, a_plugin(started=fail)) for name in ("a",)]
        plugins = assemble(Config(), entry_points=entry_points)
        with pytest.raises(PluginsError) as refused:
            plugins.started(Config(), {})
        assert refused.value.details == (
            "plug-in 'a' (some-dist 1.0), hook penstock_started: OSError: disk full",
        )

    def test_later_failures_are_logged_and_the_others_are_told(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        told: list[str] = []

        def fail() -> None:
            raise OSError("disk full")

        def fail_on_change(event: WatchEvent) -> None:
            raise OSError("disk full")

        entry_points = [
            FakeEntryPoint("a", a_plugin(stopping=fail, resource_changed=fail_on_change)),
            FakeEntryPoint(
                "b",
                a_plugin(
                    stopping=lambda: told.append("stopping"),
                    resource_changed=lambda event: told.append("changed"),
                ),
            ),
        ]
        plugins = assemble(Config(), entry_points=entry_points)
        plugins.resource_changed(self.event)
        plugins.stopping()
        assert told == ["changed", "stopping"]
        assert [record.getMessage() for record in caplog.records] == [
            "plug-in 'a' (some-dist 1.0), hook penstock_resource_changed failed",
            "plug-in 'a' (some-dist 1.0), hook penstock_stopping failed",
        ]
