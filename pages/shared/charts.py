"""Charts: pure functions from a frame of numbers to an Altair chart.

Colours are the theme's categories, in the order of MEANINGS, so that each means one thing on
every page and follows the light and the dark theme. A chart's specification holds no number of
the data, so that new data is drawn in place.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Mapping
from typing import Any, Literal, TypeAlias

import altair as alt
import pandas as pd
import pyarrow as pa
import streamlit as st

from core.precision import PRECISIONS
from pages.shared.plain_text import plain_text
from pages.shared.radius_slider import SIGNAL
from pages.shared.words import Words

MEANINGS = (
    *("growing", "decaying", "neutral", "rnn", "lstm", "gru", "bound"),
    *("float16", "bfloat16", "float32", "float64", "text"),
)
CUT_NORMS = ("after", "free", "before")  # in this order: the first is solid, the second dashed
CUT = {"clipped": "text", "after": "text", "free": "growing", "before": "neutral"}
DASHES = [[1, 0], [8, 4], [2, 3], [10, 3, 2, 3], [5, 2]]
LIVE_RADIUS = f"(toNumber({SIGNAL}) > 0 ? toNumber({SIGNAL}) : datum.radius)"
HEIGHT = 430
FEW_DECADES = 2  # on an axis of less, numbers between the powers of ten are ticked, too
NARROW = 480  # pixels: a legend has two columns on what is narrower
INK = "luminance(background) > 0.5 ? '#5b6572' : '#e6eaf1'"  # Streamlit's grey has 3.7:1 on white
CROWDED = 0.06  # of the picture's half height: with less room than this, a limit's name covers others

SIZED: Mapping[str, Callable[[float], float]] = {
    **dict.fromkeys(("height", "strokeWidth", "dx", "dy"), lambda scale: scale),
    **dict.fromkeys(("fontSize", "labelFontSize", "titleFontSize"), lambda scale: scale),
    "size": lambda scale: scale**2,  # an area
}

Range: TypeAlias = tuple[float, float]
Chart: TypeAlias = alt.Chart | alt.LayerChart | alt.FacetChart


SPOT = "spot"
ROWS, NOW = "rows", "now"  # a chart's datasets: what it draws, and the sentence that says what it shows


def show(
    draw: Callable[[pd.DataFrame, Words], Chart],
    frame: pd.DataFrame,
    words: Words,
    *,
    key: str,
    alt_text: str,
    now: str,
    width: Literal["stretch", "content"] = "stretch",
    on_select: Literal["ignore", "rerun"] = "ignore",
    scale: float = 1.0,
) -> None:
    """Draw a chart of `frame`, `scale` times as large, its specification made once a language and kept.

    To a screen reader `alt_text` says what kind of picture it is and `now`, in Markdown, what it shows
    at present. A change of the specification, or of `alt_text`, makes the browser build the chart anew;
    new rows and another `now` it draws in place. What is selected in the chart, where that calls for a
    rerun, stands in the session's state under `key`.
    """
    columns = tuple(zip(frame.columns, map(str, frame.dtypes), strict=True))
    spec = _specification(draw, columns, words, scale)
    # As Arrow tables, which are what is sent: of a frame Streamlit makes one in two to ten times the time.
    said = pa.table({"number": [1], "sentence": [plain_text(now)]})
    drawn = {**spec, "datasets": {ROWS: pa.table(dict(frame.items())), NOW: said}}
    st.vega_lite_chart(drawn, key=key, alt=alt_text, width=width, on_select=on_select)


@functools.lru_cache(maxsize=64)
def _specification(
    draw: Callable[[pd.DataFrame, Words], Chart],
    columns: tuple[tuple[str, str], ...],
    words: Words,
    scale: float,
) -> dict[str, Any]:
    empty = pd.DataFrame({name: pd.Series(dtype=dtype) for name, dtype in columns})
    chart = draw(empty, words).configure_axis(labelFontSize=14, titleFontSize=15, titleFontWeight="normal")
    spec: dict[str, Any] = chart.to_dict()
    datasets = spec.pop("datasets", {})
    for layer in spec.get("layer", []):
        if "data" in layer and "name" in layer["data"]:  # part of the picture, not of what it shows
            layer["data"] = _as_text(datasets[layer["data"]["name"]])
    spec.pop("$schema")
    spec["data"] = {"name": ROWS}  # Streamlit takes unnamed data for the only dataset that has a name
    for part in ("axis", "legend", "header"):
        spec["config"].setdefault(part, {}).update(labelColor={"expr": INK}, titleColor={"expr": INK})
    spec["config"].setdefault("mark", {})["aria"] = False  # hundreds of descriptions; one sentence says it
    spec = _with_sentence(spec)
    return spec if scale == 1 else _scaled(spec, scale)


def _with_sentence(spec: dict[str, Any]) -> dict[str, Any]:
    """The same picture, and in its corner an invisible mark whose name is the sentence of NOW."""
    mark: dict[str, Any] = {  # a text: an empty group of other marks, as in a facet, has no name
        "mark": {"type": "text", "text": " ", "opacity": 0, "aria": True, "tooltip": None},
        "encoding": {
            "x": {"value": 0},
            "y": {"value": 0},
            "description": {"field": "sentence", "type": "nominal"},
        },
    }
    if "facet" in spec:  # whose panels can't draw other data than its own: its first row says it
        found = {"data": {"name": NOW}, "key": "number", "fields": ["sentence"]}
        count = {"window": [{"op": "row_number", "as": "number"}]}
        mark["transform"] = [{"filter": "datum.number == 1"}]
        panel = spec["spec"]
        size = {name: panel.pop(name) for name in ("width", "height")}
        lookup = {"lookup": "number", "from": found}
        return spec | {"transform": [count, lookup], "spec": {"layer": [mark, panel], **size}}
    mark["data"] = {"name": NOW}
    if "layer" in spec:
        return spec | {"layer": [mark, *spec["layer"]]}
    layer = {name: spec.pop(name) for name in ("mark", "encoding", "transform") if name in spec}
    return spec | {"layer": [mark, layer]}


def _scaled(spec: Any, scale: float) -> Any:
    """A specification with all that has a size but the page's own width so many times as large."""
    if isinstance(spec, list):
        return [_scaled(part, scale) for part in spec]
    if not isinstance(spec, dict):
        return spec
    return {
        name: part * SIZED[name](scale)
        if name in SIZED and isinstance(part, int | float)
        else _scaled(part, scale)
        for name, part in spec.items()
    }


