"""Two real replicas behind a real HAProxy with the file of `deploy/`: a reader loses nothing with a replica.

And the Content-Security-Policy of that file: whatever a reader does, the browser refuses nothing of it.
"""

from __future__ import annotations

import json
import re
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from pages.shared.words import read_words
from tests.conftest import settle, start_server
from tests.deployed import (
    NAMES,
    RENDERS,
    Lab,
    answer,
    lay_out,
    lose,
    move_the_radius_and_back,
    pick_a_word_and_the_one_before,
)

Visit = Callable[..., Page]
LIMIT = 10_000  # ms in which a killed replica is to be replaced
HANG_LIMIT = 20_000  # and one that hangs, which must be found out first


@pytest.fixture(scope="module")
def running(haproxy: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    lab = Lab(haproxy, tmp_path_factory.mktemp("proxy") / "log")
    lab.start()
    yield lab
    for name in lab.processes:
        lab.end(name)


@pytest.fixture
def lab(running: Lab) -> Lab:
    """Both replicas up, whatever the test before did to them."""
    running.start()
    return running


def replica_of(page: Page) -> str:
    """The replica that the browser stays with."""
    return next(str(cookie.get("value")) for cookie in page.context.cookies() if cookie["name"] == "replica")


def shown(page: Page) -> tuple[str, str]:
    """The link, and every word and number of the page."""
    return page.url, page.get_by_test_id("stMain").inner_text()


def assert_whole(page: Page) -> None:
    """No traceback, no dialog, no page that isn't there."""
    assert page.get_by_test_id("stException").count() == 0
    assert page.get_by_role("dialog").count() == 0
    assert page.get_by_text("Page not found").count() == 0


def upload(page: Page, matrix: str) -> None:
    """Upload a matrix of one's own, and wait until it is in the link."""
    file = {"name": "w.csv", "mimeType": "text/csv", "buffer": matrix.encode()}
    page.locator("input[type=file]").set_input_files(file)
    page.wait_for_url(f"**matrix={matrix.split(',')[0]}%2C**")
    settle(page)


@pytest.mark.parametrize("path", ["script-health-check", "metrics", "%73cript-health-check", "metric%73"])
def test_what_is_the_proxy_s_own_is_not_for_readers(lab: Lab, path: str) -> None:
    assert answer(f"{lab.address}/_stcore/{path}")[0] == 404
    port = lab.ports["replica-1"]
    assert answer(f"http://127.0.0.1:{port}/_stcore/{path}")[0] == 200


def test_the_headers_of_every_answer(lab: Lab) -> None:
    for path in ("", "explosion", "_stcore/health", "_stcore/metrics"):
        _, headers, _ = answer(f"{lab.address}/{path}")
        lines = dict(line.split(": ", 1) for line in headers.splitlines() if line)
        assert lines["x-content-type-options"] == "nosniff"
        assert lines["referrer-policy"] == "same-origin"
        assert "default-src 'none'" in lines["content-security-policy"]
        assert "server" not in {name.lower() for name in lines}


def test_who_can_t_draw_a_page_is_not_ready_though_it_answers(tmp_path: Path) -> None:
    folder = lay_out(tmp_path)
    with (folder / "core" / "linear.py").open("a") as source:
        source.write("raise RuntimeError('broken')\n")
    process, address = start_server(folder / "dashboard.py", folder, environment=RENDERS)
    try:
        assert answer(f"{address}/_stcore/health")[0] == 200
        assert answer(f"{address}/_stcore/script-health-check")[::2] == (503, "error")
    finally:
        process.kill()
        process.wait()


def test_asking_whether_it_is_ready_leaves_no_session(lab: Lab) -> None:
    address = f"http://127.0.0.1:{lab.ports['replica-1']}/_stcore"

    def sessions() -> list[str]:
        return re.findall(r"active_sessions (\d+)|type=\"connect\"} (\d+)", answer(f"{address}/metrics")[2])

    before = sessions()
    assert before
    for _ in range(5):
        assert answer(f"{address}/script-health-check")[::2] == (200, "ok")
    assert sessions() == before


LISTEN = """
delete window.showSaveFilePicker  // which asks the reader where to, and can't be answered here
window.refused = []
document.addEventListener("securitypolicyviolation", event =>
    window.refused.push(`${event.effectiveDirective} ${event.blockedURI}`))
"""
ASKED = "script-src wasm-eval"  # Streamlit's messages look for WebAssembly, and do without
PAGES = ("overview", "explosion", "clipping", "vanishing", "gating")
Act = Callable[[Page, str], None]


@pytest.fixture
def strict(browser: Browser, request: pytest.FixtureRequest) -> Iterator[Page]:
    """A tab that writes down what the policy refuses; the console may say nothing of the kind."""
    context = browser.new_context(
        color_scheme=getattr(request, "param", "light"), viewport={"width": 1440, "height": 900}
    )
    page = context.new_page()
    page.add_init_script(LISTEN)
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(f"Content Security Policy? {error}"))
    yield page
    context.close()
    assert [text for text in said if "Content Security Policy" in text] == []


