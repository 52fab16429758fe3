"""The cliff on the clipping page: its controls, its surface as contours, and the two descents over it."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any, NamedTuple, overload

import numpy as np
import pandas as pd
import streamlit as st

from core import cliff
from core.arrays import Array
from pages.shared import charts, compute, controls
from pages.shared.frame import Page
from pages.shared.numbers import from_log10, plain
from pages.shared.words import Words

VIEW_W, VIEW_B = (2.0, 7.0), (-4.5, 0.0)
SPOTS = 0.125  # between two places that a click can choose
COLUMNS, ROWS = 41, 4000
LEVELS = (*np.arange(-3, -0.45, 0.25), -0.4, -0.35)  # log10 of the error, of the contours
LABELLED = {"below": (2.375, (-1.0, -0.5, -0.4, -0.35)), "above": (4.5, (-1.5, -1.25))}  # w, levels
UPDATES = 120
LEAST_DRAWN = -4  # log10 of a norm: below, the surface is flat, and the axis is better used
KEY = "cliff"
SEEN, ROUND = f"{KEY}-seen", f"{KEY}-round"
START = {"w": 4.75, "b": -2.75}
FLIGHTS = ((5.125, -2.75), (4.75, -2.875), (5.125, -2.5))  # starts from which a step soon leaves the picture
SIGMOID = 1 / (1 + math.exp(-cliff.START))
WALL_FROM = 1 / (SIGMOID * (1 - SIGMOID))  # the w above which a step multiplies by more than 1 there


class Settings(NamedTuple):
    """Where the descent starts, and how it steps."""

    w: float
    b: float
    rate: float
    threshold: float
    method: str  # "norm" or "value"


def choose(page: Page) -> Settings:
    """Draw the controls; a click on the surface has moved the start before."""
    _follow_click(page)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        w = controls.decimal(page, "w", *VIEW_W, START["w"], step=SPOTS)
        b = controls.decimal(page, "b", *VIEW_B, START["b"], step=SPOTS)
        rate = float(controls.choice(page, "pace", ["0.03", "0.1", "0.3"], "0.1", name=str))
        threshold = float(controls.choice(page, "threshold", ["0.1", "0.3", "1", "3", "10"], "1", name=str))
        method = controls.choice(page, "method", ["norm", "value"], "norm")
    if st.session_state.get(SEEN) not in (None, (w, b)):  # the boxes or the link have moved it on
        del st.session_state[SEEN]
        st.session_state[ROUND] = st.session_state.get(ROUND, 0) + 1
    return Settings(w, b, rate, threshold, method)


def key() -> str:
    """The surface's: a new one after a start that no click has chosen, so that any spot can be picked."""
    return f"{KEY}-{st.session_state.get(ROUND, 0)}"


def _follow_click(page: Page) -> None:
    """Take the place that was clicked as the start, once."""
    picked = _picked(st.session_state.get(key()))
    if picked is not None and st.session_state.get(SEEN) != picked:
        st.session_state[SEEN] = picked
        controls.set_decimals(page, dict(zip(START, picked, strict=True)), START)


def _picked(state: Any) -> tuple[float, float] | None:
    """(w, b) of the spot that the chart's selection holds; what a browser sends may be anything."""
    try:
        (w, b), *_ = [(float(row["w"]), float(row["b"])) for row in state["selection"][charts.SPOT]]
    except (TypeError, KeyError, ValueError, OverflowError):
        return None
    return (w, b) if VIEW_W[0] <= w <= VIEW_W[1] and VIEW_B[0] <= b <= VIEW_B[1] else None


@st.cache_resource(max_entries=compute.ENTRIES, show_spinner=False)  # read only: a copy a reader costs more
def descend(settings: Settings, method: str) -> cliff.Descent:
    return cliff.descend(
        settings.w,
        settings.b,
        rate=settings.rate,
        updates=UPDATES,
        method=method,
        threshold=settings.threshold,
    )


@functools.cache
def relief() -> Callable[[pd.DataFrame, Words], charts.Chart]:
    """The chart of the surface, which never changes: only the descents on it do."""
    drawn = surface()
    return functools.partial(
        charts.cliff, surface=drawn, labels=labels(drawn), view=(VIEW_W, VIEW_B), spots=SPOTS
    )


def surface() -> pd.DataFrame:
    """level, side, edge, contour: from each contour to that edge of the picture the error is above 10^level.

    A contour is the b at each of COLUMNS places along w. σ(x_50) rises with b, so that at each w the error
    is above a level below one b and above another.
    """
    w = np.linspace(*VIEW_W, COLUMNS)
    b = np.linspace(VIEW_B[0] - 3, VIEW_B[1] + 3, ROWS)
    found = cliff.error(w[:, None], b)
    said = cliff.TARGET + np.sign(found.d_b) * np.sqrt(found.value)
    contours = []
    for level in LEVELS:
        away = 10 ** (level / 2)
        for side, edge, wanted in (
            ("below", VIEW_B[0], cliff.TARGET - away),
            ("above", VIEW_B[1], cliff.TARGET + away),
        ):
            if 0 < wanted < 1:
                contour = np.clip([np.interp(wanted, column, b) for column in said], *VIEW_B).round(3)
                contours.append({"level": level, "side": side, "edge": edge, "contour": contour.tolist()})
    return pd.DataFrame(contours)


def labels(drawn: pd.DataFrame) -> pd.DataFrame:
    """w, b, text: the error of some contours of the surface, where there is room beside them."""
    columns = np.linspace(*VIEW_W, COLUMNS).tolist()
    found = [
        {"w": w, "b": contour["contour"][columns.index(w)], "text": f"{10 ** contour['level']:.2g}"}
        for side, (w, levels) in LABELLED.items()
        for contour in drawn.to_dict("records")
        if contour["side"] == side and contour["level"] in levels
    ]
    return pd.DataFrame(found)


