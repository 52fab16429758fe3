"""What each page gives to take home: the numbers of its main picture, and a notebook that makes them.

The code of a notebook is for readers: it calls the core as anyone would, with the page's settings filled
in. A text of theirs goes in by `repr`, so that it stays a text whatever is in it, and what can't be seen is
escaped.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

import numpy as np

from core import cliff
from core.arrays import Array
from core.attribution import opening
from core.cliff import Descent
from core.reviews import ReviewModel
from pages.shared import cliff_lab, compute, reading_lab
from pages.shared.linear_lab import Lab
from pages.shared.numbers import plain
from pages.shared.reading_lab import Choice
from pages.shared.take_home import Column, Notebook, Parcel
from pages.shared.words import Words


def of_path(words: Words, lab: Lab) -> Parcel:
    """The gradient's path of the linear pages, and its bounds."""
    told = words("notebook.path", steps=f"{lab.settings.steps:,}")
    return Parcel(lambda: path_table(words, lab), Notebook(told, path_numbers(lab), path_picture(words)))


def path_table(words: Words, lab: Lab) -> dict[str, Column]:
    """log10 of the gradient's norm and of its bounds at every step."""
    return {
        words("axis.steps_back"): range(lab.settings.steps + 1),
        words("column.norm"): lab.norms,
        words("column.lower"): compute.at_radius(lab.paths.lower, lab.radius),
        words("column.upper"): compute.at_radius(lab.paths.upper, lab.radius),
    }


def path_numbers(lab: Lab) -> str:
    """The code of the path and its bounds."""
    settings = lab.settings
    names = ["log10_bounds", "log10_gradient_norms", "make_gradient"]
    if settings.entered is None:
        names.append("make_matrix")
        matrix = f"W = make_matrix({quoted(settings.kind)}, {settings.n}, radius=1.0, rng=rng)"
    else:
        rows = ",\n    ".join(str(row) for row in settings.entered.tolist())
        matrix = f"W = np.array([\n    {rows},\n])"
        if lab.scalable:
            names.append("spectral_radius")
            matrix += "\nW /= spectral_radius(W)"
    return f"""import numpy as np
from core.linear import {", ".join(names)}

steps, radius = {settings.steps}, {lab.radius!r}
rng = np.random.default_rng({settings.seed})
{matrix}
gradient = make_gradient({quoted(settings.gradient_kind)}, W, rng=rng)

scaled = np.arange(steps + 1) * np.log10(radius)
log10_norms = log10_gradient_norms(W, gradient, steps) + scaled
lower, upper = (bound + scaled for bound in log10_bounds(W, gradient, steps))
print(log10_norms[-1])
"""


def path_picture(words: Words) -> str:
    """The code that draws them."""
    lines = {"norm": "log10_norms", "lower": "lower", "upper": "upper"}
    named = "\n".join(f"    {quoted(words(f'notebook.{name}'))}: {line}," for name, line in lines.items())
    return f"""import altair as alt

lines = {{
{named}
}}
rows = [
    {{"k": k, "y": y, "line": name}}
    for name, line in lines.items()
    for k, y in enumerate(line.tolist())
    if np.isfinite(y)
]
finite = log10_norms[np.isfinite(log10_norms)]
top = max(1.0, 1.1 * float(np.abs(finite).max()))
alt.Chart(alt.Data(values=rows)).mark_line(clip=True).encode(
    x=alt.X("k:Q", title={quoted(words("axis.steps_back"))}),
    y=alt.Y("y:Q", title={quoted(words("axis.log10_norm"))}, scale=alt.Scale(domain=[-top, top])),
    color=alt.Color("line:N", title=None, sort=list(lines)),
    strokeDash=alt.StrokeDash("line:N", title=None, sort=list(lines)),
).properties(width=700, height=400)
"""


def of_cliff(words: Words, settings: cliff_lab.Settings, free: Descent, clipped: Descent) -> Parcel:
    """The two descents over the cliff."""
    told = words(
        "notebook.cliff",
        method=words(f"method.{settings.method}").lower(),
        threshold=plain(settings.threshold),
        rate=plain(settings.rate),
        updates=cliff_lab.UPDATES,
        steps=cliff.STEPS,
        target=plain(cliff.TARGET),
    )
    runs = {words("cut.free"): free, words("cut.clipped"): clipped}
    notebook = Notebook(told, cliff_numbers(settings), cliff_picture(words))
    return Parcel(lambda: cliff_table(words, runs), notebook)


