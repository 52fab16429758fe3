"""Vanishing: below |λ| = 1 the gradient shrinks to nothing, and distant inputs change no weight."""

import math

import streamlit as st

from core import precision
from core.cells import ACTIVATIONS
from pages.shared import (
    charts,
    compute,
    controls,
    frames,
    gated_lab,
    lesson,
    linear_lab,
    linear_lesson,
    notebooks,
    path_picture,
    pictures,
    recall_run,
    stories,
    take_home,
)
from pages.shared.frame import open_page
from pages.shared.frames import Line
from pages.shared.linear_lab import Lab
from pages.shared.numbers import from_log10, plain

RATE = 0.1
FARTHEST = 1000
LARGEST_POWERS = 32
LONGEST_NETWORK = 100  # steps

page = open_page("vanishing")
words = page.words


def look(_lab: Lab) -> None:
    """What to try."""
    pure = compute.scalar_path(0.9, 1000)
    zero = precision.milestones(pure, "float32").zero
    non_normal = compute.make_system("non-normal", 16, 7, "random").W * 0.9
    peak = from_log10(float(compute.power_norms(non_normal, 100).max()))
    st.markdown(words("look.text", half_life=plain(math.log(0.5) / math.log(0.9)), zero=zero, peak=peak))


def update(lab: Lab) -> None:
    """How many parameters an update leaves bit-identical, by the distance of the input."""
    steps = lab.settings.steps
    n = len(lab.W)
    rate = float(controls.choice(page, "rate", ["0.01", "0.1", "1"], "0.1", name=str))
    farthest = min(steps, FARTHEST)
    reach = compute.reach(lab.W, lab.gradient, farthest, rate, lab.settings.seed)
    last = {name: stories.last_distance(words, step, farthest) for name, step in reach.last.items()}
    seen = words("update.read", **last)
    st.markdown(words("update.text", count=4 * n, rate=rate))
    if lab.radius > 1:
        st.markdown(words("update.growing"))
    pictures.draw_reach(page, reach, seen)
    st.markdown(seen)


def transient(lab: Lab) -> None:
    """‖W^k‖, which may grow long before it vanishes."""
    steps = lab.settings.steps
    rho = lab.radius
    n = len(lab.W)
    if n > LARGEST_POWERS:
        st.markdown(words("transient.too_large", most=LARGEST_POWERS))
    else:
        norms = compute.at_radius(compute.power_norms(lab.unit_W, min(steps, 1000)), rho)
        story = stories.transient(norms, rho)
        seen = words(f"transient.{story.kind}", **story.values)
        st.markdown(seen)
        end = {"step": f"{len(story.norms) - 1:,}", "size": from_log10(story.norms[-1])}
        rate_path = compute.scalar_path(rho, len(story.norms) - 1)
        charts.show(
            charts.power_norms,
            frames.lines(
                [
                    Line(words("transient.powers"), frames.trend(story.norms), story.norms),
                    Line(words("transient.rate"), "neutral", rate_path),
                ]
            ),
            words,
            key="transient",
            alt_text=words("transient.alt"),
            now=f"{seen}\n{words('transient.now', **end)}",
        )


def one(lab: Lab) -> None:
    """|λ| = 1 exactly: an orthogonal W against a Jordan block."""
    steps = lab.settings.steps
    n = len(lab.W)
    pair = {
        kind: compute.paths(*compute.make_system(kind, max(n, 2), lab.settings.seed, "random")[:2], steps)
        for kind in ("orthogonal", "jordan")
    }
    ends = {kind: from_log10(found.norms[-1]) for kind, found in pair.items()}
    seen = words("one.text", steps=f"{steps:,}", n=max(n, 2), **ends)
    st.markdown(seen)
    charts.show(
        charts.paths,
        frames.lines(
            [
                Line(words("one.jordan"), "growing", pair["jordan"].norms),
                Line(words("one.orthogonal"), "neutral", pair["orthogonal"].norms),
            ]
        ),
        words,
        key="one",
        alt_text=words("one.alt"),
        now=seen,
    )


def saturation(lab: Lab) -> None:
    """The gradient through saturating units, and the bound γσ₁."""
    steps = lab.settings.steps
    scale = float(controls.choice(page, "scale", ["0", "0.3", "1", "3", "10"], "1", name=str))
    length = min(steps, LONGEST_NETWORK)
    through = {"identity": lab.norms[: length + 1]} | {
        name: compute.through_activation(lab.W, lab.gradient, length, name, scale, lab.settings.seed)
        for name in ("tanh", "sigmoid")
    }
    ends = {name: from_log10(found[-1]) for name, found in through.items()}
    sigma = float(compute.spectrum(lab.W).singular_values[0])
    bounds = {name: plain(ACTIVATIONS[name].steepest * sigma) for name in ("tanh", "sigmoid")}
    seen = words("saturation.ends", steps=length, **ends)
    st.markdown(f"{words('saturation.text')} {seen}")
    charts.show(
        charts.paths,
        frames.lines(
            [Line(words(f"saturation.{name}"), frames.trend(path), path) for name, path in through.items()]
        ),
        words,
        key="saturation",
        alt_text=words("saturation.alt"),
        now=seen,
    )
    st.markdown(words("saturation.bound", **bounds))


