"""Fixtures: a real server under the launch command of the README, and a real Chromium."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import IO

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

import tests.strategies  # noqa: F401  (its settings hold for every test)

ROOT = Path(__file__).parent.parent
START_LIMIT = 60  # seconds
CHROMIUM_FLAGS = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
]


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def start_server(
    script: Path,
    folder: Path,
    base: str = "",
    *,
    port: int | None = None,
    environment: Mapping[str, str] | None = None,
    prepare: Callable[[], None] | None = None,
    output: IO[bytes] | int = subprocess.DEVNULL,
) -> tuple[subprocess.Popen[bytes], str]:
    """Start `streamlit run` as a user would, under the base path if there is one; wait until it answers.

    `environment` comes on top of this process's own, `prepare` is called in the new process first, and
    `output` takes all that it says.
    """
    port = port or free_port()
    command = [sys.executable, "-m", "streamlit", "run", str(script), "--server.port", str(port)]
    if base:
        command += ["--server.baseUrlPath", base]
    quiet = os.environ | {"STREAMLIT_SERVER_FILE_WATCHER_TYPE": "none"}  # no notice of a changed source
    process = subprocess.Popen(
        command,
        env=quiet | dict(environment or {}),
        cwd=folder,
        stdout=output,
        stderr=output,
        preexec_fn=prepare,
    )
    address = f"http://127.0.0.1:{port}/{base}".rstrip("/")
    for _ in range(START_LIMIT * 10):
        try:
            urllib.request.urlopen(f"{address}/_stcore/health", timeout=1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return process, address
    process.kill()
    raise RuntimeError(f"{script.name} did not start in {START_LIMIT} seconds")


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    """The address of the app, one server for all tests."""
    process, address = start_server(ROOT / "dashboard.py", ROOT)
    yield address
    process.terminate()
    process.wait()


@pytest.fixture
def fresh_server() -> Iterator[str]:
    """The address of an app that nobody has visited yet."""
    process, address = start_server(ROOT / "dashboard.py", ROOT)
    yield address
    process.terminate()
    process.wait()


@pytest.fixture(scope="session")
def haproxy() -> str:
    """The path of HAProxy; without one, CI fails and a user's machine skips."""
    path = shutil.which("haproxy", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if path is None:
        message = "no HAProxy found: install it to run the replicas' tests (apt-get install haproxy)"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    return path


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Chromium; without one, CI fails and a user's machine skips."""
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if path is None:
        message = "no Chromium found: install it to run the browser tests (apt-get install chromium)"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=CHROMIUM_FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture
def visit(visit_bare: Callable[..., Page]) -> Callable[..., Page]:
    """Open an address in a tab of its own and wait for its chart; the test fails on a page's error."""

    def open_tab(address: str, **look: object) -> Page:
        page = visit_bare(address, **look)
        page.locator(".vega-embed svg").first.wait_for()
        settle(page)
        return page

    return open_tab


@pytest.fixture
def visit_bare(browser: Browser) -> Iterator[Callable[..., Page]]:
    """Open an address that shows no chart; the test fails on a page's error."""
    errors: list[str] = []
    contexts = []

    def open_tab(
        address: str,
        *,
        width: int = 1440,
        height: int = 900,
        theme: str = "light",
        locale: str = "en-US",
        before: Callable[[Page], None] | None = None,
    ) -> Page:
        context = browser.new_context(
            locale=locale,
            viewport={"width": width, "height": height},
            color_scheme="dark" if theme == "dark" else "light",
            has_touch=width < 500,
        )
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(30_000)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda message: errors.append(message.text) if _is_error(message) else None)
        if before is not None:
            before(page)
        page.goto(address)
        page.locator("[data-testid=stApp]").wait_for()
        page.locator("[data-testid=stMain] [data-testid=stElementContainer]").first.wait_for()
        settle(page)
        return page

    yield open_tab
    for context in contexts:
        context.close()
    assert errors == []


def _is_error(message: object) -> bool:
    # Streamlit looks for its own endpoints under a page's path before the root: two 404s by design.
    text, kind = getattr(message, "text", ""), getattr(message, "type", "")
    return kind == "error" and "404" not in text


def settle(page: Page) -> None:
    """Wait until no script runs and the charts have had two frames to be drawn.

    By locators alone: a page that may evaluate no strings can't be asked to wait for a function's value.
    """
    page.get_by_test_id("stStatusWidget").wait_for(state="detached")
    page.locator("[data-testid=stApp][data-test-script-state=notRunning]").wait_for()
    page.evaluate("() => new Promise(r => requestAnimationFrame(() => requestAnimationFrame(r)))")
