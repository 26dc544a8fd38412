"""The config file: its defaults, its sections, and every problem at once."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from penstock.core.config import Config, Section, load_config
from penstock.core.config.credentials import TokenOptions
from penstock.core.credentials import ServerTls
from penstock.core.errors import InvalidRequestError, NotFoundError
from penstock.core.positions import ProblemsError


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "penstock.yaml"


def problems_of(file: Path, text: str, **environment: str) -> list[str]:
    file.write_text(text)
    with pytest.raises(ProblemsError) as refused:
        load_config(file, environment=environment)
    return [detail.removeprefix(f"{file}:") for detail in refused.value.details]


def test_the_defaults() -> None:
    config = load_config(None)
    assert (config.rest.host, config.rest.port) == ("127.0.0.1", 8900)
    assert (config.grpc.host, config.grpc.port) == ("127.0.0.1", 8901)
    assert config.transport.kind == "memory"
    assert config.defaults.deadline_ms == 60_000
    assert config.defaults.async_deadline_ms == 600_000
    assert config.defaults.record == "boundary"
    assert config.limits.request_bytes == 64 * 1024**2
    assert config.limits.header_bytes == 16 * 1024
    assert config.limits.in_flight == 1024
    assert config.limits.in_flight_per_model == 256
    assert config.limits.open_joins == 100_000
    assert config.limits.recorded_requests == 10_000
    assert config.limits.recorded_bytes == 256 * 1024**2
    assert (config.logging.level, config.logging.format) == ("info", "console")


@pytest.mark.parametrize("text", ["", "# nothing\n", "---\n", "rest:\nplugins:\n  x:\n"])
def test_what_is_empty_is_the_default(file: Path, text: str) -> None:
    file.write_text(text)
    assert load_config(file).rest == Config().rest


def test_a_whole_file(file: Path) -> None:
    (file.parent / "manifests").mkdir()
    file.write_text(
        """\
include: [manifests]
plugins:
  disable: [prometheus]
  majority: {atLeast: 2}
transport:
  kind: memory
  maxRecords: 5
rest:
  host: ${env:HOST}
  port: ${env:PORT:-9000}
limits:
  requestBytes: 1.5Mi
  headerBytes: 2000
  inFlight: ${env:MANY}
logging: {level: debug, format: json}
"""
    )
    config = load_config(file, environment={"HOST": "0.0.0.0", "MANY": "7"})
    assert config.include == (file.parent / "manifests",)
    assert config.plugins.disable == ("prometheus",)
    assert config.plugins.sections == {"majority": {"atLeast": 2}}
    assert config.transport.options == {"maxRecords": 5}
    assert (config.rest.host, config.rest.port) == ("0.0.0.0", 9000)
    assert config.limits.request_bytes == 1_572_864
    assert config.limits.header_bytes == 2000
    assert config.limits.in_flight == 7
    assert (config.logging.level, config.logging.format) == ("debug", "json")


def test_every_problem_comes_at_once(file: Path) -> None:
    text = """\
include: [nothing-there.yaml]
trasport: {kind: memory}
plugins:
  disable: none
  majority: 5
rest:
  prot: 1
  port: 70000
  host: ${env:HSOT}
