"""How many readers one server bears, against a minimal Streamlit app of the same configuration.

    python tests/benchmarks/load.py --page clipping --sessions 30 100 200 --seconds 30
    python tests/benchmarks/load.py --page explosion --sessions 10 --runs 0 1 4 10
    python tests/benchmarks/load.py --page clipping --sessions 200 --behind-haproxy

Opens so many sessions on a page of the lab, and as many on the minimal app (one slider, one chart of
4 lines × 200 points), each over Streamlit's own protocol on this machine alone. Every session moves its
control every two seconds, spread evenly, to values that no other session has; the two apps take turns.
With `--runs`, as many other sessions keep a live training going on the lab meanwhile. With
`--behind-haproxy`, the lab is two servers behind HAProxy, as in deploy/. Without `--page`, each page has its
turn.

It prints, in milliseconds, the median and the 95th percentile from the change to the finished rerun, and
their ratios to the minimal app's; the changes that failed (an exception, a connection lost, no end, no
picture); the processor's time that the server took, as a share of one core and for each rerun, and the
client's share; the bytes of a rerun; and the server's memory with one session and with all. Linux only:
it reads /proc.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import itertools
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

import numpy as np

from pages.shared.radius_slider import RADII
from tests.benchmarks.minimal import start_minimal
from tests.client import Failure, Rerun, Session, session
from tests.conftest import ROOT, start_server
from tests.deployed import Lab

EVERY = 2.0  # seconds between two changes of a session
TURNS = 3  # of each app
AT_ONCE = 4  # sessions that are being opened
MOST_SESSIONS, MOST_SECONDS, MOST_RUNS = 500, 600, 20
TRAININGS_AT = (("vanishing", "tab=learn"), ("clipping", "tab=training"))

READINGS = list(
    itertools.product(
        ("book", "sour", "negation", "contrast", "long", "hotel"), ("lstm", "gru"), ("economy", "plain")
    )
)

Change = Callable[[Session, np.random.Generator], Awaitable[Rerun]]


async def move_radius(tab: Session, rng: np.random.Generator) -> Rerun:
    return await tab.set(f"{tab.page}-radius-made", json_value={"radius": float(rng.choice(RADII))})


async def move_start(tab: Session, rng: np.random.Generator) -> Rerun:
    return await tab.set("clipping-w", double_value=round(rng.uniform(2, 7), 4))


async def pick_word(tab: Session, rng: np.random.Generator) -> Rerun:
    return await tab.trigger("strip", "pick", int(rng.integers(5)))


async def move_slider(tab: Session, rng: np.random.Generator) -> Rerun:
    return await tab.set("a", double_array_value=[float(rng.integers(1000))])


def reading(i: int) -> str:
    """A text, and who reads it, for the i-th session."""
    text, network, trained = READINGS[i % len(READINGS)]
    return f"review={text}&network={network}&trained={trained}"


PAGES: dict[str, tuple[Callable[[int], str], Change]] = {
    "explosion": (lambda i: f"seed={i}", move_radius),
    "vanishing": (lambda i: f"seed={i}", move_radius),
    "clipping": (lambda _: "", move_start),
    "gating": (reading, pick_word),
    "": (lambda _: "", move_slider),
}


@dataclass
class App:
    """A server under load, and what came of it."""

    address: str
    processes: tuple[int, ...]
    page: str
    link: str = ""  # the query that every session opens with
    tabs: list[Session] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    bytes: int = 0
    failures: int = 0
    cpu: float = 0.0  # seconds
    wall: float = 0.0
    rss_of_one: float = 0.0  # MB

    async def open(self, count: int, stack: contextlib.AsyncExitStack) -> None:
        """Open the sessions, a few at a time."""
        query, _ = PAGES[self.page]
        gate = asyncio.Semaphore(AT_ONCE)

        async def one(i: int) -> Session:
            async with gate:
                linked = "&".join(filter(None, (query(i), self.link)))
                return await stack.enter_async_context(session(self.address, self.page, linked))

        self.tabs = [await one(0)]
        self.rss_of_one = self.rss()
        self.tabs += await asyncio.gather(*(one(i) for i in range(1, count)))

    async def stretch(self, seconds: float, rngs: list[np.random.Generator]) -> None:
        """Let every session move its control for so long."""
        cpu, start = self.cpu_so_far(), time.perf_counter()
        offsets = np.arange(len(self.tabs)) / len(self.tabs) * EVERY
        await asyncio.gather(
            *(
                self._keep_moving(tab, rng, start + offset, start + seconds)
                for tab, rng, offset in zip(self.tabs, rngs, offsets, strict=True)
            )
        )
        self.cpu += self.cpu_so_far() - cpu
        self.wall += time.perf_counter() - start

    def rss(self) -> float:
        """The memory that it holds, in MB."""
        return sum(map(rss, self.processes))

    def cpu_so_far(self) -> float:
        """The processor's time that it has taken, in seconds."""
        return sum(map(cpu_of, self.processes))

    async def _keep_moving(self, tab: Session, rng: np.random.Generator, due: float, end: float) -> None:
        """One change after another; the next waits for the last one's picture, as its reader does."""
        _, change = PAGES[self.page]
        while due < end:
            await asyncio.sleep(due - time.perf_counter())
            try:
                done = await change(tab, rng)
            except Failure as failure:
                print(failure, file=sys.stderr)
                self.failures += 1
                return
            now = time.perf_counter()
            self.seconds.append(now - due)
            self.bytes += done.bytes
            self.failures += not done.drew
            due = max(due + EVERY, now)


