"""A price on open gates: with it, a cell learns to open only where that pays.

The price is added to the loss: so much for every gate, averaged over the words of a batch and over the
units. Written s(u) = u for a gate whose opening is its activation and 1 − u for one that keeps,

    P = Σ over gates of price · mean s(u),   ∂P/∂a = ± price · σ′(a)/(words · H).

The gradients of what a gate is asked are those of any other part of a loss: they go on through the
weights to the state before, and from there by `core.bptt.backpropagate`, which is linear in them.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from core.arrays import Array, check_choice
from core.bptt import Gradients, Trace, backpropagate
from core.cells import GRU, LSTM, Arrays, Cell


class Price(NamedTuple):
    """What a unit's gate costs while it is open, or, for a gate that keeps, while it doesn't keep."""

    gate: str
    price: float
    keeps: bool


class Priced(NamedTuple):
    """P, and ∂P/∂a, (T, G·H, B), in the order of the parameters' blocks."""

    value: float
    d_a: Array


PRICES = {
    LSTM: (Price("input", 2.0, keeps=False), Price("forget", 2.0, keeps=True)),
    GRU: (Price("update", 3.0, keeps=True),),
}


def price(cell: Cell, trace: Trace, words: Array, prices: tuple[Price, ...], share: float = 1.0) -> Priced:
    """P and its gradient; `words` (T, B) is 1 where there is a word and 0 beyond a text's end.

    `share` of the price is asked for: it is raised while a model is trained. ValueError for a gate that
    the cell doesn't have, or one that isn't a sigmoid.
    """
    H, blocks = cell.hidden, len(cell.gates)
    steps, batch = words.shape
    d_a = np.zeros((steps, blocks * H, batch), trace.states.dtype)
    counted = words[:, :, None] / (words.sum() * H)
    value = 0.0
    for name, asked, keeps in prices:
        check_choice("gate", name, tuple(gate for gate in cell.gates if gate != "candidate"))
        k, gate = cell.gates.index(name), trace.gate(name)
        value += share * asked * float(np.sum(counted * (1 - gate if keeps else gate)))
        slope = gate * (1 - gate) * counted * (share * (-asked if keeps else asked))
        d_a[:, k * H : (k + 1) * H] = slope.transpose(0, 2, 1)
    return Priced(value, d_a)


def backpropagate_priced(cell: Cell, trace: Trace, d_hidden: Array, d_a: Array) -> Gradients:
    """The gradients of a loss of which d_hidden (T, B, H) and d_a (T, G·H, B) are the direct parts."""
    W_ih, W_hh = cell.parameters["weight_ih"], cell.parameters["weight_hh"]
    d_before = np.matmul(W_hh.T, d_a).transpose(0, 2, 1)  # by h_0 … h_{T−1}
    direct = d_hidden.copy()
    direct[:-1] += d_before[1:]
    found = backpropagate(cell, trace, direct)
    found.hidden[0] += d_before[0]
    np.add(found.inputs, np.matmul(W_ih.T, d_a).transpose(0, 2, 1), found.inputs)
    flat = d_a.transpose(1, 0, 2).reshape(d_a.shape[1], -1)
    own: Arrays = {
        "weight_ih": flat @ trace.inputs.reshape(flat.shape[1], -1),
        "weight_hh": flat @ trace.hidden[:-1].reshape(flat.shape[1], -1),
        "bias_ih": flat.sum(axis=1),
        "bias_hh": flat.sum(axis=1),
    }
    return replace(found, parameters={name: g + own[name] for name, g in found.parameters.items()})
