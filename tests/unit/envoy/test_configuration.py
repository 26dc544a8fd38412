"""What is in force, what is wanted, and who has it."""

from __future__ import annotations

import asyncio

from penstock.proto.envoy_pb2 import DeltaDiscoveryRequest
from penstock.transports.envoy.configuration import Configuration
from penstock.transports.envoy.resources import CLUSTERS, NOTHING, Resource, Resources
from penstock.transports.envoy.session import Session


def clusters(*versions: str) -> Resources:
    return {**NOTHING, CLUSTERS: {f"c{v}": Resource(v, v.encode()) for v in versions}}


class Follower:
    """An Envoy that takes what it is told, or refuses it."""

    def __init__(self, configuration: Configuration) -> None:
        self.configuration = configuration
        self.session = Session()
        self.news = asyncio.Event()
        configuration.joins(self.session, self.news)
        self.session.hear(DeltaDiscoveryRequest(type_url=CLUSTERS))

    def answers(self, refusing: str = "") -> list[str]:
        """Everything that it is told now; the first is refused where there is a reason."""
        told = []
        while (response := self.session.say(self.configuration.wanted)) is not None:
            told += [each.name for each in response.resources]
            told += [f"-{name}" for name in response.removed_resources]
            request = DeltaDiscoveryRequest(type_url=CLUSTERS, response_nonce=response.nonce)
            if refusing:
                request.error_detail.message, refusing = refusing, ""
            self.configuration.moved(self.session.hear(request))
        return told


async def test_a_change_is_waited_for_until_every_envoy_has_it() -> None:
    configuration = Configuration()
    configuration.offer(clusters("1"))
    waiting = asyncio.create_task(configuration.until_taken())
    await asyncio.sleep(0)
    assert not configuration.followed
    one, two = Follower(configuration), Follower(configuration)
    assert one.answers() == ["c1"]
    await asyncio.sleep(0)
    assert not waiting.done()
    assert two.answers() == ["c1"]
    await asyncio.wait_for(waiting, 1.0)
    assert configuration.taken
    assert configuration.refused == ""


async def test_what_is_offered_wakes_who_follows() -> None:
    configuration = Configuration()
    follower = Follower(configuration)
    follower.answers()
    assert not follower.news.is_set()
    configuration.offer(clusters("1"))
    assert follower.news.is_set()


async def test_what_is_refused_is_taken_back_from_all() -> None:
    configuration = Configuration()
    one, two = Follower(configuration), Follower(configuration)
    configuration.offer(clusters("1"))
    one.answers(), two.answers()
    configuration.offer(clusters("1", "2"))
    assert two.answers() == ["c2"]
    assert one.answers(refusing="bad") == ["c2", "-c2"]
    await asyncio.wait_for(configuration.until_taken(), 1.0)
    assert configuration.refused == "Envoy refuses the clusters: bad"
    assert configuration.wanted == clusters("1")
    assert two.answers() == ["-c2"]
    configuration.offer(clusters("1", "3"))
    assert configuration.refused == ""


async def test_who_leaves_is_not_waited_for() -> None:
    configuration = Configuration()
    one, two = Follower(configuration), Follower(configuration)
    configuration.offer(clusters("1"))
    one.answers()
    waiting = asyncio.create_task(configuration.until_taken())
    await asyncio.sleep(0)
    assert not waiting.done()
    configuration.leaves(two.session, two.news)
    await asyncio.wait_for(waiting, 1.0)
