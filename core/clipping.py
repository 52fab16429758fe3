"""Clipping: a gradient that is too long is cut short before the update."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from core.arrays import Array, check_positive

SMALLEST_WEIGHTS = 1e-3  # the norm that a row of smaller weights counts as (Brock et al. 2021, eq. 3)


class Clipped(NamedTuple):
    """Gradients after clipping, their global norm before and after, and the cosine between the two.

    Where a gradient isn't finite all are left as they are: the norm is inf or NaN, and the cosine NaN.
    """

    gradients: dict[str, Array]
    norm_before: float
    norm_after: float
    cosine: float


def global_norm(gradients: Mapping[str, Array]) -> float:
    """√Σ g² over all entries of all gradients: m·√Σ (g/m)² with m the largest entry.

    Scaled first, so that 100 float32 entries of 10²⁰ have the norm 10²¹ and not inf. NaN where an entry
    is NaN, else inf where one is infinite or the norm itself is past float64. ValueError where there is
    no gradient.
    """
    largest = _largest(gradients)
    return largest * _norm_by(largest, gradients) if 0 < largest < math.inf else largest


def clip_by_norm(gradients: Mapping[str, Array], max_norm: float) -> Clipped:
    """g · min(1, max_norm/‖g‖), ‖g‖ the global norm (Pascanu, Mikolov & Bengio 2013, algorithm 1).

    Each gradient keeps its type, and all of them together their direction. ValueError for a max_norm
    that isn't above 0, or where there is no gradient.
    """
    check_positive("max_norm", max_norm)
    largest = _largest(gradients)
    if not math.isfinite(largest):
        return _untouched(gradients)
    relative = _norm_by(largest, gradients) if largest > 0 else 0.0
    norm = largest * relative
    if norm <= max_norm:
        return Clipped(dict(gradients), norm, norm, 1.0)
    scale = float(max_norm) / relative
    clipped = {
        name: (np.divide(g, largest, dtype=np.float64) * scale).astype(g.dtype)
        for name, g in gradients.items()
    }
    norm_after = global_norm(clipped)
    return Clipped(clipped, norm, norm_after, 1.0 if norm_after > 0 else math.nan)


def clip_by_value(gradients: Mapping[str, Array], limit: float) -> Clipped:
    """min(max(g, −limit), limit), entry by entry (Mikolov 2012): it turns the gradient, too.

    ValueError for a limit that isn't above 0, or where there is no gradient.
    """
    check_positive("limit", limit)
    if not math.isfinite(_largest(gradients)):
        return _untouched(gradients)
    clipped = {}
    for name, g in gradients.items():
        bound = min(float(limit), float(np.finfo(g.dtype).max))
        clipped[name] = np.asarray(np.clip(g, -bound, bound))
    return _compared(gradients, clipped)


def clip_adaptive(gradients: Mapping[str, Array], parameters: Mapping[str, Array], ratio: float) -> Clipped:
    """Each row G_i cut to ratio · max(‖W_i‖, 10⁻³) where it is longer (AGC, Brock et al. 2021, eq. 3).

    A row is what leads to one unit; a vector of biases counts as one row. ValueError for a ratio that
    isn't above 0, no gradient, or parameters of other names or shapes.
    """
    check_positive("ratio", ratio)
    shapes = {name: np.shape(g) for name, g in gradients.items()}
    if shapes != {name: np.shape(w) for name, w in parameters.items()}:
        raise ValueError(f"parameters must have the names and shapes of the gradients, {shapes}")
    if not all(np.isfinite(w).all() for w in parameters.values()):
        raise ValueError("parameters must hold finite numbers")
    if not math.isfinite(_largest(gradients)):
        return _untouched(gradients)
    clipped = {name: _clip_rows(g, parameters[name], float(ratio)) for name, g in gradients.items()}
    return _compared(gradients, clipped)


def _clip_rows(gradient: Array, weights: Array, ratio: float) -> Array:
    if gradient.size == 0:
        return gradient
    rows, (largest, relative) = _rows(gradient), _row_norms(_rows(gradient))
    w_largest, w_relative = _row_norms(_rows(weights))
    with np.errstate(over="ignore", invalid="ignore"):  # a norm, or what is allowed, may be past float64
        allowed = ratio * np.maximum(w_largest * w_relative, SMALLEST_WEIGHTS)
        cut = rows / largest * (allowed / np.where(relative > 0, relative, 1))
        kept = np.where(largest * relative > allowed, cut, rows)
    return np.asarray(kept.astype(gradient.dtype).reshape(gradient.shape))


def _rows(array: Array) -> Array:
    """As float64 rows, (R, N); a vector is one."""
    count = 1 if array.ndim < 2 else len(array)
    return np.asarray(array, dtype=np.float64).reshape(count, -1)


def _row_norms(rows: Array) -> tuple[Array, Array]:
    """(m, ‖row/m‖), each (R, 1), with m the largest entry of the row, or 1 where all are 0."""
    largest = np.max(np.abs(rows), axis=1, keepdims=True)
    largest = np.where(largest > 0, largest, 1.0)
    return largest, np.asarray(np.linalg.norm(rows / largest, axis=1, keepdims=True))


def _compared(before: Mapping[str, Array], after: dict[str, Array]) -> Clipped:
    norm_before, norm_after = global_norm(before), global_norm(after)
    if all(np.array_equal(g, after[name]) for name, g in before.items()):
        return Clipped(after, norm_before, norm_after, 1.0)
    if norm_after == 0:
        return Clipped(after, norm_before, norm_after, math.nan)
    a, b = _largest(before), _largest(after)
    product = sum(
        float(np.sum(np.divide(g, a, dtype=np.float64) * np.divide(after[name], b, dtype=np.float64)))
        for name, g in before.items()
    )
    cosine = product / (_norm_by(a, before) * _norm_by(b, after))
    return Clipped(after, norm_before, norm_after, min(1.0, cosine))


def _untouched(gradients: Mapping[str, Array]) -> Clipped:
    norm = global_norm(gradients)
    return Clipped(dict(gradients), norm, norm, math.nan)


def _largest(gradients: Mapping[str, Array]) -> float:
    """max |g| over all entries: NaN where one is."""
    if not gradients:
        raise ValueError("gradients must hold at least one array")
    return float(np.max([np.max(np.abs(g)) for g in gradients.values() if g.size], initial=0.0))


def _norm_by(largest: float, gradients: Mapping[str, Array]) -> float:
    """√Σ (g/largest)²."""
    relative = (np.divide(g, largest, dtype=np.float64) for g in gradients.values())
    return math.sqrt(sum(float(np.sum(np.square(g))) for g in relative))
