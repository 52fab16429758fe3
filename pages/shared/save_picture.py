"""Buttons that save a page's main picture, its first chart, as SVG and as PNG, as it stands on the screen.

Streamlit's toolbar over a chart shows on hovering only, and saves PNG only; the chart itself is an SVG
in the page. A picture that is drawn into a canvas sees none of the page's fonts, so it takes them along.
"""

from __future__ import annotations

from collections.abc import Mapping

from pages.shared.component import component

SCALE = 2  # pixels of the PNG to one of the page

HTML = """
<div class="row"></div>
"""

_mount = component("save_picture", HTML)


def save_picture(labels: Mapping[str, str], *, name: str) -> None:
    """Draw a button for each kind, "svg" and "png", with its label; `name` is the file's, less its ending."""
    data = {"labels": dict(labels), "name": name, "scale": SCALE}
    _mount(key=f"{name}-save", data=data, height="content", width="content")