limits: {requestBytes: 64Mix, inFlight: true, openJoins: 0}
logging: {level: warn}
scheduler: {policy: x}
"""
    folder = file.parent
    assert problems_of(file, text, HOST="x") == [
        "1:11: include[0]: there is no file or folder 'nothing-there.yaml'; "
        f"it is looked for in '{folder}'",
        "2:1: trasport: unknown key 'trasport'; did you mean 'transport'?",
        "4:12: plugins.disable: must be a list, not 'none'",
        "5:13: plugins.majority: must be a mapping of keys to values, not 5",
        "7:3: rest.prot: unknown key 'prot'; did you mean 'port'?",
        "8:9: rest.port: must be at most 65535, not 70000",
        "9:9: rest.host: the environment variable 'HSOT' is not set; did you mean 'HOST'?",
        "10:24: limits.requestBytes: '64Mix' is no amount of memory; write it as 100Mi or 1.5G",
        "10:41: limits.inFlight: must be a whole number, not true",
        "10:58: limits.openJoins: must be at least 1, not 0",
        "11:18: logging.level: must be one of 'debug', 'info', 'warning' or 'error', not 'warn'; "
        "did you mean 'warning'?",
        "12:13: scheduler.policy: unknown key 'policy'; known here: access, agents, autoscaling, "
        "database, filters, settleMs, sorters",
    ]


def test_a_missing_variable_is_not_reported_twice(file: Path) -> None:
    assert problems_of(file, "rest:\n  port: ${env:PORT}\n") == [
        "2:9: rest.port: the environment variable 'PORT' is not set; "
        "set it, or write ${env:PORT:-default}"
    ]


def test_a_file_holds_one_mapping(file: Path) -> None:
    assert problems_of(file, "- a\n") == ["1:1: a config file holds a mapping of keys to values"]
    assert problems_of(file, "rest:\n---\ngrpc:\n") == [
        "3:1: a config file holds one document; remove the '---'"
    ]


def test_a_file_that_cannot_be_read(file: Path) -> None:
    with pytest.raises(NotFoundError, match="there is no config file"):
        load_config(file)
    with pytest.raises(InvalidRequestError, match="cannot be read: Is a directory"):
        load_config(file.parent)
    file.write_bytes(b"rest: \xff")
    with pytest.raises(InvalidRequestError, match="is not UTF-8 text: invalid start byte at byte"):
        load_config(file)


def test_problems_found_later_have_positions_too(file: Path) -> None:
    file.write_text("plugins:\n  majorty: {}\n")
    problem = load_config(file).problem(("plugins", "majorty"), "there is none", of_key=True)
    assert str(problem) == f"{file}:2:3: plugins.majorty: there is none"
    assert str(Config().problem(("rest",), "odd")) == "<no config file>:1:1: rest: odd"


def test_sections_of_plug_ins_never_change_and_take_no_unknown_key() -> None:
    class Options(Section):
        max_held: int = 3

    options = Options.model_validate({"maxHeld": 4})
    with pytest.raises(ValidationError, match="frozen"):
        options.max_held = 5
    with pytest.raises(ValidationError, match="maxHold"):
        Options.model_validate({"maxHold": 4})


KEYS = st.sampled_from(
    [
        "rest",
        "port",
        "plugins",
        "disable",
        "limits",
        "inFlight",
        "include",
        "transport",
        "kind",
        "x",
    ]
)
TREES = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(), st.sampled_from(["", "1", "${env:A}"])
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(KEYS, inner, max_size=3)),
    max_leaves=8,
)


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(tree=st.dictionaries(KEYS, TREES, max_size=4))
def test_only_problems_come_out_of_any_mapping(file: Path, tree: dict[str, object]) -> None:
    import yaml

    file.write_text(yaml.safe_dump(tree))
    try:
        config = load_config(file, environment={})
    except ProblemsError as refused:
        assert refused.details  # noqa: PT017 - either outcome is right
    else:
        assert isinstance(config, Config)


def test_only_headers_that_may_travel_are_passed(file: Path) -> None:
    file.write_text("defaults: {passedHeaders: [X-Tenant]}\n")
    assert load_config(file).defaults.passed_headers == ("x-tenant",)
    [problem] = problems_of(file, "defaults: {passedHeaders: [x-tenant, authorization]}\n")
    assert "defaults.passedHeaders[1]" in problem
    assert "only x-* headers travel with a request" in problem


@pytest.mark.parametrize("origin", ["https://x.org/", "x.org", "*", "https://x.org/console"])
def test_an_origin_is_an_address_without_a_path(file: Path, origin: str) -> None:
    assert problems_of(file, f"rest: {{origins: ['{origin}']}}") == [
        f"1:18: rest.origins[0]: must be an address as https://console.example.org, not '{origin}'"
    ]


def test_files_of_credentials_are_relative_to_the_config_file(file: Path) -> None:
    file.write_text(
        """\
grpc: {tls: {certificateFile: a.pem, keyFile: /b.key}}
scheduler: {access: {token: {file: token}, inferenceToken: {env: CLIENTS}}}
"""
    )
    config = load_config(file)
    tls, access = config.grpc.tls, config.scheduler.access
    assert tls is not None
    assert tls.tls() == ServerTls(file.parent / "a.pem", Path("/b.key"))
    assert access.token == TokenOptions(file=file.parent / "token")
    assert access.inference_token == TokenOptions(env="CLIENTS")


def test_requests_alone_are_not_guarded(file: Path) -> None:
    file.write_text("scheduler: {access: {inferenceToken: {env: CLIENTS}}}")
    with pytest.raises(ProblemsError, match="would leave the control plane open"):
        load_config(file)


def test_the_cache_is_relative_to_the_file(tmp_path: Path) -> None:
    file = tmp_path / "penstock.yaml"
    file.write_text("agent: {cache: {folder: kept, maxBytes: 1Gi}}\n", encoding="utf-8")
    cache = load_config(file).agent.cache
    assert (cache.folder, cache.max_bytes) == (tmp_path / "kept", 1024**3)
    file.write_text("agent: {cache: {folder: ~/kept}}\n", encoding="utf-8")
    assert load_config(file).agent.cache.folder == Path.home() / "kept"
