"""The strip of words: what is sent to the browser, and what a reader can do with it there."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from playwright.sync_api import Locator, Page

from pages.shared.word_strip import StripNames, StripWord, cut, word_strip
from tests.conftest import ROOT, settle, start_server

Visit = Callable[..., Page]
NAMES = StripNames(
    "Review", "Weight", "least", "most", "unknown", "crossed out", "marked", "Point at a word."
)


def word(start: int, end: int, shade: float = 0.5) -> StripWord:
    return StripWord(start, end, shade, f"{shade:.2f}", ())


def strip(text: str, words: list[StripWord], **options: Any) -> None:
    given_options = {"key": "strip", "selected": None, "names": NAMES, "on_pick": lambda _: None}
    word_strip(text, words, **{**given_options, **options})


@st.composite
def texts_with_words(draw: st.DrawFn) -> tuple[str, list[StripWord]]:
    text = draw(st.text(st.characters(exclude_categories=[]), max_size=30))
    edges = sorted(draw(st.sets(st.integers(0, len(text)), max_size=8)))
    return text, [word(start, end) for start, end in zip(edges[::2], edges[1::2], strict=False)]


@given(texts_with_words())
def test_the_pieces_cover_any_text_exactly_and_can_be_sent(drawn: tuple[str, list[StripWord]]) -> None:
    text, words = drawn
    pieces = cut(text, words)
    sendable = re.sub("[\0\ud800-\udfff]", "\ufffd", text)
    assert "".join(str(piece["text"]) for piece in pieces) == sendable
    found = [piece for piece in pieces if piece["word"] is not None]
    assert [piece["word"] for piece in found] == list(range(len(words)))
    assert [piece["text"] for piece in found] == [sendable[word.start : word.end] for word in words]
    json.dumps(pieces, ensure_ascii=False).encode("utf-8")


def test_offsets_count_code_points() -> None:
    assert cut("so 😀👍🏽 good", [word(3, 6), word(7, 11)]) == [
        {"text": "so ", "word": None},
        {"text": "😀👍🏽", "word": 0},
        {"text": " ", "word": None},
        {"text": "good", "word": 1},
    ]


@pytest.mark.parametrize("character", ["\0", "\ud83d"], ids=["NUL", "lone surrogate"])
def test_what_cannot_be_sent_is_replaced_one_for_one(character: str) -> None:
    assert cut(f"a{character}b", [word(2, 3)]) == [
        {"text": "a\ufffd", "word": None},
        {"text": "b", "word": 0},
    ]


@pytest.mark.parametrize(
    "words",
    [
        pytest.param([word(0, 3), word(2, 5)], id="overlapping"),
        pytest.param([word(4, 5), word(0, 3)], id="out of order"),
        pytest.param([word(2, 2)], id="empty"),
        pytest.param([word(-1, 2)], id="before the text"),
        pytest.param([word(4, 11)], id="past the text"),
    ],
)
def test_words_that_do_not_fit_the_text_are_rejected(words: list[StripWord]) -> None:
    with pytest.raises(ValueError, match=rf"words\[{len(words) - 1}\]"):
        cut("0123456789", words)


@pytest.mark.parametrize("shade", [-0.1, 1.1, float("nan"), float("inf")])
def test_a_shade_off_the_scale_is_rejected(shade: float) -> None:
    with pytest.raises(ValueError, match=r"words\[0\].shade must be between 0 and 1"):
        strip("one", [word(0, 3, shade)])


def test_a_diverging_scale_ends_at_minus_1() -> None:
    with pytest.raises(ValueError, match="between -1 and 1"):
        strip("one", [word(0, 3, -1.1)], diverging=True)


@pytest.mark.parametrize("selected", [-1, 1])
def test_a_selected_word_that_is_not_there_is_rejected(selected: int) -> None:
    with pytest.raises(ValueError, match="selected"):
        strip("one", [word(0, 3)], selected=selected)


DEMO = f"""
import re, sys
sys.path.insert(0, {str(ROOT)!r})
import streamlit as st
from pages.shared.word_strip import StripNames, StripWord, word_strip

