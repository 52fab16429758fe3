"""Live trainings: they take turns, and say so."""

from __future__ import annotations

import itertools
import math
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from types import SimpleNamespace

from pages.shared.live import Run, told
from pages.shared.words import Words


def run_of(updates: Iterator[SimpleNamespace]) -> Run:
    return Run(None, updates, bound=math.inf, enough=1000)


def an_update() -> SimpleNamespace:
    return SimpleNamespace(
        accuracy=0.0, loss=1.0, norm_before=1.0, norm_after=1.0, not_finite=None, finite=True
    )


def test_live_trainings_of_several_readers_never_compute_at_once() -> None:
    computing: list[int] = []
    most: list[int] = []

    def updates(reader: int) -> Iterator[SimpleNamespace]:
        for _ in itertools.count():
            computing.append(reader)
            most.append(len(computing))
            time.sleep(0.002)  # which would let another in
            computing.remove(reader)
            yield an_update()

    runs = [run_of(updates(reader)) for reader in range(3)]
    with ThreadPoolExecutor(len(runs)) as readers:
        list(readers.map(lambda run: run.advance(1.0), runs))
    assert min(len(run.losses) for run in runs) > 1  # each had its turns
    assert set(most) == {1}


@contextmanager
def another_at_work() -> Iterator[Run]:
    """A run of another reader's that has its turn, and keeps it until the end."""
    begun, over = threading.Event(), threading.Event()

    def slow() -> Iterator[SimpleNamespace]:
        begun.set()
        over.wait(60)
        yield an_update()

    busy = run_of(slow())
    with ThreadPoolExecutor(1) as reader:
        done = reader.submit(busy.advance, 0.01)
        begun.wait(60)
        try:
            yield busy
        finally:
            over.set()
        done.result()


def test_a_live_training_that_gets_no_turn_says_that_it_waits() -> None:
    patient, words = run_of(iter(())), Words("en", "vanishing")
    with another_at_work() as busy:
        patient.advance(0.05)
    assert (len(busy.losses), len(patient.losses)) == (1, 0)
    assert (busy.waits, patient.waits) == (False, True)
    assert told(words, "Update 7", [busy]) == "Update 7"
    assert told(words, "Update 7", [patient]) == f"Update 7 · {words('live.turns')}"


def test_a_tick_is_as_many_times_as_long_as_there_are_trainings() -> None:
    with another_at_work():
        start = time.monotonic()
        run_of(iter(())).advance(0.1)
        assert time.monotonic() - start >= 0.2
