"""Frames: the numbers of the core in the long form that the charts read."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from core.arrays import Array, ComplexArray
from core.descent import Update
from pages.shared.thinning import thin
from pages.shared.words import Words

LARGEST_DRAWN = 16
MOST_MODES = 16
MOST_UPDATES = 6


def paths(named: Mapping[str, Array]) -> pd.DataFrame:
    """name, k, y for several paths of log10 values, thinned; order is their place in the legend.

    What isn't finite is left out: a line ends where its numbers do.
    """
    parts = []
    for order, (name, path) in enumerate(named.items()):
        finite = np.flatnonzero(np.isfinite(path))
        kept = finite[thin(path[finite])] if len(finite) else finite
        parts.append(pd.DataFrame({"name": name, "order": order, "k": kept, "y": path[kept]}))
    return pd.concat(parts, ignore_index=True)


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
    trend = np.where(sizes > 1, "growing", np.where(sizes < 1, "decaying", "neutral"))
    return pd.DataFrame(
        {
            "mode": np.arange(1, len(sizes) + 1),
            "label": [f"|λ| = {size:.3g}" for size in sizes],
            "share": shares[:MOST_MODES],
            "trend": trend,
        }
    )


def training(words: Words, updates: Sequence[Update]) -> pd.DataFrame:
    """name, k, y: log10 of the loss and of the gradient's norm over the updates, finite ones only."""
    rows = []
    for update in updates:
        log10_loss = math.log10(update.loss) if 0 < update.loss < math.inf else math.nan
        for order, (name, value) in enumerate((("loss", log10_loss), ("norm", update.log10_norm))):
            if math.isfinite(value):
                rows.append((words(f"training.{name}"), order, update.number, value))
    return pd.DataFrame(rows, columns=["name", "order", "k", "y"])


def shares(named: Mapping[str, Array], distances: Array) -> pd.DataFrame:
    """name, k, y for several shares from 0 to 1 over distances."""
    return pd.concat(
        [
            pd.DataFrame({"name": name, "order": order, "k": distances, "y": share})
            for order, (name, share) in enumerate(named.items())
        ],
        ignore_index=True,
    )


def counted(log10_sizes: Array) -> pd.DataFrame:
    """k, y, trend: the sizes after 0, 1, 2 … stages, coloured by where they go."""
    step = log10_sizes[-1] - log10_sizes[0]
    trend = "growing" if step > 0 else "decaying" if step < 0 else "neutral"
    return pd.DataFrame({"k": np.arange(len(log10_sizes)), "y": log10_sizes, "trend": trend})


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
