"""Charts beside a text: x is its words in reading order, so that a word and its value stand in one column.

A word is known by its `label`, its number and itself ("003 box"), since the same word may come twice.
"""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import altair as alt
import pandas as pd

from pages.shared.charts import Chart, by_meaning, decades, meaning, told_by_name
from pages.shared.words import Words

DIGITS = 4  # of a label, before the word
SHAPES = {"rnn": "circle", "lstm": "square", "gru": "triangle-up"}
SOLID, DASHED = [1, 0], [6, 4]


def gradients(frame: pd.DataFrame, words: Words, *, style: str) -> Chart:
    """log10 ‖∂ŷ/∂h_t‖ over the words, a line a network, and by the LSTM's memory.

    `frame` has name, label, word, y, picked, as in all of these.
    """
    y = alt.Y("y:Q", title=words("axis.output_gradient"), axis=decades())
    lines = _cells(words, style)
    if style != "chinese":  # what an LSTM carries is its memory; its h reaches on through the gates alone
        hidden = words(f"cells.lstm_{style}")
        lines[words("cells.memory")] = lines[hidden]._replace(shape="diamond")
        lines[hidden] = Line("lstm", "square", [2, 3])
    return _lines(frame, words, lines, y)


def so_far(frame: pd.DataFrame, words: Words, *, style: str) -> Chart:
    """What is predicted after each word, a line a network: name, label, word, y, picked."""
    y = alt.Y("y:Q", title=words("axis.prediction"), axis=alt.Axis(tickCount=6))
    return _lines(frame, words, _cells(words, style), y)


def survival(frame: pd.DataFrame, words: Words, *, style: str) -> Chart:
    """log10 of what is left of what a word wrote, over the words after it, for all networks with gates."""
    y = alt.Y("y:Q", title=words("axis.survival"), axis=decades())
    every = _cells(words, style) if style == "chinese" else _cells(words, "economy") | _cells(words, "plain")
    return _lines(frame, words, {name: line for name, line in every.items() if line.means != "rnn"}, y)


STYLES = ("economy", "plain", "chinese")
GRADIENTS = {style: functools.partial(gradients, style=style) for style in STYLES}
SO_FAR = {style: functools.partial(so_far, style=style) for style in STYLES}
SURVIVAL = {style: functools.partial(survival, style=style) for style in STYLES}


def held(frame: pd.DataFrame, words: Words) -> Chart:
    """log10 ‖∂ŷ/∂h_t‖ with a gate held and without: name, label, y, picked."""
    lines = {
        words("hold.free"): Line("text", "circle", SOLID),
        words("hold.held"): Line("growing", "square", DASHED),
    }
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
    above = (
        rows.transform_filter("datum.picked && datum.unit == 1")
        .transform_calculate(means="'text'")
        .mark_point(filled=True, shape="triangle-down", size=120, opacity=1)
        .encode(x=x, y=alt.value(-8), color=by_meaning("means"))
    )
    layers: Chart = alt.layer(cells, above, data=frame).resolve_scale(color="independent")
    return layers.properties(height=380)


def kept(frame: pd.DataFrame, words: Words, *, network: str, style: str) -> Chart:
    """Correlation with the full prediction by the share of words that is kept: name, k, y."""
    lines = {
        words("claimed.economy"): network,
        words("claimed.plain"): network,
        words("claimed.contribution"): "text",
        words("claimed.random"): "neutral",
    }
    if style == "chinese":
        lines.pop(words("claimed.plain"))
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


class Line(NamedTuple):
    """What a line's colour means; the shape of its points and its dashes tell it without colour."""

    means: str
    shape: str
    dash: list[int]


def small_openings(frame: pd.DataFrame, words: Words) -> Chart:
    """How far the gates open for each word, on a card: label, word, y."""
    x = alt.X(
        "label:O", title=words("axis.words"), sort="ascending", axis=alt.Axis(labels=False, ticks=False)
    )
    bars = alt.Chart().encode(
        x=x,
        y=alt.Y("y:Q", title=words("axis.gate"), axis=alt.Axis(tickCount=4)),
        color=by_meaning("means"),
        tooltip=[
            alt.Tooltip("word:N", title=words("axis.word")),
            alt.Tooltip("y:Q", title=words("axis.gate"), format=".3f"),
        ],
    )
    drawn = bars.transform_calculate(means="'lstm'").mark_bar()
    return alt.layer(drawn, data=frame).properties(height=190)


KEPT = {
    (network, style): functools.partial(kept, network=network, style=style)
    for network in ("lstm", "gru")
    for style in STYLES
}


def _lines(frame: pd.DataFrame, words: Words, lines: dict[str, Line], y: alt.Y) -> Chart:
    rows, names = alt.Chart(), list(lines)
    x = _words_axis(words, upright=words("cells.gru_chinese") in lines)
    legend = alt.Legend(
        orient="top",
        title=None,
        symbolSize=160,
        symbolDash=SOLID,
        labelFontSize=15,
        labelLimit=400,
        values=names,
        description=", ".join(names),
        columns=alt.ExprRef("width < 400 ? 2 : 4"),
    )
    colour = told_by_name({name: line.means for name, line in lines.items()})["color"]
    colour.legend = legend
    shapes, dashes = ([line.shape for line in lines.values()], [line.dash for line in lines.values()])
    drawn = rows.encode(
        x=x,
        y=y,
        color=colour,
        tooltip=[
            alt.Tooltip("word:N", title=words("axis.word")),
            alt.Tooltip("name:N", title=words("axis.line")),
            alt.Tooltip("told:N", title=words("axis.value")),
        ],
    )
    line = drawn.mark_line(strokeWidth=2.5).encode(
        strokeDash=alt.StrokeDash("name:N", scale=alt.Scale(domain=names, range=dashes), legend=legend)
    )
    points = drawn.mark_point(filled=True, size=55, opacity=1).encode(
        shape=alt.Shape("name:N", scale=alt.Scale(domain=names, range=shapes), legend=legend)
    )
    picked = (
        rows.transform_filter("datum.picked").mark_rule(strokeWidth=2).encode(x=x, color=meaning("neutral"))
    )
    layers: Chart = alt.layer(picked, line, points, data=frame)
    return layers.properties(height=350)


def _cells(words: Words, style: str) -> dict[str, Line]:
    """The networks of a style by name: plain ones are dashed."""
    if style == "chinese":
        return {words("cells.gru_chinese"): Line("gru", SHAPES["gru"], SOLID)}
    dash = SOLID if style == "economy" else DASHED
    gated = {words(f"cells.{cell}_{style}"): Line(cell, SHAPES[cell], dash) for cell in ("lstm", "gru")}
    return {words("cells.rnn"): Line("rnn", SHAPES["rnn"], SOLID)} | gated


def _words_axis(words: Words, *, upright: bool = False) -> alt.X:
    axis: dict[str, Any] = {
        "labelExpr": f"slice(datum.label, {DIGITS})",
        "labelAngle": 0 if upright else -90,
        "labelLimit": 90,
        "labelOverlap": "greedy",
        "grid": False,
    }
    return alt.X("label:O", title=words("axis.words"), sort="ascending", axis=alt.Axis(**axis))