TEXTS = {{
    "book": "Amazing! This box of cereal gave me a perfectly balanced breakfast, as all things should "
    "be. In only ate half of it but will definitely be buying again!",
    "nasty": "<script>window.hacked=1</script> <img src=x onerror=window.hacked=2> &lt;b&gt; 😀👍🏽 "
    "i l . \\u202e\\u200b \\x00 \\ud800\\nשלום 麦片。真好 " + "looooong" * 40,
    "shades": " ".join(f"word{{i}}" for i in range(41)),
    "many": " ".join(f"word{{i}}" for i in range(500)),
}}
query = st.query_params
text, diverging = TEXTS[query.get("text", "book")], "diverging" in query
WORD = re.compile(r"<.+?>|[^\\W\\u4e00-\\u9fff]+|[\\u4e00-\\u9fff]|[^\\w\\s,!]+")
spans = [found.span() for found in WORD.finditer(text)]
half = st.checkbox("Half")

def told(i, span):
    shade = i / max(len(spans) - 1, 1) * (1 if not diverging else 2) - diverging
    shade *= 0.5 if half else 1
    gate = "<i>Input gate" if "text" in query else "Input gate"
    details = ((gate, f"{{shade:.3f}}"), ("Place", str(i)))[: 1 + (i != 3)]
    value = f"{{shade:.2f}}" if i != 2 else ""
    return StripWord(*span, shade, value, details, marked=i == 0, crossed=i == 2, known=i != 1)

def pick(i):
    st.session_state.setdefault("picks", []).append(i)

names = StripNames(*{tuple(NAMES)!r})
picks = st.session_state.get("picks", [])
word_strip(text, [told(i, span) for i, span in enumerate(spans)], key="strip", names=names, on_pick=pick,
           selected=picks[-1] if picks else None, diverging=diverging)
st.write(f"picks {{picks}}")
st.line_chart([1, 2], height=100)
"""


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of an app that shows nothing but a strip, under our theme."""
    folder = tmp_path_factory.mktemp("demo")
    shutil.copytree(ROOT / ".streamlit", folder / ".streamlit")
    (folder / "demo.py").write_text(DEMO, encoding="utf-8")
    process, address = start_server(Path(folder / "demo.py"), folder)
    yield address
    process.terminate()
    process.wait()


def words_of(page: Page) -> Locator:
    return page.locator(".word")


def shown(page: Page) -> str:
    return " ".join(page.locator("#shown").inner_text().split())


def wait_for_picks(page: Page, *picks: int) -> None:
    page.get_by_text(f"picks {list(picks)}", exact=True).wait_for()
    settle(page)


@pytest.mark.browser
def test_hovering_shows_the_numbers_within_two_frames_and_moves_nothing(demo: str, visit: Visit) -> None:
    page = visit(demo)
    assert page.locator("#hint").is_visible()
    below = page.get_by_text("picks []").bounding_box()
    page.evaluate("""() => addEventListener('pointerover', event => {
        const panel = event.composedPath()[0].getRootNode().querySelector('#shown')
        requestAnimationFrame(() => requestAnimationFrame(() => window.seen = panel?.innerText))
    }, {capture: true})""")
    words_of(page).nth(4).hover()
    page.wait_for_function("window.seen")
    assert page.evaluate("window.seen").split() == ["cereal", "0.14", "Input", "gate", "0.143", "Place", "4"]
    assert page.locator("#hint").is_hidden()
    for i in (0, 3, 20):
        words_of(page).nth(i).hover()
        assert page.get_by_text("picks []").bounding_box() == below
    page.mouse.move(5, 5)
    assert shown(page) == ""
    assert page.locator("#hint").is_visible()


