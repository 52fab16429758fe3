"""Slow, plainly written answers to check core against: exact rationals, whole numbers and mpmath.

A float is a whole number times a power of two, so whatever it is multiplied by, the product can be
followed exactly in Python's integers. Nothing here uses core, and only the test of training numpy.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction

import mpmath
import numpy as np

mp = mpmath.mp.clone()
mp.prec = 200  # bits, 60 digits

Rational = list[list[Fraction]]

# Significant bits (the hidden one counted), smallest and largest exponent: IEEE 754-2019, table 3.5,
# and for bfloat16 the upper half of a float32.
FORMATS = {
    "float16": (11, -14, 15),
    "bfloat16": (8, -126, 127),
    "float32": (24, -126, 127),
    "float64": (53, -1022, 1023),
}


# Powers of a matrix


def over_power_of_two(values: Sequence[float]) -> tuple[list[int], int]:
    """(numerators, e) with values[i] = numerators[i] · 2^e exactly."""
    ratios = [float(value).as_integer_ratio() for value in values]
    e = max(denominator.bit_length() - 1 for _, denominator in ratios)
    return [numerator << (e + 1 - denominator.bit_length()) for numerator, denominator in ratios], -e


def exact_path(
    W: Sequence[Sequence[float]], gradient: Sequence[float], steps: int, bits: int = 256
) -> Iterator[tuple[list[int], int]]:
    """(Wᵀ)^k g for k = 0 … steps, as whole numbers and a power of two.

    Cut to `bits` bits after each step, 200 more than a float has: what 10,000 cuts lose is
    10,000 · 2^−256 of the largest entry, some 60 digits below anything compared with it.
    """
    n = len(gradient)
    numerators, e_W = over_power_of_two([entry for row in W for entry in row])
    columns = [numerators[j::n] for j in range(n)]
    vector, e = over_power_of_two(gradient)
    yield vector, e
    for _ in range(steps):
        vector = [sum(w * v for w, v in zip(column, vector, strict=True)) for column in columns]
        cut = max(0, max(entry.bit_length() for entry in vector) - bits)
        vector, e = [entry >> cut for entry in vector], e + e_W + cut
        yield vector, e


def log10_norm(vector: Sequence[int], e: int) -> mpmath.mpf:
    """log10 of the Euclidean norm of vector · 2^e; −inf for zero."""
    square = sum(entry * entry for entry in vector)
    return mp.log10(square) / 2 + e * mp.log10(2) if square else -mp.inf


def log10_path(W: np.ndarray, gradient: np.ndarray, at: Sequence[int]) -> list[mpmath.mpf]:
    """log10 ‖(Wᵀ)^k g‖ for the k in `at`, which must rise."""
    wanted = set(at)
    path = exact_path(W.tolist(), gradient.tolist(), at[-1])
    return [log10_norm(vector, e) for k, (vector, e) in enumerate(path) if k in wanted]


def log10_power_norm(W: np.ndarray, steps: int) -> mpmath.mpf:
    """log10 ‖W^steps‖₂, each row of the power followed as the path of a unit vector."""
    rows = []
    for unit in np.eye(len(W)):
        *_, (row, e) = exact_path(W.tolist(), unit.tolist(), steps)
        rows.append([mp.ldexp(entry, e) for entry in row])
    return mp.log10(max(mp.svd_r(mp.matrix(rows), compute_uv=False)))


def rational(W: Sequence[Sequence[float | str]]) -> Rational:
    """W in fractions: exactly the number that a float is, or that a string such as "0.9" says."""
    return [[Fraction(entry) for entry in row] for row in W]


def matrix_powers(W: Rational) -> Iterator[Rational]:
    """W^0, W^1, W^2, … exactly."""
    n = len(W)
    power = [[Fraction(int(i == j)) for j in range(n)] for i in range(n)]
    while True:
        yield power
        power = [[sum(row[k] * W[k][j] for k in range(n)) for j in range(n)] for row in power]


def two_norm(W: Rational) -> mpmath.mpf:
    """The largest singular value."""
    rows = [[mp.mpf(entry.numerator) / entry.denominator for entry in row] for row in W]
    return max(mp.svd_r(mp.matrix(rows), compute_uv=False))


# Rounding


def nearest(value: Fraction, dtype: str) -> float:
    """`value` rounded to the nearest number of the type, ties to even, as IEEE 754 says; ±inf beyond it."""
    bits, smallest, largest = FORMATS[dtype]
    exponent = value.numerator.bit_length() - value.denominator.bit_length()
    if abs(value) < Fraction(2) ** exponent:
        exponent -= 1  # so that 2^exponent ≤ |value| < 2^(exponent + 1)
    ulp = Fraction(2) ** (max(exponent, smallest) - bits + 1)
    rounded = round(value / ulp) * ulp  # Python rounds a fraction exactly, ties to even
    if abs(rounded) < 2 ** (largest + 1):
        return float(rounded)
    return math.inf if value > 0 else -math.inf


# Derivatives


def central_difference(function: Callable[[np.ndarray], float], at: np.ndarray) -> np.ndarray:
    """The gradient of `function`, entry by entry, of fourth order in a step of 10⁻³."""
    slopes, step = np.empty_like(at), 1e-3
    for i in np.ndindex(at.shape):
        moved = []
        for shift in (2, 1, -1, -2):
            point = at.copy()
            point[i] += shift * step
            moved.append(function(point))
        slopes[i] = (-moved[0] + 8 * moved[1] - 8 * moved[2] + moved[3]) / (12 * step)
    return slopes


def rnn_log10_gradients(
    slope: Callable[[mpmath.mpf], mpmath.mpf],
    value: Callable[[mpmath.mpf], mpmath.mpf],
    W: Sequence[Sequence[float]],
    drive: Sequence[Sequence[float]],
    d_last: Sequence[float],
) -> list[mpmath.mpf]:
    """log10 ‖∂L/∂h_t‖, t = 0 … T, for h_t = φ(W h_{t−1} + drive_t) from zero, forward and back in mpmath."""
    units = range(len(W))
    h, slopes = [mp.zero for _ in units], []
    for u in drive:
        a = [sum((mp.mpf(W[i][j]) * h[j] for j in units), mp.mpf(u[i])) for i in units]
        slopes.append([slope(entry) for entry in a])
        h = [value(entry) for entry in a]
    d = [mp.mpf(entry) for entry in d_last]
    norms = [mp.log10(mp.norm(d))]
    for s in reversed(slopes):
        d = [sum(mp.mpf(W[i][j]) * s[i] * d[i] for i in units) for j in units]
        norms.append(mp.log10(mp.norm(d)))
    return norms[::-1]


# Training


def first_update(
    W: Sequence[Sequence[float]], start: Sequence[float], target: Sequence[float], steps: int
) -> tuple[Fraction, Rational]:
    """The loss ½‖W^T h_0 − y‖² and its gradient in W, from the sum over all paths, exactly."""
    n, exact = len(W), rational(W)
    powers = [power for power, _ in zip(matrix_powers(exact), range(steps + 1), strict=False)]
    hidden = [[sum(row[j] * Fraction(start[j]) for j in range(n)) for row in power] for power in powers]
    error = [hidden[steps][i] - Fraction(target[i]) for i in range(n)]
    gradient = [[Fraction(0)] * n for _ in range(n)]
    for t in range(steps):  # ∂h_T/∂W_ij = Σ_t W^(T−1−t) e_i (h_t)_j
        back = [sum(powers[steps - 1 - t][k][i] * error[k] for k in range(n)) for i in range(n)]
        gradient = [[gradient[i][j] + back[i] * hidden[t][j] for j in range(n)] for i in range(n)]
    return sum(e * e for e in error) / 2, gradient


class NaiveDescent:
    """Gradient descent on the unrolled linear RNN one scalar at a time, noting the first inf and NaN.

    `first_inf` and `first_nan` are (update, operation, step), `cause` what made the first NaN.
    """

    def __init__(self, dtype: type[np.floating]) -> None:
        self.number = dtype
        self.first_inf: tuple[int, str, int | None] | None = None
        self.first_nan: tuple[int, str, int | None] | None = None
        self.cause: str | None = None

    def run(
        self,
        W: Sequence[Sequence[float]],
        start: Sequence[float],
        target: Sequence[float],
        steps: int,
        rate: float,
        updates: int,
    ) -> None:
        f = self.number
        weights = [[f(w) for w in row] for row in W]
        h0, y = [f(h) for h in start], [f(value) for value in target]
        with np.errstate(all="ignore"):
            for update in range(1, updates + 1):
                weights = self._update(weights, h0, y, steps, f(rate), update)

    def _update(self, W: list, h0: list, y: list, steps: int, rate: np.floating, update: int) -> list:
        units, f = range(len(W)), self.number
        hidden = [h0]
        for t in range(1, steps + 1):
            hidden.append([self._dot(W[i], hidden[-1]) for i in units])
            self._note(hidden[-1], (update, "forward", t))
        delta = [hidden[-1][i] - y[i] for i in units]
        self._note([self._dot(delta, delta) / f(2)], (update, "loss", None))
        gradient = [[f(0) for _ in units] for _ in units]
        for t in range(steps, 0, -1):
            gradient = [
                [self._add(gradient[i][j], self._multiply(delta[i], hidden[t - 1][j])) for j in units]
                for i in units
            ]
            self._note([entry for row in gradient for entry in row], (update, "gradient", t))
            delta = [self._dot([W[i][j] for i in units], delta) for j in units]
            self._note(delta, (update, "backward", t - 1))
        entries = [entry for row in gradient for entry in row]
        self._note([np.sqrt(self._dot(entries, entries))], (update, "norm", None))
        step = [[self._multiply(rate, slope) for slope in row] for row in gradient]
        W = [[self._add(W[i][j], -step[i][j]) for j in units] for i in units]
        self._note([entry for row in W for entry in row], (update, "update", None))
        return W

    def _note(self, results: list, where: tuple[int, str, int | None]) -> None:
        if self.first_inf is None and any(np.isinf(result) for result in results):
            self.first_inf = where
        if self.first_nan is None and any(np.isnan(result) for result in results):
            self.first_nan = where

    def _dot(self, a: list, b: list) -> np.floating:
        total = self.number(0)
        for x, y in zip(a, b, strict=True):
            total = self._add(total, self._multiply(x, y))
        return total

    def _multiply(self, x: np.floating, y: np.floating) -> np.floating:
        return self._blame(x * y, x, y, "inf·0")

    def _add(self, x: np.floating, y: np.floating) -> np.floating:
        return self._blame(x + y, x, y, "inf−inf")

    def _blame(self, result: np.floating, x: np.floating, y: np.floating, cause: str) -> np.floating:
        if self.cause is None and np.isnan(result):
            self.cause = "passed on" if np.isnan(x) or np.isnan(y) else cause
        return result
