"""Back-propagation through time: unroll a cell over a sequence, then walk back along it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from core.arrays import LOG10_2, Array, log10_norms
from core.cells import RNN


class Trace(NamedTuple):
    """What the forward pass leaves behind."""

    hidden: Array  # (T + 1, B, H), hidden[0] the start
    pre_activations: Array  # (T, B, H)


def unroll(cell: RNN, x: Array, start: Array | None = None) -> Trace:
    """Run `cell` over x (T, B, X) from `start` (B, H), or from zero.

    Raises ValueError for an x or a start of another shape, no steps, or numbers that aren't finite.
    """
    hidden_units, inputs = cell.parameters["weight_ih"].shape
    if x.ndim != 3 or x.shape[2] != inputs or 0 in x.shape or not np.isfinite(x).all():
        raise ValueError(f"x must be finite, of shape (T, B, {inputs}) with T, B ≥ 1, not {x.shape}")
    steps, batch, _ = x.shape
    start = np.zeros((batch, hidden_units)) if start is None else start
    if start.shape != (batch, hidden_units) or not np.isfinite(start).all():
        raise ValueError(f"start must be finite, of shape ({batch}, {hidden_units}), not {start.shape}")
    hidden = np.empty((steps + 1, batch, hidden_units))
    pre_activations = np.empty((steps, batch, hidden_units))
    hidden[0] = start
    with np.errstate(over="ignore", invalid="ignore"):  # states that explode are what is to be seen
        for t in range(steps):
            pre_activations[t] = cell.pre_activation(x[t], hidden[t])
            hidden[t + 1] = cell.activate(pre_activations[t])
    return Trace(hidden, pre_activations)


def log10_hidden_gradient_norms(cell: RNN, trace: Trace, d_last: Array) -> Array:
    """log10 ‖∂L/∂h_t‖₂ for t = 0 … T, (T + 1, B), when only h_T bears on the loss, by d_last (B, H).

    Scaled back to about 1 by a power of two at every step, so that it is right beyond float64;
    −inf for zero. Raises ValueError for a d_last of another shape or with non-finite numbers.
    """
    steps, batch, hidden_units = trace.pre_activations.shape
    if d_last.shape != (batch, hidden_units) or not np.isfinite(d_last).all():
        raise ValueError(f"d_last must be finite, of shape ({batch}, {hidden_units}), not {d_last.shape}")
    mantissas = np.empty((steps + 1, batch, hidden_units))
    exponents = np.empty((steps + 1, batch), dtype=np.int64)
    mantissas[steps], exponents[steps] = _normalised(d_last)
    for t in reversed(range(steps)):
        d_h = cell.step_back(mantissas[t + 1], trace.pre_activations[t])
        mantissas[t], shifts = _normalised(d_h)
        exponents[t] = exponents[t + 1] + shifts
    return log10_norms(mantissas) + exponents * LOG10_2


def _normalised(vectors: Array) -> tuple[Array, NDArray[np.int64]]:
    """Each vector (B, H) scaled by a power of two to a largest entry from ½ to 1, and the exponents (B,)."""
    _, shifts = np.frexp(np.max(np.abs(vectors), axis=1))
    return np.ldexp(vectors, -shifts[:, None]), shifts.astype(np.int64)
