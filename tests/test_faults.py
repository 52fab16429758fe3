"""What a reader sees when something fails: the connection, the server, the weights, the disk."""

from __future__ import annotations

import os
import re
import resource
import signal
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, WebSocketRoute

from pages.shared.words import read_words
from tests.conftest import ROOT, settle, start_server
from tests.deployed import lay_out, lose, move_the_radius_and_back

pytestmark = pytest.mark.browser

Visit = Callable[..., Page]
PAGES = ("overview", "explosion", "clipping", "vanishing", "gating")
LINK = "vanishing?kind=rotation&rho=0.95&steps=300&tab=grain"
DROP = 10.0  # seconds
LIMIT = 20_000  # ms to be back, at the latest


@pytest.fixture
def tab(browser: Browser) -> Iterator[Page]:
    """A tab whose console may complain: of a server that isn't there, it must."""
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    page = context.new_page()
    page.set_default_timeout(30_000)
    failed: list[str] = []
    page.on("pageerror", lambda error: failed.append(str(error)))
    yield page
    context.close()
    assert failed == []


def open_page(page: Page, address: str) -> None:
    page.goto(address)
    page.locator(".vega-embed svg").first.wait_for()
    settle(page)


def shown(page: Page) -> tuple[str, str]:
    """The link, and every word and number of the page."""
    return page.url, page.get_by_test_id("stMain").inner_text()


def wait_for_connection(page: Page, state: str) -> None:
    page.locator(f"[data-testid=stApp][data-test-connection-state={state}]").wait_for(timeout=LIMIT)


def reconnected(address: str) -> int:
    """How many sessions the server has taken up again."""
    with urllib.request.urlopen(f"{address}/_stcore/metrics", timeout=10) as answer:
        return int(re.findall(r'session_events_total{type="reconnect"} (\d+)', answer.read().decode())[0])


def test_a_dropped_connection_comes_back_to_the_same_session(server: str, tab: Page) -> None:
    sockets: list[WebSocketRoute] = []
    down = [False]

    def connect(socket: WebSocketRoute) -> None:
        if down[0]:
            socket.close(code=1011)
        else:
            socket.connect_to_server()
            sockets.append(socket)

    tab.route_web_socket(re.compile("_stcore/stream"), connect)
    open_page(tab, f"{server}/{LINK}")
    before, sessions = shown(tab), reconnected(server)
    down[0] = True
    tab.route("**/_stcore/*", lambda route: route.abort() if down[0] else route.continue_())
    sockets[-1].close(code=1011)
    wait_for_connection(tab, "PINGING_SERVER")
    tab.wait_for_timeout(1000 * DROP)
    assert shown(tab) == before  # all of it can still be read
    down[0] = False
    wait_for_connection(tab, "CONNECTED")
    tab.get_by_role("dialog").wait_for(state="detached")
    settle(tab)
    assert shown(tab) == before
    assert reconnected(server) == sessions + 1


def test_a_server_that_starts_again_is_found_again(tab: Page) -> None:
    process, address = start_server(ROOT / "dashboard.py", ROOT)
    try:
        open_page(tab, f"{address}/{LINK}")
        before = shown(tab)

        def start_again() -> None:
            nonlocal process
            process.kill()
            process.wait()
            wait_for_connection(tab, "PINGING_SERVER")
            process, _ = start_server(ROOT / "dashboard.py", ROOT, port=int(address.rsplit(":", 1)[1]))

        lose(tab, start_again, LIMIT)
        tab.get_by_role("dialog").wait_for(state="detached")
        settle(tab)
        assert shown(tab) == before
        move_the_radius_and_back(tab)
        assert shown(tab)[1] == before[1]  # every number, by a server that is new to this page
    finally:
        process.kill()
        process.wait()


def drawing(browser: Browser) -> list[int]:
    """The processes in which the browser's tabs run."""
    found = browser.new_browser_cdp_session().send("SystemInfo.getProcessInfo")["processInfo"]
    return [process["id"] for process in found if process["type"] == "renderer"]


