"""The console in a real browser: what it shows, and what can be done with it by keyboard alone."""

from __future__ import annotations

import json
import re
import urllib.error
import urllib.request
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, Route, expect

from harness.browser import Visit

Visitor = Callable[..., Visit]

VIEWS = ("/pipelines", "/pipelines/logs", "/models", "/models/logarithm", "/requests", "/send")


def ask(server: str, path: str, body: bytes, **headers: str) -> str:
    """The identity of a request, whatever became of it."""
    request = urllib.request.Request(f"{server}{path}", body, headers)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            identity: str = answer.headers.get("penstock-request", "")
    except urllib.error.HTTPError as error:
        with error:
            identity = error.headers["penstock-request"]
    return identity


def infer(server: str, pipeline: str, value: float, how: str = "infer") -> str:
    tensor = {"name": "x", "datatype": "FP64", "shape": [1], "data": [value]}
    body = json.dumps({"inputs": [tensor]}).encode()
    return ask(
        server, f"/v2/pipelines/{pipeline}/{how}", body, **{"content-type": "application/json"}
    )


def focused(page: Page) -> str:
    """What the keyboard is on, in words."""
    text: str = page.evaluate(
        """() => {
          const on = document.activeElement;
          return on.getAttribute("aria-label") ?? on.textContent.trim();
        }"""
    )
    return text


def tab_to(page: Page, words: str) -> None:
    """Press Tab until the keyboard is on something with these words."""
    for _ in range(40):
        page.keyboard.press("Tab")
        if words in focused(page):
            return
    raise AssertionError(f"Tab does not lead to '{words}'")


def test_every_view_loads_and_nothing_comes_from_elsewhere(visit: Visitor) -> None:
    seen = visit()
    for view in VIEWS:
        seen.go(view)
        expect(seen.page.locator("h1")).to_be_visible()
        expect(seen.page.locator("#connection")).to_have_text("live")
    foreign = [url for url in seen.asked if not url.startswith((seen.root, "about:"))]
    assert foreign == []


def test_the_graph_shows_what_happens(visit: Visitor, server: str) -> None:
    seen = visit("/pipelines/logs")
    box = seen.page.locator('.box[data-step="logarithm"]')
    expect(box).to_be_visible()
    with seen.page.expect_response("**/console/figures"):
        pass  # what it shows has happened since it first read the figures
    for value in (1.0, 2.0, 3.0, -1.0):
        infer(server, "logs", value)
    expect(box).to_contain_text(re.compile(r"\d (µs|ms)"))
    expect(box).to_contain_text("/s failed")
    expect(seen.page.locator('.way[data-flow="yes"]').first).to_be_visible()
    expect(seen.page.locator(".graph .rate").first).to_contain_text("/s")
    assert "failed" in (box.get_attribute("aria-label") or "")
    failed = seen.page.locator(".tile", has_text="Failed").locator("dd").first
    expect(failed).to_contain_text("%")


def test_what_reached_no_pipeline_is_counted_as_refused(visit: Visitor, server: str) -> None:
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(f"{server}/v2/models/nobody/infer", b"{}", timeout=30)
    refused.value.close()
    tile = visit("/pipelines").page.locator(".tile", has_text="Refused")
    expect(tile).to_contain_text("1 since the start")


def test_resources_come_and_go_while_one_looks(visit: Visitor, server: str) -> None:
    seen = visit("/pipelines")
    rows = seen.page.locator("tbody tr")
    expect(rows).to_have_count(3)
    manifest = (
        b"kind: Pipeline\nmetadata: {name: waiting}\nspec: {steps: [{name: not-there}],"
        b" output: {steps: [not-there]}}\n"
    )
    ask(server, "/v1/resources", manifest, **{"content-type": "application/yaml"})
    expect(rows).to_have_count(4)
    row = seen.page.locator("tbody tr", has_text="waiting")
    expect(row.locator(".pill")).to_have_text("not ready")
    expect(row).to_contain_text("not-there")
    delete = urllib.request.Request(f"{server}/v1/resources/Pipeline/waiting", method="DELETE")
    urllib.request.urlopen(delete, timeout=30).close()
    expect(rows).to_have_count(3)


