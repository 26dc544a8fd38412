"""The first word of ``penstock run``: a role, or a file."""

from __future__ import annotations

import click
import pytest

from penstock.core.cli.main import cli
from penstock.core.cli.roles import ROLES, role_command, role_or_file


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
