"""Clipping: a gradient that is too long is cut short before the update."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from core.arrays import Array, check_positive


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
    is NaN, else inf where one is infinite or the norm itself is past float64.
    """
    largest = _largest(gradients)
    return largest * _norm_by(largest, gradients) if 0 < largest < math.inf else largest


def clip_by_norm(gradients: Mapping[str, Array], max_norm: float) -> Clipped:
    """g · min(1, max_norm/‖g‖), ‖g‖ the global norm (Pascanu, Mikolov & Bengio 2013, algorithm 1).

    Each gradient keeps its type. ValueError for a max_norm that isn't above 0.
    """
    check_positive("max_norm", max_norm)
    largest = _largest(gradients)
    norm = global_norm(gradients)
    if not math.isfinite(largest):
        return Clipped(dict(gradients), norm, norm, math.nan)
    if norm <= max_norm:
        return Clipped(dict(gradients), norm, norm, 1.0)
    scale = float(max_norm) / _norm_by(largest, gradients)
    clipped = {
        name: (np.divide(g, largest, dtype=np.float64) * scale).astype(g.dtype)
        for name, g in gradients.items()
    }
    norm_after = global_norm(clipped)
    return Clipped(clipped, norm, norm_after, 1.0 if norm_after > 0 else math.nan)


def _largest(gradients: Mapping[str, Array]) -> float:
    """max |g| over all entries: NaN where one is, 0 where there are none."""
    return float(np.max([np.max(np.abs(g)) for g in gradients.values() if g.size], initial=0.0))


def _norm_by(largest: float, gradients: Mapping[str, Array]) -> float:
    """√Σ (g/largest)²."""
    relative = (np.divide(g, largest, dtype=np.float64) for g in gradients.values())
    return math.sqrt(sum(float(np.sum(np.square(g))) for g in relative))
