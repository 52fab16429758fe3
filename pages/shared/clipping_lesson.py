"""The questions of the clipping page."""

from __future__ import annotations

import math

import numpy as np

from core.clipping import clip_by_norm, clip_by_value
from pages.shared import charts, cliff_lab, compute, directions, frames
from pages.shared.cliff_lab import START, VIEW_W, Settings
from pages.shared.frame import Page
from pages.shared.lesson import Answer, Question, scale
from pages.shared.numbers import plain

CLIFF = Settings(START["w"], START["b"], 0.1, 1.0, "norm")
SHORT = 1.0
DEGREES, LONGER = 20, 4
STRAIGHT = 0.5  # degrees: what is turned by less is not said to be turned
DELAY, UPDATES, THRESHOLD = 40, 60, 1.0


def leap() -> Answer:
    """How long the longest step is that isn't clipped."""
    free, clipped = (cliff_lab.leap(cliff_lab.descend(CLIFF, method)) for method in ("none", CLIFF.method))
    wide = VIEW_W[1] - VIEW_W[0]
    right = "short" if free.length < SHORT else "inside" if free.length < wide else "away"
    values = {"wide": plain(wide), "short": plain(SHORT), "length": plain(free.length)}
    values |= {"update": str(free.update), "clipped": plain(clipped.length), "rate": plain(CLIFF.rate)}
    return Answer(right, values | {"threshold": plain(CLIFF.threshold)})


def turned() -> Answer:
    """Which way of clipping turns the gradient."""
    gradient = _gradient()
    by_norm, by_value = clip_by_norm(gradient, 1.0), clip_by_value(gradient, 1.0)
    angles = [math.degrees(math.acos(min(1.0, found.cosine))) for found in (by_norm, by_value)]
    turns = [angle > STRAIGHT for angle in angles]
    right = {(False, False): "neither", (True, False): "norm", (False, True): "value"}.get(
        (turns[0], turns[1]), "both"
    )
    return Answer(right, {"degrees": DEGREES, "longer": LONGER, "turned": plain(angles[1])})


def cannot() -> Answer:
    """What clipping does to a run whose gradient vanishes."""
    found = compute.vanishing_pair(DELAY, UPDATES, THRESHOLD)
    share = found.differ / found.parameters
    right = "none" if share == 0 else "some" if share < 1 else "all"
    values = {"delay": DELAY, "updates": UPDATES, "differ": found.differ, "count": f"{found.parameters:,}"}
    largest, threshold = plain(found.largest_norm), plain(THRESHOLD)
    return Answer(right, values | {"largest": largest, "threshold": threshold})


def _gradient() -> dict[str, np.ndarray]:
    angle = math.radians(DEGREES)
    return {"g": np.array([LONGER * math.cos(angle), LONGER * math.sin(angle)])}


def show_cliff(page: Page, now: str) -> None:
    charts.show(
        cliff_lab.relief(),
        cliff_lab.descents(CLIFF),
        page.words,
        key="lesson-cliff",
        alt_text=page.words("surface.alt"),
        now=now,
        scale=scale(page),
    )


def show_directions(page: Page, now: str) -> None:
    gradient = _gradient()
    by_norm, by_value = clip_by_norm(gradient, 1.0), clip_by_value(gradient, 1.0)
    charts.show(
        charts.arrows,
        frames.arrows(page.words, directions.lines(gradient["g"], by_norm, by_value)),
        page.words,
        key="direction",
        alt_text=page.words("direction.alt"),
        now=now,
        width="content",
        scale=scale(page),
    )


def show_losses(page: Page, now: str) -> None:
    found = compute.vanishing_pair(DELAY, UPDATES, THRESHOLD)
    charts.show(
        charts.vanishing_losses,
        frames.curves({page.words("cut.clipped"): found.clipped, page.words("cut.free"): found.free}),
        page.words,
        key="cannot",
        alt_text=page.words("cannot.alt"),
        now=now,
        scale=scale(page),
    )


CLIPPING = (
    Question("leap", ("short", "inside", "away"), leap, show_cliff, {}),
    Question("turned", ("norm", "value", "both", "neither"), turned, show_directions, {"tab": "direction"}),
    Question("cannot", ("all", "some", "none"), cannot, show_losses, {"tab": "cannot"}),
)