def test_a_request_is_sent_with_the_keyboard_alone(visit: Visitor) -> None:
    page = visit("/pipelines").page
    expect(page.locator("tbody tr")).to_have_count(3)
    page.keyboard.press("Tab")
    assert focused(page) == "Skip to the content"
    tab_to(page, "Send a request")
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_have_text("Send a request")
    # Who went somewhere stands at the title.
    expect(page.locator("h1")).to_be_focused()
    expect(page.locator("fieldset")).to_have_count(1)
    page.keyboard.press("Tab")
    expect(page.locator('select[name="target"]')).to_be_focused()
    page.keyboard.type("logs")
    expect(page.locator('select[name="target"]')).to_have_value("pipeline:logs")
    expect(page.locator("legend")).to_have_text("x")
    for _ in range(3):
        page.keyboard.press("Tab")
    expect(page.locator("textarea").first).to_be_focused()
    page.keyboard.press("Control+A")
    page.keyboard.type("[1]")
    page.keyboard.press("Tab")
    assert focused(page) == "Send"
    page.keyboard.press("Enter")
    answer = page.get_by_role("region", name="The answer")
    expect(answer.locator(".pill").first).to_have_text("ok")
    expect(answer.locator(".tensor-values").first).to_have_text("0")
    expect(answer.locator('.box[data-step="logarithm"]')).to_contain_text("ran")


def test_the_form_says_what_is_wrong_in_the_servers_words(visit: Visitor) -> None:
    page = visit("/send?target=pipeline:logs").page
    data = page.locator("textarea").first
    data.fill("[1, ")
    page.get_by_role("button", name="Send", exact=True).click()
    expect(page.get_by_role("alert")).to_contain_text("the values of 'x' are no JSON")
    expect(data).to_be_focused()


def test_what_was_typed_stays_while_resources_come_and_go(visit: Visitor, server: str) -> None:
    page = visit("/send?target=pipeline:logs").page
    page.locator("textarea").first.fill("[42]")
    expect(page.locator("#connection")).to_have_text("live")
    manifest = b"kind: Model\nmetadata: {name: more}\nspec: {python: models:keep}\n"
    ask(server, "/v1/resources", manifest, **{"content-type": "application/yaml"})
    expect(page.locator('option[value="model:more"]')).to_have_count(1)
    expect(page.locator("textarea").first).to_have_value("[42]")


def test_a_failure_is_shown_with_its_sentence_and_its_way(visit: Visitor) -> None:
    seen = visit("/send?target=pipeline:logs")
    page = seen.page
    page.locator("textarea").first.fill("[-4]")
    page.get_by_role("button", name="Send", exact=True).click()
    answer = page.get_by_role("region", name="The answer")
    expect(answer.get_by_role("alert")).to_contain_text("there is no logarithm of -4")
    expect(answer.locator('.box[data-step="logarithm"]')).to_contain_text("failed")
    # Chromium itself says that a request had the status 500.
    assert len(seen.complaints) == 1
    assert "500" in seen.complaints.pop()


def test_numbers_of_any_size_are_sent_as_they_are_typed(visit: Visitor) -> None:
    page = visit("/send?target=model:free").page
    page.get_by_label("Name").fill("big")
    page.get_by_label("Datatype").select_option("INT64")
    page.get_by_label("Values, as JSON").fill("[9007199254740993]")
    page.get_by_role("button", name="Write it as JSON").click()
    expect(page.get_by_label("The body of the request")).to_be_focused()
    page.get_by_role("button", name="Send", exact=True).click()
    answer = page.get_by_role("region", name="The answer")
    expect(answer.locator(".tensor-values").first).to_have_text("9007199254740993")


def test_a_request_has_an_address_of_its_own(visit: Visitor, server: str) -> None:
    identity = infer(server, "logs", 1.0)
    page = visit(f"/requests/{identity}").page
    expect(page.locator("h1")).to_have_text(identity)
    way = page.locator(".way").first  # a reader's comes after it
    expect(way.locator(".visit h3")).to_have_text(["input", "keep", "logarithm", "output"])
    expect(way.locator(".visit").nth(2)).to_contain_text("FP64 [1]")
    expect(way.locator('.box[data-state="ran"]')).to_have_count(2)


