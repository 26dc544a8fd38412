"""Chromium as the system has it, driven headless, and what it complains about."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest
from playwright.sync_api import Browser, Page, Request, ViewportSize, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome")
WIDE: ViewportSize = {"width": 1280, "height": 900}
NARROW: ViewportSize = {"width": 390, "height": 800}


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser; skips where there is none, except in CI.

    While it is open its event loop is the thread's, so that only tests that are no coroutines may
    run meanwhile.
    """
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        reason = f"no Chromium is installed here (looked for {', '.join(NAMES)})"
        assert not os.environ.get("CI"), reason
        pytest.skip(reason)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found)
        try:
            yield browser
        finally:
            browser.close()


@dataclass
class Visit:
    """A page that is open, and what went wrong on it."""

    page: Page
    root: str
    complaints: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    def go(self, place: str) -> None:
        """To a view of the console, by its address, as somebody who was given it."""
        self.page.goto("about:blank")
        self.page.goto(f"{self.root}/console#{place}")

    def watch(self) -> None:
        """Note what the browser complains about, and what it asks for."""

        def note(request: Request) -> None:
            self.asked.append(request.url)

        self.page.on("request", note)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on(
            "console",
            lambda message: (
                self.complaints.append(message.text)
                if message.type in ("error", "warning")
                else None
            ),
        )
