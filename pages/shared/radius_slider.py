"""A slider for the spectral radius that moves the pictures while it is dragged.

Scaling W by a adds k·log10 a to every log-norm, exactly, so the browser can redraw the path of
any radius by itself. The slider writes its value into the inputs that Vega made for the charts'
parameter `rho`; only its release reaches the server.
"""

from __future__ import annotations

from pages.shared.component import component

SIGNAL = "rho"  # the name of the charts' parameter, and of the input that Vega binds to it
COARSE = [round(0.5 + 0.05 * i, 2) for i in range(8)] + [round(1.15 + 0.05 * i, 2) for i in range(18)]
FINE = [0.9, 0.91, 0.92, 0.93, 0.94, 0.95, 0.96, 0.97, 0.98, 0.985, 0.99, 0.995, 0.998, 0.999]
RADII = sorted({*COARSE, *FINE, 1.0, *(round(2 - radius, 3) for radius in FINE)})
LANDMARKS = [0.5, 0.9, 1.0, 1.1, 1.5, 2.0]

HTML = """
<label for="radius"><span id="name"></span> <output for="radius"></output></label>
<input id="radius" type="range" min="0" step="1">
<div id="landmarks" aria-hidden="true"></div>
"""

_mount = component("radius_slider", HTML)


def radius_slider(label: str, radius: float, default: float, *, key: str) -> None:
    """Draw the slider at `radius`; where it is released, `st.session_state[key]["radius"]` says.

    `default` can always be chosen, also where it isn't one of RADII.
    """
    radii = sorted({*RADII, default})
    _mount(
        key=key,
        data={"name": label, "radius": radius, "radii": radii, "labels": LANDMARKS, "signal": SIGNAL},
        on_radius_change=_keep,
        height="content",
    )


def _keep() -> None:
    """Streamlit keeps a component's state only where a callback asks for it."""
