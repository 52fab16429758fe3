"""How fast the screen answers, against a minimal Streamlit app of the same configuration.

    python tests/benchmarks/screen.py

Opens each page and the minimal app (one slider, one chart of 4 lines × 200 points) in one
Chromium, and takes turns: a key press on the page's main control (the radius, the start on the
cliff, a word), a key press on the minimal app's slider. It prints, in milliseconds, the median and
the 95th percentile from the key press to the settled picture (the script has run and the last
change of the document is drawn), their ratios, and how long the picture takes to follow a drag of
the radius.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

import shutil

from playwright.sync_api import Page, sync_playwright

from tests.benchmarks.minimal import start_minimal
from tests.conftest import CHROMIUM_FLAGS, ROOT, start_server

PRESSES = 60
WARM_UP = 5
QUIET = 150  # milliseconds without a change: the picture has settled
DRAGGED = ("explosion", "vanishing")


def press_slider(page: Page, i: int) -> None:
    page.get_by_role("slider").first.press("ArrowLeft" if i % 2 else "ArrowRight")


def press_number(page: Page, i: int) -> None:
    page.get_by_role("spinbutton").first.press("ArrowDown" if i % 2 else "ArrowUp")


def press_word(page: Page, i: int) -> None:
    page.locator(".word").nth(2 + i % 20).press("Enter")


PAGES: dict[str, Callable[[Page, int], None]] = {
    "explosion": press_slider,
    "vanishing": press_slider,
    "clipping": press_number,
    "gating": press_word,
}

WATCH = """() => {
  window.lastChange = performance.now()
  new MutationObserver(() => requestAnimationFrame(() => { window.lastChange = performance.now() }))
    .observe(document.body, {subtree: true, childList: true, attributes: true, characterData: true})
  document.addEventListener("keydown", () => { window.pressed = performance.now() }, true)
}"""

SETTLED = f"""() => document.querySelector('[data-testid=stApp]').dataset.testScriptState === 'notRunning'
  && window.lastChange > window.pressed && performance.now() - window.lastChange > {QUIET}"""

DRAG = """async () => {
  const bound = [...document.querySelectorAll('input[type=hidden][name=rho]')], times = []
  for (let i = 0; i < 40; i++) {
    const start = performance.now()
    for (const input of bound) { input.value = 0.9 + 0.005 * i; input.dispatchEvent(new Event('input')) }
    await new Promise(drawn => requestAnimationFrame(() => requestAnimationFrame(drawn)))
    times.push(performance.now() - start)
  }
  return times
}"""


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        lab, address = start_server(ROOT / "dashboard.py", ROOT)
        minimal, minimal_address = start_minimal(Path(folder))
        chromium = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=CHROMIUM_FLAGS)
        try:
            print(
                f"{'page':12}{'median':>8}{'p95':>8}{'minimal':>9}{'p95':>8}{'ratio':>8}{'p95':>7}{'drag':>7}"
            )
            for name, press in PAGES.items():
                tab = opened(chromium.new_page(), f"{address}/{name}")
                plain = opened(chromium.new_page(), minimal_address)
                report(name, press, tab, plain)
                tab.close()
                plain.close()
        finally:
            chromium.close()
            for process in (lab, minimal):
                process.terminate()
                process.wait()


def opened(tab: Page, address: str) -> Page:
    tab.goto(address)
    tab.locator(".vega-embed svg").first.wait_for(timeout=60_000)
    tab.wait_for_timeout(1500)
    tab.evaluate(WATCH)
    return tab


def report(name: str, press: Callable[[Page, int], None], tab: Page, plain: Page) -> None:
    ours, theirs = [], []
    for i in range(PRESSES + WARM_UP):
        for page, push, times in ((tab, press, ours), (plain, press_slider, theirs)):
            page.bring_to_front()
            push(page, i)
            page.wait_for_function(SETTLED, polling=10)
            times.append(page.evaluate("window.lastChange - window.pressed"))
    tab.bring_to_front()
    drag = f"{statistics.median(tab.evaluate(DRAG)):7.0f}" if name in DRAGGED else ""
    ours, theirs = ours[WARM_UP:], theirs[WARM_UP:]
    (median, p95), (their_median, their_p95) = (
        (statistics.median(times), statistics.quantiles(times, n=20)[-1]) for times in (ours, theirs)
    )
    print(
        f"{name:12}{median:8.0f}{p95:8.0f}{their_median:9.0f}{their_p95:8.0f}"
        f"{median / their_median:8.2f}{p95 / their_p95:7.2f}{drag}"
    )


if __name__ == "__main__":
    main()
