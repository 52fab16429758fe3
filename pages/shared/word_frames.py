"""Frames for the charts beside a text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from core.arrays import Array
from core.reviews import Word

MOST_DRAWN = 120  # words in one picture


def over_words(
    read: Sequence[Word], drawn: Mapping[str, Array], picked: int | None, first: int = 0
) -> pd.DataFrame:
    """name, label, word, y, picked: each series over the words from `first` on, as far as they are drawn.

    Numbers that aren't finite are left out.
    """
    labels = _labels(read)
    return _frame(
        [
            (name, *labels[k], float(value), k == picked)
            for name, series in drawn.items()
            for k, value in enumerate(series, first)
            if k < MOST_DRAWN and np.isfinite(value)
        ]
    )


def beside(read: Sequence[Word], drawn: Mapping[str, tuple[Sequence[Word], Array]]) -> pd.DataFrame:
    """The same for series over some of the words each, which are found by where they stand in the text."""
    labels = {word.start: label for word, label in zip(read, _labels(read), strict=True)}
    return _frame(
        [
            (name, *labels[word.start], float(value), False)
            for name, (some, series) in drawn.items()
            for word, value in list(zip(some, series, strict=True))[:MOST_DRAWN]
            if np.isfinite(value)
        ]
    )


def gate(read: Sequence[Word], activations: Array, picked: int | None) -> pd.DataFrame:
    """label, word, unit (from 1), value, picked: a gate's activations (T, H)."""
    shown = activations[:MOST_DRAWN]
    steps, units = shown.shape
    labels = _labels(read)[:steps]
    return pd.DataFrame(
        {
            "label": np.repeat(np.array([label for label, _ in labels], dtype=object), units),
            "word": np.repeat(np.array([word for _, word in labels], dtype=object), units),
            "unit": np.tile(np.arange(1, units + 1), steps),
            "value": shown.ravel(),
            "picked": np.repeat(np.arange(steps) == (-1 if picked is None else picked), units),
        }
    )


def _frame(rows: Sequence[tuple[str, str, str, float, bool]]) -> pd.DataFrame:
    names = {"name": object, "label": object, "word": object, "y": float, "picked": bool}
    return pd.DataFrame(rows, columns=list(names)).astype(names)


def _labels(read: Sequence[Word]) -> list[tuple[str, str]]:
    """Each word with its number before it, and by itself."""
    return [(f"{k:03d} {word.text}", word.text) for k, word in enumerate(read, 1)]
