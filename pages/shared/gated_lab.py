"""RNN, LSTM and GRU side by side: the controls that choose them, and their gradients' paths."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import streamlit as st

from core import bptt
from core.arrays import Array
from core.cells import GRU, LSTM, RNN, Cell
from pages.shared import compute, controls
from pages.shared.frame import Page

CELLS = ("rnn", "lstm", "gru")
STARTS = ("uniform", "orthogonal", "identity", "scaled", "chrono")
INPUTS = 8
LONGEST = 500
MOST_UNITS = 128


class Start(NamedTuple):
    """How the parameters of a cell are drawn."""

    kind: str  # one of STARTS
    bias: float  # of the forget gates (LSTM) or update gates (GRU); chrono draws its own
    radius: float  # for "scaled": the spectral radius of each recurrent block
    longest: int  # for "chrono": the longest dependency


def choose(page: Page, radius: float) -> tuple[tuple[str, ...], int, int, Start]:
    """Draw the controls; the cells to show, their hidden size, the length, and how they start."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        shown = controls.choice(page, "cell", ["all", *CELLS], "all")
        length = controls.number(page, "span", 2, LONGEST, 200, step=50)
        units = controls.number(page, "units", 1, MOST_UNITS, 32, step=8)
        kind = controls.choice(page, "start", STARTS, "uniform")
        bias = controls.number(page, "bias", -5, 10, 1)
    cells = CELLS if shown == "all" else (shown,)
    return cells, units, length, Start(kind, float(bias), radius if kind == "scaled" else 1.0, length)


def make_cell(
    name: str, inputs: int, units: int, start: Start, *, rng: np.random.Generator, dtype: str = "float64"
) -> Cell:
    """One of CELLS, as the core draws it."""
    recurrence = {"scaled": "gaussian", "chrono": "uniform"}.get(start.kind, start.kind)
    radius = start.radius if start.kind == "scaled" else None
    bias, longest = (None, start.longest) if start.kind == "chrono" else (start.bias, None)
    if name == "rnn":
        return RNN.create(inputs, units, rng=rng, recurrence=recurrence, radius=radius, dtype=dtype)
    if name == "lstm":
        lstm = functools.partial(LSTM.create, forget_bias=bias, longest=longest)
        return lstm(inputs, units, rng=rng, recurrence=recurrence, radius=radius, dtype=dtype)
    gru = functools.partial(GRU.create, update_bias=bias, longest=longest)
    return gru(inputs, units, rng=rng, recurrence=recurrence, radius=radius, dtype=dtype)


def paths(cells: Sequence[str], units: int, length: int, start: Start, seed: int) -> dict[str, Array]:
    """Those of `path` for several of CELLS, by their names; an RNN has no gate for the bias to set."""
    found: dict[str, Array] = {}
    for name in cells:
        found |= path(name, units, length, start._replace(bias=0.0) if name == "rnn" else start, seed)
    return found


@st.cache_data(max_entries=compute.ENTRIES, show_spinner=False)
def path(name: str, units: int, length: int, start: Start, seed: int) -> dict[str, Array]:
    """log10 ‖∂L/∂h‖ by steps back, (length + 1,), for one of CELLS; for an LSTM also "memory", its path ∏ f.

    Every cell meets the same random inputs, N(0, 1), and the same ∂L/∂h_T, of norm 1.
    """
    rng = np.random.default_rng(seed)
    x, d_last = rng.standard_normal((length, 1, INPUTS)), rng.standard_normal((1, units))
    d_last /= np.linalg.norm(d_last)
    cell = make_cell(name, INPUTS, units, start, rng=np.random.default_rng(seed))
    trace = bptt.unroll(cell, x)
    paths = {name: bptt.log10_hidden_gradient_norms(cell, trace, d_last)[::-1, 0]}
    if isinstance(cell, LSTM):
        paths["memory"] = bptt.log10_forget_path(cell, trace, d_last)[::-1, 0]
    return paths
