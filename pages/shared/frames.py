"""Frames: the numbers of the core in the long form that the charts read."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.arrays import Array, ComplexArray
from core.descent import Update
from pages.shared.live import Run
from pages.shared.thinning import thin
from pages.shared.words import Words

LARGEST_DRAWN = 16
MOST_MODES = 16
MOST_UPDATES = 6
POINTS_A_LINE = 100  # of several in one picture
ARROW_OF = {
    **{name: name for name in ("gradient", "norm", "value")},
    "angle": "gradient",
    "circle": "norm",
    "square": "value",
}


class Line(NamedTuple):
    """A named line and what its colour means, one of the charts' MEANINGS."""

    name: str
    meaning: str
    values: Array


def lines(drawn: Sequence[Line]) -> pd.DataFrame:
    """name, meaning, order (in the legend), k, y for several lines over k = 0, 1, 2 …, thinned.

    What isn't finite is left out: a line ends where its numbers do.
    """
    kept = [_drawn_points(line.values) for line in drawn]
    order = np.repeat(np.arange(len(drawn)), [len(points) for points in kept])
    return pd.DataFrame(
        {
            "name": np.array([line.name for line in drawn], dtype=object)[order],
            "meaning": np.array([line.meaning for line in drawn], dtype=object)[order],
            "order": order,
            "k": np.concatenate(kept),
            "y": np.concatenate([line.values[points] for line, points in zip(drawn, kept, strict=True)]),
        }
    )


def _drawn_points(values: Array) -> NDArray[np.intp]:
    finite = np.flatnonzero(np.isfinite(values))
    return finite[thin(values[finite], POINTS_A_LINE)]


def trend(path: Array) -> str:
    """What a path of log10 sizes does from its start to its last finite value."""
    change = path[np.isfinite(path)][-1] - path[0]
    return "growing" if change > 0 else "decaying" if change < 0 else "neutral"


def learning(
    words: Words, runs: Mapping[str, Sequence[float]], guess: float, names: str = "gates"
) -> pd.DataFrame:
    """name, k, y: what each run showed, in means of so many updates as leave POINTS_A_LINE; and guessing."""
    longest = max((len(values) for values in runs.values()), default=0)
    together = max(1, math.ceil(longest / POINTS_A_LINE))
    parts = [(words("learn.guess"), np.array([0, max(longest, 1)]), np.array([guess, guess]))]
    for name, values in runs.items():
        found = _stretches(values, together)
        means = np.array([stretch.mean() for stretch in found.values()])
        parts.append((words(f"{names}.{name}"), np.array(list(found)), means))
    return _long(parts)


def _stretches(values: Sequence[float], together: int) -> dict[int, Array]:
    """The last `together` values up to the k-th, by k, for each multiple of `together` and the last k."""
    ends = [*range(together, len(values), together), *[len(values)][: len(values)]]
    return {k: np.array(values[max(0, k - together) : k], dtype=float) for k in ends}


def order_norms(words: Words, pair: Mapping[str, Run], heuristic: tuple[float, float]) -> pd.DataFrame:
    """name, k, y: log10 of the largest norm in each stretch of updates.

    And, with k = 0, the edges of a band: so many times the mean of the clipped run, before clipping.
    """
    longest = max((len(run.losses) for run in pair.values()), default=0)
    together = max(1, math.ceil(longest / POINTS_A_LINE))
    clipped, free = pair["clipped"], pair["free"]
    parts: list[tuple[str, Array, Array]] = []
    for name, values in (
        ("before", clipped.norms_before),
        ("after", clipped.norms_after),
        ("free", free.norms_before),
    ):
        drawn = {
            k: np.max(stretch, where=np.isfinite(stretch), initial=0)
            for k, stretch in _stretches(values, together).items()
        }
        kept = np.array([(k, math.log10(norm)) for k, norm in drawn.items() if norm > 0]).reshape(-1, 2)
        parts.append((words(f"cut.{name}"), kept[:, 0], kept[:, 1]))
    if clipped.mean_norm > 0:
        least, most = heuristic
        band = np.log10(clipped.mean_norm * np.array(heuristic))
        parts.append((words("cut.band", least=f"{least:g}", most=f"{most:g}"), np.zeros(2), band))
    return _long(parts)


def _long(parts: Sequence[tuple[str, Array | NDArray[np.intp], Array]]) -> pd.DataFrame:
    """name, k, y of several lines."""
    names = np.array([name for name, _, _ in parts], dtype=object)
    return pd.DataFrame(
        {
            "name": np.repeat(names, [len(k) for _, k, _ in parts]),
            "k": np.concatenate([k for _, k, _ in parts]),
            "y": np.concatenate([y for _, _, y in parts]),
        }
    )