def cliff_table(words: Words, runs: Mapping[str, Descent]) -> dict[str, Column]:
    """Where each descent stands after each update, and the gradient that it meets there."""
    both = runs.values()
    return {
        words("column.run"): [name for name, run in runs.items() for _ in run.w],
        words("column.update"): [k for run in both for k in range(len(run.w))],
        words("column.w"): np.concatenate([run.w for run in both]),
        words("column.b"): np.concatenate([run.b for run in both]),
        words("column.error"): np.concatenate([run.errors for run in both]),
        words("column.before"): np.concatenate([_to_the_end(run, run.norms_before) for run in both]),
        words("column.after"): np.concatenate([_to_the_end(run, run.norms_after) for run in both]),
    }


def _to_the_end(run: Descent, norms: Array) -> Array:
    """The norm for each place; none for the last, from which no update was made."""
    return np.append(norms, [np.nan] * (len(run.w) - len(norms)))


def cliff_numbers(settings: cliff_lab.Settings) -> str:
    """The code of both descents."""
    return f"""import numpy as np
from core.cliff import descend

start, rate, updates = ({settings.w!r}, {settings.b!r}), {settings.rate!r}, {cliff_lab.UPDATES}
threshold = {settings.threshold!r}
free = descend(*start, rate=rate, updates=updates, method="none")
clipped = descend(*start, rate=rate, updates=updates, method={quoted(settings.method)}, threshold=threshold)
print(free.errors.min(), clipped.errors.min())
"""


def cliff_picture(words: Words) -> str:
    """The code that draws the surface, both descents on it, and the norms of their gradients."""
    (left, right), (low, high) = cliff_lab.VIEW_W, cliff_lab.VIEW_B
    return f"""import altair as alt
from core.cliff import error

runs = {{{quoted(words("cut.clipped"))}: clipped, {quoted(words("cut.free"))}: free}}
W, B = np.meshgrid(np.linspace({left}, {right}, 61), np.linspace({low}, {high}, 61))
E = error(W, B).value
ground = [
    {{"w": w, "b": b, "E": e}}
    for w, b, e in zip(W.ravel().tolist(), B.ravel().tolist(), E.ravel().tolist())
]
places = [
    {{"run": name, "k": k, "w": w, "b": b}}
    for name, run in runs.items()
    for k, (w, b) in enumerate(zip(run.w.tolist(), run.b.tolist()))
]
lines = {{
    {quoted(words("cut.after"))}: clipped.norms_after,
    {quoted(words("cut.free"))}: free.norms_before,
    {quoted(words("cut.before"))}: clipped.norms_before,
}}
norms = [
    {{"line": name, "k": k, "y": float(np.log10(norm))}}
    for name, line in lines.items()
    for k, norm in enumerate(line.tolist(), 1)
    if norm > {10.0**cliff_lab.LEAST_DRAWN}
]

w = alt.X("w:Q", title={quoted(words("axis.w"))}, scale=alt.Scale(domain=[{left}, {right}]))
b = alt.Y("b:Q", title={quoted(words("axis.b"))}, scale=alt.Scale(domain=[{low}, {high}]))
color = alt.Color("E:Q", scale=alt.Scale(scheme="blues"))
surface = alt.Chart(alt.Data(values=ground)).mark_square(size=90, opacity=1, clip=True).encode(w, b, color)
paths = alt.Chart(alt.Data(values=places)).mark_line(color="black", clip=True).encode(
    w, b, order="k:Q", strokeDash=alt.StrokeDash("run:N", title=None, sort=list(runs))
)
sizes = alt.Chart(alt.Data(values=norms)).mark_line().encode(
    x=alt.X("k:Q", title={quoted(words("axis.update"))}),
    y=alt.Y("y:Q", title={quoted("log₁₀ " + words("axis.error_gradient_norm"))}),
    color=alt.Color("line:N", title=None, sort=list(lines)),
    strokeDash=alt.StrokeDash("line:N", title=None, sort=list(lines)),
)
both = (surface + paths).properties(width=500, height=400) & sizes.properties(width=500, height=200)
both.resolve_scale(color="independent", strokeDash="independent")
"""


