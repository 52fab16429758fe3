"""What the two linear pages have in common: the controls of the RNN, and the gradient's path."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
import streamlit as st

from core.arrays import LOG10_2, Array
from core.descent import Update
from core.linear import GRADIENT_KINDS, LARGEST_SIZE, MATRIX_KINDS
from core.precision import PRECISIONS, milestones
from pages.shared import charts, compute, controls, own_matrix
from pages.shared.frame import Page
from pages.shared.numbers import from_log10, plain
from pages.shared.thinning import thin
from pages.shared.words import Words

LARGEST_STEPS = 10_000
OWN = "own"
TOUCHED = 41  # points of the path to hover over
ROUNDING = 1e-9  # decades: less than this is no growth
WORTH_SAYING = 1e-6  # decades: below this no digit that the page shows is in doubt


class Settings(NamedTuple):
    """What the reader has set."""

    kind: str
    n: int
    seed: int
    gradient_kind: str
    steps: int
    entered: Array | None  # the reader's own matrix, where `kind` is OWN


class Lab(NamedTuple):
    """The RNN that the page is about, at the spectral radius that the reader has chosen."""

    settings: Settings
    W: Array  # (n, n), at `radius`
    gradient: Array  # (n,)
    radius: float
    paths: compute.Paths  # at the radius 1
    norms: Array  # (steps + 1,), log10, at `radius`


def choose(page: Page, *, radius: float, steps: int, kind: str = "gaussian", n: int = 16) -> Lab:
    """Draw the controls; the RNN they describe, from the link where it says otherwise."""
    words = page.words
    with st.container(horizontal=True, vertical_alignment="bottom"):
        kind = controls.choice(page, "kind", [*MATRIX_KINDS, OWN], kind)
        chosen_steps = controls.number(page, "steps", 1, LARGEST_STEPS, steps, step=50)
        gradient_kind = controls.choice(page, "gradient", GRADIENT_KINDS, "random")
        with st.popover(words("controls.more")):
            if kind != OWN:
                n = controls.number(page, "n", 1, LARGEST_SIZE, n)
            seed = controls.number(page, "seed", 0, 9999, 7)
    entered = _own_matrix(page) if kind == OWN else None
    settings = Settings(kind, n, seed, gradient_kind, chosen_steps, entered)
    system = _system(page, settings)
    if system.own_radius > 0:
        default = system.own_radius if kind == OWN else radius
        rho = controls.radius(page, default, of="own" if kind == OWN else "made")
        W = system.W * rho
    else:
        page.complain("own.nilpotent")
        rho, W = 1.0, system.W
    paths = compute.paths(system.W, system.gradient, chosen_steps)
    return Lab(settings, W, system.gradient, rho, paths, compute.at_radius(paths.norms, rho))


def _system(page: Page, settings: Settings) -> compute.System:
    """The RNN of the settings, with a random gradient where theirs can't be had."""
    try:
        return _make(settings)
    except ValueError:
        page.complain("gradient_impossible")
        return _make(settings._replace(gradient_kind="random"))


def _make(settings: Settings) -> compute.System:
    if settings.entered is not None:
        return compute.own_system(settings.entered, settings.seed, settings.gradient_kind)
    return compute.make_system(settings.kind, settings.n, settings.seed, settings.gradient_kind)


def _own_matrix(page: Page) -> Array:
    """The reader's own matrix: the last good one, whatever has been entered since."""
    words = page.words
    stored = f"{page.name}-own"
    if stored not in st.session_state:
        st.session_state[stored] = own_matrix.EXAMPLE
    linked = st.query_params.get("matrix")
    if linked is not None and st.session_state.get(f"{stored}-link") != linked:
        try:
            _replace(page, own_matrix.from_link(linked))
        except own_matrix.BadMatrix as bad:
            page.complain(f"own.bad.{bad.key}", **bad.values)
    with st.expander(words("own.title"), expanded=True):
        table, file = st.columns([3, 2])
        with file:
            _upload(page)
        with table:
            _edit(page)
    W: Array = st.session_state[stored]
    text = own_matrix.to_link(W)
    if text is None:
        st.markdown(words("own_too_long"))
    is_example = np.array_equal(W, own_matrix.EXAMPLE)
    st.session_state[f"{stored}-link"] = None if is_example else text
    if is_example or text is None:
        st.query_params.pop("matrix", None)
    elif st.query_params.get("matrix") != text:
        st.query_params["matrix"] = text
    return W


def _replace(page: Page, W: Array) -> None:
    """Take a new matrix: the table starts from it, and the radius is its own."""
    if not np.array_equal(W, st.session_state[f"{page.name}-own"]):
        st.session_state[f"{page.name}-own"] = W
        controls.forget_radius(page, of="own")


def _upload(page: Page) -> None:
    words = page.words
    file = st.file_uploader(words("own.upload"), type=["csv", "npy"], help=words("own.upload_help"))
    if file is None or st.session_state.get(f"{page.name}-file") == file.file_id:
        return
    try:
        W = own_matrix.from_file(file.name, file.getvalue())
    except own_matrix.BadMatrix as bad:
        st.error(words(f"own.bad.{bad.key}", **bad.values))
        return
    st.session_state[f"{page.name}-file"] = file.file_id
    _start_table(page, W)
    _replace(page, W)


