"""Clipping: a gradient that is too long is cut short before the update."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from core.arrays import Array, check_positive


class Clipped(NamedTuple):
    """Gradients after clipping, their global norm before and after, and the cosine between the two.

    Where a gradient isn't finite it is left as it is: its norm is inf or NaN, and the cosine NaN.
    """

    gradients: dict[str, Array]
    norm_before: float
    norm_after: float
    cosine: float


def global_norm(gradients: Mapping[str, Array]) -> float:
    """√Σ g² over all entries of all gradients: m·√Σ (g/m)² with m the largest entry.

    Scaled first, so that 100 float32 entries of 10²⁰ have the norm 10²¹ and not inf. inf where an entry
    is infinite, NaN where one is NaN.
    """
    largest = max((float(np.max(np.abs(g))) for g in gradients.values() if g.size), default=0.0)
    if not 0 < largest < math.inf or any(np.isnan(np.sum(g)) for g in gradients.values()):
        return math.nan if any(np.isnan(g).any() for g in gradients.values()) else largest
    squares = (float(np.sum(np.square(g / largest, dtype=np.float64))) for g in gradients.values())
    return largest * math.sqrt(sum(squares))


def clip_by_norm(gradients: Mapping[str, Array], max_norm: float) -> Clipped:
    """g · min(1, max_norm/‖g‖), ‖g‖ the global norm (Pascanu, Mikolov & Bengio 2013, algorithm 1).

    ValueError for a max_norm that isn't above 0.
    """
    check_positive("max_norm", max_norm)
    norm = global_norm(gradients)
    if not math.isfinite(norm):
        return Clipped(dict(gradients), norm, norm, math.nan)
    if norm <= max_norm:
        return Clipped(dict(gradients), norm, norm, 1.0)
    scale = max_norm / norm
    return Clipped({name: g * scale for name, g in gradients.items()}, norm, float(max_norm), 1.0)