def cpu_of(process: int) -> float:
    """The processor's time that a process has taken, in seconds."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def rss(process: int) -> float:
    """The memory that a process holds, in MB."""
    return int(Path(f"/proc/{process}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


async def train(address: str, which: int, begun: asyncio.Barrier, stop: asyncio.Event) -> int:
    """Keep a live training going, and begin it anew where it ends; how often it was drawn.

    The first waits for the others to have been opened, too.
    """
    page, query = TRAININGS_AT[which % len(TRAININGS_AT)]
    ticks = 0
    async with session(address, page, f"{query}&seed={which}") as tab:
        await begun.wait()
        while not stop.is_set():
            await tab.press(f"{page}-train")
            while tab.ticking and not stop.is_set():
                start = time.perf_counter()
                await tab.tick()
                ticks += 1
                left = next(iter(tab.ticking.values()), 0.0) - (time.perf_counter() - start)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(stop.wait(), max(left, 0.0))
    return ticks


async def load(lab: App, minimal: App, count: int, seconds: float, runs: int) -> str:
    """Both apps under the load of so many sessions, in turns, and the row that tells of it."""
    stop = asyncio.Event()
    rngs = [np.random.default_rng(i) for i in range(count)]
    async with contextlib.AsyncExitStack() as stack:
        for app in (lab, minimal):
            await app.open(count, stack)
        begun = asyncio.Barrier(runs + 1)
        trainings = [asyncio.create_task(train(lab.address, i, begun, stop)) for i in range(runs)]
        await begun.wait()
        cpu, start = time.process_time(), time.perf_counter()
        for _ in range(TURNS):
            for app in (lab, minimal):
                await app.stretch(seconds / TURNS, rngs)
        client = (time.process_time() - cpu) / (time.perf_counter() - start)
        row = told(lab, minimal, runs, client)
        stop.set()
        ticks = await asyncio.gather(*trainings)
    drawn = f"  {sum(ticks)} drawings of {runs} trainings" if runs else ""
    return row + drawn


def told(lab: App, minimal: App, runs: int, client: float) -> str:
    """A row of the table."""
    (p50, p95), (their_p50, their_p95) = (
        1000 * np.quantile(app.seconds, (0.5, 0.95)) for app in (lab, minimal)
    )
    memory = lab.rss()
    each = (memory - lab.rss_of_one) / max(len(lab.tabs) - 1, 1)
    reruns = len(lab.seconds)
    name = f"{lab.page}?{lab.link}" if lab.link else lab.page
    return (
        f"{name:24}{len(lab.tabs):5}{runs:5}{p50:8.0f}{p95:8.0f}{their_p50:9.0f}{their_p95:8.0f}"
        f"{p50 / their_p50:7.2f}{p95 / their_p95:7.2f}{reruns:8}{lab.failures:6}"
        f"{100 * lab.cpu / lab.wall:6.0f}%{1000 * lab.cpu / reruns:8.1f}"
        f"{1000 * minimal.cpu / len(minimal.seconds):9.1f}{100 * client:7.0f}%"
        f"{lab.bytes / reruns / 1000:7.0f}{lab.rss_of_one:8.0f}{memory:7.0f}{each:7.2f}"
    )


HEAD = (
    f"{'page':24}{'n':>5}{'runs':>5}{'p50':>8}{'p95':>8}{'minimal':>9}{'p95':>8}{'ratio':>7}{'p95':>7}"
    f"{'reruns':>8}{'fail':>6}{'CPU':>7}{'ms each':>8}{'minimal':>9}{'client':>8}"
    f"{'kB':>7}{'MB of 1':>8}{'of n':>7}{'each':>7}"
)


@contextlib.contextmanager
def serving(behind_haproxy: bool) -> Iterator[tuple[str, tuple[int, ...]]]:
    """The lab's address, and the processes that are it: one server, or two and the proxy before them."""
    if behind_haproxy:
        replicas = Lab(shutil.which("haproxy") or "/usr/sbin/haproxy", Path(os.devnull))
        replicas.start()
        try:
            yield replicas.address, tuple(process.pid for process in replicas.processes.values())
        finally:
            for name in replicas.processes:
                replicas.end(name)
    else:
        process, address = start_server(ROOT / "dashboard.py", ROOT)
        try:
            yield address, (process.pid,)
        finally:
            end(process)