def _as_text(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Vega's data of some rows as one string, which costs a rerun a third of what they cost as objects.

    JSON, not CSV: Vega reads CSV by functions that it makes of text, which a strict policy forbids.
    """
    return {"values": json.dumps(rows, separators=(",", ":")), "format": {"type": "json"}}


def gradient_path(frame: pd.DataFrame, words: Words) -> Chart:
    """The gradient's path on a log scale, movable in the browser by the parameter of the radius.

    `frame` has a row a point: layer (path, rate, bound, limit, crossing), k, base (log10 of the
    norm at the radius 1), moves (1 where it moves with the radius, 0 where not), text, short (the
    text while the radius is being dragged), touch (whether pointing at it says its numbers: each
    such point costs the browser two marks), radius (that of the server). A limit's base is its
    height, its k the side of its name, 0 left or 1 right, and its room the decades to the next
    line. The picture is as high above 10⁰ as below.
    """
    rows = alt.Chart()
    x = alt.X("k:Q", title=words("axis.steps_back"), scale=alt.Scale(nice=False), axis=_whole_steps())
    y = alt.Y(
        "y:Q",
        title=words("axis.gradient_norm"),
        scale=alt.Scale(nice=False, zero=False),
        axis=decades(tickCount=9),
    )
    hover = alt.selection_point(
        name="hover", nearest=True, on="pointerover", clear="pointerout", fields=["k"], empty=False
    )

    once = rows.transform_filter("datum.layer == 'rate' && datum.k == 0").transform_calculate(
        bottom="-datum.top", zero="0"
    )
    halves = [
        once.mark_rect(opacity=0.09).encode(
            x="zero:Q", x2="last:Q", y="zero:Q", y2=f"{edge}:Q", color=meaning(name)
        )
        for edge, name in (("top", "growing"), ("bottom", "decaying"))
    ]
    floor = once.mark_rule(strokeWidth=1.5).encode(y="zero:Q", color=meaning("neutral"))

    limits = rows.transform_filter(
        f"datum.layer == 'limit' && abs(datum.y) < datum.top && datum.room > {CROWDED} * datum.top"
    ).transform_calculate(label="abs(datum.live - datum.radius) < 1e-9 ? datum.text : datum.short")
    limit_rules = limits.mark_rule(strokeDash=[2, 4], strokeWidth=1.5).encode(y=y, color=meaning("neutral"))
    names = limits.encode(y=y, text="label:N", color=meaning("text"))
    at_left = names.transform_filter("datum.k == 0").mark_text(align="left", dx=6, dy=-9, fontSize=13)
    at_right = names.transform_filter("datum.k == 1").mark_text(align="right", dx=-6, dy=-9, fontSize=13)

    straight = rows.transform_filter("datum.layer == 'bound' || datum.layer == 'rate'").transform_calculate(
        k="abs(datum.y) > datum.top ? datum.k * datum.top / abs(datum.y) : datum.k",
        y="abs(datum.y) > datum.top ? (datum.y > 0 ? datum.top : -datum.top) : datum.y",
    )
    bounds = straight.transform_filter("datum.layer == 'bound'").mark_line(strokeDash=[6, 4], strokeWidth=1.5)
    rate = straight.transform_filter("datum.layer == 'rate'").mark_line(strokeDash=[1, 3], strokeWidth=3)
    on_path = rows.transform_filter("datum.layer == 'path'").encode(x=x, y=y, color=by_meaning("trend"))
    path = on_path.mark_line(strokeWidth=3.5)
    touched = (
        on_path.transform_filter("datum.touch")
        .mark_point(size=120, filled=True)
        .encode(
            opacity=alt.condition(hover, alt.value(1), alt.value(0)),
            tooltip=[
                alt.Tooltip("k:Q", title=words("axis.steps_back"), format=",d"),
                alt.Tooltip("y:Q", title=words("axis.log10_norm"), format=".4f"),
            ],
        )
        .add_params(hover)
    )
    crossings = (
        rows.transform_filter("datum.layer == 'crossing' && abs(datum.live - datum.radius) < 1e-9")
        .mark_point(size=90, filled=True, opacity=1)
        .encode(x=x, y=y, color=by_meaning("trend"))
    )
    return (
        alt.layer(
            *halves,
            floor,
            limit_rules,
            at_left.encode(x=alt.value(0)),
            at_right.encode(x=alt.value("width")),
            bounds.encode(x=x, y=y, detail="text:N", color=meaning("bound")),
            rate.encode(x=x, y=y, color=meaning("neutral")),
            path,
            crossings,
            touched,
            data=frame,
        )
        .add_params(live_radius())
        .transform_calculate(live=LIVE_RADIUS)
        .transform_calculate(
            y="datum.base + datum.moves * datum.k * log(datum.live) / LN10",
            trend="datum.live > 1 ? 'growing' : datum.live < 1 ? 'decaying' : 'neutral'",
        )
        .transform_calculate(reach="datum.layer == 'path' ? abs(datum.y) : 0")
        .transform_joinaggregate(farthest="max(reach)", last="max(k)")
        .transform_calculate(top="max(0.05 * datum.last, 1.08 * datum.farthest)")
        .properties(height=HEIGHT)
    )


def live_radius() -> alt.Parameter:
    """The parameter that the radius slider sets while it is dragged; 0 until then."""
    return alt.param(name=SIGNAL, value=0, bind=alt.BindInput(input="hidden", name=" "))


def by_meaning(field: str) -> alt.Color:
    """The colour of what a field's value means, one of MEANINGS."""
    return alt.Color(f"{field}:N", scale=alt.Scale(domain=list(MEANINGS)), legend=None)


def meaning(name: str) -> alt.ColorDatum:
    """One meaning's colour for a whole mark of a layered chart in which another is `by_meaning`."""
    return alt.ColorDatum(name)


def decades(**options: Any) -> alt.Axis:
    """An axis of log10 values, ticked as powers of ten, or as plain numbers where it spans less than two."""
    value, span = "datum.value", "abs(domain('y')[1] - domain('y')[0])"
    label = (
        f"abs({value} - round({value})) < 1e-6 && ({span} >= {FEW_DECADES} || abs({value}) > 3)"
        f" ? {powers_of_ten(value)} : format(pow(10, {value}), '.2~r')"
    )
    return alt.Axis(labelExpr=label, tickMinStep=alt.ExprRef(f"{span} < {FEW_DECADES} ? 0.1 : 1"), **options)


def _whole_steps(**options: Any) -> alt.Axis:
    return alt.Axis(grid=False, tickMinStep=1, format=",d", **options)


def powers_of_ten(exponent: str) -> str:
    """A Vega expression that writes 10 to the power of an expression, with real superscripts."""
    digits = f"format({exponent}, 'd')"
    for plain, raised in zip("−-0123456789", "⁻⁻⁰¹²³⁴⁵⁶⁷⁸⁹", strict=True):
        digits = f"replace({digits}, /{plain}/g, '{raised}')"
    return f"'10' + {digits}"


def eigenvalue_plane(frame: pd.DataFrame, words: Words) -> Chart:
    """The eigenvalues in the complex plane with the unit circle, movable by the radius' parameter.

    `frame` has real and imaginary at the radius 1, and the radius.
    """
    rows = alt.Chart()
    scale = alt.Scale(nice=False)
    dots = rows.mark_point(size=110, filled=True, opacity=0.9).encode(
        x=alt.X("x:Q", title=words("axis.real"), scale=scale),
        y=alt.Y("y:Q", title=words("axis.imaginary"), scale=scale),
        color=by_meaning("trend"),
        tooltip=[
            alt.Tooltip("size:Q", title="|λ|", format=".4f"),
            alt.Tooltip("x:Q", title=words("axis.real"), format=".4f"),
            alt.Tooltip("y:Q", title=words("axis.imaginary"), format=".4f"),
        ],
    )
    corners = [
        rows.mark_point(opacity=0).encode(x=f"{corner}:Q", y=f"{corner}:Q")
        for corner in ("upper_right", "lower_left")
    ]
    circle = (
        alt.Chart(alt.sequence(0, 6.32, 0.0628, as_="angle"))
        .transform_calculate(x="cos(datum.angle)", y="sin(datum.angle)")
        .mark_line(strokeWidth=2)
        .encode(x="x:Q", y="y:Q", order="angle:Q", color=meaning("neutral"))
    )
    return (
        alt.layer(dots, *corners, circle, data=frame)
        .add_params(live_radius())
        .transform_calculate(x=f"datum.real * {LIVE_RADIUS}", y=f"datum.imaginary * {LIVE_RADIUS}")
        .transform_calculate(size="sqrt(datum.x * datum.x + datum.y * datum.y)")
        .transform_calculate(
            trend="datum.size > 1 + 1e-9 ? 'growing' : datum.size < 1 - 1e-9 ? 'decaying' : 'neutral'",
            upper_right=f"1.1 * max(1, {LIVE_RADIUS})",
            lower_left=f"-1.1 * max(1, {LIVE_RADIUS})",
        )
        .properties(width=350, height=350)
    )


def paths(frame: pd.DataFrame, words: Words) -> Chart:
    """Several paths of log10 values over steps back: name, meaning, order, k, y."""
    return _named_lines(frame, words("axis.steps_back"), words("axis.gradient_norm"))


def gated(frame: pd.DataFrame, words: Words) -> Chart:
    """The gradient's paths through RNN, LSTM and GRU, and the one through the LSTM's memory alone."""
    lines = {words(f"gates.{name}"): name for name in ("rnn", "lstm", "gru")}
    lines[words("gates.memory")] = "lstm"
    return _named_lines(frame, words("axis.steps_back"), words("axis.gradient_norm"), lines)


def accuracy(frame: pd.DataFrame, words: Words) -> Chart:
    """The share of right answers over the updates: name, k, y."""
    return _learning(frame, words, _cells(words), words("axis.accuracy"), share=True)


def losses(frame: pd.DataFrame, words: Words) -> Chart:
    """The cross-entropy over the updates: name, k, y."""
    return _learning(frame, words, _cells(words), words("axis.cross_entropy"), share=False)


def order_accuracy(frame: pd.DataFrame, words: Words) -> Chart:
    """The share of right answers over the updates, clipped and not: name, k, y."""
    chart = _learning(frame, words, _cut_and_guess(words), words("axis.accuracy"), share=True)
    return alt.layer(*_with_ends(chart, words))


def order_norms(frame: pd.DataFrame, words: Words) -> Chart:
    """log10 of the gradient's norm over the updates, clipped and not: name, k, y; with k = 0, a band."""
    lines = _named_lines(
        frame, words("axis.update"), words("axis.weight_gradient_norm"), _cut(words, *CUT_NORMS)
    )
    edges = alt.Chart(frame).transform_filter("datum.k == 0")
    colour = alt.ColorDatum(words("cut.before"))
    band = edges.mark_rect(fillOpacity=0.18).encode(y="min(y):Q", y2="max(y)", color=colour)
    name = edges.mark_text(align="left", baseline="top", fontSize=13, dy=4).encode(
        x=alt.value(8), y="max(y):Q", text="name:N", color=colour
    )
    drawn = _with_ends(lines.transform_filter("datum.k > 0"), words)
    return alt.layer(band, *drawn, name).properties(height=330)


def order_losses(frame: pd.DataFrame, words: Words) -> Chart:
    """The cross-entropy over the updates, clipped and not, on a log scale: name, k, y."""
    chart = _learning(frame, words, _cut_and_guess(words), words("axis.cross_entropy"), share=False)
    chart.encoding.y = alt.Y("y:Q", title=words("axis.cross_entropy"), axis=decades(tickCount=5))
    chart = chart.transform_filter("datum.y > 0").transform_calculate(y="log(datum.y) / LN10")
    return alt.layer(*_with_ends(chart, words))


def _with_ends(lines: alt.Chart, words: Words) -> tuple[alt.Chart, alt.Chart]:
    """The lines, and a dot where each ends: a run that died at once has no more than that."""
    last = f"datum.k == datum.last && datum.name != {json.dumps(words('learn.guess'))}"
    dots = lines.mark_point(filled=True, size=70, opacity=1).encode(strokeDash=alt.value([1, 0]))
    return lines, dots.transform_joinaggregate(last="max(k)", groupby=["name"]).transform_filter(last)


def vanishing_losses(frame: pd.DataFrame, words: Words) -> Chart:
    """The loss of a vanishing run, clipped and not, which are one line: name, k, y."""
    lines = _cut(words, "clipped", "free")
    return _learning(frame, words, lines, words("axis.cross_entropy"), share=False)


def success(frame: pd.DataFrame, words: Words) -> Chart:
    """The share of seeds that learned the task, by the length of its sequences: name, k, y."""
    means = {"clip": CUT["clipped"], "sgd": CUT["free"], "clip+omega": "neutral"}
    lines = {words(f"method_names.{method}"): meaning for method, meaning in means.items()}
    rows = alt.Chart(frame).encode(
        x=alt.X(
            "k:Q", title=words("axis.length"), scale=alt.Scale(nice=False, zero=True), axis=_whole_steps()
        ),
        y=alt.Y(
            "y:Q",
            title=words("axis.success"),
            scale=alt.Scale(domain=[0, 1]),
            axis=alt.Axis(format="%", tickCount=5),
        ),
        **told_by_name(lines),
    )
    points = rows.mark_point(filled=True, size=80, opacity=1).encode(strokeDash=alt.value([1, 0]))
    return alt.layer(rows.mark_line(strokeWidth=3), points).properties(height=330)


def capped(frame: pd.DataFrame, words: Words) -> Chart:
    """The price of goods after each border, with a cap and without, and the cap: name, k, y."""
    lines = {words("cap.capped"): "text", words("cap.free"): "growing", words("cap.limit"): "neutral"}
    return _named_lines(frame, words("axis.borders"), words("axis.price"), lines)


def _cut(words: Words, *names: str) -> dict[str, str]:
    """What the lines of clipped runs (solid, as they stand first) and of others (dashed) mean."""
    return {words(f"cut.{name}"): CUT[name] for name in names}


def _cut_and_guess(words: Words) -> dict[str, str]:
    return _cut(words, "clipped", "free") | {words("learn.guess"): "neutral"}


def _cells(words: Words) -> dict[str, str]:
    cells = {words(f"gates.{name}"): name for name in ("rnn", "lstm", "gru")}
    return cells | {words("learn.guess"): "neutral"}


def _learning(
    frame: pd.DataFrame, words: Words, lines: Mapping[str, str], y_title: str, *, share: bool
) -> alt.Chart:
    scale = alt.Scale(domain=[0, 1]) if share else alt.Scale(zero=True, nice=True)
    axis = alt.Axis(format="%", tickCount=5) if share else alt.Axis(tickCount=5)
    return (
        alt.Chart(frame)
        .mark_line(strokeWidth=3)
        .encode(
            x=alt.X(
                "k:Q", title=words("axis.update"), scale=alt.Scale(nice=False, zero=True), axis=_whole_steps()
            ),
            y=alt.Y("y:Q", title=y_title, scale=scale, axis=axis),
            **told_by_name(lines),
        )
        .properties(height=280)
    )


def cliff(
    frame: pd.DataFrame,
    words: Words,
    *,
    surface: pd.DataFrame,
    labels: pd.DataFrame,
    view: tuple[Range, Range],
    spots: float,
) -> Chart:
    """Two descents over the error surface, with spots to click.

    `frame` has layer (start, free, clipped), w, b, y. `surface` has level, side, edge, contour (the b at
    evenly spaced w), and is part of the specification: the darker, the more contours lie below, as many
    sheets of one colour on each other. `labels` has w, b, text, and is part of it, too.
    """
    scales = [alt.Scale(domain=list(edges), nice=False) for edges in view]
    x = alt.X("w:Q", title=words("axis.w"), scale=scales[0], axis=alt.Axis(grid=False))
    y = alt.Y("b:Q", title=words("axis.b"), scale=scales[1], axis=alt.Axis(grid=False))
    last = len(surface["contour"].iloc[0]) - 1
    levels = (
        alt.Chart(surface)
        .transform_calculate(column=f"sequence({last + 1})")
        .transform_flatten(["column", "contour"], ["column", "b"])
        .transform_calculate(w=f"{view[0][0]} + {(view[0][1] - view[0][0]) / last} * datum.column")
        .mark_area(opacity=0.07, line={"strokeWidth": 0.7, "opacity": 0.6})
        .encode(x=x, y=y, y2="edge:Q", detail=["level:N", "side:N"], color=meaning("decaying"))
    )
    names = (
        alt.Chart(labels).mark_text(fontSize=12, dy=-7).encode(x=x, y=y, text="text:N", color=meaning("text"))
    )
    wide, high = (round((edges[1] - edges[0]) / spots) + 1 for edges in view)
    clicked = alt.selection_point(name=SPOT, fields=["w", "b"], nearest=True, on="click", empty=False)
    places = (
        alt.Chart(alt.sequence(0, wide * high, as_="i"))
        .transform_calculate(
            w=f"{view[0][0]} + {spots} * (datum.i % {wide})",
            b=f"{view[1][0]} + {spots} * floor(datum.i / {wide})",
        )
        .mark_point(size=60, opacity=0)
        .encode(x=x, y=y)
        .add_params(clicked)
    )
    rows = alt.Chart()
    paths = [
        rows.transform_filter(f"datum.layer == '{layer}'")
        .mark_line(strokeWidth=width, strokeDash=dash, clip=True)
        .encode(x=x, y=y, order="y:Q", color=meaning(CUT[layer]))
        for layer, width, dash in (("clipped", 1.2, DASHES[0]), ("free", 2.5, DASHES[1]))
    ]
    start = (
        rows.transform_filter("datum.layer == 'start'")
        .transform_calculate(means="'text'")
        .mark_point(size=200, filled=True, opacity=1)
        .encode(x=x, y=y, color=by_meaning("means"))
    )
    return alt.layer(levels, names, *paths, start, places, data=frame).properties(height=HEIGHT)


def cliff_norms(frame: pd.DataFrame, words: Words) -> Chart:
    """log10 of the gradient's norm over the updates, free, and clipped before and after: name, k, y."""
    lines = _named_lines(
        frame, words("axis.update"), words("axis.error_gradient_norm"), _cut(words, *CUT_NORMS)
    )
    return lines.mark_line(strokeWidth=2).properties(height=300)


def arrows(frame: pd.DataFrame, words: Words) -> Chart:
    """A gradient, its angle, what clipping makes of it and what is allowed: line, name, order, x, y."""
    rows = alt.Chart()
    scale = alt.Scale(domain=[-0.2, 5.2], nice=False)
    x = alt.X("x:Q", title=words("axis.first_entry"), scale=scale, axis=alt.Axis(tickMinStep=1))
    y = alt.Y("y:Q", title=words("axis.second_entry"), scale=scale, axis=alt.Axis(tickMinStep=1))
    means = {"gradient": CUT["free"], "norm": CUT["clipped"], "value": "neutral"}
    names = {words.of("clipping")(f"direction.{line}"): means for line, means in means.items()}
    colour = told_by_name(names, columns=3, symbolSize=300)["color"]
    layers = [
        rows.transform_filter(f"datum.line == '{line}'")
        .mark_line(strokeWidth=width, strokeDash=dash)
        .encode(x=x, y=y, order="order:Q", color=colour)
        for line, width, dash in (
            ("circle", 1.5, [2, 3]),
            ("square", 1.5, [2, 3]),
            ("angle", 1.5, [1, 0]),
            ("gradient", 3, [1, 0]),
            ("value", 6, [1, 0]),
            ("norm", 3, [1, 0]),
        )
    ]
    return alt.layer(*layers, data=frame).properties(
        width=290, height=290, autosize=alt.AutoSizeParams(type="pad", contains="padding")
    )


def power_norms(frame: pd.DataFrame, words: Words) -> Chart:
    """log10 of ‖W^k‖ beside ρ^k."""
    return _named_lines(frame, words("axis.steps_back"), words("axis.power_norm"))


def training(frame: pd.DataFrame, words: Words) -> Chart:
    """log10 of the loss and of the gradient's norm over the updates."""
    lines = _named_lines(frame, words("axis.update"), words("axis.size"))
    points = lines.mark_point(filled=True, size=60, opacity=1).encode(strokeDash=alt.value([1, 0]))
    return alt.layer(lines, points).properties(height=360)


def prices(frame: pd.DataFrame, words: Words) -> Chart:
    """The price of goods after each border."""
    return _counted(frame, words("axis.borders"), words("axis.price"))


def grain(frame: pd.DataFrame, words: Words) -> Chart:
    """The grain that is left after each stage."""
    return _counted(frame, words("axis.stages"), words("axis.grain"))


def small_path(frame: pd.DataFrame, words: Words) -> Chart:
    """A gradient's path on a card: k, y, trend."""
    return _small(frame, words("axis.steps_back"), words("axis.gradient_norm"))


def small_training(frame: pd.DataFrame, words: Words) -> Chart:
    """The gradient's norm over a training run on a card: k, y, trend."""
    return _small(frame, words("axis.update"), words("axis.weight_gradient_norm"))


def unchanged(frame: pd.DataFrame, words: Words) -> Chart:
    """The share of parameters that an update leaves bit-identical, by distance and type."""
    return (
        alt.Chart(frame)
        .mark_line(strokeWidth=2.5)
        .encode(
            x=alt.X(
                "k:Q", title=words("axis.distance"), scale=alt.Scale(nice=False), axis=alt.Axis(grid=False)
            ),
            y=alt.Y(
                "y:Q",
                title=words("axis.unchanged"),
                scale=alt.Scale(domain=[0, 1]),
                axis=alt.Axis(format="%", tickCount=5),
            ),
            **told_by_name({name: name for name in PRECISIONS}),
        )
        .properties(height=360)
    )


def matrix_entries(frame: pd.DataFrame, words: Words) -> Chart:
    """The entries of several matrices side by side: panel, order, row, column, value from −1 to 1."""
    panel = (
        alt.Chart(frame)
        .mark_rect()
        .encode(
            x=alt.X("column:O", axis=None),
            y=alt.Y("row:O", axis=None),
            color=alt.Color(
                "value:Q",
                scale=alt.Scale(domain=[-1, 1], domainMid=0, reverse=True),
                legend=None,
            ),
            tooltip=[
                alt.Tooltip("row:O", title=words("axis.row")),
                alt.Tooltip("column:O", title=words("axis.column")),
                alt.Tooltip("value:Q", title=words("axis.size"), format=".3f"),
            ],
        )
        .properties(width=150, height=150)
    )
    return panel.facet(
        alt.Facet(
            "panel:N", sort=alt.EncodingSortField("order"), title=None, header=alt.Header(labelFontSize=14)
        ),
        columns=2,  # a mirrored pair, and the power below: three in a row don't fit a phone
    )


def mode_shares(frame: pd.DataFrame, words: Words) -> Chart:
    """Each mode's share of the gradient: mode, label, share, trend."""
    return (
        alt.Chart(frame)
        .mark_bar()
        .encode(
            x=alt.X(
                "share:Q",
                title=words("axis.share"),
                scale=alt.Scale(domain=[0, 1]),
                axis=alt.Axis(format="%", tickCount=5),
            ),
            y=alt.Y("mode:O", title=words("axis.mode"), axis=alt.Axis(grid=False)),
            color=by_meaning("trend"),
            tooltip=["label:N", alt.Tooltip("share:Q", title=words("axis.share"), format=".3%")],
        )
        .properties(height=330)
    )


def _small(frame: pd.DataFrame, x_title: str, y_title: str) -> Chart:
    rows = alt.Chart()
    scale = alt.Scale(nice=False)
    floor = rows.mark_rule().encode(y=alt.YDatum(0), color=meaning("neutral"))
    line = rows.mark_line(strokeWidth=3).encode(
        x=alt.X("k:Q", title=x_title, scale=scale, axis=_whole_steps(tickCount=4)),
        y=alt.Y(
            "y:Q",
            title=y_title,
            scale=scale,
            axis=decades(tickCount=4),
        ),
        color=by_meaning("trend"),
    )
    return alt.layer(floor, line, data=frame).properties(height=190)


def _named_lines(
    frame: pd.DataFrame, x_title: str, y_title: str, lines: Mapping[str, str] | None = None
) -> alt.Chart:
    return (
        alt.Chart(frame)
        .mark_line(strokeWidth=3)
        .encode(
            x=alt.X(
                "k:Q",
                title=x_title,
                scale=alt.Scale(nice=False, zero=True),
                axis=_whole_steps(),
            ),
            y=alt.Y("y:Q", title=y_title, axis=decades()),
            tooltip=[
                alt.Tooltip("name:N", title=" "),
                alt.Tooltip("k:Q", title=x_title, format=",d"),
                alt.Tooltip("y:Q", title=f"log₁₀ {y_title}", format=".4f"),
            ],
            **(_told_apart() if lines is None else told_by_name(lines)),
        )
        .properties(height=360)
    )


def told_by_name(lines: Mapping[str, str], **legend_options: Any) -> dict[str, Any]:
    """Dashes and colours by name, and a legend that shows both; `lines` says what each name means.

    The palette is the theme's, which a specification can't quote: a name gets the colour of its
    meaning by standing at the meaning's place in the domain, on the first free lap around it.
    """
    domain: list[str] = []
    for name, means in lines.items():
        place = MEANINGS.index(means)
        while place < len(domain) and domain[place].strip():
            place += len(MEANINGS)
        domain += [" " * (k + 1) for k in range(len(domain), place + 1)]
        domain[place] = name
    legend = _legend(values=list(lines), description=", ".join(lines), **legend_options)
    return {
        "color": alt.Color("name:N", scale=alt.Scale(domain=domain), legend=legend),
        "strokeDash": alt.StrokeDash(
            "name:N", scale=alt.Scale(domain=list(lines), range=DASHES), legend=legend
        ),
    }


def _legend(**options: Any) -> alt.Legend:
    usual = {
        "orient": "top",
        "title": None,
        "symbolType": "stroke",
        "symbolSize": 900,
        "symbolStrokeWidth": 3,
        "labelFontSize": 15,
        "labelLimit": 400,
        "columns": alt.ExprRef(f"containerSize()[0] < {NARROW} ? 2 : 4"),  # the plot's width hangs on it
    }
    return alt.Legend(**usual | options)


def _told_apart() -> dict[str, Any]:
    """Dashes by name, in the order of the field `order`, and colours by what they mean."""
    return {
        "color": by_meaning("meaning"),
        "strokeDash": alt.StrokeDash(
            "name:N",
            sort=alt.EncodingSortField("order", op="min"),
            scale=alt.Scale(range=DASHES),
            legend=_legend(),
        ),
    }


def _counted(frame: pd.DataFrame, x_title: str, y_title: str) -> Chart:
    """Points on a log scale, one a count: k, y, trend."""
    return (
        alt.Chart(frame)
        .mark_point(filled=True, size=60, opacity=1)
        .encode(
            x=alt.X("k:Q", title=x_title, scale=alt.Scale(nice=False), axis=_whole_steps()),
            y=alt.Y("y:Q", title=y_title, axis=decades()),
            color=by_meaning("trend"),
            tooltip=[
                alt.Tooltip("k:Q", title=x_title, format=",d"),
                alt.Tooltip("y:Q", title=f"log₁₀ {y_title}", format=".4f"),
            ],
        )
        .properties(height=330)
    )