def _start_table(page: Page, W: Array) -> None:
    """Begin the table anew from `W`, forgetting the edits made to the one before."""
    version = st.session_state.get(f"{page.name}-table-version", 0) + 1
    st.session_state[f"{page.name}-table-version"] = version
    st.session_state[f"{page.name}-table"] = W


def _edit(page: Page) -> None:
    words = page.words
    current: Array = st.session_state[f"{page.name}-own"]
    if len(current) > own_matrix.LARGEST_IN_TABLE:
        st.markdown(words("own.too_large_for_table", n=len(current), most=own_matrix.LARGEST_IN_TABLE))
        return
    size = int(
        st.number_input(
            words("own.size"), 1, own_matrix.LARGEST_IN_TABLE, value=len(current), key=f"{page.name}-size"
        )
    )
    if f"{page.name}-table" not in st.session_state or len(st.session_state[f"{page.name}-table"]) != size:
        _start_table(page, _resized(current, size))
    version = st.session_state[f"{page.name}-table-version"]
    start = pd.DataFrame(st.session_state[f"{page.name}-table"]).map(lambda value: f"{value:g}")
    start.columns = [str(j + 1) for j in range(size)]
    edited = st.data_editor(
        start,
        num_rows="dynamic",
        hide_index=True,
        key=f"{page.name}-editor-{version}",
        alt=words("own.table"),
    )
    try:
        W = own_matrix.from_rows(edited.astype(object).where(edited.notna(), None).to_numpy().tolist())
    except own_matrix.BadMatrix as bad:
        st.error(words(f"own.bad.{bad.key}", **bad.values))
        return
    _replace(page, W)


def _resized(W: Array, size: int) -> Array:
    resized = np.zeros((size, size))
    kept = min(size, len(W))
    resized[:kept, :kept] = W[:kept, :kept]
    return resized


def path_frame(page: Page, lab: Lab) -> pd.DataFrame:
    """The rows that `charts.gradient_path` draws: the path, its rate and bounds, limits, crossings."""
    norms, steps = lab.paths.norms, lab.settings.steps
    alive = norms[: zero_from(norms)]
    kept = thin(alive)
    rows = [("path", int(k), alive[k], 1, "", "") for k in kept]
    rows += [("rate", k, 0.0, 1, "", "") for k in (0, steps)]
    for name, bound in (("lower", lab.paths.lower), ("upper", lab.paths.upper)):
        if np.isfinite(bound[-1]):
            rows += [("bound", k, bound[k], 1, name, "") for k in (0, steps)]
    rows += [row for name in PRECISIONS for row in _limits(page.words, lab.norms, name)]
    for name in PRECISIONS:
        found = milestones(lab.norms, name)
        crossed = {found.overflow, found.squared_overflow, found.zero} - {None, 0}
        rows += [
            ("crossing", k, norms[k], 1, "", "") for k in crossed if k is not None and np.isfinite(norms[k])
        ]
    frame = pd.DataFrame(rows, columns=["layer", "k", "base", "moves", "text", "short"])
    touched = frame.index.isin(np.linspace(0, len(kept) - 1, TOUCHED).round())
    return frame.assign(radius=lab.radius, touch=touched)


def _limits(words: Words, log10_path: Array, name: str) -> list[tuple[str, int, float, int, str, str]]:
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
    ends = [("limit", side, precision.log10_zero, 0, at_lower, lower)]
    if name != "bfloat16":
        ends.append(("limit", side, precision.log10_overflow, 0, at_upper, upper))
    return ends


def zero_from(log10_path: Array) -> int:
    """The first step at which the gradient is exactly zero; the path's length if it never is."""
    zero = np.isneginf(log10_path)
    return int(np.argmax(zero)) if zero.any() else len(log10_path)


def draw_path(page: Page, lab: Lab) -> None:
    """The main picture: the gradient's path on a log scale."""
    charts.show(
        charts.gradient_path,
        path_frame(page, lab),
        page.words,
        key=f"{page.name}-path",
        alt_text=page.words("alt_path"),
    )


def read_out(page: Page, lab: Lab, story: Sequence[str], columns: tuple[str, ...]) -> None:
    """Beside the picture: what is seen, in sentences with its numbers, and where each type ends.

    One element, for each costs the browser some milliseconds; and a warning where float64 itself
    doesn't know the path.
    """
    words = page.words
    first_zero = zero_from(lab.norms)
    dead = [words("dead", step=f"{first_zero:,}")] if first_zero <= lab.settings.steps else []
    table = limits_table(words, lab, columns)
    st.markdown("\n\n".join([f"### {words('reading')}", *story, *dead, table]))
    uncertainty = float(np.max(lab.paths.uncertainty))
    if uncertainty > WORTH_SAYING:
        st.warning(words("uncertain", decades=plain(uncertainty)))


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


