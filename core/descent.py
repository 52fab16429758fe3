"""Gradient descent on the unrolled linear RNN, operation by operation, in any precision.

It exists to show how training dies: which operation makes the first infinity, which the first
NaN, and how much earlier the norm overflows than the gradient that it measures.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from core.arrays import Array, as_matrix, as_vector, check_count, check_positive, log10_norms

OPERATIONS = ("forward", "loss", "backward", "gradient", "norm", "update")
TYPES = ("float16", "float32", "float64")
CAUSES = ("overflow", "inf·0", "inf−inf", "passed on")


class Failure(NamedTuple):
    """The first value of its kind: where it came about and what made it."""

    update: int  # counted from 1
    operation: str  # one of OPERATIONS
    step: int | None  # the time step t, for operations that run along the sequence
    cause: str  # one of CAUSES


class Update(NamedTuple):
    """One update of W, in the numbers of its type."""

    number: int  # counted from 1
    loss: float  # ½‖h_T − y‖²
    norm: float  # ‖∂L/∂W‖ as √Σg²
    log10_norm: float  # the same norm, scaled before it is squared; NaN once an entry is not finite
    changed: int  # how many entries of W the update changed
    first_inf: Failure | None  # found so far
    first_nan: Failure | None


class _Watch:
    """Keeps the first infinity and the first NaN among the results it is shown."""

    def __init__(self) -> None:
        self.first_inf: Failure | None = None
        self.first_nan: Failure | None = None

    def see(self, result: Array, update: int, operation: str, step: int | None, *operands: Array) -> None:
        if math.isfinite(result.sum()):  # then so is every entry
            return
        if self.first_inf is None and np.isinf(result).any():
            self.first_inf = Failure(update, operation, step, "overflow")
        if self.first_nan is None and np.isnan(result).any():
            self.first_nan = Failure(update, operation, step, nan_cause(*operands))


def descend(
    W: ArrayLike,
    start: ArrayLike,
    target: ArrayLike,
    *,
    steps: int,
    rate: float,
    updates: int,
    dtype: DTypeLike = np.float32,
) -> Iterator[Update]:
    """Yield each update of W ← W − rate · ∂L/∂W for h_t = W h_{t−1}, L = ½‖h_T − y‖².

    Plain back-propagation through time: δ_T = h_T − y, δ_{t−1} = Wᵀ δ_t, ∂L/∂W = Σ_t δ_t h_{t−1}ᵀ,
    every array of the type `dtype` and nothing rescaled. Ends after `updates`, or with the first
    update whose W is NaN throughout: nothing changes any more. Raises ValueError for a W that
    isn't square and finite, vectors of another length, counts below 1, a rate not above 0, a type
    that isn't in TYPES, or a number that the type can't hold.
    """
    check_count("steps", steps, 1)
    check_count("updates", updates, 1)
    check_positive("rate", rate)
    W = as_matrix("W", W)
    start, target = (as_vector(name, v, len(W)) for name, v in (("start", start), ("target", target)))
    weights, h0, y, rates = (
        _rounded(name, values, dtype)
        for name, values in (("W", W), ("start", start), ("target", target), ("rate", np.array([rate])))
    )
    return _updates(weights, h0, y, steps, rates, updates)


def _rounded(name: str, values: Array, dtype: DTypeLike) -> Array:
    known = {np.dtype(of): of for of in TYPES}
    try:
        of = known[np.dtype(dtype)]
    except (TypeError, KeyError):
        raise ValueError(f"dtype must be one of {', '.join(TYPES)}, not {dtype!r}") from None
    with np.errstate(over="ignore"):
        rounded: Array = values.astype(of)
    if not np.isfinite(rounded).all():
        raise ValueError(f"{name} must be finite in {of}")
    return rounded


def _updates(W: Array, h0: Array, y: Array, steps: int, rate: Array, updates: int) -> Iterator[Update]:
    watch = _Watch()
    for number in range(1, updates + 1):
        before = W
        with np.errstate(all="ignore"):
            hidden = _forward(W, h0, steps, number, watch)
            error = hidden[-1] - y
            loss = error @ error / 2
            watch.see(loss, number, "loss", None, error, error)
            gradient = _backward(W, hidden, error, number, watch)
            norm = np.sqrt(np.sum(gradient * gradient))
            watch.see(norm, number, "norm", None, gradient, gradient)
            change = rate * gradient
            watch.see(change, number, "update", None, rate, gradient)
            W = before - change
            watch.see(W, number, "update", None, change)
        changed = int(np.sum(W.view(f"u{W.itemsize}") != before.view(f"u{W.itemsize}")))
        yield Update(
            number, float(loss), float(norm), _log10_norm(gradient), changed, watch.first_inf, watch.first_nan
        )
        if np.isnan(W).all():
            return


def _forward(W: Array, h0: Array, steps: int, number: int, watch: _Watch) -> list[Array]:
    hidden = [h0]
    for t in range(1, steps + 1):
        hidden.append(W @ hidden[-1])
        watch.see(hidden[-1], number, "forward", t, W, hidden[-2])
    return hidden


def _backward(W: Array, hidden: list[Array], error: Array, number: int, watch: _Watch) -> Array:
    delta, gradient = error, np.zeros_like(W)
    for t in range(len(hidden) - 1, 0, -1):
        gradient = gradient + delta[:, None] * hidden[t - 1]
        watch.see(gradient, number, "gradient", t, delta[:, None], hidden[t - 1])
        later, delta = delta, W.T @ delta
        watch.see(delta, number, "backward", t - 1, W.T, later)
    return gradient


def _log10_norm(gradient: Array) -> float:
    return (
        float(log10_norms(gradient.astype(np.float64).ravel())) if np.isfinite(gradient).all() else math.nan
    )


def nan_cause(*operands: Array) -> str:
    """What made a NaN: one passed on, inf·0 in a product of the two operands, or inf − inf in a sum."""
    if any(bool(np.isnan(operand).any()) for operand in operands):
        return "passed on"
    if len(operands) == 2 and np.isnan(operands[0] * operands[1]).any():
        return "inf·0"
    return "inf−inf"