def curves(drawn: Mapping[str, Sequence[float] | Array]) -> pd.DataFrame:
    """name, k, y: each series over 0, 1, 2 …"""
    return _long([(name, np.arange(len(values)), np.asarray(values)) for name, values in drawn.items()])


def points(drawn: Mapping[str, Sequence[tuple[float, float]]]) -> pd.DataFrame:
    """name, k, y: lines through the given points."""
    return _long(
        [
            (name, np.array([k for k, _ in pairs], dtype=float), np.array([y for _, y in pairs], dtype=float))
            for name, pairs in drawn.items()
        ]
    )


def arrows(words: Words, drawn: Mapping[str, Sequence[tuple[float, float]]]) -> pd.DataFrame:
    """line, name, order, x, y: lines through the given points, and the arrow that each belongs to."""
    return pd.DataFrame(
        [
            {"line": line, "name": words(f"direction.{ARROW_OF[line]}"), "order": k, "x": x, "y": y}
            for line, points in drawn.items()
            for k, (x, y) in enumerate(points)
        ]
    )


def eigenvalues(at_radius_one: ComplexArray, radius: float) -> pd.DataFrame:
    """The eigenvalues at the spectral radius 1, and the radius that scales them."""
    return pd.DataFrame({"real": at_radius_one.real, "imaginary": at_radius_one.imag, "radius": radius})


def matrix_entries(panels: Mapping[str, Array]) -> pd.DataFrame:
    """panel, row, column, value for several matrices, each scaled so that its largest entry is 1 in size."""
    parts = []
    for order, (name, matrix) in enumerate(panels.items()):
        largest = np.max(np.abs(matrix)) or 1.0
        rows, columns = np.indices(matrix.shape)
        parts.append(
            pd.DataFrame(
                {
                    "panel": name,
                    "order": order,
                    "row": rows.ravel() + 1,
                    "column": columns.ravel() + 1,
                    "value": (matrix / largest).ravel(),
                }
            )
        )
    return pd.concat(parts, ignore_index=True)


def mode_shares(eigenvalues: ComplexArray, shares: Array) -> pd.DataFrame:
    """A row a mode, those of the largest |λ| first: its number, |λ|, share, and whether it grows."""
    sizes = np.abs(eigenvalues)[:MOST_MODES]
    trends = np.where(sizes > 1, "growing", np.where(sizes < 1, "decaying", "neutral"))
    return pd.DataFrame(
        {
            "mode": np.arange(1, len(sizes) + 1),
            "label": [f"|λ| = {size:.3g}" for size in sizes],
            "share": shares[:MOST_MODES],
            "trend": trends,
        }
    )


def training(words: Words, updates: Sequence[Update]) -> pd.DataFrame:
    """The lines of log10 of the loss and of the gradient's norm, by update; finite values only."""
    losses = [math.log10(update.loss) if 0 < update.loss < math.inf else math.nan for update in updates]
    norms = [update.log10_norm for update in updates]
    found = lines(
        [
            Line(words("training.norm"), "growing", np.array(norms)),
            Line(words("training.loss"), "neutral", np.array(losses)),
        ]
    )
    return found.assign(k=found["k"] + 1)


def counted(log10_sizes: Array) -> pd.DataFrame:
    """k, y, trend: the sizes after 0, 1, 2 … stages, coloured by where they go."""
    return pd.DataFrame({"k": np.arange(len(log10_sizes)), "y": log10_sizes, "trend": trend(log10_sizes)})


def updates_table(words: Words, updates: Sequence[Update]) -> pd.DataFrame:
    """The last updates as a machine printed them."""
    return pd.DataFrame(
        {
            words("axis.update"): [update.number for update in updates[-MOST_UPDATES:]],
            words("training.loss"): [f"{update.loss:.4g}" for update in updates[-MOST_UPDATES:]],
            words("training.norm"): [f"{update.norm:.4g}" for update in updates[-MOST_UPDATES:]],
            words("training.changed"): [update.changed for update in updates[-MOST_UPDATES:]],
        }
    )


def small_path(path: Array) -> pd.DataFrame:
    """k, y, trend of one path, thinned, for a card."""
    kept = thin(path, 60)
    return pd.DataFrame({"k": kept, "y": path[kept], "trend": trend(path)})


def training_norms(updates: Sequence[Update]) -> pd.DataFrame:
    """k, y, trend: log10 of the gradient's norm, update by update, as far as it is finite."""
    finite = [update for update in updates if math.isfinite(update.log10_norm)]
    return pd.DataFrame(
        {
            "k": [update.number for update in finite],
            "y": [update.log10_norm for update in finite],
            "trend": "growing",
        }
    )
