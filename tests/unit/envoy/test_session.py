"""What one Envoy is told, and when."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from penstock.proto.envoy_pb2 import (
    DeltaDiscoveryRequest,
    DeltaDiscoveryResponse,
)
from penstock.transports.envoy.resources import (
    CLUSTERS,
    ENDPOINTS,
    KINDS,
    LISTENERS,
    NOTHING,
    ROUTES,
    RUNTIME,
    Resource,
    Resources,
)
from penstock.transports.envoy.session import Refusal, Session

SHORT = {"t": RUNTIME, "c": CLUSTERS, "e": ENDPOINTS, "l": LISTENERS, "r": ROUTES}


def wanted(**names: str) -> Resources:
    """Resources of each kind: ``c="x1 y2"`` are the clusters x in version 1 and y in version 2."""
    found: dict[str, Mapping[str, Resource]] = dict(NOTHING)
    for kind, written in names.items():
        found[SHORT[kind]] = {w[:-1]: Resource(w[-1], w.encode()) for w in written.split()}
    return found


class Dialogue:
    """A session, and an Envoy that talks as the real one does."""

    def __init__(self) -> None:
        self.session = Session()

    def asks(self, kind: str, *names: str, known: Mapping[str, str] | None = None) -> None:
        request = DeltaDiscoveryRequest(
            type_url=SHORT[kind],
            resource_names_subscribe=names,
            initial_resource_versions=known or {},
        )
        assert self.session.hear(request) is None

    def stops_asking(self, kind: str, *names: str) -> None:
        request = DeltaDiscoveryRequest(type_url=SHORT[kind], resource_names_unsubscribe=names)
        assert self.session.hear(request) is None

    def takes(self, response: DeltaDiscoveryResponse) -> None:
        request = DeltaDiscoveryRequest(type_url=response.type_url, response_nonce=response.nonce)
        assert self.session.hear(request) is None

    def refuses(self, response: DeltaDiscoveryResponse, reason: str) -> Refusal | None:
        request = DeltaDiscoveryRequest(type_url=response.type_url, response_nonce=response.nonce)
        request.error_detail.message = reason
        return self.session.hear(request)

    def is_told(self, resources: Resources) -> str:
        """What is said next, as ``c +x1 -y``; empty for nothing. It stays unanswered."""
        response = self.session.say(resources)
        if response is None:
            return ""
        self.last = response
        [kind] = [short for short, url in SHORT.items() if url == response.type_url]
        news = [f"+{each.name}{each.version}" for each in response.resources]
        gone = [f"-{name}" for name in response.removed_resources]
        return " ".join([kind, *sorted(news), *sorted(gone)])

    def hears(self, resources: Resources) -> list[str]:
        """Everything that is said, each taken at once."""
        said = []
        while words := self.is_told(resources):
            said.append(words)
            self.takes(self.last)
        return said


@pytest.fixture
def dialogue() -> Dialogue:
    found = Dialogue()
    found.asks("c")
    return found


def follow(dialogue: Dialogue, resources: Resources) -> None:
    dialogue.asks("e", *resources[ENDPOINTS])
    dialogue.asks("l")
    dialogue.asks("r", *resources[ROUTES])
    dialogue.hears(resources)


def test_who_names_nothing_wants_everything_and_is_told_of_nothing_too(dialogue: Dialogue) -> None:
    assert dialogue.hears(NOTHING) == ["c"]
    assert dialogue.hears(wanted(c="x1 y1")) == ["c +x1 +y1"]
    assert dialogue.hears(wanted(c="x1 y2")) == ["c +y2"]


def test_clusters_come_before_routes_and_go_after_them(dialogue: Dialogue) -> None:
    first = wanted(c="x1", e="x1", l="rest1", r="rest1")
    follow(dialogue, first)
    then = wanted(c="y1", e="y1", l="rest1", r="rest2")
    assert dialogue.is_told(then) == "c +y1"
    clusters = dialogue.last
    # Envoy takes a cluster when it can use it, for which it needs the endpoints.
    assert dialogue.is_told(then) == ""
    dialogue.asks("e", "y")
    assert dialogue.is_told(then) == "e +y1"
    dialogue.takes(dialogue.last)
    assert dialogue.is_told(then) == ""
    dialogue.takes(clusters)
    assert dialogue.is_told(then) == "r +rest2"
    assert dialogue.is_told(then) == ""
    assert not dialogue.session.has_all(then)
    dialogue.takes(dialogue.last)
    assert dialogue.is_told(then) == "c -x"
    dialogue.takes(dialogue.last)
    dialogue.stops_asking("e", "x")
    assert dialogue.is_told(then) == ""
    assert dialogue.session.has_all(then)


def test_endpoints_alone_are_told_alone(dialogue: Dialogue) -> None:
    follow(dialogue, wanted(c="x1", e="x1", l="rest1", r="rest1"))
    assert dialogue.hears(wanted(c="x1", e="x2", l="rest1", r="rest1")) == ["e +x2"]


def test_a_cluster_that_changes_is_told_its_endpoints_again(dialogue: Dialogue) -> None:
    follow(dialogue, wanted(c="x1", e="x1", l="rest1", r="rest1"))
    assert dialogue.hears(wanted(c="x2", e="x1", l="rest1", r="rest1")) == ["c +x2", "e +x1"]


def test_endpoints_that_are_under_way_to_a_cluster_that_changes_are_told_again(
    dialogue: Dialogue,
) -> None:
    follow(dialogue, wanted(c="x1 y1", e="x1 y1", l="rest1", r="rest1"))
    # Something is told of clusters, so that endpoints go ahead of what is new of them.
    assert dialogue.is_told(wanted(c="x1", e="x1 y1", l="rest1", r="rest1")) == "c -y"
    clusters = dialogue.last
    then = wanted(c="x2", e="x2 y1", l="rest1", r="rest1")
    assert dialogue.is_told(then) == "e +x2"
    endpoints = dialogue.last
    dialogue.takes(clusters)
    assert dialogue.is_told(then) == "c +x2"
    clusters = dialogue.last
    dialogue.takes(endpoints)
    assert dialogue.is_told(then) == "e +x2"
    dialogue.takes(dialogue.last)
    dialogue.takes(clusters)
    assert dialogue.hears(then) == []
    assert dialogue.session.has_all(then)


def test_only_what_is_asked_for_is_told(dialogue: Dialogue) -> None:
    resources = wanted(e="x1 y1")
    dialogue.hears(NOTHING)
    dialogue.asks("e", "x")
    assert dialogue.hears(resources) == ["e +x1"]
    dialogue.asks("e", "y")
    assert dialogue.hears(resources) == ["e +y1"]
    dialogue.stops_asking("e", "x")
    assert dialogue.hears(wanted(e="x2 y1")) == []
    dialogue.asks("e", "x")
    assert dialogue.hears(wanted(e="x2 y1")) == ["e +x2"]


def test_who_asks_again_is_told_again(dialogue: Dialogue) -> None:
    resources = wanted(e="x1")
    dialogue.hears(NOTHING)
    dialogue.asks("e", "x")
    assert dialogue.hears(resources) == ["e +x1"]
    dialogue.asks("e", "x")
    assert dialogue.hears(resources) == ["e +x1"]


def test_who_comes_back_is_told_what_is_new_only() -> None:
    dialogue = Dialogue()
    dialogue.asks("c", known={"x": "1", "y": "1", "z": "1"})
    dialogue.asks("e", "x", "y", known={"x": "1", "y": "1"})
    dialogue.asks("l", known={"rest": "1"})
    dialogue.asks("r", "rest", known={"rest": "1"})
    resources = wanted(c="x1 y2", e="x1 y1", l="rest1", r="rest2")
    assert dialogue.hears(resources) == ["c +y2", "e +y1", "l", "r +rest2", "c -z"]


def test_everything_may_be_asked_for_by_a_star() -> None:
    dialogue = Dialogue()
    dialogue.asks("c", "*")
    assert dialogue.hears(wanted(c="x1 y1")) == ["c +x1 +y1"]


def test_what_is_refused_is_not_told_again_until_it_is_otherwise(dialogue: Dialogue) -> None:
    before = wanted(c="x1", e="x1", l="rest1", r="rest1")
    follow(dialogue, before)
    wrong = wanted(c="x1", e="x1", l="rest1", r="rest2")
    assert dialogue.is_told(wrong) == "r +rest2"
    assert dialogue.refuses(dialogue.last, "no such thing") == Refusal(ROUTES, "no such thing")
    assert dialogue.hears(wrong) == []
    # Nobody knows what it has of that now, so what was before is told anew.
    assert dialogue.hears(before) == ["r +rest1"]
    assert dialogue.session.has_all(before)
    assert dialogue.hears(wrong) == ["r +rest2"]


def test_a_new_cluster_that_is_refused_is_taken_back(dialogue: Dialogue) -> None:
    before = wanted(c="x1")
    assert dialogue.hears(before) == ["c +x1"]
    assert dialogue.is_told(wanted(c="x1 y1")) == "c +y1"
    dialogue.refuses(dialogue.last, "no")
    assert dialogue.hears(before) == ["c -y"]


def test_an_answer_to_what_was_said_before_is_no_answer(dialogue: Dialogue) -> None:
    assert dialogue.is_told(wanted(c="x1")) == "c +x1"
    first = dialogue.last
    dialogue.takes(first)
    assert dialogue.is_told(wanted(c="x2")) == "c +x2"
    dialogue.takes(first)
    assert not dialogue.session.has_all(wanted(c="x2"))
    assert dialogue.is_told(wanted(c="x2")) == ""


def test_kinds_that_nobody_has_are_not_answered(dialogue: Dialogue) -> None:
    request = DeltaDiscoveryRequest(type_url="type.googleapis.com/envoy.other.Secret")
    assert dialogue.session.hear(request) is None
    assert dialogue.hears(NOTHING) == ["c"]


def test_an_envoy_that_has_asked_for_nothing_has_nothing() -> None:
    session = Session()
    assert not session.has_all(wanted(c="x1"))
    assert session.say(wanted(c="x1")) is None
    assert set(KINDS) == set(SHORT.values())


def test_an_envoy_may_do_without_limits(dialogue: Dialogue) -> None:
    resources = wanted(t="limits1", c="x1")
    assert dialogue.hears(resources) == ["c +x1"]
    assert dialogue.session.has_all(resources)
    dialogue.asks("t", "limits")
    assert not dialogue.session.has_all(resources)
    assert dialogue.hears(resources) == ["t +limits1"]
    assert dialogue.session.has_all(resources)
