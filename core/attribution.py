"""From gates and gradients to numbers for each word.

None of them is *the* importance of a word, and they disagree; each is just what its definition says. All
are of one sequence from a start at zero to its last step T, for every sequence of a batch.
"""

from __future__ import annotations

import math

import numpy as np

from core.arrays import Array
from core.bptt import Trace
from core.cells import GRU, LSTM, RNN, Cell


def opening(cell: Cell, trace: Trace) -> Array:
    """How far each unit lets a word in, (T, B, H): the LSTM's i_t, the GRU's 1 − z_t.

    ValueError for an RNN, which has no gates.
    """
    if isinstance(cell, LSTM):
        return trace.gate("input")
    _check_gated(cell)
    return 1 - trace.gate("update")


def keeping(cell: Cell, trace: Trace) -> Array:
    """How much of what it has each unit keeps, (T, B, H): the LSTM's f_t, the GRU's z_t.

    ValueError for an RNN.
    """
    _check_gated(cell)
    return trace.gate("forget" if isinstance(cell, LSTM) else "update")


def log10_keeping(cell: Cell, trace: Trace) -> Array:
    """log10 of `keeping`, (T, B, H), right where the gate itself is 0 in float64."""
    _check_gated(cell)
    logs = cell.log10_forget(trace.record) if isinstance(cell, LSTM) else _log10_update(cell, trace)
    return logs.transpose(0, 2, 1)


def written(cell: Cell, trace: Trace) -> Array:
    """What each word adds to the memory, (T, B, H): i_t ∘ g_t, or the GRU's (1 − z_t) ∘ n_t.

    ValueError for an RNN.
    """
    return opening(cell, trace) * trace.gate("candidate")


def memory_shares(cell: Cell, trace: Trace) -> Array:
    """What of the last memory came in at each step, (T, B, H): ∏_{k>t} f_k ∘ i_t ∘ g_t.

    They sum over t to c_T exactly; the GRU's, ∏_{k>t} z_k ∘ (1 − z_t) ∘ n_t, to h_T. What came in at a
    step isn't that word's alone: gates and candidate depend on all that was read before. For the RNN,
    which adds nothing to anything, h_t − h_{t−1}.
    """
    if isinstance(cell, RNN):
        return np.diff(trace.hidden, axis=0)
    kept = keeping(cell, trace)
    after = np.concatenate([kept[1:], np.ones_like(kept[:1])])
    return np.cumprod(after[::-1], axis=0)[::-1] * written(cell, trace)


def contributions(cell: Cell, trace: Trace, weights: Array) -> Array:
    """What each step's share gives w · h_T, (T, B): they sum to it exactly, signs and all.

    w · share_t; for the LSTM w · (o_T ∘ tanh(c_T)/c_T ∘ share_t). `weights` is w, (H,).
    """
    shares = memory_shares(cell, trace)
    if isinstance(cell, LSTM) and trace.memory is not None:
        shares = shares * trace.gate("output")[-1] * _squashed(trace.memory[-1])
    return np.asarray(shares @ weights)


def telescoped(cell: Cell, trace: Trace, weights: Array) -> Array:
    """w · o_T ∘ (tanh(c_t) − tanh(c_{t−1})), (T, B): the β of Murdoch & Szlam 2017, eq. 9–11.

    They sum to w · h_T as well, but give a step all that changed at it, what was forgotten too, so that
    they depend more on the order. For GRU and RNN w · (h_t − h_{t−1}).
    """
    if isinstance(cell, LSTM) and trace.memory is not None:
        changes = trace.gate("output")[-1] * np.diff(np.tanh(trace.memory), axis=0)
    else:
        changes = np.diff(trace.hidden, axis=0)
    return np.asarray(changes @ weights)


def log10_survival(cell: Cell, trace: Trace, word: int) -> Array:
    """log10 of how much of what was written at step `word` (from 0) is left, (T − word, B).

    ‖∏ f_k ∘ m‖/‖m‖ with m what was written there, or all alike where that was nothing, and the product over
    the steps since, 0 at the word itself: how the forget gates alone treat it. Products in logarithms, so
    that none underflows. ValueError for an RNN, or a word that isn't there.
    """
    steps = len(trace.states) - 1
    if not 0 <= word < steps:
        raise ValueError(f"word must be from 0 to {steps - 1}, not {word}")
    size = np.abs(written(cell, trace)[word])
    size = np.where(size.max(axis=-1, keepdims=True) > 0, size, 1)
    kept = np.cumsum(log10_keeping(cell, trace)[word + 1 :], axis=0)
    with np.errstate(divide="ignore"):
        logs = np.log10(size) + np.concatenate([np.zeros_like(trace.hidden[:1]), kept])
        largest = np.maximum(logs.max(axis=-1), -math.ldexp(1, 1000))
        lengths = largest + 0.5 * np.log10(np.sum(10 ** (2 * (logs - largest[..., None])), axis=-1))
    return np.asarray(lengths - lengths[0])


def _log10_update(cell: Cell, trace: Trace) -> Array:
    """log10 z_t = −log10(1 + e^−a), (T, H, B)."""
    a = 2 * trace.record["a_rz"][:, cell.hidden :]
    return np.asarray(-np.logaddexp(0, -a) / math.log(10))


def _squashed(c: Array) -> Array:
    """tanh(c)/c, 1 at 0."""
    safe = np.where(c == 0, 1, c)
    return np.where(c == 0, 1, np.tanh(safe) / safe)


def _check_gated(cell: Cell) -> None:
    if not isinstance(cell, LSTM | GRU):
        raise ValueError("cell must be an LSTM or a GRU: an RNN has no gates")
