"""What the embedded forwarder promises beyond what all do."""

from __future__ import annotations

import pytest

from harness.forwarder_rig import started_forwarder
from harness.http_messages import http_request
from harness.http_stream import http_caller
from harness.scripted_endpoint import scripted_endpoints


async def test_an_answer_without_a_length_that_breaks_off_is_a_reset_connection() -> None:
    async with scripted_endpoints("a") as (a,), started_forwarder("embedded") as rig:
        await rig.serve(m=[a])
        a.script.dies_after, a.script.chunked = 20, True
        async with http_caller(rig.rest) as caller:
            caller.writer.write(http_request("POST", "/v2/models/m/infer", b"{}", version="1.0"))
            with pytest.raises(ConnectionResetError):
                await caller.reader.read()