def descents(settings: Settings) -> pd.DataFrame:
    """layer, w, b, y: the start, and both descents, update y by update, as far as they stay in view."""
    free, clipped = (descend(settings, method) for method in ("none", settings.method))
    start = np.array([settings.w]), np.array([settings.b])
    parts = {"start": start, "free": _to_the_edge(free), "clipped": _to_the_edge(clipped)}
    return pd.DataFrame(
        {
            "layer": np.repeat(list(parts), [len(w) for w, _ in parts.values()]),
            "w": np.concatenate([w for w, _ in parts.values()]),
            "b": np.concatenate([b for _, b in parts.values()]),
            "y": np.concatenate([np.arange(len(w)) for w, _ in parts.values()]),
        }
    )


def _to_the_edge(found: cliff.Descent) -> tuple[Array, Array]:
    """A descent up to the point where it first leaves the picture, cut there."""
    w, b = found.w, found.b
    inside = (w >= VIEW_W[0]) & (w <= VIEW_W[1]) & (b >= VIEW_B[0]) & (b <= VIEW_B[1])
    if inside.all():
        return w, b
    out = int(np.argmin(inside))
    if out == 0:
        return w[:1], b[:1]
    step_w, step_b = w[out] - w[out - 1], b[out] - b[out - 1]
    shares = [
        (edge - start) / step
        for start, step, view in ((w[out - 1], step_w, VIEW_W), (b[out - 1], step_b, VIEW_B))
        for edge in view
        if step and (edge - start) / step > 0
    ]
    share = min(1.0, *shares)
    return np.append(w[:out], w[out - 1] + share * step_w), np.append(b[:out], b[out - 1] + share * step_b)


def norms(words: Words, settings: Settings) -> pd.DataFrame:
    """name, k, y: log10 of the gradient's norm at each update, free, and clipped before and after."""
    free, clipped = descend(settings, "none"), descend(settings, settings.method)
    lines = {
        "cut.before": clipped.norms_before,
        "cut.after": clipped.norms_after,
        "cut.free": free.norms_before,
    }
    with np.errstate(divide="ignore"):
        sizes = np.log10(np.concatenate(list(lines.values())))
    frame = pd.DataFrame(
        {
            "name": np.repeat([words(name) for name in lines], [len(values) for values in lines.values()]),
            "k": np.concatenate([np.arange(1, len(values) + 1) for values in lines.values()]),
            "y": sizes,
        }
    )
    drawn: pd.DataFrame = frame[sizes > LEAST_DRAWN].reset_index(drop=True)
    return drawn


@overload
def fixed_point(w: float) -> float: ...
@overload
def fixed_point(w: Array) -> Array: ...
def fixed_point(w: float | Array) -> float | Array:
    """The b at which x_0 stays where it is: where w is above WALL_FROM, the foot of the wall."""
    return cliff.START - w * SIGMOID


class Leap(NamedTuple):
    """The longest step of a descent."""

    update: int
    length: float
    w: float  # where it ended
    b: float

    @property
    def away(self) -> bool:
        """Whether it left the picture, and not by a small step over its edge."""
        inside = VIEW_W[0] <= self.w <= VIEW_W[1] and VIEW_B[0] <= self.b <= VIEW_B[1]
        return self.length > 1 and not inside


def leap(found: cliff.Descent) -> Leap:
    """The longest step, and where it led."""
    lengths = np.hypot(np.diff(found.w), np.diff(found.b))
    k = int(np.argmax(lengths))
    return Leap(k + 1, float(lengths[k]), float(found.w[k + 1]), float(found.b[k + 1]))


def crossings(found: cliff.Descent) -> int:
    """How many steps crossed the wall: the line of the fixed point, as far as it repels."""
    above = found.b > fixed_point(found.w)
    steep = found.w > WALL_FROM
    return int(np.sum((above[1:] != above[:-1]) & steep[1:] & steep[:-1]))


def story(words: Words, settings: Settings, free: cliff.Descent, clipped: cliff.Descent) -> list[str]:
    """What became of the two descents."""
    largest = words(
        "read.norms",
        norm=plain(float(free.norms_before.max())),
        threshold=plain(settings.threshold),
        cut=int(np.sum(clipped.norms_after < clipped.norms_before)),
        updates=UPDATES,
    )
    return [_told(words, "free", settings, free), _told(words, "clipped", settings, clipped), largest]


def _told(words: Words, name: str, settings: Settings, found: cliff.Descent) -> str:
    """What became of a descent."""
    longest, best, times = leap(found), int(np.argmin(found.errors)), crossings(found)
    landed = cliff.error(longest.w, longest.b)
    slope = math.hypot(landed.d_w, landed.d_b)
    values = {
        "method": words(f"method.{settings.method}").lower(),
        "update": longest.update,
        "length": plain(longest.length),
        "w": plain(longest.w),
        "b": plain(longest.b),
        "error": plain(float(landed.value)),
        "norm": from_log10(math.log10(slope)) if slope else "0",
        "walk": from_log10(-math.log10(slope * settings.rate)) if slope else "∞",
        "threshold": plain(settings.threshold),
        "lowest": plain(float(found.errors[best])),
        "best": best,
        "updates": UPDATES,
        "times": times,
    }
    keys = [f"read.{name}.{'flies' if longest.away else 'stays'}", "read.lowest"]
    return " ".join(words(key, **values) for key in keys + ["read.crosses"] * (times > 1))
