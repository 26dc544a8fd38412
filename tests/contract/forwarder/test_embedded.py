"""What the embedded forwarder promises beyond what all do."""

from __future__ import annotations

import pytest

from contract.forwarder.test_grpc import grpc_rig
from harness.forwarder_rig import started_forwarder, until
from harness.http_messages import http_request
from harness.http_stream import http_caller
from harness.scripted_endpoint import scripted_endpoints
from harness.scripted_grpc import scripted_grpcs
from penstock.core.contracts.forwarder import HealthChecks, Policy


async def test_an_answer_without_a_length_that_breaks_off_is_a_reset_connection() -> None:
    async with scripted_endpoints("a") as (a,), started_forwarder("embedded") as rig:
        await rig.serve(m=[a])
        a.script.dies_after, a.script.chunked = 20, True
        async with http_caller(rig.rest) as caller:
            caller.writer.write(http_request("POST", "/v2/models/m/infer", b"{}", version="1.0"))
            with pytest.raises(ConnectionResetError):
                await caller.reader.read()


async def test_who_answers_over_grpc_only_is_checked_there() -> None:
    checks = HealthChecks(interval_ms=50.0, timeout_ms=200.0, unhealthy_after=2)
    async with (
        scripted_grpcs("a", "b") as (a, b),
        grpc_rig("embedded", Policy(health=checks), gateways=[a, b]) as (rig, caller),
    ):
        a.script.live = False

        def unhealthy() -> set[str]:
            standings = rig.forwarder.status().endpoints
            return {each.endpoint.name for each in standings if each.health == "unhealthy"}

        await until(lambda: unhealthy() == {"a"})
        assert {await caller.who("m") for _ in range(12)} == {"b"}
