"""Fewer points for the browser, with the peaks and bends of the line kept."""

from __future__ import annotations

import heapq
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from core.arrays import Array

MOST_POINTS = 200


def thin(y: Array, most: int = MOST_POINTS) -> NDArray[np.intp]:
    """Indices, rising, of at most `most` points of y that draw the same line.

    Half of them evenly spaced, so that there is something to hover over anywhere; then, again and
    again, the point that lies farthest from the line drawn so far (Ramer 1972, with the distance
    measured along y). That distance doesn't change when a straight line is added to y, so the
    choice is right for every spectral radius at once.
    """
    if len(y) <= most:
        return np.arange(len(y))
    kept = np.unique(np.linspace(0, len(y) - 1, most // 2 + 1).round().astype(np.intp))
    chosen = set(kept.tolist())
    waiting = [_farthest(y, int(a), int(b)) for a, b in pairwise(kept)]
    heapq.heapify(waiting)
    while waiting and len(chosen) < most:
        distance, a, middle, b = heapq.heappop(waiting)
        if distance == 0:
            break
        chosen.add(middle)
        heapq.heappush(waiting, _farthest(y, a, middle))
        heapq.heappush(waiting, _farthest(y, middle, b))
    return np.array(sorted(chosen), dtype=np.intp)


def _farthest(y: Array, a: int, b: int) -> tuple[float, int, int, int]:
    """(−distance, a, index, b) of the point between a and b that lies farthest from their chord."""
    if b - a < 2:
        return 0.0, a, a, b
    chord = y[a] + (y[b] - y[a]) / (b - a) * np.arange(1, b - a)
    distances = np.abs(y[a + 1 : b] - chord)
    farthest = int(distances.argmax())
    return -float(distances[farthest]), a, a + 1 + farthest, b
