"""A question as a card: its options to choose from, then which is right, and why.

A component, since Streamlit's own elements come in one size, and a class sits in ten rows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import streamlit as st

from pages.shared.component import component

HTML = """
<div id="card">
  <p id="head"></p>
  <h2 id="question"></h2>
  <p id="prompt"></p>
  <div id="options" role="group" aria-labelledby="question"></div>
  <div role="status">
    <p id="answer"></p>
    <p id="why"></p>
  </div>
</div>
"""

_mount = component("lesson_card", HTML)


class Option(NamedTuple):
    """One of the answers there are to guess from."""

    key: str
    text: str
    right: bool  # shown to be
    guessed: bool


class Card(NamedTuple):
    """What is on the card; ** sets words in bold, and what is empty isn't there."""

    head: str
    question: str
    prompt: str
    options: Sequence[Option]
    answer: str
    why: str
    right: str  # what stands beside the right option
    guess: str  # and beside the reader's own
    large: bool  # to be read from the last row


def lesson_card(card: Card, *, key: str, open_to_guess: bool, on_guess: Callable[[str], None]) -> None:
    """Draw the card; while it is open, a click on an option calls `on_guess` with its key."""

    def guessed() -> None:
        option = st.session_state[key]["guess"]
        if open_to_guess and option in [option.key for option in card.options]:
            on_guess(option)

    _mount(
        key=key,
        data={
            **card._asdict(),
            "options": [option._asdict() for option in card.options],
            "open": open_to_guess,
        },
        on_guess_change=guessed,
        height="content",
    )