def test_a_reader_that_a_request_began_is_on_its_page_and_names_its_origin(
    visit: Visitor, server: str
) -> None:
    identity = infer(server, "logs", 1.0)
    page = visit(f"/requests/{identity}").page
    reader = page.get_by_role("region", name="Read by pipeline after")
    expect(reader).to_contain_text("begun by logs.outputs, took")
    expect(reader.locator(".visit h3")).to_have_text(["input", "keep", "output"])
    expect(reader.locator('.box[data-state="ran"]')).to_have_count(1)
    expect(page.get_by_role("heading", name="More")).to_have_count(0)
    reader.get_by_role("link", name="logs.outputs").press("Enter")
    expect(page.locator("h1")).to_have_text("logs")
    listed = visit("/requests").page.locator("tr", has_text=identity)
    expect(listed).to_have_count(2)
    expect(listed.filter(has_text="after, begun by logs.outputs")).to_have_count(1)


def test_why_a_join_waited_is_shown_and_so_is_what_the_page_does_not_know(
    visit: Visitor, server: str
) -> None:
    identity = infer(server, "logs", 1.0)
    seen = visit()

    def tell_more(route: Route) -> None:
        story = route.fetch().json()
        value = {"source": "keep.outputs.x", "state": "value", "after_ms": 1.5}
        late = {"source": "logs.inputs.x", "state": "open", "after_ms": 9}
        sources = [{**each, "round": 0, "reason": None} for each in (value, late)]
        join = {
            "strategy": "outer",
            "opened_after_ms": 0.5,
            "decided_after_ms": 5.0,
            "waited_ms": 4.5,
            "ended_by": "window",
            "sources": sources,
        }
        waited = {"step": "logarithm", "round": 0, "state": "value", "join": join, "triggers": None}
        route.fulfill(json={**story, "visits": [waited], "weather": "fine"})

    seen.page.route("**/v1/requests/*", tell_more)
    seen.go(f"/requests/{identity}")
    waits = seen.page.locator(".visit", has_text="logarithm").locator(".waits")
    expect(waits).to_contain_text("inputs joined by outer, waited 4.5 ms, ended by its window")
    expect(waits.locator("li")).to_have_count(2)
    expect(waits).to_contain_text("only after 9.0 ms")
    expect(seen.page.locator("section", has_text="More")).to_contain_text("fine")


def test_rounds_of_a_loop_can_be_looked_at_one_by_one(visit: Visitor, server: str) -> None:
    identity = infer(server, "counting", 0.0)
    page = visit(f"/requests/{identity}").page
    expect(page.get_by_role("button", name="Round")).to_have_count(3)
    box = page.locator('.box[data-step="count"]')
    expect(box).to_contain_text("x, again")
    page.get_by_role("button", name="Round 2").press("Enter")
    expect(box).to_contain_text("x, done")
    turns = page.locator(".visit", has=page.get_by_role("heading", name="turn"))
    expect(turns.first.locator(".waits")).to_contain_text("inputs joined by any")


def test_the_graph_is_walked_with_arrow_keys(visit: Visitor) -> None:
    page = visit("/pipelines/logs").page
    expect(page.locator(".box")).to_have_count(4)
    tab_to(page, "input: ")
    page.keyboard.press("ArrowDown")
    assert focused(page).startswith("keep: ")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("End")
    assert focused(page).startswith("output: ")
    page.keyboard.press("ArrowUp")
    assert focused(page).startswith("logarithm: ")
    page.keyboard.press("Space")
    expect(page.locator(".panel h2")).to_have_text("logarithm")
    expect(page.locator('.box[data-step="logarithm"]')).to_have_attribute("aria-pressed", "true")
    assert page.url.endswith("#/pipelines/logs?step=logarithm")
    # One stop for Tab, however many boxes there are.
    page.keyboard.press("Tab")
    assert not page.evaluate("document.activeElement.matches('.box')")


