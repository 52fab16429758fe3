"""What a reader takes home: the core calls that make the picture, and its numbers."""

from __future__ import annotations

import numpy as np
import pandas as pd
import streamlit as st

from pages.shared import compute
from pages.shared.frame import Page
from pages.shared.linear_lab import Lab
from pages.shared.save_picture import save_picture


def code_and_data(page: Page, lab: Lab) -> None:
    """The core calls that make the picture, and the picture's numbers."""
    words = page.words
    st.markdown(words("code_title"))
    st.code(snippet(lab), language=None, wrap_lines=True)
    st.markdown(words("csv_title"))
    with st.container(horizontal=True):
        csv = path_csv(lab)
        st.download_button(words("download_csv"), csv, f"{page.name}.csv", "text/csv", on_click="ignore")
        save_picture(words("save_svg"), container=f"{page.name}-picture", file=f"{page.name}.svg")


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
