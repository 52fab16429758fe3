"""Explosion: back through t steps the gradient is multiplied by the t-th power of W."""

import math

import streamlit as st

from core import linear, precision
from pages.shared import (
    charts,
    compute,
    controls,
    frames,
    lesson,
    linear_lab,
    linear_lesson,
    notebooks,
    path_picture,
    stories,
    take_home,
)
from pages.shared.frame import open_page
from pages.shared.frames import Line
from pages.shared.linear_lab import Lab
from pages.shared.numbers import from_log10, plain

UPDATES = 30

page = open_page("explosion")
words = page.words


def look(lab: Lab) -> None:
    """What to try, and what the lines of the picture are."""
    pure = compute.scalar_path(1.1, 1000)
    double, leaves = plain(math.log(2) / math.log(1.1)), precision.milestones(pure, "float32").overflow
    rate = words("read.rate", radius=plain(lab.radius)) if lab.scalable else ""
    text = words("look.text", double=double, overflow=leaves)
    st.markdown(f"{text}\n{rate} {words('read.bounds')}")


def plane(lab: Lab) -> None:
    """The eigenvalues in the complex plane, with the unit circle."""
    rho = lab.radius
    spectrum = compute.spectrum(lab.W)
    sizes = abs(spectrum.eigenvalues)
    outside, inside = int((sizes > 1 + 1e-9).sum()), int((sizes < 1 - 1e-9).sum())
    seen = words("plane.text", outside=outside, inside=inside, n=len(sizes), radius=plain(spectrum.radius))
    chart, text = st.columns([1, 1])
    with chart:
        charts.show(
            charts.eigenvalue_plane,
            frames.eigenvalues(spectrum.eigenvalues / rho, rho),
            words,
            key="plane",
            alt_text=words("plane.alt"),
            now=seen,
            width="content",
        )
    with text:
        st.markdown(seen)
        kind = "sound" if spectrum.diagonalisable else "defective"
        st.markdown(words(f"plane.{kind}", condition=from_log10(math.log10(spectrum.condition))))


def powers(lab: Lab) -> None:
    """W, Wᵀ and W^k as entries, and whose gradient it is after k steps."""
    steps = lab.settings.steps
    st.markdown(f"$$\n{words('powers.equation')}\n$$")  # st.latex makes its box a little too narrow
    k = controls.slider(page, "at", 0, steps, min(30, steps))
    entries, modes = st.columns([1, 1], gap="large")
    with entries:
        if len(lab.W) <= frames.LARGEST_DRAWN:
            power = compute.power(lab.W, k)
            seen = words(
                "powers.not_transpose",
                k=k,
                size=from_log10(power.log10_growth),
                second=plain(100 * power.second),
            )
            st.markdown(seen)
            panels = {"W": lab.W, "transpose": lab.W.T, "power": power.entries}
            named = {words(f"powers.{name}", k=k): matrix for name, matrix in panels.items()}
            charts.show(
                charts.matrix_entries,
                frames.matrix_entries(named),
                words,
                key="entries",
                alt_text=words("powers.alt_entries"),
                now=seen,
            )
        else:
            st.markdown(words("powers.too_large", most=frames.LARGEST_DRAWN))
    with modes:
        spectrum = compute.spectrum(lab.W)
        if spectrum.diagonalisable:
            shares = linear.mode_shares(compute.modes(lab.W, lab.gradient), k)
            sizes = abs(spectrum.eigenvalues)
            lead = plain(100 * float(shares[sizes >= (1 - linear.TIE) * sizes.max()].sum()))
            seen = words("powers.modes", k=k) + " " + words("powers.lead", share=lead)
            st.markdown(seen)
            charts.show(
                charts.mode_shares,
                frames.mode_shares(spectrum.eigenvalues, shares),
                words,
                key="modes",
                alt_text=words("powers.alt_modes"),
                now=seen,
            )
        else:
            through = compute.through_modes(lab.W, lab.gradient, steps)
            wrong, right = from_log10(through[k]), from_log10(lab.norms[k])
            condition = from_log10(math.log10(spectrum.condition))
            seen = words("powers.defective", condition=condition, k=k, wrong=wrong, right=right)
            st.error(seen)
            charts.show(
                charts.paths,
                frames.lines(
                    [
                        Line(words("powers.exact"), frames.trend(lab.norms), lab.norms),
                        Line(words("powers.through"), "bound", through),
                    ]
                ),
                words,
                key="through",
                alt_text=words("powers.alt_through"),
                now=seen,
            )


