"""The console of a server whose control plane wants a token."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from harness.browser import WIDE
from harness.up import penstock_up

from .conftest import written

CONFIG = "scheduler: {access: {token: {file: token}}}"


@pytest.fixture(scope="module")
def guarded(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of REST."""
    folder = tmp_path_factory.mktemp("guarded")
    (folder / "token").write_text("secret")
    with penstock_up(folder, written(folder), config=CONFIG) as addresses:
        yield addresses["rest"]


@pytest.fixture
def page(browser: Browser, guarded: str) -> Iterator[Page]:
    page = browser.new_page(viewport=WIDE)
    page.set_default_timeout(20_000)
    page.goto(f"{guarded}/console#/pipelines")
    yield page
    page.close()


def test_the_token_is_asked_for_once(page: Page) -> None:
    dialog = page.get_by_role("dialog", name="The server wants a token")
    expect(dialog).to_contain_text("the call brings no bearer token")
    dialog.get_by_label("Token").fill("wrong")
    dialog.get_by_role("button", name="Go on").click()
    expect(dialog).to_contain_text("none that this server takes")
    dialog.get_by_label("Token").fill("secret")
    dialog.get_by_role("button", name="Go on").click()

    expect(page.locator("#connection")).to_have_text("live")
    expect(dialog).to_have_count(0)
    page.reload()
    expect(page.locator("#connection")).to_have_text("live")
    expect(dialog).to_have_count(0)
    page.goto(f"{page.url.partition('#')[0]}#/requests")
    expect(page.get_by_role("heading", name="Requests", exact=True)).to_be_visible()


def test_who_declines_is_not_asked_again(page: Page) -> None:
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("button", name="Without it").click()
    expect(dialog).to_have_count(0)
    page.goto(f"{page.url.partition('#')[0]}#/requests")
    expect(page.get_by_text("the call brings no bearer token").first).to_be_visible()
    expect(dialog).to_have_count(0)
