"""What the tests of `deploy/` share: its files, the app as the container has it, and its replicas."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from playwright.sync_api import Page

from tests.conftest import ROOT, START_LIMIT, free_port, settle, start_server

DEPLOY = ROOT / "deploy"
NAMES = ("replica-1", "replica-2")  # as the cookie says it
RENDERS = {"STREAMLIT_SERVER_SCRIPT_HEALTH_CHECK_ENABLED": "true"}  # as the container has it


@dataclass
class Lab:
    """Replicas behind HAProxy; a killed one can be started again in its place."""

    haproxy: str
    log: Path  # of HAProxy
    ports: dict[str, int] = field(default_factory=lambda: {name: free_port() for name in NAMES})
    address: str = field(default_factory=lambda: f"http://127.0.0.1:{free_port()}")
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def start(self) -> None:
        """Start what doesn't run; wait until HAProxy gives readers to both."""
        down = [
            name for name in NAMES if name not in self.processes or self.processes[name].poll() is not None
        ]
        with ThreadPoolExecutor() as pool:
            self.processes |= dict(zip(down, pool.map(self._start_replica, down), strict=True))
        if "proxy" not in self.processes:
            self._start_proxy()
        for _ in range(START_LIMIT * 10):
            if {self.given() for _ in range(4)} == set(NAMES):
                return
            time.sleep(0.1)
        raise RuntimeError(f"HAProxy gave readers no two replicas in {START_LIMIT} seconds")

    def _start_replica(self, name: str) -> subprocess.Popen[bytes]:
        process, address = start_server(
            ROOT / "dashboard.py", ROOT, port=self.ports[name], environment=RENDERS
        )
        assert answer(f"{address}/_stcore/script-health-check")[0] == 200
        return process

    def _start_proxy(self) -> None:
        replicas = {f"LAB_REPLICA_{name[-1]}": f"127.0.0.1:{port}" for name, port in self.ports.items()}
        with self.log.open("wb") as log:
            self.processes["proxy"] = subprocess.Popen(
                [self.haproxy, "-db", "-f", str(DEPLOY / "haproxy.cfg")],
                env=os.environ | replicas | {"LAB_BIND": self.address.removeprefix("http://")},
                stdout=log,
                stderr=log,
            )

    def given(self) -> str:
        """The replica that a new reader is given; nothing while there is none."""
        try:
            with urllib.request.urlopen(f"{self.address}/_stcore/health", timeout=5) as answer:
                return next(name for name in NAMES if f"replica={name};" in str(answer.headers))
        except OSError:
            return ""

    def end(self, name: str) -> None:
        """Kill a process, also one that hangs."""
        self.processes[name].kill()
        self.processes[name].wait()


def answer(address: str) -> tuple[int, str, str]:
    """Status, headers and text."""
    try:
        with urllib.request.urlopen(address, timeout=30) as found:
            return found.status, str(found.headers), found.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, str(error.headers), error.read().decode()


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