@pytest.mark.browser
def test_a_click_picks_at_once_and_tells_the_server(demo: str, visit: Visit) -> None:
    page = visit(demo)
    words_of(page).nth(5).evaluate("word => { word.click(); window.first = word.ariaPressed }")
    assert page.evaluate("window.first") == "true"
    wait_for_picks(page, 5)
    words_of(page).nth(7).click()
    wait_for_picks(page, 5, 7)
    page.mouse.move(5, 5)
    assert shown(page).startswith("a 0.25")
    assert [i for i, w in enumerate(words_of(page).all()) if w.get_attribute("aria-pressed") == "true"] == [7]


@pytest.mark.browser
def test_the_keyboard_walks_and_picks(demo: str, visit: Visit) -> None:
    page = visit(demo)
    page.get_by_role("checkbox").focus()
    page.keyboard.press("Tab")
    assert shown(page).startswith("Amazing 0.00 marked")
    for key, place in [("ArrowLeft", 0), ("ArrowRight", 1), ("End", 28), ("ArrowRight", 28), ("Home", 0)]:
        page.keyboard.press(key)
        assert words_of(page).nth(place).evaluate("word => word === word.getRootNode().activeElement")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    wait_for_picks(page, 2)
    page.keyboard.press("ArrowRight")
    page.keyboard.press(" ")
    wait_for_picks(page, 2, 3)
    assert words_of(page).nth(3).evaluate("word => word === word.getRootNode().activeElement")
    page.keyboard.press("ArrowRight")
    assert "Place 4" in shown(page)
    page.keyboard.press("Escape")
    page.keyboard.press("Shift+Tab")
    assert shown(page).startswith("of 0.11")
    page.keyboard.press("Tab")
    assert words_of(page).nth(3).evaluate("word => word === word.getRootNode().activeElement")


@pytest.mark.browser
def test_a_screen_reader_is_told_what_the_drawing_tells(demo: str, visit: Visit) -> None:
    page = visit(demo)
    group = page.get_by_role("group", name="Review")
    group.get_by_role("button", name="Amazing, 0.00, marked", exact=True).wait_for()
    group.get_by_role("button", name="This, 0.04, unknown", exact=True).wait_for()
    group.get_by_role("button", name="box, crossed out", exact=True).wait_for()
    assert page.locator("#panel").get_attribute("aria-live") == "polite"
    lines = words_of(page).evaluate_all(
        "words => words.map(word => getComputedStyle(word))"
        ".map(style => [style.textDecorationLine, style.borderStyle])"
    )
    assert lines[:4] == [
        ["underline", "solid"],
        ["none", "dotted"],
        ["line-through", "solid"],
        ["none", "solid"],
    ]


@pytest.mark.browser
def test_dragging_selects_the_text_in_order_and_picks_nothing(demo: str, visit: Visit) -> None:
    page = visit(demo)
    page.context.grant_permissions(["clipboard-read"])
    first, last = words_of(page).nth(0).bounding_box(), words_of(page).nth(11).bounding_box()
    assert first is not None
    assert last is not None
    page.mouse.move(first["x"] + 1, first["y"] + 12)
    page.mouse.down()
    page.mouse.move(first["x"] + first["width"] - 2, first["y"] + 12, steps=4)
    page.mouse.up()  # within one word
    page.mouse.click(5, 5)  # or the next press would carry the selected text away
    page.mouse.move(first["x"] + 1, first["y"] + 12)
    page.mouse.down()
    page.mouse.move(last["x"] + last["width"] - 1, last["y"] + 12, steps=8)
    page.mouse.up()
    page.keyboard.press("Control+C")
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied == "Amazing! This box of cereal gave me a perfectly balanced breakfast, as"
    settle(page)
    page.get_by_text("picks []").wait_for()
    assert page.locator(".word[aria-pressed=true]").count() == 0