def gates(lab: Lab) -> None:
    """RNN, LSTM and GRU on the same sequence, and the path through the LSTM's memory alone."""
    cells, units, length, start = gated_lab.choose(page, lab.radius)
    paths = gated_lab.paths(cells, units, length, start, lab.settings.seed)
    ends = [words(f"gates.left.{name}", left=from_log10(path[-1])) for name, path in paths.items()]
    seen = words("gates.text", steps=length, ends=words.listed(ends))
    st.markdown(seen)
    pictures.draw_gates(page, paths, seen)
    st.markdown(words("gates.read"))


def learn(lab: Lab) -> None:
    """A live run of a cell that must recall the first symbol after a delay."""
    recall_run.section(page, lab.settings.seed)


def computed(lab: Lab) -> None:
    """What a floating-point type makes of the exact path."""
    rho = lab.radius
    dtype = controls.choice(page, "type", tuple(precision.PRECISIONS), "float32", name=str)
    path = compute.computed_path(lab.W, lab.gradient, lab.settings.steps, dtype)
    told = words("computed.growing") if rho > 1 else words("computed.text", radius=plain(rho))
    seen = stories.computed_story(words, dtype, path, lab.norms)
    st.markdown(f"{told}\n\n{seen}")
    charts.show(
        charts.paths,
        frames.lines(
            [
                Line(words("computed.exact"), frames.trend(lab.norms), lab.norms),
                Line(words("computed.as_type", type=dtype), dtype, path),
            ]
        ),
        words,
        key="computed",
        alt_text=words("computed.alt"),
        now=f"{seen}\n{words('computed.now', step=f'{len(path) - 1:,}', exact=from_log10(lab.norms[-1]))}",
    )


def grain(lab: Lab) -> None:
    """What is left of the grain after each stage."""
    rho = lab.radius
    count = controls.slider(page, "stages", 1, 200, 50)
    grain = compute.scalar_path(rho, linear_lab.LARGEST_STEPS)
    zero = precision.milestones(grain, "float32").zero
    arrives = from_log10(grain[count])
    seen = words(
        "grain.text" if rho < 1 else "grain.never",
        radius=plain(rho),
        percent=plain(100 * rho),
        left=arrives,
        count=count,
        zero=f"{zero:,}" if zero else words("never"),
    )
    st.markdown(seen)
    charts.show(
        charts.grain,
        frames.counted(grain[: count + 1]),
        words,
        key="grain",
        alt_text=words("grain.alt"),
        now=seen,
    )


def code(lab: Lab) -> None:
    """The picture, its numbers and code, and the settings, to take home."""
    take_home.section(page, notebooks.of_path(words, lab))


SECTIONS = {
    "look": look,
    "update": update,
    "transient": transient,
    "one": one,
    "saturation": saturation,
    "gates": gates,
    "learn": learn,
    "computed": computed,
    "grain": grain,
    "code": code,
}

lesson.ask(page, linear_lesson.VANISHING)
setup = linear_lab.choose(page)


@st.fragment
def at_the_radius() -> None:
    """What follows the radius slider: its release draws this part of the page alone."""
    lab = linear_lab.at_radius(page, setup, 0.9)
    steps, rho = lab.settings.steps, lab.radius
    picture, reading = st.columns([3, 1], gap="medium")
    with reading:
        vanishes = bool(lab.norms[-1] < lab.norms[0])
        seen = [
            words(
                f"read.{'left' if vanishes else 'grown'}", steps=f"{steps:,}", size=from_log10(lab.norms[-1])
            )
        ]
        half = stories.half_from(lab.norms)
        if half is not None and rho < 1:
            seen.append(words("read.half", half=f"{half:,}", half_life=plain(math.log(0.5) / math.log(rho))))
        peak = int(lab.norms.argmax())
        if vanishes and lab.norms[peak] > lab.norms[0] + 0.1:
            seen.append(words("read.peak", peak=from_log10(lab.norms[peak]), step=f"{peak:,}"))
        with picture:  # which the browser draws while the server goes on
            path_picture.draw_path(page, lab, seen)
        moved = (
            None
            if rho > 1
            else compute.last_reach(lab.W, lab.gradient, steps, RATE, lab.settings.seed, "float32")
        )
        if moved == steps:
            seen.append(words("read.moves_all", rate=RATE, steps=f"{steps:,}"))
        elif moved is not None:
            seen.append(words("read.moves", rate=RATE, reach=f"{moved:,}"))
        path_picture.read_out(page, lab, seen, ("subnormal", "zero"))

    SECTIONS[controls.section(page, tuple(SECTIONS))](lab)


at_the_radius()
