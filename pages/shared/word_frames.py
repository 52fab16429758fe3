"""Frames for the charts beside a text."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd

from core.arrays import Array
from core.reviews import Word
from pages.shared.numbers import from_log10

MOST_DRAWN = 120  # words in one picture


def window(count: int, picked: int | None) -> range:
    """Which of so many words are drawn: the last ones, or those around the one that is picked."""
    first = count - MOST_DRAWN if picked is None else picked - MOST_DRAWN // 2
    first = max(0, min(first, count - MOST_DRAWN))
    return range(first, min(count, first + MOST_DRAWN))


def over_words(
    read: Sequence[Word],
    drawn: Mapping[str, Array],
    picked: int | None,
    *,
    first: int = 0,
    told: Callable[[float], str] = from_log10,
) -> pd.DataFrame:
    """name, label, word, y, told, picked: each series over the words from `first` on, as far as drawn.

    `told` says a number as the reader sees it. Numbers that aren't finite are left out.
    """
    labels, shown = _labels(read), window(len(read), picked)
    return _frame(
        [
            (name, *labels[k], float(value), told(float(value)), k == picked)
            for name, series in drawn.items()
            for k, value in enumerate(series, first)
            if k in shown and np.isfinite(value)
        ]
    )


def beside(read: Sequence[Word], drawn: Mapping[str, tuple[Sequence[Word], Array]]) -> pd.DataFrame:
    """The same for series over some of the words each, which are found by where they stand in the text."""
    labels = {word.start: label for word, label in zip(read, _labels(read), strict=True)}
    shown = {read[k].start for k in window(len(read), None)}
    return _frame(
        [
            (name, *labels[word.start], float(value), from_log10(float(value)), False)
            for name, (some, series) in drawn.items()
            for word, value in zip(some, series, strict=True)
            if word.start in shown and np.isfinite(value)
        ]
    )


def gate(read: Sequence[Word], activations: Array, picked: int | None) -> pd.DataFrame:
    """label, word, unit (from 1), value, picked: a gate's activations (T, H)."""
    shown = window(len(read), picked)
    units = activations.shape[1]
    labels = _labels(read)[shown.start : shown.stop]
    return pd.DataFrame(
        {
            "label": np.repeat(np.array([label for label, _ in labels], dtype=object), units),
            "word": np.repeat(np.array([word for _, word in labels], dtype=object), units),
            "unit": np.tile(np.arange(1, units + 1), len(shown)),
            "value": activations[shown.start : shown.stop].ravel(),
            "picked": np.repeat(np.array([k == picked for k in shown]), units),
        }
    )


def _frame(rows: Sequence[tuple[str, str, str, float, str, bool]]) -> pd.DataFrame:
    names = {"name": object, "label": object, "word": object, "y": float, "told": object, "picked": bool}
    return pd.DataFrame(rows, columns=list(names)).astype(names)


def _labels(read: Sequence[Word]) -> list[tuple[str, str]]:
    """Each word with its number before it, and by itself."""
    return [(f"{k:03d} {word.text}", word.text) for k, word in enumerate(read, 1)]
