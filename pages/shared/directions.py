"""The lines of the picture in which a gradient of two entries is clipped."""

from __future__ import annotations

import numpy as np

from core.arrays import Array
from core.clipping import Clipped

Points = list[tuple[float, float]]

HEAD = 0.18  # the length of an arrow's head
ANGLE = 0.5  # the radius of the arc that shows the direction
SPREAD = 0.45  # radians between the head and the shaft


def lines(gradient: Array, by_norm: Clipped, by_value: Clipped) -> dict[str, Points]:
    """The arrows of a gradient and of what is left of it, its angle, and what a threshold of 1 allows."""
    return {
        "gradient": arrow(gradient),
        "norm": arrow(by_norm.gradients["g"]),
        "value": arrow(by_value.gradients["g"]),
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
