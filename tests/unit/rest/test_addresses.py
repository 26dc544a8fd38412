"""Paths and headers to targets."""

from __future__ import annotations

import pytest

from fakes.gateway import FakeGateway
from penstock.core.errors import NotFoundError
from penstock.transports.rest import addresses
from penstock.transports.rest.addresses import AddressBook


@pytest.fixture
def gateway() -> FakeGateway:
    gateway = FakeGateway()
    gateway.add("echo")
    gateway.add("flow", kind="pipeline")
    return gateway


@pytest.mark.parametrize(
    ("path", "target"),
    [
        (b"/v2/models/echo/infer", "echo"),
        (b"/v2/models/echo/versions/1/infer", "echo"),
        (b"/v2/models/flow/infer", "flow"),
        (b"/v2/models/flow.pipeline/infer", "flow"),
        (b"/v2/pipelines/flow/infer", "flow"),
        (b"/v2/models/%65ch%6F/infer", "echo"),
    ],
)
def test_paths_of_inference(gateway: FakeGateway, path: bytes, target: str) -> None:
    book = AddressBook(gateway)
    address = book.at_path(path)
    assert address is not None
    assert address.target().name == target
    assert book.at_path(path) is address
    assert len(gateway.resolved) == 1


@pytest.mark.parametrize(
    "path",
    [
        b"/v2/models/echo",
        b"/v2/models/echo/infer/",
        b"/v2/models//infer",
        b"/v2/models/a/b/infer",
        b"/v2/models/echo/infer?x=y",
        b"/v2/pipelines/flow/versions/1/infer",
        b"//v2/models/echo/infer",
        b"http://host/v2/models/echo/infer",
        b"*",
        b"",
    ],
)
def test_other_paths(gateway: FakeGateway, path: bytes) -> None:
    assert AddressBook(gateway).at_path(path) is None


@pytest.mark.parametrize(
    "path",
    [
        b"/v2/models/nothing/infer",
        b"/v2/models/echo/versions/2/infer",
        b"/v2/pipelines/echo/infer",
        b"/v2/models/%ff%fe/infer",
        b"/v2/models/echo%2Finfer/infer",
    ],
)
def test_names_that_are_not_there_are_not_kept(gateway: FakeGateway, path: bytes) -> None:
    book = AddressBook(gateway)
    for _ in range(2):
        with pytest.raises(NotFoundError):
            book.at_path(path)
    assert len(gateway.resolved) == 2


def test_headers_are_kept_apart_from_paths(gateway: FakeGateway) -> None:
    book = AddressBook(gateway)
    book.at_path(b"/v2/models/echo/infer")
    with pytest.raises(NotFoundError):
        book.in_header("/v2/models/echo/infer")
    assert book.in_header("flow.pipeline").target().name == "flow"
    assert book.in_header("flow.pipeline") is book.in_header("flow.pipeline")


def test_a_target_is_looked_up_again_when_it_is_not_current(gateway: FakeGateway) -> None:
    address = AddressBook(gateway).in_header("echo")
    first = address.target()
    second = gateway.add("echo")
    assert address.target() is second is not first
    del gateway.targets["model", "echo"]
    second.is_current = False
    for _ in range(2):
        with pytest.raises(NotFoundError):
            address.target()


def test_callers_cannot_fill_the_book(
    gateway: FakeGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(addresses, "MAX_KEPT", 4)
    book = AddressBook(gateway)
    ways = [b"echo", b"%65cho", b"e%63ho", b"ec%68o", b"ech%6f", b"%65%63ho"]
    for way in ways * 3:
        address = book.at_path(b"/v2/models/%b/infer" % way)
        assert address is not None
        assert address.name == "echo"
        assert len(book) <= 4
