"""The RNN Gradient Lab: `streamlit run dashboard.py`. This is its overview."""

import pandas as pd
import streamlit as st

from core import linear, precision
from pages.shared import charts, compute, frames
from pages.shared.frame import SCRIPTS, open_page
from pages.shared.numbers import from_log10
from pages.shared.words import read_words

STEPS, SEED, N = 1000, 7, 16

page = open_page("overview")
words = page.words

system = compute.make_system("gaussian", N, SEED, "random")
unit_norms = compute.paths(system.W, system.gradient, STEPS).norms
growing, decaying = (compute.at_radius(unit_norms, radius) for radius in (1.1, 0.9))
updates = compute.training(system.W * 1.03, 50, 0.01, 100, SEED)
training = frames.training_norms(updates)
death = updates[-1].first_nan
length = 200
linear_path = compute.at_radius(unit_norms, 0.99)[: length + 1]
tanh_path = compute.through_activation(system.W * 0.99, system.gradient, length, "tanh", 1.0, SEED)

cards: dict[str, tuple[pd.DataFrame, dict[str, object]]] = {
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
    "gating": (
        frames.small_path(tanh_path),
        {"tanh": from_log10(tanh_path[-1]), "linear": from_log10(linear_path[-1]), "steps": length},
    ),
}
for column, (name, (frame, values)) in zip(st.columns(4, gap="medium"), cards.items(), strict=True):
    with column, st.container(border=True, height="stretch"):
        st.subheader(words(f"cards.{name}.title"), anchor=False)
        draw = charts.small_training if name == "clipping" else charts.small_path
        charts.show(draw, frame, words, key=f"card-{name}", alt_text=words(f"cards.{name}.alt"))
        st.markdown(words(f"cards.{name}.text", **values))
        if name in SCRIPTS:
            st.page_link(SCRIPTS[name], label=words("open"))

tariff = linear.log10_gradient_norms([[1.1]], [1.0], 50)
grain = linear.log10_gradient_norms([[0.9]], [1.0], 50)
left, right = st.columns(2, gap="large")
left.markdown(words("tariffs", percent=10, price=from_log10(tariff[-1]), count=len(tariff) - 1))
right.markdown(words("grain", percent=90, left=from_log10(grain[-1]), count=len(grain) - 1))

with st.expander(words("equations_title")):
    st.markdown(words("equations_note"))
    for number, equation in read_words(words.language)["overview"]["equations"].items():
        label, formula = st.columns([1, 6], vertical_alignment="center")
        label.markdown(f"**{number}**")
        formula.latex(equation)
    st.markdown(words("footnotes.title") + "\n" + words("footnotes.text"))