def refused(page: Page) -> set[str]:
    return set(json.loads(page.evaluate("JSON.stringify(window.refused)")))


def open_strictly(page: Page, address: str) -> None:
    page.goto(address)
    page.locator(".vega-embed svg").first.wait_for()
    settle(page)


@pytest.mark.browser
@pytest.mark.parametrize("strict", ["dark"], indirect=True)
def test_the_policy_refuses_nothing_of_a_dark_page(lab: Lab, strict: Page) -> None:
    for name in PAGES:
        open_strictly(strict, f"{lab.address}/{'' if name == 'overview' else name}")
        assert (name, refused(strict) - {ASKED}) == (name, set())


@pytest.mark.browser
def test_the_policy_refuses_nothing_of_any_section(lab: Lab, strict: Page) -> None:
    for name in PAGES:
        open_strictly(strict, f"{lab.address}/{'' if name == 'overview' else name}")
        for summary in strict.locator("summary").all():
            summary.click()
        for section, label in list(read_words("en")[name].get("tabs", {}).items())[1:]:
            strict.get_by_role("radio", name=label, exact=True).click()
            strict.wait_for_url(f"**tab={section}**")
        settle(strict)
        assert (name, refused(strict) - {ASKED}) == (name, set())


def share(page: Page, address: str) -> None:
    """The link's QR code."""
    open_strictly(page, f"{address}/explosion")
    page.get_by_role("button", name="Share", exact=True).click()
    code = page.get_by_role("dialog").get_by_role("img")
    code.wait_for()
    assert code.evaluate("image => image.naturalWidth") > 0


def use_toolbars(page: Page, address: str) -> None:
    """A chart's and a table's."""
    open_strictly(page, f"{address}/explosion?tab=training")
    for shown_by, button in (
        (".vega-embed svg", "Download as PNG"),
        ("[data-testid=stDataFrame]", "Download as CSV"),
    ):
        page.locator(shown_by).first.hover()
        with page.expect_download():
            page.get_by_role("button", name=button).first.click()
    page.locator(".vega-embed svg").first.hover()
    page.get_by_role("button", name="Fullscreen").first.click()
    page.get_by_role("button", name="Close fullscreen").first.click()
    page.locator(".vega-embed svg").first.hover()
    page.get_by_role("button", name="Show data").first.click()


def take_home(page: Page, address: str) -> None:
    """The picture, its numbers, a notebook and the settings as files."""
    open_strictly(page, f"{address}/explosion?tab=code")
    for button in ("Picture (PNG)", "Picture (SVG)", "Data (CSV)", "Notebook", "Settings (JSON)"):
        with page.expect_download() as download:
            page.get_by_role("button", name=button).click()
        assert download.value.path().stat().st_size > 20


def bring_a_matrix(page: Page, address: str) -> None:
    open_strictly(page, f"{address}/explosion?kind=own")
    upload(page, "1.5,0\n0,0.5\n")


def pick_a_word(page: Page, address: str) -> None:
    open_strictly(page, f"{address}/gating")
    word = page.get_by_role("group", name="The review, word by word").locator(".word").nth(3)
    word.hover()
    word.click()
    page.wait_for_url("**word=4**")


