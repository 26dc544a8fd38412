"""The first word of ``penstock run``: a role, or a file."""

from __future__ import annotations

import click
import pytest
import yaml

from penstock.core.cli.main import cli
from penstock.core.cli.proxy_options import behind_proxy, with_proxy_apart
from penstock.core.cli.roles import ROLES, role_command, role_or_file
from penstock.core.config import Config
from penstock.core.errors import InvalidRequestError


def context_of(*words: str) -> click.Context:
    """That of ``penstock run`` with these words."""
    command = cli.get_command(click.Context(cli), "run")
    assert command is not None
    return command.make_context("run", list(words), click.Context(cli), resilient_parsing=True)


@pytest.mark.parametrize("role", ROLES)
def test_a_role_has_options_of_its_own(role: str) -> None:
    command = role_command(role)
    assert command.name == role
    assert command.help
    assert context_of(role, "--grpc-port", "0").command is command


def test_roles_that_go_together_are_one_process() -> None:
    command = context_of("dataflow", "pipeline-gateway", "--grpc-port", "0").command
    assert command.name == "dataflow pipeline-gateway"
    assert {each.name for each in command.params} >= {"scheduler", "routes_file", "rest_port"}
    assert context_of("scheduler", "dataflow").command.name == "scheduler dataflow"


def test_a_process_that_is_an_agent_as_well_takes_its_options() -> None:
    for words in (("dataflow", "agent"), ("agent", "gateway"), ("scheduler", "agent")):
        context = context_of(*words, "--server", "mlserver", "--number", "2")
        assert context.command.name == " ".join(words)
        assert (context.params["server"], context.params["number"]) == ("mlserver", 2)
    assert "server" not in {
        each.name for each in context_of("scheduler", "dataflow").command.params
    }


def test_options_may_stand_before_a_case() -> None:
    context = context_of("--models", "recorded", "a.penstock")
    assert context.command.name == "run"
    assert context.params["models"] == "recorded"
    assert str(context.params["case"]) == "a.penstock"


def test_roles_and_files_complete_the_word() -> None:
    context = context_of("a.penstock")
    found = [
        (item.value, item.type) for item in role_or_file(context, context.command.params[0], "sch")
    ]
    assert found == [("scheduler", "plain"), ("sch", "file")]


def config_of(text: str) -> Config:
    """A configuration file of that text."""
    return Config.model_validate(yaml.safe_load(text) or {})


def test_what_answers_moves_behind_a_proxy_unless_its_port_is_written() -> None:
    behind = behind_proxy(config_of("rest: {port: 9000, host: 0.0.0.0}"), 1, None, "envoy")
    assert (behind.rest.host, behind.rest.port) == ("0.0.0.0", 9000)
    assert (behind.grpc.host, behind.grpc.port) == ("127.0.0.1", 0)
    assert (behind.proxy.kind, behind.proxy.rest_port, behind.proxy.grpc_port) == ("envoy", 1, 8901)


def test_a_proxy_beside_a_scheduler_has_other_ports() -> None:
    apart = with_proxy_apart(config_of("proxy: {restPort: 9000}"))
    assert (apart.proxy.rest_port, apart.proxy.grpc_port) == (9000, 0)
    assert (apart.rest.port, apart.grpc.port) == (8900, 8901)


def test_a_proxy_speaks_no_tls_to_what_stands_behind_it() -> None:
    written = config_of("rest: {tls: {certificateFile: a.pem, keyFile: b.pem}}")
    with pytest.raises(InvalidRequestError, match=r"write rest\.tls as proxy\.listenTls"):
        behind_proxy(written, None, None)
