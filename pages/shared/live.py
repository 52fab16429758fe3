"""Training runs that live in the session and are moved on a little at each tick of a fragment.

So the page stays usable while they run, and so do other visitors' pages: a tick works for a part of
the time between it and the next, in chunks with a rest after each, and of all visitors' runs one computes
at a time, however many there are. The more there are, the longer a tick, so that together they draw no
more often: drawing costs the server as much as computing. Their own clock counts what the processor worked
for them: it stands still while they are out of sight, and others who are busy cost them nothing of it.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from core.training import Progress
from pages.shared.words import Words

TICK = 0.25  # seconds between two ticks
WORK = 0.15  # of which so many are worked, rested, or waited for one's turn
CHUNK = 0.02  # worked at a stretch
REST = 0.005  # after it; as long as Python lets a thread keep the others waiting
MOST_SHARERS = 8  # that make a tick longer: who stops a run waits for its end
RECENT = 20  # updates over which accuracy is averaged
LEARNED = 0.99

_turn = threading.Lock()  # held by the run that computes, of all runs in the process
_at_work: set[int] = set()  # the threads in which a tick is under way


@dataclass
class Run:
    """A training run, under way or over, and what it has shown so far."""

    settings: Any
    progress: Iterator[Progress]
    bound: float  # seconds of the processor
    enough: int  # updates
    log10_gradient: float = 0.0  # what came back to the start before the first update, of 1
    spent: float = 0.0  # seconds of the processor
    accuracies: list[float] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)
    norms_before: list[float] = field(default_factory=list)
    norms_after: list[float] = field(default_factory=list)
    not_finite: str | None = None
    waits: bool = False  # whether others' runs took more than half of the time of the last tick
    ended: str | None = None  # "learned", "failed", "late" (time was up) or "stopped"

    @property
    def recent(self) -> float:
        """The share of right answers lately."""
        return float(np.mean(self.accuracies[-RECENT:])) if self.accuracies else 0.0

    @property
    def share(self) -> float:
        """How much of its bound the run has used."""
        return min(1.0, max(self.spent / self.bound, len(self.losses) / self.enough))

    @property
    def clipped(self) -> float:
        """The share of updates whose gradient was clipped."""
        pairs = zip(self.norms_before, self.norms_after, strict=True)
        return float(np.mean([before > after for before, after in pairs])) if self.norms_before else 0.0

    @property
    def last_loss(self) -> float:
        """The last loss that was a number."""
        return next((loss for loss in reversed(self.losses) if math.isfinite(loss)), 0.0)

    @property
    def mean_norm(self) -> float:
        """The mean norm of the gradient before clipping, of the updates at which it was a number."""
        norms = [norm for norm in self.norms_before if math.isfinite(norm)]
        return float(np.mean(norms)) if norms else 0.0

    def stop(self) -> None:
        """End it, unless it has ended by itself."""
        self.ended = self.ended or "stopped"

    def advance(self, seconds: float = WORK) -> None:
        """As many updates as fit into so many seconds, a chunk at a time.

        With others' runs under way it takes its turns with them, for as many times as long as there are.
        """
        start, waited = time.monotonic(), 0.0
        with _sharing():
            while self.ended is None and (left := start + seconds * _sharers() - time.monotonic()) > 0:
                asked = time.monotonic()
                with _turn_within(left) as mine:
                    waited += time.monotonic() - asked
                    if mine:
                        self._work(CHUNK)
                        time.sleep(REST)
        self.waits = waited > (time.monotonic() - start) / 2

    def _work(self, seconds: float) -> None:
        """As many updates as fit into so many seconds, without a pause, and one at least."""
        end, before = time.monotonic() + seconds, time.thread_time()
        while self.ended is None and time.monotonic() < end:
            update, now = next(self.progress), time.thread_time()
            self.spent, before = self.spent + now - before, now
            self.accuracies.append(update.accuracy)
            self.losses.append(update.loss)
            self.norms_before.append(update.norm_before)
            self.norms_after.append(update.norm_after)
            self.not_finite = update.not_finite
            if len(self.losses) >= RECENT and self.recent >= LEARNED:
                self.ended = "learned"
            elif len(self.losses) >= self.enough or not update.finite:
                self.ended = "failed"
            elif self.spent >= self.bound:
                self.ended = "late"


def told(words: Words, progress: str, runs: Iterable[Run]) -> str:
    """How far runs have come, and that they wait for others' where they do."""
    waiting = any(run.waits and run.ended is None for run in runs)
    return f"{progress} · {words('live.turns')}" if waiting else progress


def _sharers() -> int:
    return min(len(_at_work), MOST_SHARERS)


@contextmanager
def _sharing() -> Iterator[None]:
    """Count as one of those who are at work."""
    me = threading.get_ident()
    _at_work.add(me)
    try:
        yield
    finally:
        _at_work.discard(me)


@contextmanager
def _turn_within(seconds: float) -> Iterator[bool]:
    """Wait that long for one's turn to compute, and have it, or not."""
    mine = _turn.acquire(timeout=seconds)
    try:
        yield mine
    finally:
        if mine:
            _turn.release()
            time.sleep(0)  # or this thread would have it again before a waiting one is awake
