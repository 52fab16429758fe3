"""The frame that every page draws for itself: settings, menu, title, claim, room for notices.

Streamlit's own navigation is left alone: beside a folder `pages/` the first visit after a start
can reach a page without passing through the entry script, so no page relies on another.
"""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from pages.shared import language
from pages.shared.share import share
from pages.shared.words import Words

SCRIPTS = {
    "overview": "dashboard.py",
    "explosion": "pages/explosion.py",
    "clipping": "pages/clipping.py",
    "vanishing": "pages/vanishing.py",
    "gating": "pages/gating.py",
}


@dataclass(frozen=True)
class Page:
    """The page being drawn: its words, and the place for sentences about what can't be shown."""

    name: str
    words: Words
    notices: DeltaGenerator

    def complain(self, key: str, **values: object) -> None:
        """Say in one sentence, above the controls, what was wrong and what is shown instead."""
        self.notices.warning(self.words(key, **values))


def open_page(name: str) -> Page:
    """Set the page up and draw its menu, title and claim."""
    words = Words(language.language(), name)
    st.set_page_config(
        page_title=f"{words('title')} · {words('lab')}",
        layout="wide",
        initial_sidebar_state="collapsed",
        menu_items={"About": words("about")},
    )
    with st.container(horizontal=True, gap="small", vertical_alignment="center"):
        for other, script in SCRIPTS.items():
            st.page_link(script, label=words.of(other)("menu"), query_params=language.in_link())
        st.space("stretch")
        with st.container(width="content"):
            share(words)
        language.switch(words)
    st.title(words("title"), anchor=False)
    st.markdown(words("claim"))
    return Page(name, words, st.container())
