"""Slow, plainly written answers to check core against: exact rationals, whole numbers and mpmath.

A float is a whole number times a power of two, so whatever it is multiplied by, the product can be
followed exactly in Python's integers. Nothing here uses core, and only the test of training numpy.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from typing import Any, NamedTuple

import mpmath
import numpy as np

mp = mpmath.mp.clone()
mp.prec = 200  # bits, 60 digits

Rational = list[list[Fraction]]
Arrays = dict[str, np.ndarray]

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


def central_difference(
    function: Callable[[np.ndarray], float], at: np.ndarray, *, step: float | mpmath.mpf = 1e-3
) -> np.ndarray:
    """The gradient of `function`, entry by entry, of fourth order in the step; in mpmath where `at` is."""
    slopes = np.empty_like(at)
    for i in np.ndindex(at.shape):
        moved = []
        for shift in (2, 1, -1, -2):
            point = at.copy()
            point[i] += shift * step
            moved.append(function(point))
        slopes[i] = (-moved[0] + 8 * moved[1] - 8 * moved[2] + moved[3]) / (12 * step)
    return slopes


# Recurrent cells, a scalar at a time. `m` is what does the sums: math, or mp for as many digits as it has.

TINY = mp.mpf(10) ** -12  # a step of differences: right to 40 digits, from 100


def exactly(values: np.ndarray) -> np.ndarray:
    """The same numbers in mpmath."""
    return np.vectorize(mp.mpf, otypes=[object])(values)


def logistic(a: Any, m: Any) -> Any:
    return 1 / (1 + m.exp(-a))


ACTIVATIONS: dict[str, Callable[[Any, Any], Any]] = {
    "identity": lambda a, m: a,  # noqa: ARG005
    "tanh": lambda a, m: m.tanh(a),
    "relu": lambda a, m: max(a, 0 * a),  # noqa: ARG005
    "sigmoid": logistic,
}


class Step(NamedTuple):
    """What a step leaves behind, lists of H numbers; c only for the LSTM."""

    h: list[Any]
    c: list[Any]
    gates: dict[str, list[Any]]


def affine(W: list[list[Any]], v: list[Any], bias: list[Any], rows: range) -> list[Any]:
    return [sum((W[i][j] * v[j] for j in range(len(v))), bias[i]) for i in rows]


def step(kind: str, p: dict[str, Any], x: list[Any], h: list[Any], c: list[Any], push: Any, m: Any) -> Step:
    """One step of "gru", "lstm", or an RNN whose activation `kind` is; `push` (H,) is added to c."""
    H = len(h)
    blocks = [range(k * H, (k + 1) * H) for k in range(len(p["bias_ih"]) // H)]
    from_x = [affine(p["weight_ih"], x, p["bias_ih"], rows) for rows in blocks]
    from_h = [affine(p["weight_hh"], h, p["bias_hh"], rows) for rows in blocks]
    a = [[from_x[k][i] + from_h[k][i] for i in range(H)] for k in range(len(blocks))]
    if kind == "gru":
        r, z = ([logistic(entry, m) for entry in block] for block in a[:2])
        n = [m.tanh(from_x[2][i] + r[i] * from_h[2][i]) for i in range(H)]
        h = [(1 - z[i]) * n[i] + z[i] * h[i] for i in range(H)]
        return Step(h, c, {"reset": r, "update": z, "candidate": n})
    if kind == "lstm":
        i_, f, o = ([logistic(entry, m) for entry in a[k]] for k in (0, 1, 3))
        g = [m.tanh(entry) for entry in a[2]]
        c = [f[i] * c[i] + i_[i] * g[i] + push[i] for i in range(H)]
        h = [o[i] * m.tanh(c[i]) for i in range(H)]
        return Step(h, c, {"input": i_, "forget": f, "candidate": g, "output": o})
    return Step([ACTIVATIONS[kind](entry, m) for entry in a[0]], c, {})


class Run(NamedTuple):
    """One sequence: hidden and memory (T + 1, H), each gate (T, H)."""

    hidden: np.ndarray
    memory: np.ndarray
    gates: dict[str, np.ndarray]


def run(kind: str, p: Arrays, x: np.ndarray, given: Arrays, m: Any = math) -> Run:
    """The cell over x (T, X). `given` holds what is added to h_0 … h_T, and to c_0 … c_T: (T + 1, H) each.

    The rows of 0 are the start; a derivative by row t is that by h_t, through all that follows.
    """
    p, x = {name: values.tolist() for name, values in p.items()}, x.tolist()
    push_h, push_c = given["hidden"].tolist(), given["memory"].tolist()
    steps = [Step(push_h[0], push_c[0], {})]
    for t in range(len(x)):
        after = step(kind, p, x[t], steps[-1].h, steps[-1].c, push_c[t + 1], m)
        steps.append(after._replace(h=[a + b for a, b in zip(after.h, push_h[t + 1], strict=True)]))
    names = steps[-1].gates
    return Run(
        np.array([s.h for s in steps]),
        np.array([s.c for s in steps]),
        {name: np.array([s.gates[name] for s in steps[1:]]) for name in names},
    )


def started(h: np.ndarray, c: np.ndarray, steps: int) -> Arrays:
    """The `given` of a run from h and c (H,)."""
    return {name: np.array([s] + [0 * s] * steps) for name, s in (("hidden", h), ("memory", c))}


def gradients_by_differences(
    kind: str, p: Arrays, x: np.ndarray, given: Arrays, d_hidden: np.ndarray, m: Any = math
) -> dict[str, np.ndarray]:
    """∂L by each parameter, "inputs", "hidden" and "memory", for L = Σ_t d_hidden_t · h_t over x (T, X)."""
    everything = p | {"inputs": x} | given

    def loss(name: str, values: np.ndarray) -> Any:
        now = everything | {name: values}
        hidden = run(kind, {key: now[key] for key in p}, now["inputs"], now, m).hidden
        return (d_hidden * hidden[1:]).sum()

    length = {"step": TINY} if m is mp else {}
    with mp.workdps(100):
        return {
            name: central_difference(lambda values, name=name: loss(name, values), at, **length)
            for name, at in everything.items()
        }


def log10_gradients(
    kind: str, p: Arrays, x: np.ndarray, start: np.ndarray, d_last: Sequence[float]
) -> list[mpmath.mpf]:
    """log10 ‖∂L/∂h_t‖, t = 0 … T, for L = d_last · h_T from h_0 = start and, where there is one, c_0 = start.

    The way back over a step is the derivative of d · (h, c) by the state before it, by differences
    in 200 digits: however small a slope, it keeps its digits.
    """
    with mp.workdps(200):
        p, x, start = {name: exactly(values) for name, values in p.items()}, exactly(x), exactly(start)
        forward, H, none = (
            run(kind, p, x, started(start, start, len(x)), mp),
            len(start),
            [mp.zero] * len(start),
        )
        lists = {name: values.tolist() for name, values in p.items()}
        d = np.concatenate([exactly(np.asarray(d_last)), none])
        norms = [mp.norm(d[:H])]
        for t in reversed(range(len(x))):
            before = np.concatenate([forward.hidden[t], forward.memory[t]])[: 2 * H if kind == "lstm" else H]

            def value(state: np.ndarray, t: int = t, d: np.ndarray = d) -> mpmath.mpf:
                h, c = state[:H].tolist(), state[H:].tolist()
                after = step(kind, lists, x[t].tolist(), h, c, none, mp)
                return sum(a * b for a, b in zip(d, after.h + after.c, strict=False))

            d = central_difference(value, before, step=mp.mpf(10) ** -30)
            norms.append(mp.norm(d[:H]))
        return [mp.log10(norm) if norm else -mp.inf for norm in reversed(norms)]


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


# Words


def crc32(data: bytes) -> int:
    """CRC-32 bit by bit, with the reversed polynomial of IEEE 802.3."""
    register = 0xFFFFFFFF
    for byte in data:
        register ^= byte
        for _ in range(8):
            register = register >> 1 ^ (0xEDB88320 if register & 1 else 0)
    return register ^ 0xFFFFFFFF


def runs_of_three_and_four(form: str) -> list[str]:
    """The runs of three, then those of four characters in <form>."""
    bounded = f"<{form}>"
    runs = [bounded[k : k + n] for n in (3, 4) for k in range(len(bounded)) if k + n <= len(bounded)]
    return runs or [bounded]
