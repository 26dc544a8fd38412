"""Pages of plug-ins."""

from __future__ import annotations

from harness.asgi import ask

from .conftest import RestRig


async def test_a_page_and_its_headers(rig: RestRig) -> None:
    answer = await ask(rig.app, "GET", "/files/a.js")
    assert (answer.status, answer.body) == (200, b"1")
    assert answer.headers["content-type"] == "text/javascript"
    assert answer.headers["x-more"] == "yes"


async def test_who_has_it_does_not_get_it_again(rig: RestRig) -> None:
    same = await ask(rig.app, "GET", "/files/a.js", b"", {"if-none-match": '"nought", "one"'})
    assert (same.status, same.body) == (304, b"")
    assert same.headers["etag"] == '"one"'
    other = await ask(rig.app, "GET", "/files/a.js", b"", {"if-none-match": '"two"'})
    assert other.status == 200


async def test_what_a_page_does_not_have(rig: RestRig) -> None:
    answer = await ask(rig.app, "GET", "/files/b.js")
    assert (answer.status, answer.json["error"]) == (404, "there is no file 'b.js'")


async def test_the_index_leads_to_pages_at_one_address(rig: RestRig) -> None:
    links = (await ask(rig.app, "GET", "/")).json["links"]
    assert links["pageMetrics"] == "/metrics"
    assert "pageFilesFile" not in links