@pytest.mark.browser
def test_text_is_never_an_element(demo: str, visit: Visit) -> None:
    page = visit(f"{demo}/?text=nasty")
    text = page.locator("#text")
    assert text.locator(":scope :not(span)").count() == 0
    assert text.locator("span span").count() == 0
    content = text.evaluate("text => text.textContent")
    assert content.startswith(
        "<script>window.hacked=1</script> <img src=x onerror=window.hacked=2> &lt;b&gt; 😀👍🏽 "
    )
    assert "\ufffd \ufffd\nשלום 麦片。真好 loo" in content
    for i in range(6):
        words_of(page).nth(i).hover()
        assert "<i>Input gate" in shown(page)
    assert page.locator("#shown :not(div, b, span, dl, dt, dd)").count() == 0
    assert page.evaluate("window.hacked") is None


CONTRASTS = """words => {
    const luminance = colour => {
        const parts = colour.match(/[\\d.]+/g).slice(0, 3)
            .map(part => part / (colour.startsWith('rgb') ? 255 : 1))
            .map(part => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4)
        return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]
    }
    return words.map(word => {
        const style = getComputedStyle(word)
        const [darker, lighter] = [style.color, style.getPropertyValue('--fill')].map(luminance)
            .sort((a, b) => a - b)
        return (lighter + 0.05) / (darker + 0.05)
    })
}"""


@pytest.mark.browser
@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("scale", ["", "&diverging=1"])
def test_every_shade_can_be_read_and_differs_also_without_colour(
    demo: str, visit: Visit, theme: str, scale: str
) -> None:
    page = visit(f"{demo}/?text=shades{scale}", theme=theme)
    contrasts = words_of(page).evaluate_all(CONTRASTS)
    assert len(contrasts) == 41
    assert min(contrasts) >= 4.5
    fills = words_of(page).evaluate_all("words => words.map(word => word.style.getPropertyValue('--fill'))")
    assert len(set(fills[3:])) == 38
    sizes = words_of(page).evaluate_all("words => words.map(word => +word.style.getPropertyValue('--size'))")
    shades = [i / 40 * 2 - 1 if scale else i / 40 for i in range(41)]
    shades[2] = 0  # crossed out: not read, so nothing to show
    assert sizes == pytest.approx([abs(shade) for shade in shades])
    negative = words_of(page).evaluate_all("words => words.map(word => word.classList.contains('negative'))")
    assert negative == [shade < 0 for shade in shades]


@pytest.mark.browser
@pytest.mark.parametrize("text", ["book", "nasty"])
def test_on_a_phone_every_word_can_be_hit_and_nothing_lies_beside_the_screen(
    demo: str, visit: Visit, text: str
) -> None:
    page = visit(f"{demo}/?text={text}", width=390, height=844)
    boxes = words_of(page).evaluate_all(
        "words => words.map(word => word.getBoundingClientRect())"
        ".map(box => [box.width, box.height, box.right])"
    )
    assert min(width for width, _, _ in boxes) >= 24
    assert min(height for _, height, _ in boxes) >= 24
    assert max(right for _, _, right in boxes) <= 390
    scrolled = page.evaluate(
        "['html', '[data-testid=stMain]'].map(name => document.querySelector(name))"
        ".map(element => element.scrollWidth - element.clientWidth)"
    )
    assert scrolled == [0, 0]


@pytest.mark.browser
def test_new_numbers_are_drawn_on_the_same_500_words(demo: str, visit: Visit) -> None:
    page = visit(f"{demo}/?text=many")
    words_of(page).evaluate_all("words => words.forEach(word => word.dataset.kept = 'yes')")
    before = words_of(page).nth(50).get_attribute("style")
    words_of(page).nth(50).hover()
    assert "<i>Input gate 0.100" in shown(page)
    page.get_by_role("checkbox").press(" ")
    page.locator("#shown").get_by_text("0.050").wait_for()  # still pointed at: its new number
    assert words_of(page).nth(50).get_attribute("style") != before
    assert page.locator(".word[data-kept=yes]").count() == 500
