"""Whether the server's memory grows under long mixed use.

    python tests/benchmarks/soak.py --reruns 2000 --minutes 20

Some sessions at a time come, go from page to page, open sections, move any control that they find to any
value that it offers, now and then train for a while, and go; then others come. Each speaks Streamlit's own
protocol, on this machine alone. It prints the server's memory every 500 reruns, after the warm-up and at
the end, how much it grew, and the slope of the line of least squares through it, in MB per 1,000 reruns. The
warm-up fills what the app keeps of its results, and what Streamlit keeps of sessions: each for two minutes
after it has gone. A growth of 5 % or more, or a failed rerun, is a failure.
Linux only: it reads /proc.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

import numpy as np
from streamlit.proto.Element_pb2 import Element

from tests.benchmarks.load import rss
from tests.client import Failure, Session, session
from tests.conftest import ROOT, start_server

PAGES = ("", "explosion", "vanishing", "clipping", "gating")
AT_ONCE = 6  # sessions
VISITS = 4  # pages, of a session before it goes
CHANGES = 6  # of controls, on a page
TICKS = 8  # of a training that is watched
WARM_UP = 1500  # reruns before the memory counts
WARM_UP_SECONDS = 180  # and at least so long
SHOWN = 500  # reruns between two figures
LARGEST = 300  # that a box for a number is set to: 10,000 steps of a 256 × 256 matrix are another test
MOST_GROWTH = 0.05
MOST_RERUNS, MOST_MINUTES = 20_000, 120


@dataclass
class Soak:
    """A server, and what it has been through."""

    address: str
    process: int
    warm_up: int  # reruns
    reruns: int  # wanted, after the warm-up
    warm: float  # by time.monotonic(), when sessions are given up as fast as they come
    end: float  # by time.monotonic()
    first: int | None = None  # rerun after the warm-up
    memory: list[float] = field(default_factory=list)  # MB, after each rerun
    failures: list[str] = field(default_factory=list)

    @property
    def over(self) -> bool:
        """Whether there have been enough reruns, or time is up."""
        enough = self.first is not None and len(self.memory) >= self.first + self.reruns
        return enough or time.monotonic() > self.end

    async def readers(self, rng: np.random.Generator) -> None:
        """One session after another."""
        while not self.over:
            try:
                await self.reader(rng)
            except Failure as failure:
                self.failures.append(str(failure))

    async def reader(self, rng: np.random.Generator) -> None:
        """One session: some pages, and some changes on each."""
        async with session(self.address, PAGES[rng.integers(len(PAGES))], f"seed={rng.integers(10)}") as tab:
            self.note()
            for _ in range(VISITS):
                for _ in range(CHANGES):
                    if self.over:
                        return
                    await self.change(tab, rng)
                await tab.visit(str(rng.choice(PAGES)))
                self.note()

    async def change(self, tab: Session, rng: np.random.Generator) -> None:
        """Any control of the page to any value, or a look at a training."""
        widget = str(rng.choice(sorted(tab.widgets)))
        value = any_value(tab.widgets[widget], rng)
        if widget.endswith("-train"):
            await tab.press(widget)
            for _ in range(TICKS if tab.ticking else 0):
                await asyncio.sleep(next(iter(tab.ticking.values()), 0))
                if tab.ticking:
                    await tab.tick()
                    self.note()
        elif widget.endswith("strip"):
            await tab.trigger(widget, "pick", int(rng.integers(8)))
        elif "-radius-" in widget:
            await tab.set(widget, json_value={"radius": round(rng.uniform(0.5, 2), 2)})
        elif value is not None:
            await tab.set(widget, **value)
        else:
            return
        self.note()

    def note(self) -> None:
        """Count a rerun."""
        self.memory.append(rss(self.process))
        if self.first is None and len(self.memory) >= self.warm_up and time.monotonic() > self.warm:
            self.first = len(self.memory)


def any_value(element: Element, rng: np.random.Generator) -> dict[str, object] | None:
    """One of the values that a control offers, as a field of WidgetState; None for what isn't a control."""
    kind = element.WhichOneof("type")
    widget = getattr(element, kind)
    if kind == "slider":
        return {"double_array_value": [float(rng.integers(int(widget.min), int(widget.max) + 1))]}
    if kind == "number_input":
        largest = min(widget.max, max(LARGEST, widget.min))
        value = rng.uniform(widget.min, largest)
        return {"double_value": float(round(value)) if float(widget.step).is_integer() else round(value, 3)}
    if kind == "selectbox":
        return {"string_value": str(rng.choice(list(widget.options)))}
    if kind == "button_group":
        return {"string_array_value": [str(rng.choice([option.content for option in widget.options]))]}
    return None


async def soak(state: Soak) -> None:
    """Readers come and go until it is over."""
    await asyncio.gather(*(state.readers(np.random.default_rng(i)) for i in range(AT_ONCE)))


def told(state: Soak) -> tuple[str, bool]:
    """What it came to after the warm-up, and whether that is well."""
    memory, first = np.array(state.memory), state.first
    if first is None or len(memory) < first + 100:
        return f"only {len(memory):,} reruns in time, {len(state.failures)} failures", False
    counted = np.arange(first, len(memory))
    slope, start = np.polyfit(counted, memory[first:], 1)
    warm, last = (float(np.median(part)) for part in (memory[first : first + 50], memory[-50:]))
    growth = last / warm - 1
    text = (
        f"{' '.join(f'{now:.0f}' for now in memory[::SHOWN])} MB\n"
        f"{len(memory):,} reruns, {len(state.failures)} failures. {warm:.0f} MB after {first:,} of them, "
        f"{last:.0f} MB at the end: {100 * growth:+.1f} %, {1000 * slope:+.1f} MB per 1,000 reruns "
        f"(on the line: {start + slope * first:.0f} to {start + slope * len(memory):.0f} MB)"
    )
    return text, growth < MOST_GROWTH and not state.failures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--reruns", type=int, default=2000, help="counted after the warm-up")
    parser.add_argument("--warm-up", type=int, default=WARM_UP)
    parser.add_argument("--minutes", type=float, default=20, help="at most")
    chosen = parser.parse_args()
    if not (100 <= chosen.reruns <= MOST_RERUNS and 0 <= chosen.warm_up <= MOST_RERUNS):
        parser.error(f"at least 100 and at most {MOST_RERUNS:,} reruns")
    if not 0 < chosen.minutes <= MOST_MINUTES:
        parser.error(f"at most {MOST_MINUTES} minutes")
    process, address = start_server(ROOT / "dashboard.py", ROOT)
    try:
        start = time.monotonic()
        warm, end = start + WARM_UP_SECONDS, start + 60 * chosen.minutes
        state = Soak(address, process.pid, chosen.warm_up, chosen.reruns, warm, end)
        asyncio.run(soak(state))
        text, well = told(state)
    finally:
        process.terminate()
        process.wait()
    print("\n".join([*state.failures, text]))
    sys.exit(0 if well else 1)


if __name__ == "__main__":
    main()