def of_reading(words: Words, choice: Choice) -> Parcel:
    """The text of the gating page: how far the gates opened to each word, and the gradients there."""
    models = {
        words(f"cells.{label}"): reading_lab.model(name)
        for label, name in reading_lab.drawn_models(choice).items()
    }
    chosen = next(name for name, model in models.items() if model.name == choice.model)
    memory = None if choice.chinese else words(f"cells.lstm_{choice.training}")
    notebook = Notebook(
        words("notebook.reading", name=chosen),
        reading_numbers(choice.text, {name: model.name for name, model in models.items()}, chosen),
        reading_picture(words, chosen, memory),
    )
    return Parcel(lambda: reading_table(words, choice, models, chosen), notebook)


def reading_table(
    words: Words, choice: Choice, models: Mapping[str, ReviewModel], chosen: str
) -> dict[str, Column]:
    """Each word that was read, how far the chosen model's gates opened to it, and all gradients there."""
    readings = {name: model.read(choice.text) for name, model in models.items()}
    read, trace = readings[chosen].words, readings[chosen].trace
    unit = words("column.log_odds" if choice.chinese else "column.points")
    table: dict[str, Column] = {
        words("column.place"): range(1, len(read) + 1),
        words("column.word"): [word.text for word in read],
    }
    if trace is not None:
        table[words("column.opening", name=chosen)] = opening(trace.cell, trace)[:, 0].mean(axis=1)
    for name, found in readings.items():
        table[words("column.gradient", name=name, unit=unit)] = found.log10_gradients
        if len(found.log10_memory_gradients):
            table[words("column.memory", name=name, unit=unit)] = found.log10_memory_gradients
    return table


def reading_numbers(text: str, models: Mapping[str, str], chosen: str) -> str:
    """The code that reads the text with all drawn models, and prints what the chosen one made of it."""
    named = "\n".join(f"    {quoted(name)}: {quoted(model)}," for name, model in models.items())
    return f"""import numpy as np
from core.attribution import opening
from core.reviews import load

text = {text!r}
models = {{
{named}
}}
readings = {{name: load(model).read(text) for name, model in models.items()}}

reading = readings[{quoted(chosen)}]
openings = opening(reading.trace.cell, reading.trace)[:, 0].mean(axis=1)
for word, opened, log10_norm in zip(reading.words, openings, reading.log10_gradients):
    print(f"{{word.text:16}} {{opened:.3f}} {{log10_norm:8.3f}}")
print(reading.prediction)
"""


def reading_picture(words: Words, chosen: str, memory: str | None) -> str:
    """The code that draws openings and gradients; `memory` is the name of the LSTM, if there is one."""
    carried = (
        ""
        if memory is None
        else f"lines[{quoted(words('cells.memory'))}] = readings[{quoted(memory)}].log10_memory_gradients\n"
    )
    return f"""import altair as alt

labels = [f"{{k:03d}} {{word.text}}" for k, word in enumerate(reading.words, 1)]
lines = {{name: found.log10_gradients for name, found in readings.items()}}
{carried}opened = [{{"word": word, "y": y}} for word, y in zip(labels, openings.tolist())]
rows = [
    {{"word": word, "line": name, "y": y}}
    for name, line in lines.items()
    for word, y in zip(labels, line.tolist())
    if np.isfinite(y)
]

x = alt.X("word:O", title={quoted(words("axis.words"))}, axis=alt.Axis(labelOverlap=True))
bars = alt.Chart(alt.Data(values=opened), title={quoted(chosen)}, width=700, height=120).mark_bar().encode(
    x, alt.Y("y:Q", title={quoted(words("axis.gate"))})
)
gradients = alt.Chart(alt.Data(values=rows), width=700, height=300).mark_line(point=True).encode(
    x, alt.Y("y:Q", title="log₁₀ ‖∂ŷ/∂h‖"), alt.Color("line:N", title=None, sort=list(lines))
)
bars & gradients
"""


def quoted(text: str) -> str:
    """One of our own names or words as a literal, in the quotes that the rest of the code has."""
    return json.dumps(text, ensure_ascii=False)
