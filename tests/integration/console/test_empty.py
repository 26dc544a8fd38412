"""The console of a server that has nothing yet: every view says what to do next."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Browser, expect

from harness.browser import Visit
from harness.up import penstock_up

NEXT = {
    "/pipelines": "penstock apply pipeline.yaml",
    "/models": "penstock apply models.yaml",
    "/requests": "penstock infer PIPELINE",
    "/deadletters": "can be sent again",
    "/send": "as soon as the server has some",
}


def test_every_view_says_what_to_do_next(browser: Browser, tmp_path: Path) -> None:
    with penstock_up(tmp_path) as addresses:
        seen = Visit(browser.new_page(), addresses["rest"])
        seen.watch()
        for view, words in NEXT.items():
            seen.go(view)
            expect(seen.page.locator(".empty")).to_contain_text(words)
        seen.page.close()
    assert seen.complaints == []


def test_a_server_that_goes_is_said_to_be_gone(browser: Browser, tmp_path: Path) -> None:
    with penstock_up(tmp_path) as addresses:
        seen = Visit(browser.new_page(), addresses["rest"])
        seen.go("/pipelines")
        state = seen.page.locator("#connection")
        expect(state).to_have_text("live")
    expect(state).to_have_text("no connection; trying again")
    seen.page.close()
