"""The Share dialog: its link is the address bar's, its QR code reads as that link, on any screen."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator

import pytest
import zxingcpp
from PIL import Image
from playwright.sync_api import Locator, Page, expect
from streamlit.testing.v1 import AppTest

from pages.shared.share import KEY, LONGEST, qr_code
from pages.shared.words import read_words
from tests.conftest import ROOT, settle, start_server
from tests.test_pages import settled

Visit = Callable[..., Page]

LONG = "gating?review=own&text=" + "%E5%A5%BD" * 330  # a text of 330 Chinese characters


def open_share(page: Page, language: str = "en") -> Locator:
    """Press Share and wait for the dialog; nothing in it is drawn late but the code."""
    page.get_by_role("button", name=read_words(language)["common"]["share"]["open"], exact=True).click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("textbox").wait_for()
    return dialog


def shown_link(dialog: Locator) -> str:
    return dialog.get_by_role("textbox").input_value()


def scanned(dialog: Locator) -> str:
    """What a phone reads off the screen."""
    code = dialog.get_by_role("img")
    code.wait_for()
    found = zxingcpp.read_barcodes(Image.open(io.BytesIO(code.screenshot())))
    assert len(found) == 1
    return found[0].text


@pytest.mark.browser
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_link_is_the_address_bar_s_after_controls_were_moved(
    server: str, visit: Visit, theme: str
) -> None:
    page = visit(f"{server}/explosion", theme=theme)
    page.get_by_role("slider", name="Spectral radius").press("ArrowLeft")
    page.wait_for_function("location.search === '?rho=1.09'")
    for steps in (300, 400):
        page.get_by_role("spinbutton", name="Steps back").fill(str(steps))
        dialog = open_share(page)  # this leaves the box, which sends its number, not yet in the link
        link = f"{server}/explosion?rho=1.09&steps={steps}"
        page.wait_for_url(link)
        expect(dialog.get_by_role("textbox")).to_have_value(link, timeout=30_000)
        settle(page)
        assert scanned(dialog) == link
        page.keyboard.press("Escape")
        dialog.wait_for(state="detached")


@pytest.mark.browser
def test_a_link_opens_the_same_view_in_another_session(server: str, visit: Visit) -> None:
    sender = visit(f"{server}/vanishing?tab=grain&rho=0.95")
    sender.get_by_role("radio", name="中文").click()
    sender.wait_for_function("location.search.includes('lang=zh')")
    settle(sender)
    reader = visit(scanned(open_share(sender, "zh")))
    reader.get_by_role("radio", name=read_words("zh")["vanishing"]["tabs"]["grain"], checked=True).wait_for()
    assert reader.locator("output").inner_text() == "ρ = 0.95"
    assert reader.get_by_test_id("stMain").inner_text() == sender.get_by_test_id("stMain").inner_text()


@pytest.mark.browser
def test_the_link_follows_from_page_to_page_and_from_dialog_to_dialog(server: str, visit: Visit) -> None:
    page = visit(f"{server}/explosion?rho=1.5")
    for _ in range(2):
        assert scanned(open_share(page)) == f"{server}/explosion?rho=1.5"
        page.keyboard.press("Escape")
        page.get_by_role("dialog").wait_for(state="detached")
    page.get_by_role("link", name="Vanishing").click()
    page.get_by_role("heading", name="Vanishing", level=1).wait_for()
    settle(page)
    assert scanned(open_share(page)) == f"{server}/vanishing"


@pytest.mark.browser
def test_sharing_runs_no_page_again(server: str, visit: Visit) -> None:
    page = visit(f"{server}/explosion")
    page.evaluate("document.querySelector('.vega-embed svg').dataset.kept = 'yes'")
    runs = page.evaluate_handle(
        "() => { const seen = []; new MutationObserver(() => seen.push(1))"
        ".observe(document.querySelector('.vega-embed'), {subtree: true, childList: true}); return seen }"
    )
    scanned(open_share(page))
    assert runs.evaluate("seen => seen.length") == 0
    assert page.locator(".vega-embed svg[data-kept=yes]").count() == 1


@pytest.mark.browser
def test_the_keyboard_opens_copies_and_closes(server: str, visit: Visit) -> None:
    page = visit(f"{server}/explosion?rho=1.3")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    button = page.get_by_role("button", name="Share", exact=True)
    button.focus()
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog", name="Share what you see")
    scanned(dialog)
    copy = dialog.get_by_role("button", name="Copy the link")
    for _ in range(4):
        if copy.evaluate("button => button.matches(':focus')"):
            break
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    dialog.get_by_text("Copied.").wait_for()
    assert page.evaluate("navigator.clipboard.readText()") == f"{server}/explosion?rho=1.3"
    page.keyboard.press("Escape")
    dialog.wait_for(state="detached")
    assert button.evaluate("button => button === document.activeElement")


@pytest.mark.browser
def test_without_https_the_link_is_copied_all_the_same(server: str, visit: Visit) -> None:
    page = visit(f"{server}/explosion?rho=1.3")
    page.context.grant_permissions(["clipboard-read"])
    page.evaluate("window.clipboard = navigator.clipboard")
    page.evaluate("Object.defineProperty(navigator, 'clipboard', {value: undefined})")
    dialog = open_share(page)
    dialog.get_by_role("button", name="Copy the link").click()
    dialog.get_by_text("Copied.").wait_for()
    assert page.evaluate("clipboard.readText()") == f"{server}/explosion?rho=1.3"


@pytest.fixture(scope="module")
def server_under_a_path() -> Iterator[str]:
    """The address of the app where it doesn't have the root for itself."""
    process, address = start_server(ROOT / "dashboard.py", ROOT, "lab")
    yield address
    process.terminate()
    process.wait()


