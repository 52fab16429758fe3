"""Where a gradient, or its norm, leaves a floating-point type: overflow, subnormal, zero.

Thresholds follow IEEE 754: a value rounds to infinity from the largest value plus half an ulp
on, and to zero at half the smallest subnormal (the tie goes to the even neighbour, zero).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from core.arrays import LOG10_2, Array, as_matrix, as_vector, check_choice, check_count, log10_norms


@dataclass(frozen=True)
class Precision:
    """A binary floating-point type: significant bits (the hidden one counted), largest exponent."""

    name: str
    bits: int
    largest_exponent: int

    @property
    def smallest_exponent(self) -> int:
        return 1 - self.largest_exponent

    @property
    def largest(self) -> float:
        """(2 − 2^(1 − bits)) · 2^largest_exponent."""
        return math.ldexp(2.0 - 2.0 ** (1 - self.bits), self.largest_exponent)

    @property
    def smallest_normal(self) -> float:
        return math.ldexp(1.0, self.smallest_exponent)

    @property
    def smallest_subnormal(self) -> float:
        return math.ldexp(1.0, self.smallest_exponent - self.bits + 1)

    @property
    def half_ulp(self) -> float:
        """Half the gap between 1 and the next value: the relative size of the largest rounding error."""
        return math.ldexp(1.0, -self.bits)

    @property
    def log10_overflow(self) -> float:
        """log10 of the smallest number that rounds to infinity, the largest value plus half its ulp."""
        return (self.largest_exponent + 1) * LOG10_2 + math.log1p(-(2.0 ** -(self.bits + 1))) / math.log(10)

    @property
    def log10_smallest_normal(self) -> float:
        return self.smallest_exponent * LOG10_2

    @property
    def log10_zero(self) -> float:
        """log10 of the largest number that rounds to zero, half the smallest subnormal."""
        return (self.smallest_exponent - self.bits) * LOG10_2


PRECISIONS = {
    precision.name: precision
    for precision in (
        Precision("float16", 11, 15),
        Precision("bfloat16", 8, 127),
        Precision("float32", 24, 127),
        Precision("float64", 53, 1023),
    )
}


class Milestones(NamedTuple):
    """The first step at which a path meets each limit of a type; None where it never does."""

    overflow: int | None  # the value itself rounds to infinity
    squared_overflow: int | None  # its square does: the naive norm fails here
    subnormal: int | None  # below the smallest normal: digits are being lost
    zero: int | None  # rounds to zero


def milestones(log10_path: Array, dtype: str) -> Milestones:
    """Where a path of log10 sizes leaves `dtype`, the exact value rounded to the type at each step.

    Raises ValueError for a type that isn't in PRECISIONS.
    """
    check_choice("dtype", dtype, tuple(PRECISIONS))
    precision = PRECISIONS[dtype]
    return Milestones(
        overflow=_first(log10_path >= precision.log10_overflow),
        squared_overflow=_first(2 * log10_path >= precision.log10_overflow),
        subnormal=_first(log10_path < precision.log10_smallest_normal),
        zero=_first(log10_path <= precision.log10_zero),
    )


def _first(reached: NDArray[np.bool_]) -> int | None:
    return int(np.argmax(reached)) if reached.any() else None


def round_to(values: ArrayLike, dtype: str) -> Array:
    """`values` rounded to the nearest of `dtype`, ties to even, kept in float64.

    Raises ValueError for a type that isn't in PRECISIONS.
    """
    check_choice("dtype", dtype, tuple(PRECISIONS))
    exact = np.asarray(values, dtype=np.float64)
    if dtype == "bfloat16":  # which numpy doesn't have
        return _rounded(exact, PRECISIONS[dtype])
    with np.errstate(over="ignore", under="ignore"):
        return exact.astype(dtype).astype(np.float64)


def _rounded(exact: Array, precision: Precision) -> Array:
    _, exponents = np.frexp(exact)  # |x| from 2^(e − 1) to 2^e
    quantum = np.maximum(exponents - 1, precision.smallest_exponent) - precision.bits + 1
    with np.errstate(over="ignore", invalid="ignore"):
        rounded = np.ldexp(np.rint(np.ldexp(exact, -quantum)), quantum)
    return np.where(np.abs(rounded) > precision.largest, np.copysign(np.inf, exact), rounded)


def unchanged(weights: ArrayLike, update: ArrayLike, dtype: str) -> int:
    """How many parameters are bit-identical before and after w ← w − update in `dtype`.

    `update` is the step lr·g, of the shape of `weights`. Raises as `bit_identical` does.
    """
    if np.shape(weights) != np.shape(update):
        raise ValueError(
            f"update must have the shape of weights, {np.shape(weights)}, not {np.shape(update)}"
        )
    return int(np.sum(bit_identical(weights, update, dtype)))


def bit_identical(weights: ArrayLike, updates: ArrayLike, dtype: str) -> NDArray[np.bool_]:
    """Which parameters w ← w − update leaves bit-identical in `dtype`; a stack of updates at once.

    Both are rounded to the type, subtracted, and rounded again. `updates` has the shape of
    `weights` after any leading axes, and so has the result. Raises ValueError for another shape
    or a type that isn't in PRECISIONS.
    """
    shape = np.shape(weights)
    if np.shape(updates)[len(np.shape(updates)) - len(shape) :] != shape:
        raise ValueError(f"updates must end in the shape of weights, {shape}, not {np.shape(updates)}")
    before = round_to(weights, dtype)
    with np.errstate(over="ignore", invalid="ignore"):
        after = round_to(before - round_to(updates, dtype), dtype)
    same: NDArray[np.bool_] = before.view(np.uint64) == after.view(np.uint64)
    return same


def log10_computed_norms(W: ArrayLike, gradient: ArrayLike, steps: int, dtype: str) -> Array:
    """log10 of the norm of g ← Wᵀg as a machine computes it: every product rounded to `dtype`.

    Shape (steps + 1,); inf where an entry has overflowed, −inf where all are zero, NaN after
    inf·0 or inf − inf. Sums run in float64 and are rounded once, as matrix units do. Beside
    `core.linear.log10_gradient_norms` it shows what a type makes of the exact path. Raises
    ValueError for a W that isn't square and finite, a gradient of another length, a negative
    number of steps, or a type that isn't in PRECISIONS.
    """
    W = as_matrix("W", W)
    gradient = as_vector("gradient", gradient, len(W))
    check_count("steps", steps, 0)
    rounded_W = round_to(W, dtype)
    computed = np.empty((steps + 1, len(W)))
    computed[0] = round_to(gradient, dtype)
    with np.errstate(over="ignore", invalid="ignore"):
        for k in range(steps):
            computed[k + 1] = round_to(computed[k] @ rounded_W, dtype)
        return log10_norms(computed)
