"""What the control plane tells over gRPC that is not its own."""

from __future__ import annotations

import asyncio
from typing import cast

from fakes.control import FakeControlPlane, resource
from harness.virtual_time import in_virtual_time
from penstock.core.clock import VirtualClock
from penstock.core.routing.book import RouteBook
from penstock.core.routing.route import Acknowledgement
from penstock.proto import control_pb2 as pb
from penstock.transports.grpc.closing import Closing
from penstock.transports.grpc.control import ControlCalls
from penstock.transports.grpc.errors import Context
from unit.routing.test_book import Gateway

NO_CONTEXT = cast(Context, None)


def test_a_list_has_the_troubles_of_those_that_follow() -> None:
    async def main(clock: VirtualClock) -> None:
        control, book = FakeControlPlane(), RouteBook("epoch", clock)
        control.put(resource("Model", "m"))
        proxy = Gateway(book, "a proxy")
        await proxy.takes_up()
        proxy.say(Acknowledgement("a proxy", "epoch", 0, trouble="it refused a change"))
        await asyncio.sleep(0.1)
        calls = ControlCalls(control, Closing(), book)
        listed = await calls.list(pb.ListRequest(), NO_CONTEXT)
        assert (len(listed.resources), list(listed.troubles)) == (
            1,
            ["a proxy: it refused a change"],
        )
        alone = await ControlCalls(control, Closing()).list(pb.ListRequest(), NO_CONTEXT)
        assert list(alone.troubles) == []
        await proxy.breaks()

    in_virtual_time(main)
