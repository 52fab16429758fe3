"""A slider for the spectral radius that moves the pictures while it is dragged.

Scaling W by a adds k·log10 a to every log-norm, exactly, so the browser can redraw the path of
any radius by itself. The slider writes its value into the inputs that Vega made for the charts'
parameter `rho`; only its release reaches the server.
"""

from __future__ import annotations

import streamlit as st

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

CSS = """
:host { display: block; }
label { display: flex; gap: 0.5rem; align-items: baseline; color: var(--st-text-color);
  font-family: var(--st-font); font-size: var(--st-base-font-size); }
output { font-weight: 700; font-size: 1.35em; font-variant-numeric: tabular-nums; }
input { width: 100%; height: 2rem; margin: 0; cursor: pointer; appearance: none; background: none; }
input::-webkit-slider-runnable-track { height: 0.5rem; border-radius: 0.25rem; background: var(--track); }
input::-moz-range-track { height: 0.5rem; border-radius: 0.25rem; background: var(--track); }
input::-webkit-slider-thumb { appearance: none; width: 1.6rem; height: 1.6rem; margin-top: -0.55rem;
  border-radius: 50%; background: var(--st-text-color); border: 3px solid var(--st-background-color);
  box-shadow: 0 0 0 2px var(--st-text-color); }
input::-moz-range-thumb { width: 1.3rem; height: 1.3rem; border-radius: 50%;
  background: var(--st-text-color); border: 3px solid var(--st-background-color);
  box-shadow: 0 0 0 2px var(--st-text-color); }
input:focus-visible { outline: 3px solid var(--st-primary-color); outline-offset: 2px;
  border-radius: 0.5rem; }
#landmarks { position: relative; height: 1.4rem; margin: 0 0.8rem; color: var(--st-text-color);
  font-family: var(--st-font); font-size: 0.85em; font-variant-numeric: tabular-nums; }
#landmarks span { position: absolute; transform: translateX(-50%); }
"""

JS = """
export default function ({ data, parentElement, setStateValue }) {
  const find = selector => parentElement.querySelector(selector)
  const input = find("input"), output = find("output"), landmarks = find("#landmarks")
  const { name, radius, radii, labels, signal } = data
  const last = radii.length - 1
  const nearest = wanted => radii.reduce(
    (best, value, i) => Math.abs(value - wanted) < Math.abs(radii[best] - wanted) ? i : best, 0)
  const say = value => {
    output.textContent = `ρ = ${Number(value.toPrecision(6))}`
    input.setAttribute("aria-valuetext", output.textContent)
  }
  const draw = value => {
    for (const bound of document.querySelectorAll(`input[type="hidden"][name="${signal}"]`)) {
      if (bound.value === String(value)) continue
      bound.value = value
      bound.dispatchEvent(new Event("input"))
    }
  }
  const palette = getComputedStyle(input).getPropertyValue("--st-chart-categorical-colors").split(",")
  const middle = 100 * nearest(1) / last
  input.style.setProperty("--track",
    `linear-gradient(to right, ${palette[1]}, ${palette[2]} ${middle}%, ${palette[0]})`)
  find("#name").textContent = name
  input.max = last
  landmarks.replaceChildren(...labels.map(label => {
    const mark = document.createElement("span")
    mark.textContent = label
    mark.style.left = `${100 * nearest(label) / last}%`
    return mark
  }))
  if (!input.matches(":active")) {
    input.value = nearest(radius)
    say(radius)
    draw(radius)
  }
  input.oninput = () => { say(radii[input.value]); draw(radii[input.value]) }
  input.onchange = () => setStateValue("radius", radii[input.value])
}
"""

_mount = st.components.v2.component("radius_slider", html=HTML, css=CSS, js=JS)


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
