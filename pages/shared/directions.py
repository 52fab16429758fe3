"""A gradient of two entries, clipped, and the lines of its picture."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from core.arrays import Array
from core.clipping import Clipped, clip_by_norm, clip_by_value

Points = list[tuple[float, float]]

HEAD = 0.18  # the length of an arrow's head
ANGLE = 0.5  # the radius of the arc that shows the direction
SPREAD = 0.45  # radians between the head and the shaft


class Cut(NamedTuple):
    """A gradient, and what clipping to a threshold of 1 makes of it."""

    gradient: Array  # (2,)
    by_norm: Clipped
    by_value: Clipped


def cut(degrees: float, length: float) -> Cut:
    """The gradient of that length, so many degrees from the first axis, clipped both ways."""
    angle = math.radians(degrees)
    gradient = np.array([length * math.cos(angle), length * math.sin(angle)])
    return Cut(gradient, clip_by_norm({"g": gradient}, 1.0), clip_by_value({"g": gradient}, 1.0))


def turned(clipped: Clipped) -> float:
    """By how many degrees clipping turned the gradient."""
    return math.degrees(math.acos(min(1.0, clipped.cosine)))


def lines(cut: Cut) -> dict[str, Points]:
    """The arrows of a gradient and of what is left of it, its angle, and what a threshold of 1 allows."""
    gradient = cut.gradient
    return {
        "gradient": arrow(gradient),
        "norm": arrow(cut.by_norm.gradients["g"]),
        "value": arrow(cut.by_value.gradients["g"]),
        "circle": _arc(1.0, np.pi / 2),
        "square": [(1.0, 0.0), (1.0, 1.0), (0.0, 1.0)],
        "angle": _arc(ANGLE, float(np.arctan2(gradient[1], gradient[0]))),
    }


def _arc(radius: float, angle: float) -> Points:
    """From the first axis through an angle."""
    turns = np.linspace(0, angle, 31)
    return list(zip((radius * np.cos(turns)).tolist(), (radius * np.sin(turns)).tolist(), strict=True))


def arrow(tip: Array) -> Points:
    """From the origin to the tip, and around its head."""
    angle = float(np.arctan2(tip[1], tip[0]))
    heads = [
        tip - HEAD * np.array([np.cos(angle + turn), np.sin(angle + turn)]) for turn in (SPREAD, -SPREAD)
    ]
    points = [np.zeros(2), tip, heads[0], tip, heads[1]]
    return [(float(x), float(y)) for x, y in points]