def training(lab: Lab) -> None:
    """A float32 run of gradient descent, up to the first inf and the first NaN."""
    unroll, rate = st.columns(2)
    with unroll:
        length = controls.slider(page, "unroll", 1, 200, 25)
    with rate:
        learning_rate = float(controls.choice(page, "rate", ["0.001", "0.01", "0.1"], "0.01", name=str))
    if abs(lab.W).max() > precision.PRECISIONS["float32"].largest:
        st.warning(words("training.too_large"))
        return
    updates = compute.training(lab.W, length, learning_rate, UPDATES, lab.settings.seed)
    st.markdown(words("training.text", unroll=length))
    seen = stories.training_story(words, updates)
    chart, text = st.columns([3, 2], gap="medium")
    with chart:
        charts.show(
            charts.training,
            frames.training(words, updates),
            words,
            key="training",
            alt_text=words("training.alt"),
            now="\n".join(seen),
        )
    with text:
        for sentence in seen:
            st.markdown(sentence)
        st.dataframe(frames.updates_table(words, updates), hide_index=True, alt=words("training.alt"))


def tariffs(lab: Lab) -> None:
    """The price of goods after each border."""
    rho = lab.radius
    count = controls.slider(page, "borders", 1, 200, 50)
    price = compute.scalar_path(rho, linear_lab.LARGEST_STEPS)
    story = "text" if rho > 1 else "never"
    cost = from_log10(price[count])
    overflow = precision.milestones(price, "float32").overflow
    seen = words(
        f"tariffs.{story}",
        radius=plain(rho),
        percent=plain(100 * abs(rho - 1)),
        price=cost,
        count=count,
        overflow=f"{overflow:,}" if overflow else words("never"),
    )
    st.markdown(seen)
    charts.show(
        charts.prices,
        frames.counted(price[: count + 1]),
        words,
        key="prices",
        alt_text=words("tariffs.alt"),
        now=seen,
    )


def code(lab: Lab) -> None:
    """The picture, its numbers and code, and the settings, to take home."""
    take_home.section(page, notebooks.of_path(words, lab))


SECTIONS = {
    "look": look,
    "plane": plane,
    "powers": powers,
    "training": training,
    "tariffs": tariffs,
    "code": code,
}

lesson.ask(page, linear_lesson.EXPLOSION)
setup = linear_lab.choose(page)


@st.fragment
def at_the_radius() -> None:
    """What follows the radius slider: its release draws this part of the page alone."""
    lab = linear_lab.at_radius(page, setup, 1.1)
    steps = lab.settings.steps
    picture, reading = st.columns([3, 1], gap="medium")
    with reading:
        float32 = precision.milestones(lab.norms, "float32")
        size, peak = from_log10(lab.norms[-1]), int(lab.norms.argmax())
        if lab.norms[-1] > lab.norms[0]:
            seen = [words("read.grows", steps=f"{steps:,}", size=size)]
        elif lab.norms[peak] > lab.norms[0] + 0.1:
            highest = from_log10(lab.norms[peak])
            seen = [words("read.peaks", steps=f"{steps:,}", size=size, peak=highest, step=f"{peak:,}")]
        else:
            seen = [words("read.shrinks", steps=f"{steps:,}", size=size)]
        if float32.overflow is not None:
            largest = from_log10(math.log10(precision.PRECISIONS["float32"].largest))
            at = {"overflow": f"{float32.overflow:,}", "norm": f"{float32.squared_overflow:,}"}
            seen.append(words("read.crosses", largest=largest, **at))
        elif float32.squared_overflow is not None:
            seen.append(words("read.norm_only", norm=f"{float32.squared_overflow:,}"))
        elif float32.zero is not None:
            seen.append(words("read.zero", zero=f"{float32.zero:,}"))
        else:
            seen.append(words("read.holds"))
        with picture:
            path_picture.draw_path(page, lab, seen)
        path_picture.read_out(page, lab, seen, ("norm", "overflow"))

    SECTIONS[controls.section(page, tuple(SECTIONS))](lab)


at_the_radius()
