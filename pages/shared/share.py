"""The link to what is on the screen, to be copied, and its QR code, to be scanned from the last row.

The link is what the browser's address bar says, which is right behind any proxy and under any base
path. The browser sends it when the dialog opens, when every control has written its own value.
"""

from __future__ import annotations

import segno
import streamlit as st

from pages.shared.words import Words

KEY = "share-link"
LONGEST = 2953  # bytes that the largest QR code holds

HTML = """
<div class="share">
  <div class="link">
    <textarea readonly rows="4"></textarea>
    <button type="button"></button>
    <p role="status"></p>
  </div>
  <div class="code">
    <img hidden>
    <p hidden></p>
  </div>
</div>
"""

CSS = """
.share { color: var(--st-text-color); font-family: var(--st-font); font-size: var(--st-base-font-size);
  display: flex; flex-wrap: wrap; gap: 1rem 2rem; justify-content: space-between; }
.share .link { flex: 1 1 16rem; max-width: 28rem; }
.share .code { flex: 1 1 18rem; max-width: 74vh; }
.share textarea { box-sizing: border-box; width: 100%; resize: vertical; padding: 0.5rem 0.75rem;
  font-family: var(--st-code-font); font-size: 0.9em; overflow-wrap: anywhere;
  color: inherit; background: var(--st-secondary-background-color);
  border: 1px solid var(--st-border-color); border-radius: var(--st-base-radius); }
.share button { font: inherit; cursor: pointer; min-height: 2.5rem; margin: 0.5rem 0;
  padding: 0.25rem 0.75rem; color: inherit; background: var(--st-background-color);
  border: 1px solid var(--st-border-color); border-radius: var(--st-button-radius); }
.share button:hover { border-color: var(--st-primary-color); color: var(--st-primary-color); }
.share :focus-visible { outline: 3px solid var(--st-primary-color); outline-offset: 2px; }
.share p { margin: 0; min-height: 1.5em; }
.share img { display: block; width: 100%; border-radius: var(--st-base-radius); }
.share [hidden] { display: none; }
"""

JS = """
export default function ({ data, parentElement, setStateValue }) {
  const find = selector => parentElement.querySelector(selector)
  const link = location.href, field = find("textarea"), said = find("[role=status]")
  const { names, code } = data, known = data.link === link
  if (!known) setStateValue("link", link)
  field.value = link
  field.setAttribute("aria-label", names.link)
  const image = find("img"), without = find(".code p")
  image.hidden = !known || code === null
  image.alt = names.code
  if (code === null) image.removeAttribute("src")
  else image.src = code
  without.hidden = !known || code !== null
  without.textContent = names.without
  const button = find("button")
  button.textContent = names.copy
  button.onclick = async () => {
    field.select() // what can't be copied for the reader is ready for their own Ctrl+C
    const copied = navigator.clipboard // browsers have it on https and on this machine only
      ? await navigator.clipboard.writeText(link).then(() => true, () => false)
      : document.execCommand("copy")
    said.textContent = copied ? names.copied : names.by_hand
  }
}
"""

# Without a shadow tree: the dialog keeps the Tab key to itself, and sees no button in one.
_mount = st.components.v2.component("share", html=HTML, css=CSS, js=JS, isolate_styles=False)


@st.fragment
def share(words: Words) -> None:
    """Draw the button that opens the dialog; the page itself doesn't run again for it."""
    if st.button(words("share.open"), key="share"):
        st.session_state[KEY] = {"link": None}  # that of the last time
        st.dialog(words("share.title"), width="large")(show_link)(words)


def qr_code(link: str) -> str | None:
    """A link's QR code as an image's address: as few modules as hold it, black on white; None if none do.

    The modules that the link leaves free go into error correction.
    """
    if not link.isascii() or not 0 < len(link) <= LONGEST:
        return None
    return segno.make(link, error="L", micro=False).svg_data_uri(omitsize=True, light="white", border=4)


def show_link(words: Words) -> None:
    """Draw what is in the dialog: first without the link, and again as soon as the browser has sent it."""
    sent = st.session_state.get(KEY, {}).get("link")
    link = sent if isinstance(sent, str) else ""  # what a browser sends may be anything
    names = {name: words(f"share.{name}") for name in ("link", "copy", "copied", "by_hand", "code")}
    names["without"] = words("share.without", most=f"{LONGEST:,}")
    _mount(
        key=KEY,
        data={"link": link, "code": qr_code(link), "names": names},
        on_link_change=_keep,
        height="content",
    )


def _keep() -> None:
    """Streamlit keeps a component's state only where a callback asks for it."""
