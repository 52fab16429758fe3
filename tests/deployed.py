"""What the tests of `deploy/` share: its files, and the app as the container has it."""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Page

from tests.conftest import ROOT, settle

DEPLOY = ROOT / "deploy"
RENDERS = {"STREAMLIT_SERVER_SCRIPT_HEALTH_CHECK_ENABLED": "true"}  # as the container has it


def instructions() -> list[list[str]]:
    """The Containerfile's lines as words, the instruction first."""
    text = (DEPLOY / "Containerfile").read_text(encoding="utf-8").replace("\\\n", " ")
    return [shlex.split(line) for line in text.splitlines() if line and not line.startswith("#")]


def copied() -> list[tuple[str, str]]:
    """What the container copies, from where and to where."""
    return [(source, target) for name, *rest in instructions() if name == "COPY" for source, target in [rest]]


def lay_out(folder: Path) -> Path:
    """Copy into `folder` what the container has of the repository, and nothing else."""
    for source, target in copied():
        path = folder / target
        if (ROOT / source).is_dir():
            shutil.copytree(ROOT / source, path, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / source, path / Path(source).name)
    return folder


def lose(page: Page, take: Callable[[], None], limit: int) -> None:
    """Take the page's server from it, and wait until another one has drawn the page."""
    received: list[object] = []
    page.on("websocket", lambda socket: socket.on("framereceived", lambda frame: received.append(frame)))
    take()
    for _ in range(limit // 50):
        if received:
            break
        page.wait_for_timeout(50)
    assert received
    settle(page)


def move_the_radius_and_back(page: Page) -> None:
    """From 0.95 to the next radius and back, each with the server's answer."""
    slider = page.get_by_role("slider", name="Spectral radius")
    for key, radius in (("ArrowLeft", "0.94"), ("ArrowRight", "0.95")):
        slider.press(key)
        page.wait_for_url(f"**rho={radius}**")
        settle(page)


def pick_a_word_and_the_one_before(page: Page) -> None:
    """From the third word to another and back, each with the server's answer."""
    strip = page.get_by_role("group", name="The review, word by word").locator(".word")
    for k in (6, 3):
        strip.nth(k - 1).click()
        page.wait_for_url(f"**word={k}**")
        settle(page)
