"""A button that saves a chart as SVG, as it stands on the screen.

Streamlit's toolbar over a chart saves PNG only; the chart itself is an SVG in the page.
"""

from __future__ import annotations

import streamlit as st

HTML = """
<button type="button"></button>
"""

CSS = """
button { font: inherit; font-family: var(--st-font); font-size: var(--st-base-font-size); cursor: pointer;
  min-height: 2.5rem; padding: 0.25rem 0.75rem; color: var(--st-text-color);
  background: var(--st-background-color); border: 1px solid var(--st-border-color);
  border-radius: var(--st-button-radius); }
button:hover { border-color: var(--st-primary-color); color: var(--st-primary-color); }
button:focus-visible { outline: 3px solid var(--st-primary-color); outline-offset: 2px; }
"""

JS = """
export default function ({ data, parentElement }) {
  const button = parentElement.querySelector("button")
  button.textContent = data.label
  button.onclick = () => {
    const picture = document.querySelector(`.st-key-${data.container} svg.marks`).cloneNode(true)
    picture.setAttribute("xmlns", "http://www.w3.org/2000/svg")
    picture.setAttribute("style", `background: ${data.background}`)
    const link = document.createElement("a")
    link.href = URL.createObjectURL(new Blob([picture.outerHTML], { type: "image/svg+xml" }))
    link.download = data.file
    link.click()
    URL.revokeObjectURL(link.href)
  }
}
"""

_mount = st.components.v2.component("save_picture", html=HTML, css=CSS, js=JS)


def save_picture(label: str, *, container: str, file: str) -> None:
    """Draw the button; `container` is the key of what holds the chart, `file` the name that is offered."""
    dark = st.context.theme.type == "dark"
    data = {
        "label": label,
        "container": container,
        "file": file,
        "background": st.get_option(f"theme.{'dark' if dark else 'light'}.backgroundColor"),
    }
    _mount(key=f"{container}-save", data=data, height="content")
