"""The cliff: the error surface of an RNN with one unit (Pascanu, Mikolov & Bengio 2013, fig. 6).

    x_t = w σ(x_{t−1}) + b, x_0 = 0.5, E = (σ(x_50) − 0.7)²

Two parameters, so that the whole surface can be seen: almost flat, with a wall across it where the
map from x_0 to x_50 is so steep that one step of gradient descent leaves the picture.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from core.arrays import Array, as_floats, check_choice, check_count, check_positive, sigmoid_parts
from core.clipping import clip_by_norm, clip_by_value

START, TARGET, STEPS = 0.5, 0.7, 50
FARTHEST = 700.0  # where e^x would soon overflow
CLIPS = {"norm": clip_by_norm, "value": clip_by_value}
METHODS = ("none", *CLIPS)


class Error(NamedTuple):
    """E and its slopes, each of the shape of the parameters."""

    value: Array
    d_w: Array
    d_b: Array


class Descent(NamedTuple):
    """A path of gradient descent: row k is where it stands after k updates."""

    w: Array  # (updates + 1,)
    b: Array
    errors: Array
    norms_before: Array  # (updates,), of the gradient of each update
    norms_after: Array  # and of what was left of it


def error(w: ArrayLike, b: ArrayLike) -> Error:
    """E and ∂E/∂w, ∂E/∂b at each pair of w and b, which are broadcast.

    The slopes are carried forward with the state: ∂x_t/∂w = σ(x_{t−1}) + w σ′(x_{t−1}) ∂x_{t−1}/∂w, and
    with 1 instead of σ(x_{t−1}) for b. Where they are past float64 they are inf. ValueError unless w
    and b hold finite numbers of shapes that fit each other.
    """
    w, b = as_floats("w", w), as_floats("b", b)
    try:
        shape = np.broadcast_shapes(w.shape, b.shape)
    except ValueError:
        raise ValueError(f"b must have a shape that fits that of w, {w.shape}, not {b.shape}") from None
    if 0 in shape:
        raise ValueError("w and b must hold at least one number")
    w, b = (np.broadcast_to(values, shape).reshape(-1) for values in (w, b))
    x, x_by_w, x_by_b = np.full(w.shape, START), np.zeros(w.shape), np.zeros(w.shape)
    s, slope = np.empty(w.shape), np.empty(w.shape)
    near = bool(np.max(np.abs(w) + np.abs(b)) < FARTHEST)  # |x_t| is never above |w| + |b|
    with np.errstate(over="ignore", invalid="ignore", under="ignore"):
        for _ in range(STEPS):
            _sigmoid(x, s, slope, near=near)
            np.multiply(slope, w, slope)
            np.multiply(x_by_w, slope, x_by_w)
            np.add(x_by_w, s, x_by_w)
            np.multiply(x_by_b, slope, x_by_b)
            np.add(x_by_b, 1, x_by_b)
            np.multiply(w, s, x)
            np.add(x, b, x)
        _sigmoid(x, s, slope, near=near)
        d_x = 2 * (s - TARGET) * slope
        parts = (np.square(s - TARGET), d_x * x_by_w, d_x * x_by_b)
    return Error(*(part.reshape(shape) for part in parts))


def _sigmoid(x: Array, value: Array, slope: Array, *, near: bool) -> None:
    """σ(x) = 1/(1 + e) and σ′(x) = e/(1 + e)² with e = e^−x, written into given arrays.

    `near` promises that no e^−x overflows; without it each is as right, for twice the time.
    """
    if not near:
        value[:], _, slope[:] = sigmoid_parts(0.5 * x)
        return
    np.negative(x, slope)
    np.exp(slope, slope)
    np.add(1, slope, value)
    np.divide(1, value, value)
    np.multiply(slope, value, slope)
    np.multiply(slope, value, slope)


def _number(name: str, value: float) -> float:
    numbers = as_floats(name, value)
    if numbers.shape != ():
        raise ValueError(f"{name} must be one number, not an array of shape {numbers.shape}")
    return float(numbers)


def descend(w: float, b: float, *, rate: float, updates: int, method: str, threshold: float = 1.0) -> Descent:
    """Gradient descent from (w, b): by the gradient as it is ("none"), or clipped by "norm" or "value".

    It ends early where a number is no longer finite. ValueError for a start that isn't finite, a rate
    or a threshold that isn't above 0, a negative number of updates, or an unknown method.
    """
    check_positive("rate", rate)
    check_positive("threshold", threshold)
    check_count("updates", updates, 0)
    check_choice("method", method, METHODS)
    w, b, rate = _number("w", w), _number("b", b), float(rate)
    value, d_w, d_b = _error_at(w, b)
    places, norms = [(w, b, value)], []
    for _ in range(updates):
        before = after = math.hypot(d_w, d_b)  # a tenth of what `global_norm` takes for two numbers
        if method != "none" and not before <= threshold:
            clipped = CLIPS[method]({"w, b": np.array([d_w, d_b])}, threshold)
            d_w, d_b = clipped.gradients["w, b"].tolist()
            before, after = clipped.norm_before, clipped.norm_after
        w -= rate * d_w
        b -= rate * d_b
        if not (math.isfinite(w) and math.isfinite(b)):
            break
        value, d_w, d_b = _error_at(w, b)
        places.append((w, b, value))
        norms.append((before, after))
    columns = np.array(places).T
    norms_before, norms_after = np.array(norms).reshape(-1, 2).T
    return Descent(columns[0], columns[1], columns[2], norms_before, norms_after)


def _error_at(w: float, b: float) -> tuple[float, float, float]:
    """`error` at one point, where plain floats take a thirtieth of the time that arrays of one do.

    σ(x) and σ′(x) are had from e^−|x|, and not by a function: calling one takes as long as what it does.
    """
    x, x_by_w, x_by_b = START, 0.0, 0.0
    for _ in range(STEPS):
        e = math.exp(-abs(x))
        whole = 1 + e
        s = (1 if x > 0 else e) / whole
        growth = w * (e / (whole * whole))
        x, x_by_w, x_by_b = w * s + b, s + growth * x_by_w, 1 + growth * x_by_b
    e = math.exp(-abs(x))
    whole = 1 + e
    s = (1 if x > 0 else e) / whole
    d_x = 2 * (s - TARGET) * (e / (whole * whole))
    return (s - TARGET) ** 2, d_x * x_by_w, d_x * x_by_b
