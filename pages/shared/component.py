"""A component of our own: a module, and beside it a .css and a .js of its name, as the browser gets them."""

from __future__ import annotations

from pathlib import Path

import streamlit as st
from streamlit.components.v2.types import ComponentRenderer


def component(name: str, html: str, *, isolate_styles: bool = True) -> ComponentRenderer:
    """What mounts the component of the module `name` on a page."""
    css, js = (
        Path(__file__).with_name(f"{name}.{kind}").read_text(encoding="utf-8") for kind in ("css", "js")
    )
    return st.components.v2.component(name, html=html, css=css, js=js, isolate_styles=isolate_styles)
