"""Array types, argument checks, and functions that stay right where the naive form overflows."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

Array = NDArray[np.floating[Any]]
ComplexArray = NDArray[np.complexfloating[Any, Any]]

FLOATS = ("float32", "float64")
LOG10_2 = math.log10(2)
LARGEST_ENTRY = 1e300  # so that one product of a scaled vector with a matrix cannot overflow
UNSATURATED = 1 / math.cosh(1.25) ** 2  # 1 − t² of t = tanh, from which on an error of t grows by 5 at most
CACHE_LINE = 64  # bytes


def aligned_empty(shape: tuple[int, ...], dtype: DTypeLike) -> Array:
    """np.empty, but from the beginning of a cache line on.

    numpy's own arrays begin at any multiple of 16 bytes, where each wide load of a processor may take
    two lines.
    """
    size = math.prod(shape) * np.dtype(dtype).itemsize
    memory = np.empty(size + CACHE_LINE, np.uint8)
    first = -memory.__array_interface__["data"][0] % CACHE_LINE
    array: Array = memory[first : first + size].view(dtype).reshape(shape)
    return array


def padded_empty(shape: tuple[int, int], dtype: DTypeLike) -> Array:
    """A matrix each row of which begins on a cache line of its own."""
    rows, columns = shape
    in_a_line = CACHE_LINE // np.dtype(dtype).itemsize
    return aligned_empty((rows, -(-columns // in_a_line) * in_a_line), dtype)[:, :columns]


def log10_norms(vectors: Array) -> Array:
    """log10 of the Euclidean norm of each vector along the last axis; −inf for zero, inf for inf.

    Scaled by the largest entry first, log10 ‖x‖ = log10 m + log10 ‖x/m‖ with m = max|x_i|, so
    that no square overflows or underflows on the way. Shape (..., n) in, (...) out.
    """
    largest = np.max(np.abs(vectors), axis=-1)
    scale = np.where((largest > 0) & (largest < np.inf), largest, 1.0)
    with np.errstate(divide="ignore", over="ignore"):  # nothing is scaled beside an inf or a NaN
        norms: Array = np.log10(scale) + np.log10(np.linalg.norm(vectors / scale[..., None], axis=-1))
    return norms


class Sigmoid(NamedTuple):
    """σ(a), 1 − σ(a) and σ′(a), each to its last digits however far the unit is saturated."""

    value: Array
    complement: Array
    slope: Array


def sigmoid(a: Array) -> Array:
    """σ(a) = 1/(1 + e^−a), as e^min(a, 0)/(1 + e^−|a|), which never overflows."""
    values: Array = np.exp(np.minimum(a, 0)) / (1 + np.exp(-np.abs(a)))
    return values


def sigmoid_parts(half: Array, out: Sigmoid | None = None) -> Sigmoid:
    """σ, 1 − σ and σ′ at a = 2 · half: with t = tanh(a/2), ½ + ½t, ½ − ½t and their product.

    These have fewer digits the further a unit is saturated, and none from a = 37 on: where 1 − t² = 4σ′
    is below UNSATURATED for any, all are 1/(1 + e), e/(1 + e) and e/(1 + e)² instead, with e = e^−a.
    `out` has the arrays to write into. Complement and slope may be one array in it, which is left with
    the slope.
    """
    value, complement, slope = out or Sigmoid(*(np.empty_like(half) for _ in range(3)))
    np.multiply(np.tanh(half, value), 0.5, value)
    np.subtract(0.5, value, complement)
    np.add(value, 0.5, value)
    np.multiply(value, complement, slope)
    if not np.fmin.reduce(slope, axis=None) >= 0.25 * UNSATURATED:
        _write_saturated(half, value, complement)
        np.multiply(value, complement, slope)
    return Sigmoid(value, complement, slope)


def _write_saturated(half: Array, value: Array, complement: Array) -> None:
    """σ and 1 − σ by e^−a, or by e^−|a|, at twice the price, where e^−a would overflow."""
    if np.fmin.reduce(half, axis=None) > -0.5 * math.log(np.finfo(half.dtype).max):
        np.exp(np.multiply(half, -2, complement), complement)
        np.divide(1, np.add(complement, 1, value), value)
        np.multiply(complement, value, complement)
        return
    e = np.exp(-2 * np.abs(half))
    nearer_1 = 1 / (1 + e)
    nearer_0 = e * nearer_1
    value[...], complement[...] = np.where(half > 0, (nearer_1, nearer_0), (nearer_0, nearer_1))


def sigmoid_slope(a: Array, out: Array | None = None) -> Array:
    """σ′(a) = e/(1 + e)² with e = exp(−|a|): exact to the last digits where σ(1 − σ) has none left."""
    e: Array = np.exp(-np.abs(a))
    return np.divide(e, (1 + e) ** 2, out)


def tanh_slope(a: Array, out: Array | None = None) -> Array:
    """tanh′(a) = 1/cosh²(a), for the same reason: 1 − tanh² is 0 from |a| = 20 on."""
    with np.errstate(over="ignore"):  # 1/inf is the 0 that is wanted
        slope: Array = np.asarray(np.cosh(a, out))
    np.divide(1, slope, slope)
    return np.square(slope, slope)


def tanh_slope_from(t: Array, a: Array) -> Array:
    """tanh′(a) in the place of t = tanh(a): 1 − t², which is faster, unless below UNSATURATED for any."""
    np.subtract(1, np.square(t, t), t)
    return t if np.fmin.reduce(t, axis=None) >= UNSATURATED else tanh_slope(a, t)


def as_matrix(name: str, values: ArrayLike) -> Array:
    """`values` as a float64 matrix; ValueError unless it is square, not empty, finite and below 1e300."""
    matrix = as_floats(name, values)
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1] or matrix.size == 0:
        raise ValueError(f"{name} must be a square matrix, not an array of shape {matrix.shape}")
    return matrix


def as_vector(name: str, values: ArrayLike, length: int) -> Array:
    """`values` as a float64 vector; ValueError unless it has the length asked for and finite entries."""
    vector = as_floats(name, values)
    if vector.shape != (length,):
        raise ValueError(f"{name} must have the shape ({length},), not {vector.shape}")
    return vector


def as_floats(name: str, values: ArrayLike) -> Array:
    """`values` as float64; ValueError unless all are real, finite and below 1e300."""
    try:
        array = np.asarray(values)
        floats = array.astype(np.float64, casting="same_kind", copy=False)
    except (TypeError, ValueError):
        raise ValueError(f"{name} must hold real numbers") from None
    with np.errstate(over="ignore", invalid="ignore"):
        squares = np.vdot(floats, floats)  # one pass; where it is too large, or NaN, the entries decide
    if not squares < LARGEST_ENTRY and not -LARGEST_ENTRY < floats.min() <= floats.max() < LARGEST_ENTRY:
        raise ValueError(f"{name} must hold finite numbers smaller than {LARGEST_ENTRY:g} in size")
    return floats


def check_count(name: str, count: int, least: int, most: int | None = None) -> None:
    """ValueError unless `count` is a whole number from `least` to `most`."""
    whole = isinstance(count, int | np.integer) and not isinstance(count, bool)
    if not whole or count < least or (most is not None and count > most):
        upper = "or more" if most is None else f"to {most}"
        raise ValueError(f"{name} must be a whole number, {least} {upper}, not {count!r}")


def check_positive(name: str, value: float) -> None:
    """ValueError unless `value` is a finite number above 0."""
    real = isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)
    try:
        positive = real and 0 < float(value) < math.inf
    except OverflowError:  # a whole number past any float
        positive = False
    if not positive:
        raise ValueError(f"{name} must be a finite number above 0, not {value!r}")


def check_finite(name: str, value: float) -> float:
    """`value` as a float; ValueError unless it is a finite number."""
    real = isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)
    try:
        finite = real and math.isfinite(value)
    except OverflowError:  # a whole number past any float
        finite = False
    if not finite:
        raise ValueError(f"{name} must be a finite number, not {value!r}")
    return float(value)


def check_float_type(dtype: DTypeLike) -> None:
    """ValueError unless `dtype` is float32 or float64."""
    try:
        name = np.dtype(dtype).name
    except TypeError:
        name = str(dtype)
    check_choice("dtype", name, FLOATS)


def check_choice(name: str, choice: str, choices: tuple[str, ...]) -> None:
    """ValueError unless `choice` is one of `choices`."""
    if choice not in choices:
        raise ValueError(f"{name} must be one of {', '.join(choices)}, not {choice!r}")