def drag_the_radius(page: Page, address: str) -> None:
    open_strictly(page, f"{address}/vanishing")
    page.get_by_role("slider", name="Spectral radius").press("ArrowLeft")
    page.wait_for_url("**rho=0.85**")
    page.locator(".vega-embed svg").first.hover(position={"x": 300, "y": 150})


@pytest.mark.browser
@pytest.mark.parametrize(
    "act", [share, use_toolbars, take_home, bring_a_matrix, pick_a_word, drag_the_radius]
)
def test_the_policy_refuses_nothing_that_a_reader_does(lab: Lab, strict: Page, act: Act) -> None:
    act(strict, lab.address)
    settle(strict)
    assert refused(strict) - {ASKED} == set()


@pytest.mark.browser
def test_what_the_policy_refuses_is_seen(lab: Lab, browser: Browser) -> None:
    context = browser.new_context()
    page = context.new_page()
    page.add_init_script(LISTEN)
    open_strictly(page, lab.address)
    page.evaluate("document.body.insertAdjacentHTML('beforeend', '<img src=\"https://example.org/x.png\">')")
    page.evaluate(
        "document.head.append(Object.assign(document.createElement('script'), {text: 'window.x = 1'}))"
    )
    page.wait_for_timeout(200)
    assert refused(page) - {ASKED} == {"img-src https://example.org/x.png", "script-src-elem inline"}
    assert page.evaluate("window.x") is None
    context.close()


VIEW = "explosion?kind=non-normal&rho=0.95&tab=plane"
TOUCHED = {VIEW: move_the_radius_and_back, "gating?word=3&trained=plain": pick_a_word_and_the_one_before}


@pytest.mark.browser
@pytest.mark.parametrize("link", list(TOUCHED))
def test_a_killed_replica_is_replaced_by_itself(lab: Lab, visit: Visit, link: str) -> None:
    page = visit(f"{lab.address}/{link}")
    before, first = shown(page), replica_of(page)
    lose(page, lambda: lab.end(first), LIMIT)
    assert replica_of(page) != first
    assert {lab.given() for _ in range(4)} == {replica_of(page)}
    assert shown(page) == before
    assert_whole(page)
    TOUCHED[link](page)
    assert shown(page)[1] == before[1]  # every number, by a replica that is new to this page
    assert_whole(page)


@pytest.mark.browser
def test_a_file_goes_to_the_replica_of_the_page_before_and_after_a_switch(lab: Lab, visit: Visit) -> None:
    page = visit(f"{lab.address}/explosion?kind=own")
    upload(page, "1.5,0\n0,0.5\n")
    lose(page, lambda: lab.end(replica_of(page)), LIMIT)
    upload(page, "1.25,0\n0,0.5\n")
    assert_whole(page)


@pytest.mark.browser
def test_a_replica_that_hangs_is_replaced_by_itself(lab: Lab, visit: Visit) -> None:
    page = visit(f"{lab.address}/{VIEW}")
    before, first = shown(page), replica_of(page)
    try:
        lose(page, lambda: lab.processes[first].send_signal(signal.SIGSTOP), HANG_LIMIT)
        assert replica_of(page) != first
        assert shown(page) == before
        assert_whole(page)
    finally:
        lab.end(first)


def test_when_all_are_gone_a_visitor_is_told_so(lab: Lab) -> None:
    for name in NAMES:
        lab.end(name)
    status, headers, text = answer(f"{lab.address}/explosion")
    assert status == 503
    assert "retry-after: 5" in headers
    assert "tries again" in text
    assert "自动重试" in text


def test_the_proxy_s_log_has_what_went_wrong_and_no_query(lab: Lab) -> None:
    assert answer(f"{lab.address}/gating?text=well")[0] == 200
    for name in NAMES:
        lab.end(name)
    assert answer(f"{lab.address}/gating?text=typed")[0] == 503
    said = lab.log.read_text()
    assert "GET /gating 503" in said
    assert "GET /gating 200" not in said
    assert "typed" not in said
