"""Every page in both languages, both themes and both sizes: whole, still, and without a broken rule.

The screenshots go to pytest's temporary folder, or to the one that LAB_SCREENSHOTS names.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page
from test_axe import PAGES, violations

from pages.shared.words import read_words
from tests.conftest import settle

pytestmark = pytest.mark.browser

Visit = Callable[..., Page]
SIZES = {"laptop": (1440, 900), "phone": (390, 844)}
BACKGROUNDS = {"light": "rgb(255, 255, 255)", "dark": "rgb(15, 20, 25)"}
BACKGROUND = "() => getComputedStyle(document.querySelector('[data-testid=stApp]')).backgroundColor"
RUNNING = "() => document.getAnimations().filter(a => a.playState === 'running').length"


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    chosen = os.environ.get("LAB_SCREENSHOTS")
    found = Path(chosen) if chosen else tmp_path_factory.mktemp("screens")
    found.mkdir(parents=True, exist_ok=True)
    return found


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("name", PAGES)
def test_every_look_of_a_page(server: str, visit: Visit, folder: Path, name: str, language: str) -> None:
    page = visit(f"{server}/{'' if name == 'overview' else name}?lang={language}")
    title = read_words(language)[name]["title"]
    broken = {}
    for theme, background in BACKGROUNDS.items():
        for size, (width, height) in SIZES.items():
            page.emulate_media(color_scheme="dark" if theme == "dark" else "light", reduced_motion="reduce")
            page.set_viewport_size({"width": width, "height": height})
            page.wait_for_function(f"color => ({BACKGROUND})() === color", arg=background)
            settle(page)
            page.wait_for_function(f"({RUNNING})() === 0")
            assert page.get_by_role("heading", name=title, level=1).is_visible()
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            first = page.locator(".vega-embed svg").first.bounding_box()
            assert first is not None
            assert first["y"] + 100 < (2 * height if size == "phone" else height)
            page.screenshot(path=folder / f"{name}-{language}-{theme}-{size}.png")
            broken[f"{theme}, {size}"] = violations(page)
    assert not {look: rules for look, rules in broken.items() if rules}
