"""Buttons that save a page's main picture, its first chart, as SVG and as PNG, as it stands on the screen.

Streamlit's toolbar over a chart shows on hovering only, and saves PNG only; the chart itself is an SVG
in the page. A picture that is drawn into a canvas sees none of the page's fonts, so it takes them along.
"""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st

SCALE = 2  # pixels of the PNG to one of the page

HTML = """
<div class="row"></div>
"""

CSS = """
.row { display: flex; flex-wrap: wrap; gap: 1rem; }
button { font: inherit; font-family: var(--st-font); font-size: 0.875rem; cursor: pointer;
  min-height: 2.5rem; padding: 0.25rem 0.75rem; color: var(--st-text-color);
  background: var(--st-background-color); border: 1px solid var(--st-border-color);
  border-radius: var(--st-button-radius); }
button:hover { border-color: var(--st-primary-color); color: var(--st-primary-color); }
button:focus-visible { outline: 3px solid var(--st-primary-color); outline-offset: 2px; }
"""

JS = """
const NOT_IN_XML = /[\\u0000-\\u0008\\u000b\\u000c\\u000e-\\u001f\\ufffe\\uffff]/g

function save(blob, file) {
  const link = document.createElement("a")
  link.href = URL.createObjectURL(blob)
  link.download = file
  link.click()
  setTimeout(() => URL.revokeObjectURL(link.href))
}

function xml(picture) {
  return new XMLSerializer().serializeToString(picture).replace(NOT_IN_XML, "")
}

function asUrl(blob) {
  return new Promise(resolve => {
    const reader = new FileReader()
    reader.onload = () => resolve(reader.result)
    reader.readAsDataURL(blob)
  })
}

async function fonts(picture) {
  const used = new Set()
  for (const text of picture.querySelectorAll("text"))
    for (const family of getComputedStyle(text).fontFamily.split(","))
      used.add(family.trim().replace(/["']/g, ""))
  const faces = []
  for (const sheet of document.styleSheets) {
    let rules = []
    try { rules = sheet.cssRules } catch { continue } // that of an extension: not ours to read
    for (const rule of rules) {
      const family = rule.style?.getPropertyValue("font-family").replace(/["']/g, "")
      const source = /url\\(["']?([^"')]+)/.exec(rule.cssText)
      if (!(rule instanceof CSSFontFaceRule) || !used.has(family) || !source) continue
      const address = new URL(source[1], sheet.href ?? document.baseURI)
      const font = await fetch(address).then(found => found.blob()).then(asUrl, () => null)
      if (font) faces.push(rule.cssText.replace(source[1], font))
    }
  }
  return faces.join("")
}

async function png(picture, clone, scale) {
  const style = document.createElementNS("http://www.w3.org/2000/svg", "style")
  style.textContent = await fonts(picture)
  clone.prepend(style)
  const image = new Image()
  image.src = "data:image/svg+xml;charset=utf-8," + encodeURIComponent(xml(clone))
  await image.decode()
  const canvas = document.createElement("canvas")
  canvas.width = scale * picture.clientWidth
  canvas.height = scale * picture.clientHeight
  canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height)
  return new Promise(resolve => canvas.toBlob(resolve, "image/png"))
}

export default function ({ data, parentElement }) {
  const row = parentElement.querySelector(".row")
  row.replaceChildren(...Object.entries(data.labels).map(([kind, label]) => {
    const button = document.createElement("button")
    button.type = "button"
    button.textContent = label
    button.onclick = async () => {
      const picture = document.querySelector("svg.marks")
      if (!picture) return
      const clone = picture.cloneNode(true)
      const background = getComputedStyle(button).getPropertyValue("--st-background-color")
      clone.setAttribute("style", `background: ${background}`)
      const blob = kind === "png"
        ? await png(picture, clone, data.scale)
        : new Blob([xml(clone)], { type: "image/svg+xml" })
      save(blob, `${data.name}.${kind}`)
    }
    return button
  }))
}
"""

_mount = st.components.v2.component("save_picture", html=HTML, css=CSS, js=JS)


def save_picture(labels: Mapping[str, str], *, name: str) -> None:
    """Draw a button for each kind, "svg" and "png", with its label; `name` is the file's, less its ending."""
    data = {"labels": dict(labels), "name": name, "scale": SCALE}
    _mount(key=f"{name}-save", data=data, height="content", width="content")
