"""What each chart says to a screen reader: which picture it is, and what it shows now."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Page
from streamlit.testing.v1 import AppTest
from test_pages import chart, now, open_page, settled

from core.linear import log10_gradient_norms, make_gradient, make_matrix
from pages.shared.numbers import from_log10
from pages.shared.plain_text import plain_text
from pages.shared.words import read_words
from tests.conftest import settle

LONGEST = 140  # characters of what says which picture it is
DRAWN = {  # the sections with charts, and how many stand on the page then
    "overview": {"": 4},
    "explosion": {"look": 1, "plane": 2, "powers": 3, "training": 2, "tariffs": 2},
    "vanishing": {
        **dict.fromkeys(("update", "transient", "one", "saturation", "gates", "computed", "grain"), 2),
        "look": 1,
        "learn": 3,
    },
    "clipping": {"look": 2, "direction": 3, "paper": 3, "cannot": 3, "cap": 3},
    "gating": {"look": 1, "gates": 2, "survival": 2, "along": 2, "claim": 2, "hold": 2},
}
SECTIONS = [(page, tab) for page, tabs in DRAWN.items() for tab in tabs]
MARKUP = re.compile(r"\*\*|\$|`|:small|\]\(|\\|\n|\{")


def open_section(page: str, tab: str, **query: str) -> AppTest:
    return open_page(page, **({"tab": tab} if tab else {}), **query)


def marks(specification: dict[str, Any]) -> list[dict[str, Any]]:
    """All marks of a specification with their encodings."""
    inner = [specification["spec"]] if "spec" in specification else specification.get("layer", [])
    return [specification] if "mark" in specification else [mark for part in inner for mark in marks(part)]


@pytest.mark.parametrize(
    ("markdown", "heard"),
    [
        ("After **1,000** steps *all* is **left**.", "After 1,000 steps all is left."),
        ("At the end:\n- LSTM: 3\n- GRU: 4\n\nThat is all.", "At the end: LSTM: 3; GRU: 4; That is all."),
        (r"At “\*\[not\] \_bold\_\\”", r"At “*[not] _bold_\”"),
        ("**回溯 3 步。**\n剩下 4。", "回溯 3 步。 剩下 4。"),
    ],
)
def test_markdown_is_heard_as_its_words(markdown: str, heard: str) -> None:
    assert plain_text(markdown) == heard


@pytest.mark.parametrize(("page", "tab"), SECTIONS)
@pytest.mark.parametrize("lang", ["en", "zh"])
def test_every_chart_says_which_picture_it_is_and_what_it_shows(page: str, tab: str, lang: str) -> None:
    at = open_section(page, tab, lang=lang)
    count = len(at.get("vega_lite_chart"))
    assert count == DRAWN[page][tab]
    for number in range(count):
        alt, sentence = chart(at, number).alt, now(at, number)
        assert 0 < len(alt) <= LONGEST
        assert not re.search(r"\d", alt)
        assert re.search(r"\d", sentence), "it is told in numbers"
        assert not MARKUP.search(sentence)


@pytest.mark.parametrize(("page", "tab"), SECTIONS)
def test_one_mark_alone_of_a_chart_is_read_out(page: str, tab: str) -> None:
    at = open_section(page, tab)
    for number in range(DRAWN[page][tab]):
        specification = json.loads(chart(at, number).spec)
        assert specification["config"]["mark"]["aria"] is False
        (heard,) = [mark for mark in marks(specification) if mark["mark"].get("aria")]
        assert heard["encoding"]["description"]["field"] == "sentence"
        assert heard["mark"]["opacity"] == 0


@pytest.mark.parametrize(
    ("page", "tab", "query", "widget", "key", "value", "changed"),
    [
        ("explosion", "look", {}, "number_input", "steps", 300, [0]),
        ("explosion", "plane", {}, "selectbox", "kind", "symmetric", [0, 1]),
        ("explosion", "powers", {}, "slider", "at", 3, [1, 2]),
        ("explosion", "powers", {"kind": "jordan"}, "slider", "at", 3, [1, 2]),
        ("explosion", "training", {}, "slider", "unroll", 5, [1]),
        ("explosion", "tariffs", {}, "slider", "borders", 51, [1]),
        ("vanishing", "look", {}, "number_input", "seed", 3, [0]),
        ("vanishing", "update", {}, "selectbox", "rate", "1", [1]),
        ("vanishing", "transient", {}, "selectbox", "kind", "non-normal", [0, 1]),
        ("vanishing", "one", {}, "number_input", "steps", 300, [0, 1]),
        ("vanishing", "saturation", {}, "selectbox", "scale", "3", [1]),
        ("vanishing", "gates", {}, "number_input", "bias", 3, [1]),
        ("vanishing", "computed", {}, "selectbox", "type", "float16", [1]),
        ("vanishing", "computed", {"type": "float64"}, "number_input", "steps", 300, [0, 1]),
        ("vanishing", "grain", {}, "slider", "stages", 51, [1]),
        ("clipping", "look", {}, "number_input", "w", 5.5, [0, 1]),
        ("clipping", "direction", {}, "slider", "degrees", 30, [2]),
        ("clipping", "paper", {}, "selectbox", "setting", "paper", [2]),
        ("clipping", "cap", {}, "selectbox", "limit", "2", [2]),
        ("gating", "look", {}, "selectbox", "review", "sour", [0]),
        ("gating", "gates", {}, "selectbox", "gate_of_3", "forget", [1]),
        ("gating", "survival", {}, "selectbox", "review", "sour", [0, 1]),
        ("gating", "along", {}, "slider", "until", 3, [1]),
        ("gating", "hold", {}, "selectbox", "hold_of_3", "forget", [1]),
    ],
)
def test_what_is_said_follows_the_controls_and_the_chart_stays(
    page: str,
    tab: str,
    query: dict[str, str],
    widget: str,
    key: str,
    value: object,
    changed: list[int],
) -> None:
    at = open_section(page, tab, **query)
    before = [(now(at, number), chart(at, number).alt, chart(at, number).spec) for number in changed]
    settled(getattr(at, widget)(key=f"{page}-{key}").set_value(value).run())
    for number, (said, alt, specification) in zip(changed, before, strict=True):
        assert now(at, number) != said
        assert (chart(at, number).alt, chart(at, number).spec) == (alt, specification)


@pytest.mark.parametrize(("page", "tab", "first"), [("clipping", "training", 2), ("vanishing", "learn", 1)])
def test_a_run_under_way_is_told_in_its_charts(page: str, tab: str, first: int) -> None:
    at = open_section(page, tab)
    settled(at.button(key=f"{page}-train").click().run())
    charts = range(first, len(at.get("vega_lite_chart")))
    before = [(now(at, number), chart(at, number).alt, chart(at, number).spec) for number in charts]
    assert len(before) >= 2
    settled(at.run())
    for number, (said, alt, specification) in zip(charts, before, strict=True):
        assert now(at, number) != said
        assert (chart(at, number).alt, chart(at, number).spec) == (alt, specification)


@pytest.mark.parametrize(("page", "rho"), [("explosion", "1.05"), ("vanishing", "0.97")])
def test_the_path_tells_its_end_as_the_core_has_it(page: str, rho: str) -> None:
    rng = np.random.default_rng(3)
    W = make_matrix("symmetric", 6, float(rho), rng=rng)
    gradient = make_gradient("random", W, rng=rng)
    left = from_log10(float(log10_gradient_norms(W, gradient, 400)[-1]))
    at = open_page(page, rho=rho, kind="symmetric", n="6", seed="3", steps="400")
    assert re.search(rf"After 400 steps back .*{re.escape(left)} (times|of)", now(at))


def test_a_dead_gradient_is_told_with_its_step() -> None:
    at = open_page("explosion", kind="own", matrix="0,1;0,0", steps="10")
    assert now(at).endswith(plain_text(read_words("en")["common"]["dead"].format(step=2)))


HEARD = '[role=graphics-symbol][aria-roledescription="text mark"]'
SAID = f"""() => [...document.querySelectorAll('.vega-embed svg')]
  .map(svg => [...svg.querySelectorAll('{HEARD}')].map(mark => mark.ariaLabel))"""
OTHER = f"""([number, before]) => document.querySelectorAll('.vega-embed svg')[number]
  .querySelector('{HEARD}').ariaLabel !== before"""


def press_slider(page: Page) -> None:
    page.get_by_role("slider").first.press("ArrowRight")


def press_number(page: Page) -> None:
    page.get_by_role("spinbutton").first.press("ArrowUp")


def press_at(page: Page) -> None:
    page.get_by_role("slider", name="Step").press("ArrowRight")


def press_word(page: Page) -> None:
    page.locator(".word").nth(7).press("Enter")


@pytest.mark.browser
@pytest.mark.parametrize(
    ("link", "press", "number", "beside"),
    [
        ("explosion", press_slider, 0, r"the gradient is (\S+) times as large"),
        ("vanishing", press_slider, 0, r"steps back (\S+) of the gradient is left"),
        ("clipping", press_number, 0, r"Not clipped, update \d+ takes a step of length ([\d.]+),"),
        ("clipping", press_number, 1, r"not clipped, has the norm ([\d.]+);"),
        ("gating?word=4", press_word, 0, r"‖∂ŷ/∂h‖\s+(\S+)"),
        ("explosion?tab=powers", press_at, 1, r"W to the power \d+ is (\S+) times as large"),
    ],
    ids=lambda value: value if isinstance(value, str) and "(" not in value else "",
)
def test_a_picture_says_the_number_beside_it_before_and_after_a_change_in_place(
    server: str,
    visit: Callable[..., Page],
    link: str,
    press: Callable[[Page], None],
    number: int,
    beside: str,
) -> None:
    page = visit(f"{server}/{link}")
    page.locator(".vega-embed svg").nth(number).wait_for()
    settle(page)
    page.evaluate("document.querySelectorAll('.vega-embed svg').forEach(svg => { svg.kept = true })")

    def told() -> str:
        texts = [page.get_by_test_id("stMain").inner_text(), *page.locator("#shown").all_inner_texts()]
        found = re.search(beside, "\n".join(texts))
        assert found is not None
        (sentence,) = page.evaluate(SAID)[number]
        assert found[1] in sentence
        return str(sentence)

    before = told()
    press(page)
    page.wait_for_function(OTHER, arg=[number, before])
    settle(page)
    assert told() != before
    assert page.evaluate("[...document.querySelectorAll('.vega-embed svg')].every(svg => svg.kept)")


@pytest.mark.browser
def test_the_sentence_is_in_the_tree_that_screen_readers_read(
    server: str, visit: Callable[..., Page]
) -> None:
    page = visit(f"{server}/explosion?rho=1.05")
    tree = page.context.new_cdp_session(page).send("Accessibility.getFullAXTree")["nodes"]
    names = {node["name"]["value"] for node in tree if not node["ignored"] and "name" in node}
    ((sentence,),) = page.evaluate(SAID)
    assert re.match(r"After 1,000 steps back the gradient is \S+ times as large", sentence)
    assert sentence in names
    assert read_words("en")["common"]["alt_path"] in names
