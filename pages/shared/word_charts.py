"""Charts beside a text: x is its words in reading order, so that a word and its value stand in one column.

A word is known by its `label`, its number and itself ("003 box"), since the same word may come twice.
"""

from __future__ import annotations

import functools
from typing import Any

import altair as alt
import pandas as pd

from pages.shared.charts import Chart, decades, meaning, told_by_name
from pages.shared.words import Words

DIGITS = 4  # of a label, before the word


def gradients(frame: pd.DataFrame, words: Words, *, style: str) -> Chart:
    """log10 ‖∂ŷ/∂h_t‖ over the words, a line a network: name, label, word, y, picked."""
    y = alt.Y("y:Q", title=words("axis.output_gradient"), axis=decades())
    return _lines(frame, words, _cells(words, style), y)


def so_far(frame: pd.DataFrame, words: Words, *, style: str) -> Chart:
    """What is predicted after each word, a line a network: name, label, word, y, picked."""
    y = alt.Y("y:Q", title=words("axis.prediction"), axis=alt.Axis(tickCount=6))
    return _lines(frame, words, _cells(words, style), y)


STYLES = ("economy", "plain", "chinese")
GRADIENTS = {style: functools.partial(gradients, style=style) for style in STYLES}
SO_FAR = {style: functools.partial(so_far, style=style) for style in STYLES}


def survival(frame: pd.DataFrame, words: Words) -> Chart:
    """log10 of what is left of what a word wrote, over the words after it: name, label, y, picked."""
    return _lines(frame, words, _gated(words), alt.Y("y:Q", title=words("axis.survival"), axis=decades()))


def held(frame: pd.DataFrame, words: Words) -> Chart:
    """log10 ‖∂ŷ/∂h_t‖ with a gate held and without: name, label, y, picked."""
    lines = {words("hold.free"): "text", words("hold.held"): "growing"}
    return _lines(frame, words, lines, alt.Y("y:Q", title=words("axis.output_gradient"), axis=decades()))


def gate(frame: pd.DataFrame, words: Words) -> Chart:
    """A gate's opening for each word and unit: label, word, unit, value from 0 to 1, picked."""
    rows = alt.Chart()
    x = _words_axis(words)
    y = alt.Y("unit:O", title=words("axis.unit"), axis=alt.Axis(grid=False))
    cells = rows.mark_rect().encode(
        x=x,
        y=y,
        color=alt.Color(
            "value:Q",
            scale=alt.Scale(domain=[0, 1]),
            legend=alt.Legend(orient="top", title=None, gradientLength=200),
        ),
        tooltip=[
            alt.Tooltip("word:N", title=words("axis.word")),
            alt.Tooltip("unit:O", title=words("axis.unit")),
            alt.Tooltip("value:Q", title=words("axis.gate"), format=".3f"),
        ],
    )
    frame_of_picked = (
        rows.transform_filter("datum.picked")
        .mark_rect(filled=False, strokeWidth=2)
        .encode(x=x, y=y, stroke=meaning("text"))
    )
    return alt.layer(cells, frame_of_picked, data=frame).properties(height=360)


def kept(frame: pd.DataFrame, words: Words) -> Chart:
    """Correlation with the full prediction by the share of words that is kept: name, k, y."""
    lines = {
        words("claim.economy"): "lstm",
        words("claim.plain"): "rnn",
        words("claim.contribution"): "gru",
        words("claim.random"): "neutral",
    }
    rows = alt.Chart(frame).encode(
        x=alt.X("k:Q", title=words("axis.kept"), axis=alt.Axis(format="%", tickCount=5)),
        y=alt.Y(
            "y:Q", title=words("axis.kept_r"), scale=alt.Scale(domain=[0, 1]), axis=alt.Axis(tickCount=5)
        ),
        tooltip=[
            alt.Tooltip("name:N", title=" "),
            alt.Tooltip("k:Q", title=words("axis.kept"), format="%"),
            alt.Tooltip("y:Q", title=words("axis.kept_r"), format=".3f"),
        ],
        **told_by_name(lines),
    )
    return alt.layer(rows.mark_line(strokeWidth=3)).properties(height=330)


def _lines(frame: pd.DataFrame, words: Words, lines: dict[str, str], y: alt.Y) -> alt.LayerChart:
    rows = alt.Chart()
    x = _words_axis(words)
    drawn = rows.encode(
        x=x,
        y=y,
        tooltip=[
            alt.Tooltip("word:N", title=words("axis.word")),
            alt.Tooltip("name:N", title=" "),
            alt.Tooltip("y:Q", title=" ", format=".3f"),
        ],
        **told_by_name(lines),
    ).mark_line(strokeWidth=3)
    picked = (
        rows.transform_filter("datum.picked").mark_rule(strokeWidth=2).encode(x=x, color=meaning("neutral"))
    )
    return alt.layer(picked, drawn, data=frame).properties(height=330)


def _cells(words: Words, style: str) -> dict[str, str]:
    """The networks of a style by name, and what their colours mean."""
    if style == "chinese":
        return {words("cells.gru_chinese"): "gru"}
    return {words("cells.rnn"): "rnn"} | {words(f"cells.{cell}_{style}"): cell for cell in ("lstm", "gru")}


def _gated(words: Words) -> dict[str, str]:
    """All networks with gates: economy and plain differ by the line's style."""
    styles = {style: _cells(words, style) for style in ("economy", "plain", "chinese")}
    named = {name: means for style in styles.values() for name, means in style.items()}
    return {name: means for name, means in named.items() if means != "rnn"}


def _words_axis(words: Words) -> alt.X:
    axis: dict[str, Any] = {
        "labelExpr": f"slice(datum.label, {DIGITS})",
        "labelAngle": -60,
        "labelLimit": 90,
        "labelOverlap": "greedy",
        "grid": False,
    }
    return alt.X("label:O", title=words("axis.words"), sort=None, axis=alt.Axis(**axis))
