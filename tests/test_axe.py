"""What axe-core finds on the pages: nothing of WCAG 2.1 A and AA beyond what a bare Streamlit page has."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page

from pages.shared.words import read_words
from tests.conftest import ROOT, settle, start_server

pytestmark = pytest.mark.browser

Visit = Callable[..., Page]

PAGES = ("overview", "explosion", "clipping", "vanishing", "gating")
SCREENS = {  # each theme, language and size, in two loads of a page
    "laptop-light-english": ("en", {"theme": "light", "width": 1440, "height": 900}),
    "phone-dark-chinese": ("zh", {"theme": "dark", "width": 390, "height": 844}),
}
RULES = {
    "runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]},
    "resultTypes": ["violations"],
}
PALE = """() => {
  const light = colour => colour.match(/[\\d.]+/g).slice(0, 3).map(part => part / 255)
    .map(part => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4)
    .reduce((sum, part, i) => sum + part * [0.2126, 0.7152, 0.0722][i], 0.05)
  const ground = light(getComputedStyle(document.querySelector('[data-testid=stApp]')).backgroundColor)
  return [...document.querySelectorAll('.vega-embed svg text')]
    .filter(text => text.textContent.trim())
    .map(text => [text, light(getComputedStyle(text).fill) / ground])
    .filter(([_, ratio]) => Math.max(ratio, 1 / ratio) < 4.5)
    .map(([text, ratio]) => `${text.textContent}: ${ratio}`)
}"""  # the text in charts, whose contrast axe does not judge


def violations(page: Page) -> dict[str, list[str]]:
    """The rules that are broken on what is on the screen, and where each is."""
    found = Axe().run(page, options=RULES).response["violations"]
    broken = {rule["id"]: [node["html"][:200] for node in rule["nodes"]] for rule in found}
    pale: list[str] = page.evaluate(PALE)
    return broken | ({"chart-contrast": pale} if pale else {})


@pytest.fixture(scope="module")
def unavoidable(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[set[str]]:
    """The rules that this version of Streamlit breaks by itself, under our theme."""
    script: Path = tmp_path_factory.mktemp("bare") / "bare.py"
    script.write_text("import streamlit as st\nst.title('Bare')\nst.write('A page of nothing.')\n")
    process, address = start_server(script, ROOT)
    page = browser.new_page()
    page.goto(address)
    page.get_by_role("heading", name="Bare").wait_for()
    settle(page)
    yield set(violations(page))
    page.close()
    process.terminate()
    process.wait()


@pytest.mark.parametrize("screen", list(SCREENS))
@pytest.mark.parametrize("name", PAGES)
def test_no_section_of_a_page_breaks_a_rule(
    server: str, visit: Visit, unavoidable: set[str], name: str, screen: str
) -> None:
    lang, look = SCREENS[screen]
    page = visit(f"{server}/{'' if name == 'overview' else name}?lang={lang}", **look)
    words = read_words(lang)
    found = {}

    def check(what: str) -> None:
        """Write down what is broken now, when nothing moves any more."""
        settle(page)
        new = {rule: nodes for rule, nodes in violations(page).items() if rule not in unavoidable}
        if new:
            found[what] = new

    for summary in page.locator("summary").all():
        summary.click()
    check("open")
    for section, label in list(words[name].get("tabs", {}).items())[1:]:  # the first is open
        page.get_by_role("radio", name=label, exact=True).click()
        page.wait_for_function("tab => location.search.includes(`tab=${tab}`)", arg=section)
        check(section)
    page.get_by_role("button", name=words["common"]["share"]["open"], exact=True).click()
    page.get_by_role("dialog").get_by_role("img").wait_for()
    page.wait_for_timeout(500)  # the dialog comes in by fading
    check("share")
    assert not found


def test_a_broken_rule_is_found(server: str, visit: Visit) -> None:
    page = visit(server)
    page.evaluate("document.querySelector('h1').insertAdjacentHTML('afterend', '<img src=\"data:,\">')")
    page.evaluate("document.querySelector('h1').style.color = '#ccc'")
    page.evaluate("document.querySelector('.vega-embed svg text').setAttribute('fill', '#808495')")
    assert {"image-alt", "color-contrast", "chart-contrast"} <= set(violations(page))
