"""The questions of the clipping page."""

from __future__ import annotations

from pages.shared import cliff_lab, compute, directions, pictures
from pages.shared.cliff_lab import START, VIEW_W, Settings
from pages.shared.frame import Page
from pages.shared.lesson import Answer, Question
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
    cut = directions.cut(DEGREES, LONGER)
    angles = [directions.turned(found) for found in (cut.by_norm, cut.by_value)]
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


def show_cliff(page: Page, now: str) -> None:
    pictures.draw_surface(page, CLIFF, now, key="lesson-cliff")


def show_directions(page: Page, now: str) -> None:
    pictures.draw_arrows(page, directions.cut(DEGREES, LONGER), now)


def show_losses(page: Page, now: str) -> None:
    pictures.draw_losses(page, compute.vanishing_pair(DELAY, UPDATES, THRESHOLD), now)


CLIPPING = (
    Question("leap", ("short", "inside", "away"), leap, show_cliff, {}),
    Question("turned", ("norm", "value", "both", "neither"), turned, show_directions, {"tab": "direction"}),
    Question("cannot", ("all", "some", "none"), cannot, show_losses, {"tab": "cannot"}),
)
