"""The gating page in Chromium: typing a review, pointing, picking, crossing out, and passing the link on."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Locator, Page

from core.reviews import load
from core.tokens import tokenize
from tests.conftest import settle

pytestmark = pytest.mark.browser

Visit = Callable[..., Page]
CROSSED = "The review, words crossed out"
MINE = "A wonderful camera, but the manual is useless."


def words_of(page: Page, label: str = "The review, word by word") -> Locator:
    return page.get_by_role("group", name=label).locator(".word")


def panel(page: Page) -> str:
    return page.locator("#panel").first.inner_text()


def query(page: Page) -> dict[str, list[str]]:
    return parse_qs(urlsplit(page.url).query)


def colours(page: Page) -> list[str]:
    return [
        str(found)
        for found in words_of(page).evaluate_all("all => all.map(w => getComputedStyle(w).backgroundColor)")
    ]


def wait_for_query(page: Page, key: str, value: str) -> None:
    page.wait_for_function(
        "([key, value]) => new URL(location).searchParams.get(key) === value", arg=[key, value]
    )


def test_pointing_at_a_word_says_its_numbers_without_the_server(server: str, visit: Visit) -> None:
    page = visit(f"{server}/gating")
    sent: list[str] = []
    page.on("websocket", lambda socket: socket.on("framesent", lambda _: sent.append("frame")))
    page.reload()
    words_of(page).first.wait_for()
    settle(page)
    assert sent  # the page's own beginning is seen: so would be what the hover sent
    sent.clear()
    word = words_of(page).filter(has_text="perfectly")
    word.hover()
    page.evaluate("() => new Promise(r => requestAnimationFrame(() => requestAnimationFrame(r)))")
    opening = load("lstm").read("Amazing! This box of cereal gave me a perfectly").gates["input"][-1].mean()
    assert f"{opening:.3f}"[:4] in panel(page)
    assert "perfectly" in panel(page)
    assert sent == []


def test_a_word_is_picked_by_click_and_by_keyboard(server: str, visit: Visit) -> None:
    page = visit(f"{server}/gating")
    words_of(page).nth(3).click()
    wait_for_query(page, "word", "4")
    settle(page)
    assert words_of(page).nth(3).get_attribute("aria-pressed") == "true"
    page.mouse.move(0, 0)
    words_of(page).nth(3).focus()
    page.keyboard.press("ArrowRight")
    assert "of" in panel(page)
    page.keyboard.press("Enter")
    wait_for_query(page, "word", "5")
    settle(page)
    page.go_back()
    wait_for_query(page, "word", "4")


def test_a_review_is_typed_read_and_passed_on(server: str, visit: Visit) -> None:
    page = visit(f"{server}/gating?review=own&trained=plain&colour=contribution")
    box = page.get_by_role("textbox", name="Your own text")
    box.fill(MINE)
    box.press("Control+Enter")
    wait_for_query(page, "text", MINE)
    settle(page)
    assert words_of(page).all_inner_texts() == [token.text for token in tokenize(MINE)]
    rating = f"{load('lstm-plain').read(MINE).prediction:+.2f}".replace("-", "−")
    page.get_by_text(rating).first.wait_for()
    words_of(page).nth(1).click()
    wait_for_query(page, "word", "2")
    settle(page)
    page.mouse.move(0, 0)

    other = visit(page.url)
    assert words_of(other).all_inner_texts() == words_of(page).all_inner_texts()
    assert colours(other) == colours(page)
    assert words_of(other).nth(1).get_attribute("aria-pressed") == "true"
    assert query(other) == query(page)


def test_words_are_crossed_out_one_by_one(server: str, visit: Visit) -> None:
    page = visit(f"{server}/gating?tab=hold")
    for k, out in ((0, "1"), (10, "1,11")):
        words_of(page, CROSSED).nth(k).click()
        wait_for_query(page, "out", out)
        settle(page)
    struck = words_of(page, CROSSED).evaluate_all(
        "all => all.map(w => getComputedStyle(w).textDecorationLine.includes('line-through'))"
    )
    assert [k for k, through in enumerate(struck) if through] == [0, 10]
    page.get_by_text("2 words are crossed out").wait_for()
    words_of(page, CROSSED).nth(0).click()
    wait_for_query(page, "out", "11")


def test_what_is_typed_is_never_more_than_text(server: str, visit: Visit) -> None:
    nasty = (
        '<img src=x onerror="window.hit=1"> **<script>window.hit=1</script>** [good](javascript:window.hit=1)'
    )
    for tab in ("look", "survival", "hold", "convoy"):
        page = visit(f"{server}/gating")
        page.goto(f"{server}/gating?review=own&tab={tab}")
        settle(page)
        box = page.get_by_role("textbox", name="Your own text")
        box.fill(nasty)
        box.press("Control+Enter")
        wait_for_query(page, "text", nasty)
        settle(page)
        assert page.evaluate("window.hit") is None
        assert page.locator("img[src='x']").count() == 0
        assert page.locator("a[href^='javascript']").count() == 0


@pytest.mark.parametrize("tab", ["look", "gates", "claim", "agree", "figures"])
def test_a_phone_scrolls_in_one_direction_only(server: str, visit: Visit, tab: str) -> None:
    page = visit(f"{server}/gating?tab={tab}", width=390, height=844)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    chart = page.locator(".vega-embed svg").first.bounding_box()
    assert chart is not None
    assert chart["y"] < 2 * 844
