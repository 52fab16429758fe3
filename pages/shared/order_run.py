"""A live experiment: one RNN learns the temporal order of two symbols, clipped and not, from one start."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import streamlit as st

from core.cells import RNN
from core.optimizers import SGD
from core.tasks import TemporalOrder
from core.training import Model, train
from pages.shared import charts, controls, frames, live
from pages.shared.frame import Page
from pages.shared.live import TICK, WORK, Run
from pages.shared.numbers import plain
from pages.shared.words import Words

BATCH = 20
RADIUS = 0.95
GUESS = 1 / TemporalOrder.outputs
BOUND = 2.5  # seconds of the processor, for each of the two: about 15 by the clock, with all the drawing
ENOUGH = 3000  # updates
HEURISTIC = (0.5, 10.0)  # times the average norm: where Pascanu et al. look for a threshold


class Settings(NamedTuple):
    """What is trained."""

    length: int
    units: int
    rate: float
    threshold: float
    activation: str
    seed: int


Pair = dict[str, Run]


def begin(settings: Settings) -> Pair:
    """Two runs from the same parameters on the same batches, the first clipped, the other not."""
    task = TemporalOrder(settings.length)
    pair = {}
    for name, max_norm in (("clipped", settings.threshold), ("free", None)):
        rng = np.random.default_rng(settings.seed)
        cell = RNN.create(
            *(task.inputs, settings.units),
            rng=rng,
            activation=settings.activation,
            recurrence="gaussian",
            radius=RADIUS,
            dtype="float32",
        )
        model = Model.create(cell, task.outputs, rng=rng)
        optimizer = SGD(settings.rate)
        progress = train(model, task, rng=rng, optimizer=optimizer, size=BATCH, max_norm=max_norm)
        pair[name] = Run(settings, progress, BOUND, ENOUGH)
    return pair


def section(page: Page) -> None:
    """The controls of the experiment, and its two runs."""
    words = page.words
    key = f"{page.name}-pair"
    with st.container(horizontal=True, vertical_alignment="bottom"):
        length = controls.number(page, "span", 10, 100, 20, step=5)
        units = controls.number(page, "units", 1, 128, 50, step=10)
        rate = float(controls.choice(page, "rate", ["0.01", "0.03", "0.1", "0.3", "1"], "0.1", name=str))
        cut = float(controls.choice(page, "cut", ["0.1", "0.3", "1", "3", "10"], "1", name=str))
        activation = controls.choice(page, "activation", ["tanh", "identity"], "tanh")
        seed = controls.number(page, "seed", 0, 9999, 1)
        settings = Settings(length, units, rate, cut, activation, seed)
        pair: Pair | None = st.session_state.get(key)
        if pair is not None and pair["free"].settings != settings:
            for run in pair.values():
                run.stop()
        running = pair is not None and any(run.ended is None for run in pair.values())
        label = words("training.stop" if running else "training.start")
        st.button(label, key=f"{page.name}-train", on_click=_toggle, args=(key, pair, settings))
    st.markdown(words("training.text", length=length, batch=BATCH, guess=plain(100 * GUESS)))
    if pair is not None:
        made = pair["free"].settings
        if made != settings:
            told = made._asdict() | {"activation": words(f"activation.{made.activation}")}
            st.markdown(words("training.others", **told))
        draw = st.fragment(_draw, run_every=TICK) if running else _draw  # or the browser goes on asking
        draw(page, pair)


def _toggle(key: str, pair: Pair | None, settings: Settings) -> None:
    """Stop the runs if one is under way; begin new ones if not."""
    if pair is not None and any(run.ended is None for run in pair.values()):
        for run in pair.values():
            run.stop()
    else:
        st.session_state[key] = begin(settings)


def _draw(page: Page, pair: Pair) -> None:
    """Move both runs on, and draw them."""
    words = page.words
    under_way = [run for run in pair.values() if run.ended is None]
    if under_way:
        for run in under_way:
            run.advance(WORK / len(under_way))
        if all(run.ended is not None for run in pair.values()):
            st.rerun()
    going = [run for run in pair.values() if run.ended is None]
    values = {name: f"{len(run.losses):,}" for name, run in pair.items()}
    progress = live.told(words, words("training.progress", **values), going)
    st.progress(max((run.share for run in going), default=1.0), progress)
    said = [_said(words, name, run) for name, run in pair.items()]
    heuristic = _heuristic(words, pair["clipped"])
    for sentence in [*said, heuristic]:
        st.markdown(sentence)
    accuracies = {name: run.accuracies for name, run in pair.items()}
    losses = {name: [loss for loss in run.losses if math.isfinite(loss)] for name, run in pair.items()}
    pictures = {
        "norms": (charts.order_norms, frames.order_norms(words, pair, HEURISTIC)),
        "accuracy": (charts.order_accuracy, frames.learning(words, accuracies, GUESS, "cut")),
        "loss": (charts.order_losses, frames.learning(words, losses, -math.log(GUESS), "cut")),
    }
    now = {
        "norms": "\n".join([*said, heuristic]),
        "accuracy": "\n".join(said),
        "loss": words("training.now_loss", **{name: plain(run.last_loss) for name, run in pair.items()}),
    }
    for column, (name, (draw, frame)) in zip([st.container(), *st.columns(2)], pictures.items(), strict=True):
        with column:
            alt_text = words(f"training.alt_{name}")
            charts.show(draw, frame, words, key=f"order-{name}", alt_text=alt_text, now=now[name])


def _said(words: Words, name: str, run: Run) -> str:
    """What has become of a run, in a sentence or two."""
    norms = [norm for norm in run.norms_before if math.isfinite(norm)]
    values = {
        "updates": f"{len(run.losses):,}",
        "seconds": plain(run.bound),
        "right": plain(100 * run.recent),
        "loss": plain(run.last_loss),
        "largest": plain(max(norms, default=0.0)),
        "share": plain(100 * run.clipped),
        "step": plain(run.settings.rate * max(norms, default=0.0)),
        "allowed": plain(run.settings.rate * run.settings.threshold),
        "mean": plain(run.mean_norm),
    }
    if run.not_finite is not None:
        return words(
            f"training.{name}.dead", operation=words(f"training.operation.{run.not_finite}"), **values
        )
    return words(f"training.{name}.{run.ended or 'running'}", **values)


def _heuristic(words: Words, run: Run) -> str:
    """Where the paper looks for a threshold, beside the run's own."""
    least, most = HEURISTIC
    return words(
        "training.heuristic",
        least=f"{least:g}",
        most=f"{most:g}",
        low=plain(least * run.mean_norm),
        high=plain(most * run.mean_norm),
        threshold=plain(run.settings.threshold),
    )
