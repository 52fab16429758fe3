"""The link to what is on the screen, to be copied, and its QR code, to be scanned from the last row.

The link is what the browser's address bar says, which is right behind any proxy and under any base
path. The browser sends it when the dialog opens, when every control has written its own value.
"""

from __future__ import annotations

import segno
import streamlit as st

from pages.shared.component import component
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

# Without a shadow tree: the dialog keeps the Tab key to itself, and sees no button in one.
_mount = component("share", HTML, isolate_styles=False)


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
