"""The console for everybody's eyes: light and dark, narrow, read aloud, and without motion."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Callable
from itertools import product
from typing import Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from harness.browser import NARROW, WIDE, Visit

Visitor = Callable[..., Visit]
Scheme = Literal["light", "dark"]

VIEWS = (
    "/pipelines",
    "/pipelines/counting?step=count",
    "/models",
    "/models/count",
    "/requests",
    "/deadletters",
    "/send?target=pipeline:counting",
    "/send?target=model:free",
)

LEAST_FOR_TEXT = 4.5
LEAST_FOR_SIGNS = 3.0
"""Of the Web Content Accessibility Guidelines 2.2, level AA (1.4.3 and 1.4.11)."""

PAIRS = (
    *product(("ink", "soft", "accent", "good", "warn", "bad", "busy"), ("paper", "surface")),
    *product(("ink", "soft", "accent"), ("raised",)),
    ("on-accent", "accent"),
    *((tone, f"{tone}-wash") for tone in ("good", "warn", "bad", "busy")),
    *product(("ink", "soft"), ("bad-wash", "busy-wash")),
)

LUMINANCE = """names => {
  const probe = document.body.appendChild(document.createElement("i"));
  const colours = {};
  for (const name of names) {
    probe.style.color = `var(--${name})`;
    const parts = getComputedStyle(probe).color.match(/[\\d.]+/g).slice(0, 3);
    const linear = parts.map(Number).map(part => part / 255).map(part =>
      part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
    colours[name] = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2];
  }
  probe.remove();
  return colours;
}"""


@pytest.fixture(scope="module", autouse=True)
def _some_requests(server: str) -> None:
    tensor = {"name": "x", "datatype": "FP64", "shape": [1], "data": [0.0]}
    body = json.dumps({"inputs": [tensor]}).encode()
    for path in ("counting/infer", "logs/requests"):
        request = urllib.request.Request(
            f"{server}/v2/pipelines/{path}", body, {"content-type": "application/json"}
        )
        urllib.request.urlopen(request, timeout=30).close()


def settled(page: Page) -> None:
    """Until the view has read what it shows."""
    expect(page.locator("#connection")).to_have_text("live")
    expect(page.locator("[data-busy]")).to_have_count(0)
    page.wait_for_load_state("load")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_is_found_by_axe(visit: Visitor, scheme: Scheme) -> None:
    for size in (WIDE, NARROW):
        seen = visit(color_scheme=scheme, viewport=size)
        for view in VIEWS:
            seen.go(view)
            settled(seen.page)
            found = Axe().run(seen.page)
            assert found.violations_count == 0, f"{view}: {found.generate_report()}"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_colours_stand_out_from_what_is_behind_them(visit: Visitor, scheme: Scheme) -> None:
    page = visit(color_scheme=scheme).page
    names = sorted({name for pair in PAIRS for name in pair} | {"edge"})
    bright = page.evaluate(LUMINANCE, names)

    def contrast(one: str, other: str) -> float:
        low, high = sorted((bright[one], bright[other]))
        return float((high + 0.05) / (low + 0.05))

    weak = {pair: contrast(*pair) for pair in PAIRS if contrast(*pair) < LEAST_FOR_TEXT}
    assert weak == {}
    assert contrast("edge", "surface") >= LEAST_FOR_SIGNS


def test_it_is_as_dark_as_the_system_until_somebody_chooses(visit: Visitor) -> None:
    seen = visit(color_scheme="dark")
    page = seen.page
    shade = "getComputedStyle(document.body).backgroundColor"
    dark = page.evaluate(shade)
    page.get_by_label("Theme").select_option("light")
    light = page.evaluate(shade)
    assert light != dark
    page.reload()
    assert page.evaluate(shade) == light
    page.get_by_label("Theme").select_option("auto")
    assert page.evaluate(shade) == dark
    page.emulate_media(color_scheme="light")
    assert page.evaluate(shade) == light


def test_a_narrow_window_scrolls_in_one_direction_only(visit: Visitor) -> None:
    seen = visit(viewport=NARROW)
    for view in VIEWS:
        seen.go(view)
        settled(seen.page)
        wide = seen.page.evaluate("document.documentElement.scrollWidth")
        assert wide <= NARROW["width"], view


def test_nothing_moves_for_those_who_do_not_want_it(visit: Visitor) -> None:
    running = "document.getAnimations().filter(each => each.playState === 'running').length"
    page = visit("/pipelines/counting", reduced_motion="reduce").page
    expect(page.locator(".box")).to_have_count(4)
    expect(page.locator(".flow").first).to_be_hidden()
    assert page.evaluate(running) == 0


def test_text_stays_in_its_box(visit: Visitor) -> None:
    page = visit("/pipelines/counting").page
    expect(page.locator('.box[data-step="count"] .figure').first).not_to_be_empty()
    outside = page.evaluate(
        """() => [...document.querySelectorAll(".box")].flatMap(box => {
          const frame = box.querySelector("rect").getBoundingClientRect();
          return [...box.querySelectorAll("text")].filter(text => {
            const at = text.getBoundingClientRect();
            return at.width && (at.right > frame.right || at.bottom > frame.bottom);
          }).map(text => text.textContent);
        })"""
    )
    assert outside == []
