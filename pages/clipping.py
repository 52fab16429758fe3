"""Clipping: a gradient that is too long is cut short, and training survives the cliff."""

import math

import numpy as np
import streamlit as st

from core import cliff
from core.tasks import Recall
from pages.shared import (
    charts,
    cliff_lab,
    clipping_lesson,
    compute,
    controls,
    directions,
    frames,
    language,
    lesson,
    notebooks,
    order_run,
    pictures,
    published,
    take_home,
)
from pages.shared.cliff_lab import Settings
from pages.shared.clipping_lesson import DELAY, THRESHOLD, UPDATES
from pages.shared.frame import SCRIPTS, open_page
from pages.shared.numbers import from_log10, plain
from pages.shared.turns import one_at_a_time

WALL = (5.0, 6.0)  # two places along it, by their w
TARIFF = 1.1

page = open_page("clipping")
words = page.words


def look() -> None:
    """What to try."""
    near, far = (plain(float(cliff.error(w, cliff_lab.fixed_point(w)).d_b)) for w in WALL)
    values = {"near": plain(WALL[0]), "near_slope": near, "far": plain(WALL[1]), "far_slope": far}
    values |= {"start": plain(cliff.START), "foot": plain(cliff_lab.WALL_FROM)}
    st.markdown(words("look.text", steps=cliff.STEPS, target=plain(cliff.TARGET), **values))
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(words("look.flights"), width="content")
        for w, b in cliff_lab.FLIGHTS:
            st.page_link(
                SCRIPTS["clipping"],
                label=words("look.flight", w=f"{w:g}", b=f"{b:g}".replace("-", "−")),
                query_params={"w": f"{w:g}", "b": f"{b:g}"} | language.in_link(),
            )


def direction() -> None:
    """One gradient, clipped by norm and by value."""
    degrees = controls.slider(page, "degrees", 0, 90, 20)
    length = controls.slider(page, "longer", 1, 5, 4)
    cut = directions.cut(degrees, length)
    seen = words(
        "direction.text",
        length=length,
        degrees=degrees,
        by_norm=plain(cut.by_norm.norm_after),
        by_value=plain(cut.by_value.norm_after),
        turned=plain(directions.turned(cut.by_value)),
    )
    picture, text = st.columns([1, 1])
    with picture:
        pictures.draw_arrows(page, cut, seen)
    with text:
        st.markdown(seen)


def training() -> None:
    """A live pair of runs, clipped and not."""
    order_run.section(page)


def paper() -> None:
    """The published experiment, from our own code."""
    published.section(page)


def cannot() -> None:
    """A run whose gradient vanishes, clipped and not: the same."""
    found = compute.vanishing_pair(DELAY, UPDATES, THRESHOLD)
    seen = words(
        "cannot.text",
        delay=DELAY,
        updates=UPDATES,
        threshold=plain(THRESHOLD),
        largest=plain(found.largest_norm),
        arrives=from_log10(found.log10_arrives),
        differ=found.differ,
        count=f"{found.parameters:,}",
        right=plain(100 * found.accuracy),
        chance=plain(100 / Recall(DELAY).symbols),
    )
    st.markdown(seen)
    pictures.draw_losses(page, found, seen)


def cap() -> None:
    """The price cap, beside the tariffs that it is set against."""
    borders = controls.slider(page, "borders", 1, 200, 50)
    limit = float(controls.choice(page, "limit", ["2", "10", "100"], "10", name=str))
    prices = compute.scalar_path(TARIFF, 200)
    reached = int(np.argmax(prices >= math.log10(limit)))
    seen = words(
        "cap.text",
        percent=plain(100 * (TARIFF - 1)),
        count=borders,
        price=from_log10(prices[borders]),
        limit=plain(limit),
        paid=from_log10(min(prices[borders], math.log10(limit))),
        reached=reached,
    )
    st.markdown(f"{seen}\n\n{words('cap.read')}")
    shown, ceiling = prices[: borders + 1], np.full(borders + 1, math.log10(limit))
    drawn = {"cap.limit": ceiling, "cap.capped": np.minimum(shown, ceiling), "cap.free": shown}
    charts.show(
        charts.capped,
        frames.curves({words(name): values for name, values in drawn.items()}),
        words,
        key="cap",
        alt_text=words("cap.alt"),
        now=seen,
    )


def code(settings: Settings) -> None:
    """The picture, its numbers and code, and the settings, to take home."""
    free, clipped = (cliff_lab.descend(settings, method) for method in ("none", settings.method))
    take_home.section(page, notebooks.of_cliff(words, settings, free, clipped))


SECTIONS = {
    "look": look,
    "direction": direction,
    "training": training,
    "paper": paper,
    "cannot": cannot,
    "cap": cap,
}
CODE = "code"

lesson.ask(page, clipping_lesson.CLIPPING)


def at_the_start() -> Settings:
    """The two descents from the start, as it is chosen, with what became of them."""
    settings = cliff_lab.choose(page)
    free, clipped = (cliff_lab.descend(settings, method) for method in ("none", settings.method))
    story = cliff_lab.story(words, settings, free, clipped)
    surface, reading = st.columns([3, 2], gap="medium")
    with surface:
        now = words("surface.now", w=plain(settings.w), b=plain(settings.b), story=" ".join(story[:-1]))
        pictures.draw_surface(page, settings, now, key=cliff_lab.key(), on_select="rerun")
        st.markdown(words("surface.legend"))
    with reading:
        st.markdown("\n\n".join(story))
        charts.show(
            charts.cliff_norms,
            cliff_lab.norms(words, settings),
            words,
            key="cliff-norms",
            alt_text=words("surface.alt_norms"),
            now=story[-1],
        )
    return settings


main = st.container()
section = controls.section(page, (*SECTIONS, CODE))
if section == CODE:  # what is taken home follows every change
    with main:
        settings = at_the_start()
    code(settings)
else:  # a change draws its own part of the page alone
    with main:
        st.fragment(one_at_a_time(at_the_start))()
    st.fragment(SECTIONS[section])()
