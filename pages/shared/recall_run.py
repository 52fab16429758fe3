"""A live experiment: a cell learns, or doesn't, to recall the first symbol after a delay."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import streamlit as st

from core import bptt
from core.optimizers import Adam
from core.tasks import Recall
from core.training import Model, train
from pages.shared import charts, controls, frames, gated_lab, live
from pages.shared.frame import Page
from pages.shared.live import TICK, Run
from pages.shared.numbers import from_log10, plain
from pages.shared.words import Words

UNITS = 32
BATCH = 32
RATE = 1e-3
MAX_NORM = 1.0
BOUND = 5.0  # seconds of the processor
ENOUGH = 2000  # updates
MOST_RUNS = 12  # kept to be compared


class Settings(NamedTuple):
    """What is trained."""

    cell: str
    delay: int
    start: gated_lab.Start
    seed: int


def begin(settings: Settings) -> Run:
    """A run that hasn't made its first update."""
    task = Recall(settings.delay)
    rng = np.random.default_rng(settings.seed)
    cell = gated_lab.make_cell(settings.cell, task.inputs, UNITS, settings.start, rng=rng, dtype="float32")
    model = Model.create(cell, task.outputs, rng=rng)
    trace = bptt.unroll(cell, task.draw(1, rng=rng, dtype="float32").x)
    d_last = np.full((1, UNITS), UNITS**-0.5, dtype=np.float32)
    back = bptt.log10_hidden_gradient_norms(cell, trace, d_last)
    progress = train(model, task, rng=rng, optimizer=Adam(RATE), size=BATCH, max_norm=MAX_NORM)
    return Run(settings, progress, BOUND, ENOUGH, float(back[1, 0]))


def section(page: Page, seed: int) -> None:
    """The controls of the experiment, and the runs made with the same delay and start."""
    words = page.words
    runs: dict[Settings, Run] = st.session_state.setdefault(f"{page.name}-runs", {})
    with st.container(horizontal=True, vertical_alignment="bottom"):
        cell = controls.choice(page, "learner", gated_lab.CELLS, "rnn")
        delay = controls.slider(page, "delay", 5, 100, 40)
        kind = controls.choice(page, "open", ("chrono", "uniform"), "chrono")
        settings = Settings(cell, delay, gated_lab.Start(kind, 1.0, 1.0, 2 * delay), seed)
        for other, run in runs.items():
            if other != settings:
                run.stop()
        running = settings in runs and runs[settings].ended is None
        label = words("learn.stop" if running else "learn.start")
        st.button(label, key=f"{page.name}-train", on_click=_toggle, args=(runs, settings))
    symbols = Recall(delay).symbols
    st.markdown(words("learn.text", delay=delay, symbols=symbols, guess=plain(100 / symbols)))
    alike = {key.cell: run for key, run in runs.items() if key[1:] == settings[1:]}
    draw = st.fragment(_draw, run_every=TICK) if running else _draw  # or the browser goes on asking
    draw(page, alike, runs.get(settings))


def _toggle(runs: dict[Settings, Run], settings: Settings) -> None:
    """Stop the run of these settings if it is under way; begin a new one if not."""
    if settings in runs and runs[settings].ended is None:
        runs[settings].stop()
    else:
        runs[settings] = begin(settings)
        for old in list(runs)[:-MOST_RUNS]:
            del runs[old]


def _draw(page: Page, runs: dict[str, Run], current: Run | None) -> None:
    """Move the current run on, and draw it with those that can be compared with it."""
    words = page.words
    if current is not None and current.ended is None:
        current.advance()
        if current.ended is not None:
            st.rerun()
    if current is not None:
        values = {
            "updates": f"{len(current.losses):,}",
            "right": plain(100 * current.recent),
            "seconds": plain(current.bound),
            "left": from_log10(current.log10_gradient),
            "delay": current.settings.delay,
            "cell": words(f"cell.{current.settings.cell}"),
        }
        progress = live.told(words, words("learn.progress", **values), [current])
        st.progress(current.share if current.ended is None else 1.0, progress)
        st.markdown(words(f"learn.{current.ended or 'running'}", **values))
    guess = 1 / Recall(1).symbols
    right, lost = st.columns(2)
    with right:
        frame = frames.learning(words, {name: run.accuracies for name, run in runs.items()}, guess)
        alt_text, now = words("learn.alt_accuracy"), _now(words, "accuracy", plain(100 * guess), runs)
        charts.show(charts.accuracy, frame, words, key="accuracy", alt_text=alt_text, now=now)
    with lost:
        frame = frames.learning(words, {name: run.losses for name, run in runs.items()}, -math.log(guess))
        alt_text, now = words("learn.alt_loss"), _now(words, "loss", plain(-math.log(guess)), runs)
        charts.show(charts.losses, frame, words, key="losses", alt_text=alt_text, now=now)


def _now(words: Words, what: str, guess: str, runs: dict[str, Run]) -> str:
    """Where the lines of a picture end, in sentences; `what` it draws is "accuracy" or "loss"."""
    lines = [
        words(
            f"learn.now_{what}",
            cell=words(f"cell.{name}"),
            right=plain(100 * run.recent),
            loss=plain(run.last_loss),
            updates=f"{len(run.losses):,}",
        )
        for name, run in runs.items()
    ]
    return "\n".join([*lines, words(f"learn.guess_{what}", guess=guess)])
