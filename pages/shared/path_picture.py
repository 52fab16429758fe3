"""The main picture of the linear pages: the gradient's path, and what it says beside it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import streamlit as st

from core.arrays import Array
from core.precision import PRECISIONS, milestones
from pages.shared import charts
from pages.shared.frame import Page
from pages.shared.linear_lab import Lab
from pages.shared.numbers import plain
from pages.shared.thinning import thin
from pages.shared.words import Words

TOUCHED = 31  # points of the path to hover over
WORTH_SAYING = 1e-6  # decades: below this no digit that the page shows is in doubt


def path_frame(page: Page, lab: Lab) -> pd.DataFrame:
    """The rows that `charts.gradient_path` draws: the path, its rate and bounds, limits, crossings."""
    norms, steps = lab.paths.norms, lab.settings.steps
    alive = norms[: zero_from(norms)]
    kept = thin(alive)
    rows = [("path", int(k), alive[k], 1, "", "", 0.0) for k in kept]
    rows += [("rate", k, 0.0, 1, "", "", 0.0) for k in ((0, steps) if lab.scalable else (0,))]
    for name, bound in (("lower", lab.paths.lower), ("upper", lab.paths.upper)):
        if np.isfinite(bound[-1]):
            rows += [("bound", k, bound[k], 1, name, "", 0.0) for k in (0, steps)]
    rows += [row for name in PRECISIONS for row in _limits(page.words, lab.norms, name)]
    for name in PRECISIONS:
        found = milestones(lab.norms, name)
        crossed = {found.overflow, found.squared_overflow, found.zero} - {None, 0}
        rows += [
            ("crossing", k, norms[k], 1, "", "", 0.0)
            for k in crossed
            if k is not None and np.isfinite(norms[k])
        ]
    frame = pd.DataFrame(rows, columns=["layer", "k", "base", "moves", "text", "short", "room"])
    touched = frame.index.isin(np.linspace(0, len(kept) - 1, TOUCHED).round())
    return frame.assign(radius=lab.radius, touch=touched)


def _limits(words: Words, log10_path: Array, name: str) -> list[tuple[str, int, float, int, str, str, float]]:
    """The lines where a type ends: `text` says at which step the path meets them, `short` doesn't."""
    precision, found = PRECISIONS[name], milestones(log10_path, name)
    side = 1 if name == "float16" else 0  # the path starts at the left, where float16's lines are near it
    step, norm, zero = (None if k is None else f"{k:,}" for k in (found[0], found[1], found.zero))
    types = words("limit.float32") if name == "float32" else name  # bfloat16 overflows with float32
    upper, lower = words("limit.overflow", types=types), words("limit.zero", types=name)
    at_lower = words("limit.zero_at", types=name, step=zero) if zero else lower
    at_upper = words("limit.overflow_at", types=types, step=step, norm=norm) if step else upper
    if norm and not step:
        at_upper = words("limit.norm_at", types=types, norm=norm)
    top, bottom = precision.log10_overflow, precision.log10_zero
    if name == "bfloat16":
        room = bottom - PRECISIONS["float32"].log10_zero
        return [("limit", side, bottom, 0, at_lower, lower, room)]
    return [
        ("limit", side, top, 0, at_upper, upper, top),
        ("limit", side, bottom, 0, at_lower, lower, -bottom),
    ]


def zero_from(log10_path: Array) -> int:
    """The first step at which the gradient is exactly zero; the path's length if it never is."""
    zero = np.isneginf(log10_path)
    return int(np.argmax(zero)) if zero.any() else len(log10_path)


def draw_path(page: Page, lab: Lab, story: Sequence[str]) -> None:
    """The main picture: the gradient's path on a log scale; to a screen reader it tells the story."""
    with st.container(key=f"{page.name}-picture"):
        charts.show(
            charts.gradient_path,
            path_frame(page, lab),
            page.words,
            key=f"{page.name}-path",
            alt_text=page.words("alt_path"),
            now="\n".join([*story, *_dead(page.words, lab)]),
            scale=page.scale,
        )


def read_out(page: Page, lab: Lab, story: Sequence[str], columns: tuple[str, ...]) -> None:
    """Beside the picture: what is seen, in sentences with its numbers, and where each type ends.

    One element, for each costs the browser some milliseconds; and a warning where float64 itself
    doesn't know the path.
    """
    words = page.words
    table = limits_table(words, lab, columns)
    st.markdown("\n\n".join([f"### {words('reading')}", *story, *_dead(words, lab), table]))
    uncertainty = float(np.max(lab.paths.uncertainty))
    if uncertainty > WORTH_SAYING:
        st.warning(words("uncertain", decades=plain(uncertainty)))


def _dead(words: Words, lab: Lab) -> list[str]:
    """From which step on the gradient is exactly zero, in a sentence; none if it never is."""
    first = zero_from(lab.norms)
    return [words("dead", step=f"{first:,}")] if first <= lab.settings.steps else []


def limits_table(words: Words, lab: Lab, columns: tuple[str, ...]) -> str:
    """A Markdown table of the steps at which the path leaves each type; `columns` of Milestones."""
    head = [words("table.type"), *(words(f"table.{column}") for column in columns)]
    lines = ["| " + " | ".join(head) + " |", "|:--" + "|--:" * len(columns) + "|"]
    for name in PRECISIONS:
        found = milestones(lab.norms, name)
        steps = {"norm": found.squared_overflow, **found._asdict()}
        cells = [words("never") if steps[column] is None else f"{steps[column]:,}" for column in columns]
        lines.append("| " + " | ".join([name, *cells]) + " |")
    return "\n".join(lines)
