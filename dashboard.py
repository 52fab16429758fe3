"""The RNN Gradient Lab: `streamlit run dashboard.py`. This is its overview."""

import numpy as np
import pandas as pd
import streamlit as st

from core import linear, precision
from core.reviews import WeightsError
from pages.shared import asked, charts, compute, frames, language, reading_lab, word_charts, word_frames
from pages.shared.frame import SCRIPTS, open_page
from pages.shared.numbers import from_log10, plain
from pages.shared.words import read_words

STEPS, SEED, N = 1000, 7, 16
PICTURES = {"clipping": charts.small_training, "gating": word_charts.small_openings}

FIRST = {
    "explosion": {"rho": "0.9"},
    "clipping": {"tab": "training"},
    "vanishing": {"tab": "learn"},
    "gating": {},
}

page = open_page("overview")
words = page.words


def gating_card() -> tuple[pd.DataFrame, dict[str, object]] | str:
    """The openings of the book's review and their numbers; or what is wrong with the weights."""
    of_gating = words.of("gating")
    try:
        lstm = reading_lab.model("lstm")
    except WeightsError as error:
        return reading_lab.told_of_weights(of_gating, error)
    review = reading_lab.seen(lstm, reading_lab.marked(of_gating("texts.book"))[0])
    openings = reading_lab.values(review, "opening")
    return word_frames.over_words(review.reading.words, {"": openings}, None), {
        "open": reading_lab.quoted(words, review, openings.argsort()[::-1][:2]),
        "largest": plain(float(openings.max())),
        "median": plain(float(np.median(openings))),
        "rating": reading_lab.signed(review.reading.prediction),
    }


with page.beside_title:
    for mode in asked.MODES:
        first = {mode: "1"} | language.in_link()
        st.page_link(SCRIPTS["explosion"], label=words(f"lesson.{mode}"), query_params=first)

system = compute.make_system("gaussian", N, SEED, "random")
unit_norms = compute.paths(system.W, system.gradient, STEPS).norms
growing, decaying = (compute.at_radius(unit_norms, radius) for radius in (1.1, 0.9))
updates = compute.training(system.W * 1.03, 50, 0.01, 100, SEED)
training = frames.training_norms(updates)
death = updates[-1].first_nan

cards: dict[str, tuple[pd.DataFrame, dict[str, object]] | str] = {
    "explosion": (
        frames.small_path(growing),
        {
            "steps": f"{STEPS:,}",
            "size": from_log10(growing[-1]),
            "overflow": precision.milestones(growing, "float32").overflow,
        },
    ),
    "clipping": (training, {"update": death.update if death else words("never")}),
    "vanishing": (
        frames.small_path(decaying),
        {
            "steps": f"{STEPS:,}",
            "size": from_log10(decaying[-1]),
            "zero": precision.milestones(decaying, "float32").zero,
        },
    ),
    "gating": gating_card(),
}
for column, (name, card) in zip(st.columns(4, gap="medium"), cards.items(), strict=True):
    with column, st.container(border=True, height="stretch"):
        st.subheader(words(f"cards.{name}.title"), anchor=False)
        if isinstance(card, str):
            st.error(card)
        else:
            frame, values = card
            text = words(f"cards.{name}.text", **values)
            charts.show(
                PICTURES.get(name, charts.small_path),
                frame,
                words,
                key=f"card-{name}",
                alt_text=words(f"cards.{name}.alt"),
                now=text,
            )
            st.markdown(text)
        st.markdown(words(f"cards.{name}.try"))
        st.page_link(SCRIPTS[name], label=words("open"), query_params=FIRST[name] | language.in_link())

tariff = linear.log10_gradient_norms([[1.1]], [1.0], 50)
grain = linear.log10_gradient_norms([[0.9]], [1.0], 50)
left, right = st.columns(2, gap="large")
left.markdown(words("tariffs", percent=10, price=from_log10(tariff[-1]), count=len(tariff) - 1))
right.markdown(words("grain", percent=90, left=from_log10(grain[-1]), count=len(grain) - 1))

with st.expander(words("map.title")):
    st.markdown(words("map.text"))
with st.expander(words("equations_title")):
    st.markdown(words("equations_note"))
    for number, equation in read_words(words.language)["overview"]["equations"].items():
        label, formula = st.columns([1, 6], vertical_alignment="center")
        label.markdown(f"**{number}**")
        formula.latex(equation)
    st.markdown(words("footnotes.title") + "\n" + words("footnotes.text"))
with st.expander(words("references.title")):
    st.markdown(words("references.text"))
