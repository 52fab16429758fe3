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
from core.clipping import clip_by_norm, clip_by_value, global_norm

START, TARGET, STEPS = 0.5, 0.7, 50
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
    w, b = (np.broadcast_to(values, shape).reshape(-1) for values in (w, b))
    x, x_by_w, x_by_b = np.full(w.shape, START), np.zeros(w.shape), np.zeros(w.shape)
    with np.errstate(over="ignore", invalid="ignore", under="ignore"):
        for _ in range(STEPS):
            s, _, slope = sigmoid_parts(0.5 * x)
            slope *= w
            x_by_w = s + slope * x_by_w
            x_by_b = 1 + slope * x_by_b
            x = w * s + b
        s, _, slope = sigmoid_parts(0.5 * x)
        d_x = 2 * (s - TARGET) * slope
        parts = (np.square(s - TARGET), d_x * x_by_w, d_x * x_by_b)
    return Error(*(part.reshape(shape) for part in parts))


def descend(w: float, b: float, *, rate: float, updates: int, method: str, threshold: float = 1.0) -> Descent:
    """Gradient descent from (w, b): by the gradient as it is ("none"), or clipped by "norm" or "value".

    It ends early where a number is no longer finite. ValueError for a start that isn't finite, a rate
    or a threshold that isn't above 0, a negative number of updates, or an unknown method.
    """
    check_positive("rate", rate)
    check_positive("threshold", threshold)
    check_count("updates", updates, 0)
    check_choice("method", method, METHODS)
    w, b = (float(as_floats(name, value)) for name, value in (("w", w), ("b", b)))
    found = error(w, b)
    places, norms = [(w, b, float(found.value))], []
    for _ in range(updates):
        gradient = {"w": np.array([found.d_w]), "b": np.array([found.d_b])}
        if method != "none":
            gradient, before, after, _ = CLIPS[method](gradient, threshold)
        else:
            before = after = global_norm(gradient)
        w -= rate * float(gradient["w"][0])
        b -= rate * float(gradient["b"][0])
        if not (math.isfinite(w) and math.isfinite(b)):
            break
        found = error(w, b)
        places.append((w, b, float(found.value)))
        norms.append((before, after))
    columns = np.array(places).T
    norms_before, norms_after = np.array(norms).reshape(-1, 2).T
    return Descent(columns[0], columns[1], columns[2], norms_before, norms_after)
