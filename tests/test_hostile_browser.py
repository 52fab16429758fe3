"""Hostile input in Chromium: nothing that is typed, linked or uploaded runs, is markup, or is kept."""

from __future__ import annotations

import contextlib
import re
import socket
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlencode, urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Route

from core.tokens import tokenize
from pages.shared.words import read_words
from tests.conftest import ROOT, settle, start_server
from tests.hostile import BAD_FILES, CALL, MARKUP, SCRIPTS_OF_THE_WORLD, crawl

pytestmark = pytest.mark.browser

MARKER = "zqmarkerzq"  # in what is typed, linked and uploaded
UNSEEN = re.compile("[\u2060\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
PLACES = """p => {
  const places = [], walker = document.createTreeWalker(p, NodeFilter.SHOW_TEXT)
  while (walker.nextNode()) {
    const node = walker.currentNode
    for (let i = 0; i < node.data.length; i++) {
      const range = new Range()
      range.setStart(node, i)
      range.setEnd(node, i + 1)
      const { left, top, width } = range.getBoundingClientRect()
      if (width) places.push([node.data[i], left, Math.round(top / 10)])
    }
  }
  return places
}"""
MADE = "a, img, script, svg[onload], iframe, object, form, table, hr, .katex, [data-testid=stIconMaterial]"


class Watched(NamedTuple):
    """A server all of whose files and words are kept an eye on."""

    address: str
    process: subprocess.Popen[bytes]
    folder: Path  # its home, its temporary folder and its log

    def files(self) -> dict[str, int]:
        """All files that it could have written, but for its log, and their sizes."""
        found = {path for part in (self.folder, ROOT) for path in part.rglob("*") if path.is_file()}
        return {
            str(path): path.stat().st_size for path in found if path.name != "log" and not _of_the_tests(path)
        }

    def log(self) -> str:
        """What it has said so far."""
        return (self.folder / "log").read_text(encoding="utf-8", errors="replace")


def _of_the_tests(path: Path) -> bool:
    return bool(
        {".git", "__pycache__", ".pytest_cache", ".hypothesis", ".ruff_cache", ".mypy_cache"}
        & set(path.parts)
    )


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    """A server under its own settings, with a home and a temporary folder to itself."""
    folder = tmp_path_factory.mktemp("watched")
    for name in ("home", "temporary"):
        (folder / name).mkdir()
    own = {"HOME": str(folder / "home"), "TMPDIR": str(folder / "temporary"), "PYTHONDONTWRITEBYTECODE": "1"}
    with (folder / "log").open("wb") as log:
        process, address = start_server(ROOT / "dashboard.py", ROOT, environment=own, output=log)
        yield Watched(address, process, folder)
        process.terminate()
        process.wait()


class Guarded(NamedTuple):
    """A browser's tabs, and what went wrong in them."""

    context: BrowserContext
    errors: list[str]
    outside: list[str]  # requests to other hosts, which are stopped

    def open(self, address: str) -> Page:
        """A page of the app, drawn to the end."""
        page = self.context.new_page()
        page.set_default_timeout(30_000)
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on(
            "console", lambda said: self.errors.append(said.text) if _is_error(said.type, said.text) else None
        )
        page.on("dialog", lambda dialog: (self.errors.append(dialog.message), dialog.dismiss()))
        page.goto(address)
        page.locator(".vega-embed svg").first.wait_for()
        settle(page)
        return page


def _is_error(kind: str, text: str) -> bool:
    # Streamlit looks for its own endpoints under a page's path before the root: two 404s by design.
    return kind == "error" and "404" not in text


@pytest.fixture
def tabs(browser: Browser, watched: Watched) -> Iterator[Guarded]:
    """Tabs of a reader of their own; the test fails on an error, and on a request to any other host."""
    context = browser.new_context(locale="en-US", viewport={"width": 1440, "height": 900})
    guarded = Guarded(context, [], [])

    def pass_on(route: Route) -> None:
        if urlsplit(route.request.url).netloc == urlsplit(watched.address).netloc:
            route.continue_()
        else:
            guarded.outside.append(route.request.url)
            route.abort()

    context.route("**/*", pass_on)
    yield guarded
    context.close()
    assert guarded.errors == []
    assert guarded.outside == []


def made(page: Page) -> Counter[tuple[str, str]]:
    """What markup could have made: the kinds of such elements, and what they lead to."""
    script = "all => all.map(e => [e.tagName, e.getAttribute('href') ?? e.getAttribute('src') ?? ''])"
    return Counter((kind, where) for kind, where in page.locator(MADE).evaluate_all(script))


def linked(address: str, page: str, **query: str) -> str:
    return f"{address}/{page}?{urlencode(query)}"


def is_harmless(page: Page) -> None:
    """No payload ran, nor wrote the title."""
    assert page.evaluate("window.hit") is None
    assert page.title().endswith(read_words("en")["common"]["lab"])


def quotations(page: Page) -> list[str]:
    """What stands between quotation marks beside and below the text, without what isn't seen."""
    told = page.get_by_test_id("stMarkdown").all_inner_texts()
    return [UNSEEN.sub("", found) for text in told for found in re.findall("“(.*?)”", text)]


@pytest.mark.parametrize("tab", ["look", "survival", "convoy"])
def test_markup_in_a_text_makes_nothing(watched: Watched, tabs: Guarded, tab: str) -> None:
    everything = "\n".join(text for name, text in MARKUP.items() if name != "long formula")
    page = tabs.open(linked(watched.address, "gating", review="own", tab=tab, text="good bad"))
    before, own = made(page), set(quotations(page)) - {"good", "bad"}
    for text in (everything, MARKUP["addresses of markup"], MARKUP["only addresses"]):
        page.goto(linked(watched.address, "gating", review="own", tab=tab, text=text))
        page.get_by_role("group").locator(".word").nth(2).wait_for()
        settle(page)
        is_harmless(page)
        assert not made(page) - before
        starts = [token.text[:24] for token in tokenize(text)]
        quoted = [quotation.removesuffix("…") for quotation in quotations(page)]
        assert set(quoted) & set(starts)
        assert set(quoted) - set(starts) <= own


def test_a_link_that_would_be_made_is_found(watched: Watched, tabs: Guarded) -> None:
    page = tabs.open(linked(watched.address, "gating", review="own", text="good bad"))
    before = made(page)
    page.evaluate(
        "document.querySelector('p').insertAdjacentHTML('beforeend', '<a href=\"javascript:1\">x</a>')"
    )
    assert made(page) - before == {("A", "javascript:1"): 1}


def test_every_parameter_of_a_page_may_hold_markup(watched: Watched, tabs: Guarded) -> None:
    text = f'<img src=x onerror="{CALL}"> ![x](https://evil.example/x.png) [x](javascript:{CALL}) :smile:'
    for name in ("explosion", "clipping", "vanishing", "gating"):
        query = {key: text for page, key in crawl().places if page == name and key not in ("lang", "tab")}
        page = tabs.open(f"{watched.address}/{name}")
        before = made(page)
        page.goto(linked(watched.address, name, **query))
        page.get_by_role("alert").first.wait_for()
        page.locator(".vega-embed svg").first.wait_for()
        settle(page)
        is_harmless(page)
        assert not made(page) - before
        assert "evil" not in page.get_by_test_id("stMain").inner_text()


def test_a_text_from_right_to_left_turns_no_sentence_around(watched: Watched, tabs: Guarded) -> None:
    for text in ("שלום", "http://\u202e\u2067good"):
        page = tabs.open(linked(watched.address, "gating", review="own", tab="convoy", text=f"{text} {text}"))
        told = page.get_by_test_id("stMarkdown").filter(has_text="Most open at").locator("p").last
        places: list[list[float | str]] = told.evaluate(PLACES)
        inside, line = False, []
        for character, x, y in places:
            inside = (inside or character == "“") and character != "”"
            if not inside:
                line.append((y, x))
        assert len(line) > 20
        assert line == sorted(line)
        assert page.get_by_role("heading", level=1).evaluate("h => getComputedStyle(h).direction") == "ltr"


def test_marks_upon_marks_stay_in_their_strip(watched: Watched, tabs: Guarded) -> None:
    page = tabs.open(linked(watched.address, "gating", review="own", text=SCRIPTS_OF_THE_WORLD["zalgo"]))
    assert page.locator("#text").first.evaluate("t => getComputedStyle(t).overflowY") == "clip"


def test_a_chart_tells_a_word_as_it_stands(watched: Watched, tabs: Guarded) -> None:
    word = "http://<img/src=x/onerror=window.hit=1>"
    page = tabs.open(linked(watched.address, "gating", review="own", text=f"{word} good {word}"))
    before = made(page)
    page.locator(".vega-embed svg .mark-symbol path").first.hover(force=True)
    tooltip = page.locator("#vg-tooltip-element")
    tooltip.get_by_text("<img/src=x").first.wait_for()
    assert not made(page) - before - Counter({("TABLE", ""): 1})  # the tooltip itself
    assert page.locator(".vega-embed img, .vega-embed a, #vg-tooltip-element img").count() == 0
    is_harmless(page)


def test_the_share_dialog_shows_a_hostile_link_as_text(watched: Watched, tabs: Guarded) -> None:
    page = tabs.open(
        linked(watched.address, "gating", review="own", text=MARKUP["script"])
        + f"#<img src=x onerror={CALL}>"
    )
    page.get_by_role("button", name=read_words("en")["common"]["share"]["open"], exact=True).click()
    dialog = page.get_by_role("dialog")
    image = dialog.get_by_role("img")
    image.wait_for()
    assert dialog.get_by_role("textbox").input_value() == page.evaluate("location.href")
    assert str(image.get_attribute("src")).startswith("data:image/svg+xml")
    assert dialog.locator("script, a").count() == 0
    is_harmless(page)


def test_an_uploaded_file_s_name_is_text(watched: Watched, tabs: Guarded) -> None:
    page = tabs.open(linked(watched.address, "explosion", kind="own"))
    before = made(page)
    for name in (f"<img src=x onerror={CALL}>.csv", "![x](https:evil.example) :smile:.csv"):
        upload(page, name, b"<script>1</script>")
        page.get_by_role("alert").first.wait_for()
        settle(page)
        is_harmless(page)
        assert not {kind for kind, _ in made(page) - before} & {"A", "IMG", "SCRIPT"}


def upload(page: Page, name: str, content: bytes) -> None:
    page.locator("input[type=file]").set_input_files(
        {"name": name, "mimeType": "text/csv", "buffer": content}
    )


def test_what_one_reader_types_no_other_sees(watched: Watched, tabs: Guarded, browser: Browser) -> None:
    one = tabs.open(linked(watched.address, "gating", review="own"))
    box = one.get_by_role("textbox", name="Your own text")
    box.fill(f"good {MARKER}")
    box.press("Control+Enter")
    one.get_by_role("group").locator(".word", has_text=MARKER).first.wait_for()
    context = browser.new_context(locale="en-US")
    other, received = context.new_page(), []
    other.on("websocket", lambda socket: socket.on("framereceived", lambda frame: received.append(frame)))
    for path in ("gating?review=own", "gating", "explosion?kind=own", ""):
        other.goto(f"{watched.address}/{path}")
        other.locator(".vega-embed svg").first.wait_for()
        settle(other)
        assert MARKER not in other.content()
    context.close()
    assert len(received) > 20
    assert not [
        frame
        for frame in received
        if MARKER.encode() in (frame if isinstance(frame, bytes) else frame.encode())
    ]


def test_nothing_that_is_typed_linked_or_uploaded_reaches_the_disk_or_the_log(
    watched: Watched, tabs: Guarded
) -> None:
    page = tabs.open(f"{watched.address}/gating?review=own")
    before = watched.files()
    box = page.get_by_role("textbox", name="Your own text")
    for text in (f"good {MARKER} <b>", f"\0{MARKER}\u202e", "." * 5000 + MARKER):
        box.fill(text)
        box.press("Control+Enter")
        settle(page)
    for query in ({"kind": MARKER, "n": MARKER}, {"kind": "own", "matrix": f"1,{MARKER}"}, {MARKER: MARKER}):
        page.goto(linked(watched.address, "explosion", **query))
        page.locator(".vega-embed svg").first.wait_for()
        settle(page)
    page.goto(linked(watched.address, "explosion", kind="own"))
    for name, content in ((f"{MARKER}.csv", MARKER.encode()), (f"{MARKER}.npy", BAD_FILES["minus.npy"])):
        upload(page, name, content)
        page.get_by_role("alert").first.wait_for()
        settle(page)
    upload(page, f"{MARKER}.csv", b"1.25,0\n0,1\n" + b"\n" * 990_000)
    page.wait_for_function("location.search.includes('1.25')")
    page.goto(f"{watched.address}/vanishing?tab=learn")
    page.get_by_role("button", name="Train", exact=True).click()
    page.get_by_text("Stop").first.wait_for()
    raw(watched, f"GET /{MARKER}/../../etc/{MARKER}?{MARKER} HTTP/1.1")
    raw(watched, f"GET /?{MARKER * 20_000} HTTP/1.1")
    raw(watched, f"PUT /_stcore/upload_file/{MARKER}/{MARKER} HTTP/1.1")
    raw(watched, f"{MARKER}")
    page.get_by_role("button", name="Stop").click()
    settle(page)
    assert watched.files() == before
    assert MARKER not in watched.log()
    assert "Traceback" not in watched.log()
    assert "View your Streamlit app" in watched.log() or "URL" in watched.log()


def raw(watched: Watched, line: str) -> None:
    """A request that no browser makes."""
    place = urlsplit(watched.address)
    with socket.create_connection((str(place.hostname), int(place.port or 0)), timeout=10) as connection:
        connection.sendall(f"{line}\r\nHost: {place.netloc}\r\nConnection: close\r\n\r\n".encode())
        with contextlib.suppress(OSError):
            connection.recv(1024)


FAILING = """
import streamlit as st
typed = st.query_params["text"]
st.line_chart([1, 2])
if "said" in st.query_params:
    raise ValueError(typed)
[][len(typed)]
"""


def test_of_an_error_the_log_has_the_message_and_no_values(browser: Browser, tmp_path: Path) -> None:
    """So no message of an error may hold what a reader typed; the pages raise none."""
    (tmp_path / "failing.py").write_text(FAILING, encoding="utf-8")
    logs = {}
    for query in ("", "&said"):
        with (tmp_path / f"log{query}").open("wb") as log:
            process, address = start_server(tmp_path / "failing.py", ROOT, output=log)
            page = browser.new_page()
            page.goto(f"{address}/?text={MARKER}{query}")
            page.get_by_test_id("stException").or_(page.get_by_role("alert")).first.wait_for()
            assert MARKER not in page.get_by_test_id("stMain").inner_text()
            page.close()
            process.terminate()
            process.wait()
        logs[query] = (tmp_path / f"log{query}").read_text(encoding="utf-8")
    assert "Traceback" in logs[""]
    assert MARKER not in logs[""]
    assert MARKER in logs["&said"]