def test_a_tab_that_slept_while_its_server_started_again_wakes_to_the_same_view(
    browser: Browser, tab: Page
) -> None:
    process, address = start_server(ROOT / "dashboard.py", ROOT)
    try:
        open_page(tab, f"{address}/{LINK}")
        before, tabs = shown(tab), drawing(browser)
        assert tabs

        def sleep_and_wake() -> None:
            nonlocal process
            for each in tabs:
                os.kill(each, signal.SIGSTOP)
            try:
                process.kill()
                process.wait()
                process, _ = start_server(ROOT / "dashboard.py", ROOT, port=int(address.rsplit(":", 1)[1]))
                time.sleep(DROP)
            finally:
                for each in tabs:
                    os.kill(each, signal.SIGCONT)

        lose(tab, sleep_and_wake, LIMIT)
        tab.get_by_role("dialog").wait_for(state="detached")
        assert shown(tab) == before
        move_the_radius_and_back(tab)
        assert shown(tab)[1] == before[1]
    finally:
        process.kill()
        process.wait()


def test_two_tabs_of_one_reader_don_t_disturb_each_other(server: str, visit: Visit) -> None:
    first = visit(f"{server}/explosion?rho=1.2&steps=100")
    second = first.context.new_page()
    open_page(second, f"{server}/explosion?rho=0.9&kind=symmetric&lang=zh")
    before = shown(first)
    for radius in ("0.85", "0.8"):
        second.get_by_role("slider").first.press("ArrowLeft")
        second.wait_for_url(re.compile(rf"rho={radius}(&|$)"))
    settle(second)
    assert shown(first) == before
    first.get_by_role("slider", name="Spectral radius").press("ArrowRight")
    first.wait_for_url("**rho=1.25**")
    settle(first)
    assert "rho=0.8" in second.url
    assert shown(first) != before
    assert second.get_by_role("heading", level=1).inner_text() == read_words("zh")["explosion"]["title"]


def test_without_its_weights_the_gating_page_says_so_and_others_work(tmp_path: Path, tab: Page) -> None:
    folder = lay_out(tmp_path)
    (folder / "core" / "weights" / "lstm.npz").unlink()
    process, address = start_server(folder / "dashboard.py", folder)
    try:
        open_page(tab, f"{address}/vanishing")
        assert tab.get_by_role("alert").count() == 0
        open_page(tab, address)
        assert tab.get_by_role("alert").filter(has_text="lstm.npz").count() == 1
        assert tab.get_by_test_id("stException").count() == 0
        tab.get_by_role("link", name="Gating").first.click()
        tab.get_by_role("heading", name="Gating", level=1).wait_for()
        said = tab.get_by_role("alert")
        said.get_by_text("lstm.npz").wait_for()
        settle(tab)
        assert said.count() == 1
        assert tab.get_by_test_id("stException").count() == 0
        told = read_words("zh")["gating"]["no_weights"]
        for name in ("", "gating"):
            tab.goto(f"{address}/{name}?lang=zh")
            tab.get_by_role("alert").wait_for()
            settle(tab)
            assert tab.get_by_role("alert").inner_text() == told["text"].format(
                problem=told["missing"].format(file="lstm.npz")
            )
    finally:
        process.kill()
        process.wait()


def write_nothing() -> None:
    """Let every file of this process be full: with a limit on their size, whoever it runs as."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))


def files(folder: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*")}


def test_on_a_full_disk_with_no_home_every_page_renders(tmp_path: Path, tab: Page) -> None:
    folder = lay_out(tmp_path)
    nowhere = {"HOME": "/proc/none", "TMPDIR": "/proc/none", "PYTHONDONTWRITEBYTECODE": "1"}
    before = files(folder)
    process, address = start_server(
        folder / "dashboard.py", folder, environment=nowhere, prepare=write_nothing
    )
    try:
        for name in PAGES:
            open_page(tab, f"{address}/{'' if name == 'overview' else name}")
            assert tab.get_by_role("heading", level=1).inner_text() == read_words("en")[name]["title"]
            assert tab.get_by_test_id("stException").count() == 0
        open_page(tab, f"{address}/explosion?kind=own")
        matrix = {"name": "w.csv", "mimeType": "text/csv", "buffer": b"1.5,0\n0,0.5\n"}
        tab.locator("input[type=file]").set_input_files(matrix)
        tab.wait_for_url("**matrix=1.5**")
    finally:
        process.kill()
        process.wait()
    assert files(folder) == before