@contextlib.contextmanager
def serving_minimal() -> Iterator[tuple[str, tuple[int, ...]]]:
    """The same of the minimal app, one server."""
    with tempfile.TemporaryDirectory() as folder:
        process, address = start_minimal(Path(folder))
        try:
            yield address, (process.pid,)
        finally:
            end(process)


def end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    process.wait()


def main() -> None:
    chosen = arguments()
    print(HEAD)
    for link, count, runs in itertools.product(chosen.page, chosen.sessions, chosen.runs):
        page, _, query = link.partition("?")
        with serving(chosen.behind_haproxy) as lab, serving_minimal() as minimal:
            apps = App(*lab, page, query), App(*minimal, "")
            print(asyncio.run(load(*apps, count, chosen.seconds, runs)), flush=True)


def arguments() -> argparse.Namespace:
    """What was asked for, within bounds."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    pages = [page for page in PAGES if page]
    parser.add_argument("--page", nargs="+", default=pages, help="with ?tab=… for one of its sections")
    parser.add_argument("--sessions", nargs="+", type=int, default=[30])
    parser.add_argument("--seconds", type=float, default=30, help="of load on each app")
    parser.add_argument("--runs", nargs="+", type=int, default=[0], help="live trainings under way meanwhile")
    parser.add_argument("--behind-haproxy", action="store_true", help="two servers, as in deploy/")
    chosen = parser.parse_args()
    if not all(link.partition("?")[0] in pages for link in chosen.page):
        parser.error(f"--page must be of {', '.join(pages)}")
    if not all(1 <= count <= MOST_SESSIONS for count in chosen.sessions):
        parser.error(f"--sessions must be from 1 to {MOST_SESSIONS}")
    if not TURNS * EVERY <= chosen.seconds <= MOST_SECONDS:
        parser.error(f"--seconds must be from {TURNS * EVERY:g} to {MOST_SECONDS}")
    if not all(0 <= runs <= MOST_RUNS for runs in chosen.runs):
        parser.error(f"--runs must be from 0 to {MOST_RUNS}")
    return chosen


if __name__ == "__main__":
    main()
