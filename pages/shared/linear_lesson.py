"""The questions of the explosion page and of the vanishing page."""

from __future__ import annotations

import math

from core import precision
from core.arrays import Array
from pages.shared import compute, gated_lab, linear_lab, path_picture, pictures
from pages.shared.frame import Page
from pages.shared.lesson import Answer, Question
from pages.shared.linear_lab import SEED, STEPS
from pages.shared.numbers import from_log10, plain, power_of_ten

GROWING, DECAYING = 1.1, 0.9
SMALL_POWER, LARGE_POWER = 3, 30  # decades that one may guess
NEAR, FAR = 50, 300  # steps
SLOW, FAST = 0.01, 1.0  # learning rates
FARTHEST = 1000  # steps
UNITS, LENGTH, BIAS = 32, 200, 1.0


def growth() -> Answer:
    """How large the gradient gets."""
    lab = linear_lab.made("gaussian", GROWING)
    end, slow, fast = float(lab.norms[-1]), SMALL_POWER, LARGE_POWER
    right = "small" if end < slow else "middle" if end < fast else "large"
    values = {
        "radius": plain(GROWING),
        "steps": f"{STEPS:,}",
        "low": power_of_ten(slow),
        "high": power_of_ten(fast),
        "size": from_log10(end),
        "pure": from_log10(STEPS * math.log10(GROWING)),
        "double": plain(math.log(2) / math.log(GROWING)),
    }
    return Answer(right, values)


def overflow() -> Answer:
    """Which leaves float32 first, the gradient's norm or its square."""
    found = precision.milestones(linear_lab.made("gaussian", GROWING).norms, "float32")
    if found.overflow is None or found.squared_overflow is None:
        raise ValueError(f"at ρ = {GROWING} nothing leaves float32 within {STEPS} steps")
    right = "squared" if found.squared_overflow < found.overflow else "together"
    largest = from_log10(math.log10(precision.PRECISIONS["float32"].largest))
    squared, norm = f"{found.squared_overflow:,}", f"{found.overflow:,}"
    return Answer(right, {"radius": plain(GROWING), "largest": largest, "squared": squared, "norm": norm})


def transient() -> Answer:
    """Whether a gradient can grow where every |λ| is below 1."""
    norms = linear_lab.made("non-normal", DECAYING).norms
    peak = int(norms.argmax())
    right = "shrinks" if peak == 0 else "first" if norms[-1] < norms[0] else "grows"
    size, left = from_log10(norms[peak]), from_log10(norms[-1])
    return Answer(
        right, {"radius": plain(DECAYING), "peak": size, "step": peak, "left": left, "steps": f"{STEPS:,}"}
    )


def reach() -> Answer:
    """From how far back an input still moves a weight."""
    steps = _reach(0.1)
    right = "near" if steps < NEAR else "middle" if steps < FAR else "far"
    left = from_log10(linear_lab.made("gaussian", DECAYING).norms[steps])
    values = {"radius": plain(DECAYING), "rate": plain(0.1), "near": NEAR, "far": FAR}
    return Answer(right, values | {"reach": steps, "left": left})


def faster() -> Answer:
    """How much farther back a larger learning rate reaches."""
    slow, fast = _reach(SLOW), _reach(FAST)
    times = FAST / SLOW
    right = "same" if fast == slow else "some" if fast < 2 * slow else "times"
    values = {"slow": plain(SLOW), "fast": plain(FAST), "times": plain(times), "radius": plain(DECAYING)}
    worth = plain(math.log(times) / -math.log(DECAYING))
    return Answer(right, values | {"before": slow, "after": fast, "more": fast - slow, "worth": worth})


def cells() -> Answer:
    """Which cell brings most of its gradient back."""
    left = {name: float(paths(BIAS)[name][-1]) for name in gated_lab.CELLS}
    shut = {name: float(paths(0.0)[name][-1]) for name in gated_lab.CELLS}
    values = {f"{name}_left": from_log10(size) for name, size in left.items()}
    values |= {f"{name}_shut": from_log10(size) for name, size in shut.items()}
    return Answer(max(left, key=lambda name: left[name]), values | {"steps": LENGTH, "bias": plain(BIAS)})


def _reach(rate: float) -> int:
    lab = linear_lab.made("gaussian", DECAYING)
    return compute.last_reach(lab.W, lab.gradient, FARTHEST, rate, SEED, "float32") or 0


def paths(bias: float) -> dict[str, Array]:
    """log10 of the gradients' norms by steps back, through each cell and through the LSTM's memory."""
    start = gated_lab.Start("uniform", bias, 1.0, LENGTH)
    return gated_lab.paths(gated_lab.CELLS, UNITS, LENGTH, start, SEED)


def show_growing(page: Page, now: str) -> None:
    path_picture.draw_path(page, linear_lab.made("gaussian", GROWING), [now])


def show_transient(page: Page, now: str) -> None:
    path_picture.draw_path(page, linear_lab.made("non-normal", DECAYING), [now])


def show_reach(page: Page, now: str, rate: float = 0.1) -> None:
    lab = linear_lab.made("gaussian", DECAYING)
    pictures.draw_reach(page, compute.reach(lab.W, lab.gradient, FARTHEST, rate, SEED), now)


def show_faster(page: Page, now: str) -> None:
    show_reach(page, now, FAST)


def show_cells(page: Page, now: str) -> None:
    pictures.draw_gates(page, paths(BIAS), now)


EXPLOSION = (
    Question("growth", ("small", "middle", "large"), growth, show_growing, {}),
    Question("overflow", ("norm", "squared", "together"), overflow, show_growing, {}),
    Question(
        "transient",
        ("shrinks", "first", "grows"),
        transient,
        show_transient,
        {"kind": "non-normal", "rho": f"{DECAYING:g}"},
    ),
)
VANISHING = (
    Question("reach", ("near", "middle", "far"), reach, show_reach, {"tab": "update"}),
    Question(
        "faster", ("same", "some", "times"), faster, show_faster, {"tab": "update", "rate": f"{FAST:g}"}
    ),
    Question("cells", gated_lab.CELLS, cells, show_cells, {"tab": "gates"}),
)