def test_another_pipeline_that_is_read_stands_in_the_graph(visit: Visitor, server: str) -> None:
    infer(server, "logs", 1.0)
    page = visit("/pipelines/after").page
    box = page.locator('.box[data-step="pipeline logs"]')
    expect(box).to_contain_text("answered")
    box.press("Enter")
    expect(page.locator(".panel h2")).to_have_text("pipeline logs")
    page.get_by_role("link", name="Its graph").press("Enter")
    expect(page.locator("h1")).to_have_text("logs")


def test_requests_are_filtered_and_found(visit: Visitor, server: str) -> None:
    failed = infer(server, "logs", -1.0)
    infer(server, "logs", 1.0)
    page = visit("/requests").page
    page.get_by_label("Outcome").select_option("failed")
    rows = page.locator("tbody tr", has_text=failed)
    expect(rows).to_have_count(2)
    expect(rows.filter(has_text="begun by logs.outputs")).to_be_visible()
    expect(page.locator("tbody .pill", has_text="ok")).to_have_count(0)
    assert "outcome=failed" in page.url
    page.get_by_label("Identity").fill(failed)
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert").first).to_contain_text("there is no logarithm of -1")


def test_a_dead_letter_is_sent_again(visit: Visitor, server: str) -> None:
    identity = infer(server, "logs", -7.0, how="requests")
    page = visit("/deadletters").page
    letter = page.locator(".letters li", has_text=identity)
    expect(letter).to_contain_text("there is no logarithm of -7")
    letter.get_by_role("button", name="Send again").press("Enter")
    expect(page.get_by_role("status").last).to_contain_text("was sent again as request")
    expect(letter).to_have_count(0)
    again = page.locator(".letters li", has_text="there is no logarithm of -7")
    expect(again).to_have_count(1)


def test_what_is_not_there_is_said_with_what_to_do(visit: Visitor) -> None:
    seen = visit("/requests/01NOBODY")
    expect(seen.page.locator(".empty")).to_contain_text("nothing is known of request '01NOBODY'")
    assert "404" in seen.complaints.pop()
    seen.go("/nowhere")
    expect(seen.page.locator("h1")).to_have_text("Nothing is here")
    seen.go("/requests?outcome=overloaded")
    expect(seen.page.locator(".empty")).to_contain_text("Choose other filters")


def test_nothing_is_asked_while_nobody_looks(visit: Visitor) -> None:
    seen = visit("/pipelines/logs")
    page = seen.page
    expect(page.locator("#connection")).to_have_text("live")
    hide = """hidden => {
      Object.defineProperty(document, "hidden", { get: () => hidden, configurable: true });
      document.dispatchEvent(new Event("visibilitychange"));
    }"""
    page.clock.install()
    page.evaluate(hide, True)
    expect(page.locator("#connection")).to_have_text("paused while nobody looks")
    page.clock.run_for(5_000)  # timers of before are over
    seen.asked.clear()
    page.clock.run_for(60_000)
    assert seen.asked == []
    page.evaluate(hide, False)
    expect(page.locator("#connection")).to_have_text("live")
    assert any(url.endswith("/console/figures") for url in seen.asked)


def test_quantiles_lie_within_their_bucket(visit: Visitor) -> None:
    page = visit().page
    found = page.evaluate(
        """async () => {
          const { quantile, Readings } = await import("./console/files/figures.js");
          const readings = new Readings();
          const at = (ok, bucket) => ({ refused: {}, pipelines: [{
            name: "p", kind: "pipeline", answers: { ok }, in_flight: 0, dead_letters: 0,
            latency: [0, 0, 0, bucket], steps: [],
          }] });
          readings.add(at(10, 10), 0);
          readings.add(at(30, 30), 2000);
          const now = readings.of("pipeline", "p");
          // A server that was started anew counts from 0.
          readings.add(at(4, 4), 4000);
          return {
            none: quantile([], 0.5),
            half: quantile([0, 0, 0, 4], 0.5),
            rate: now.rate, answered: now.answered, median: now.p50,
            anew: readings.history("pipeline", "p"),
          };
        }"""
    )
    assert found["none"] is None
    assert found["half"] == pytest.approx(0.006)  # between 4 and 8 microseconds
    assert (found["rate"], found["answered"]) == (10, 30)
    assert 0.004 <= found["median"] <= 0.008
    assert found["anew"] == [10, 2]
