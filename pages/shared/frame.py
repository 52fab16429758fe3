"""The frame that every page draws for itself: settings, menu, title, claim, room for notices.

Streamlit's own navigation is left alone: beside a folder `pages/` the first visit after a start
can reach a page without passing through the entry script, so no page relies on another.
"""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from pages.shared import asked, language
from pages.shared.asked import PRESENT, Asked
from pages.shared.share import share
from pages.shared.words import Words

DAY = 86_400  # seconds
LARGE = 1.4  # times the size on the page, for the last row

SCRIPTS = {
    "overview": "dashboard.py",
    "explosion": "pages/explosion.py",
    "clipping": "pages/clipping.py",
    "vanishing": "pages/vanishing.py",
    "gating": "pages/gating.py",
}


@dataclass(frozen=True)
class Page:
    """The page being drawn: its words, and the places for ways on and for what can't be shown."""

    name: str
    words: Words
    asked: Asked | None  # the question of its lesson
    beside_title: DeltaGenerator
    notices: DeltaGenerator

    @property
    def scale(self) -> float:
        """How many times as large a picture is drawn as it is on the page."""
        return LARGE if self.asked and self.asked.mode == PRESENT else 1.0

    def complain(self, key: str, **values: object) -> None:
        """Say in one sentence, above the controls, what was wrong and what is shown instead."""
        self.notices.warning(self.words(key, **values))


def open_page(name: str) -> Page:
    """Set the page up and draw its menu, title and claim; before a class, none of them."""
    words = Words(language.language(), name)
    question = None if name == "overview" else asked.asked()
    st.set_page_config(
        page_title=f"{words('title')} · {words('lab')}",
        layout="wide",
        initial_sidebar_state="collapsed",
        menu_items={"About": words("about")},
    )
    if question is None or question.mode != PRESENT:
        _draw_menu(words)
        with st.container(horizontal=True, gap="medium", vertical_alignment="center"):
            st.title(words("title"), anchor=False, width="content")
            beside_title = st.container(horizontal=True, width="content", vertical_alignment="center")
        if question is None:
            st.markdown(words("claim"))
    else:
        beside_title = st.container()
    _come_back()
    page = Page(name, words, question, beside_title, st.container())
    wrong = asked.makes_no_sense()
    if wrong is not None and name != "overview":
        page.complain("link.choice", name=words(f"lesson.{wrong}"))
    return page


def _draw_menu(words: Words) -> None:
    """The way to the other pages, the link to this view, and the language."""
    with st.container(horizontal=True, gap="small", vertical_alignment="center"):
        for other, script in SCRIPTS.items():
            st.page_link(script, label=words.of(other)("menu"), query_params=language.in_link())
        st.space("stretch")
        with st.container(width="content"):
            share(words)
        language.switch(words)


@st.fragment(run_every=DAY)
def _come_back() -> None:
    """Draw nothing, but make a browser that lost its server ask the next one for the whole page.

    A browser does so only where something runs by itself. Else all that it shows stays, but what it does
    first is lost: it names a fragment, or a callback, that the new server has never heard of.
    """