@pytest.mark.browser
@pytest.mark.parametrize("path", ["", "explosion?kind=rotation", "clipping"])
def test_a_base_path_is_in_the_link(server_under_a_path: str, visit: Visit, path: str) -> None:
    page = visit(f"{server_under_a_path}/{path}")
    dialog = open_share(page)
    assert scanned(dialog) == shown_link(dialog) == page.url == f"{server_under_a_path}/{path}"
    assert visit(page.url).get_by_role("heading", level=1).inner_text() == (
        page.get_by_role("heading", level=1).inner_text()
    )


@pytest.mark.browser
@pytest.mark.parametrize("path", ["", LONG[: LONG.index("=") + 1] + "own", LONG[:2500]])
def test_a_phone_shows_all_of_it(server: str, visit: Visit, path: str) -> None:
    page = visit(f"{server}/{path}", width=390, height=844)
    dialog = open_share(page)
    assert scanned(dialog) == page.url
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    for part in (dialog.get_by_role("textbox"), dialog.get_by_role("img")):
        box = part.bounding_box()
        assert box is not None
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 390


@pytest.mark.browser
@pytest.mark.parametrize("size", [(1440, 900), (1280, 720), (1920, 1080)])
def test_the_code_fills_the_height_of_the_screen(server: str, visit: Visit, size: tuple[int, int]) -> None:
    width, height = size
    page = visit(f"{server}/explosion", width=width, height=height)
    dialog = open_share(page)
    scanned(dialog)
    box = dialog.get_by_role("img").bounding_box()
    assert box is not None
    assert box["width"] == pytest.approx(box["height"], abs=1)
    assert box["width"] > 0.65 * height
    assert box["y"] + box["height"] <= height


@pytest.mark.browser
def test_too_long_a_link_has_a_sentence_in_place_of_its_code(server: str, visit: Visit) -> None:
    page = visit(f"{server}/{LONG}")
    dialog = open_share(page)
    dialog.get_by_text("too long for a QR code").wait_for()
    assert dialog.get_by_role("img").count() == 0
    assert shown_link(dialog) == page.url
    assert len(page.url) > LONGEST


@pytest.mark.parametrize("length", [1, 60, 700, LONGEST])
def test_every_length_up_to_the_longest_has_a_code(length: int) -> None:
    code = qr_code(("https://example.org/lab/gating?text=" + "%E5%A5%BD" * 400)[:length])
    assert code is not None
    assert code.startswith("data:image/svg+xml")


@pytest.mark.parametrize("link", ["", "a" * (LONGEST + 1), "a" * 10**7, "https://例", "\ud800"])
def test_what_no_code_holds_has_none(link: str) -> None:
    assert qr_code(link) is None


@pytest.mark.parametrize("sent", [None, 3, [], {}, "", "\ud800", "a" * 10**5])
def test_whatever_a_browser_sends_the_dialog_is_drawn(sent: object) -> None:
    def dialog() -> None:
        from pages.shared.share import show_link
        from pages.shared.words import Words

        show_link(Words("en", "explosion"))

    at = AppTest.from_function(dialog)
    at.session_state[KEY] = {"link": sent}
    settled(at.run())
    assert at.get("bidi_component")