def code_and_data(page: Page, lab: Lab) -> None:
    """The core calls that make the picture, and the picture's numbers."""
    words = page.words
    st.markdown(words("code_title"))
    st.code(snippet(lab), language="python")
    st.markdown(words("csv_title"))
    st.download_button(
        words("download_csv"), path_csv(lab), f"{page.name}.csv", "text/csv", on_click="ignore"
    )


def snippet(lab: Lab) -> str:
    """The core calls that reproduce the picture's path, with the current values filled in."""
    settings = lab.settings
    if settings.entered is None:
        matrix = f'W = make_matrix("{settings.kind}", {settings.n}, {lab.radius!r}, rng=rng)'
    else:
        rows = ",\n    ".join(str(row) for row in settings.entered.tolist())
        matrix = f"W = np.array([\n    {rows},\n])\nW *= {lab.radius!r} / spectral_radius(W)"
    made = "make_matrix" if settings.entered is None else "spectral_radius"
    return f"""import numpy as np
from core.linear import log10_bounds, log10_gradient_norms, make_gradient, {made}

rng = np.random.default_rng({settings.seed})
{matrix}
gradient = make_gradient("{settings.gradient_kind}", W, rng=rng)

log10_norms = log10_gradient_norms(W, gradient, {settings.steps})  # k = 0 … {settings.steps} steps back
lower, upper = log10_bounds(W, gradient, {settings.steps})
print(log10_norms[-1])
"""


def path_csv(lab: Lab) -> str:
    """Every step's numbers as CSV, with what they are in the header."""
    table = pd.DataFrame(
        {
            "steps_back": np.arange(lab.settings.steps + 1),
            "log10_gradient_norm": lab.norms,
            "log10_lower_bound": compute.at_radius(lab.paths.lower, lab.radius),
            "log10_upper_bound": compute.at_radius(lab.paths.upper, lab.radius),
        }
    )
    return table.to_csv(index=False)


def training_story(words: Words, updates: Sequence[Update]) -> list[str]:
    """What happened to a training run, a sentence a fact."""
    last = updates[-1]
    if last.first_nan is None and last.first_inf is None:
        first_loss, last_loss = plain(updates[0].loss), plain(last.loss)
        return [words("training.alive", updates=len(updates), first=first_loss, last=last_loss)]
    story = []
    if last.first_inf is None:
        story.append(words("training.no_inf"))
    for kind, failure in (("first_inf", last.first_inf), ("first_nan", last.first_nan)):
        if failure is not None:
            story.append(
                words(
                    f"training.{kind}",
                    update=failure.update,
                    operation=words(f"training.operation.{failure.operation}"),
                    step="" if failure.step is None else words("training.step", t=failure.step),
                    cause=words(f"training.cause.{failure.cause}"),
                )
            )
    if last.first_inf is not None and last.first_inf.operation == "norm":
        log10_norm = updates[last.first_inf.update - 1].log10_norm
        story.append(words("training.norm_first", size=from_log10(log10_norm)))
    if last.first_nan is not None:
        story.append(words("training.after"))
    return story


def half_from(log10_path: Array) -> int | None:
    """The first step at which the gradient is at most half of what it was; None if it never is."""
    reached = log10_path <= log10_path[0] - LOG10_2
    return int(np.argmax(reached)) if reached.any() else None


class Transient(NamedTuple):
    """What ‖W^k‖ does before the end, as a key of the words and the values of its sentence."""

    kind: str
    values: dict[str, str]
    norms: Array


def transient(norms: Array, radius: float) -> Transient:
    """Where log10 ‖W^k‖ peaks, and from where on it is below 0; cut off well after that."""
    peak = int(np.argmax(norms))
    after = np.flatnonzero(norms[peak:] < 0)
    below = peak + int(after[0]) if len(after) and peak > 0 else None
    shown = norms[: max(3 * below, 20)] if below is not None else norms
    values = {
        "peak": from_log10(norms[peak]),
        "step": f"{peak:,}",
        "below": f"{below:,}" if below is not None else "",
        "steps": f"{len(norms) - 1:,}",
    }
    if radius >= 1:
        return Transient("text_growing", values, norms)
    if norms[peak] <= ROUNDING:
        return Transient("text_monotone", values, norms)
    return Transient("text" if below is not None else "text_never", values, shown)


def computed_story(words: Words, name: str, path: Array, exact: Array) -> str:
    """Where a type's path parts from the exact one, by a factor of two, and where it ends."""
    with np.errstate(invalid="ignore"):
        apart = ~(np.abs(path - exact) < LOG10_2)
    if not apart.any():
        return words("computed.holds", type=name)
    ends = {"computed": from_log10(path[-1]), "exact": from_log10(exact[-1])}
    return words("computed.parts", type=name, step=f"{int(np.argmax(apart)):,}", **ends)


def last_distance(words: Words, last: int | None, farthest: int) -> str:
    """The last distance at which an update still changes a parameter, as the words say it."""
    if last is None:
        return words("update.none")
    return words("update.all", steps=f"{farthest:,}") if last == farthest else f"{last:,}"
