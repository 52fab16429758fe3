"""In which language a page speaks: the browser's at the first visit, then the reader's choice."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page
from test_pages import open_page

from pages.shared.language import languages
from pages.shared.words import read_words
from tests.conftest import settle

Visit = Callable[..., Page]
PAGES = ("overview", "explosion", "clipping", "vanishing", "gating")


def title(language: str, page: str) -> str:
    found = read_words(language)[page]["title"]
    assert isinstance(found, str)
    return found


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_link_s_language_is_spoken(page: str, language: str) -> None:
    at = open_page(page, lang=language)
    assert at.title[0].value == title(language, page)


@pytest.mark.parametrize("language", ["", "de", "<script>", "EN"])
def test_an_unknown_language_in_the_link_is_passed_over(language: str) -> None:
    assert open_page("vanishing", lang=language).title[0].value == title("en", "vanishing")


def test_english_comes_first_and_each_language_has_its_own_name() -> None:
    assert languages() == {"en": "English", "zh": "中文"}


@pytest.mark.browser
@pytest.mark.parametrize(
    ("locale", "language"), [("zh-CN", "zh"), ("zh-TW", "zh"), ("en-GB", "en"), ("fr-FR", "en")]
)
def test_the_first_visit_follows_the_browser(server: str, visit: Visit, locale: str, language: str) -> None:
    page = visit(f"{server}/clipping", locale=locale)
    page.get_by_role("heading", name=title(language, "clipping"), level=1).wait_for()
    assert "lang" not in page.url


@pytest.mark.browser
def test_a_choice_is_kept_from_page_to_page_and_in_the_link(server: str, visit: Visit) -> None:
    page = visit(f"{server}/vanishing?rho=0.95&tab=grain")
    page.get_by_role("radio", name="中文").click()
    page.get_by_role("heading", name=title("zh", "vanishing"), level=1).wait_for()
    settle(page)
    assert "lang=zh" in page.url
    assert "rho=0.95" in page.url
    assert "tab=grain" in page.url
    other = visit(page.url)
    other.get_by_role("heading", name=title("zh", "vanishing"), level=1).wait_for()
    page.get_by_role("link", name=read_words("zh")["gating"]["menu"]).click()
    page.get_by_role("heading", name=title("zh", "gating"), level=1).wait_for()
    settle(page)
    assert "lang=zh" in page.url
    page.get_by_role("radio", name="English").click()
    page.get_by_role("heading", name=title("en", "gating"), level=1).wait_for()


@pytest.mark.browser
@pytest.mark.parametrize("page_name", PAGES)
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_no_page_scrolls_sideways_on_a_phone_in_chinese(
    server: str, visit: Visit, page_name: str, theme: str
) -> None:
    path = "" if page_name == "overview" else page_name
    page = visit(f"{server}/{path}?lang=zh", width=390, height=844, theme=theme)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
