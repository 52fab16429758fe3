"""A text whose words glow by a number, and can be looked at and picked.

The browser does all but the pick: hovering a word, or moving to it by keyboard, shows its numbers
below the text without a word to the server. Next to the colour a bar hangs under each word, as
high as the number is large and hatched where it is negative, so that a greyscale print tells the same.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

import streamlit as st

from pages.shared.component import component

HTML = """
<div id="text" role="group" dir="auto" aria-describedby="hint"></div>
<div id="legend">
  <span id="title"></span>
  <span id="ends">
    <span id="low"></span><span id="scale" aria-hidden="true"></span><span id="high"></span>
  </span>
</div>
<div id="panel" aria-live="polite" aria-atomic="true">
  <p id="hint"></p>
  <div id="sizer" aria-hidden="true"></div>
  <div id="shown"></div>
</div>
"""

UNSENDABLE = re.compile("[\0\ud800-\udfff]")  # a NUL cuts a copied text short; a lone surrogate has no UTF-8

_mount = component("word_strip", HTML)


class StripWord(NamedTuple):
    """A word of the text, and what is shown of it; a crossed word keeps its number but has no colour."""

    start: int  # offsets into the text, in code points
    end: int
    shade: float  # −1 … 1; negative only on a diverging scale
    value: str  # the number, as it is read out
    details: tuple[tuple[str, str], ...]  # names and numbers, shown while the word is hovered or focused
    marked: bool = False  # underlined: the book's own marks
    crossed: bool = False  # struck out: not read by the model
    known: bool = True  # False: a dotted outline


class StripNames(NamedTuple):
    """The words around the text, in the reader's language."""

    label: str  # what the whole is called
    legend: str  # what the colour shows
    low: str  # the legend's left end: a shade of 0, or of −1 on a diverging scale
    high: str  # the legend's right end: a shade of 1
    unknown: str
    crossed: str
    marked: str
    hint: str  # stands in the panel while there is no word to show


def word_strip(
    text: str,
    words: Sequence[StripWord],
    *,
    key: str,
    selected: int | None,
    names: StripNames,
    on_pick: Callable[[int], None],
    diverging: bool = False,
    large: bool = False,
) -> None:
    """Draw the text; a click, Enter or Space on a word calls `on_pick` with its index.

    `words` follow each other in the text without overlapping; what is between them is shown as it is.
    """
    if selected is not None and not 0 <= selected < len(words):
        raise ValueError(f"selected must be None or the index of one of {len(words)} words, got {selected}")
    lowest = -1.0 if diverging else 0.0
    for i, word in enumerate(words):
        if not (math.isfinite(word.shade) and lowest <= word.shade <= 1):
            raise ValueError(f"words[{i}].shade must be between {lowest:g} and 1, got {word.shade}")

    def picked() -> None:
        index = st.session_state[key]["pick"]
        if type(index) is int and 0 <= index < len(words):  # what a browser sends may be anything
            on_pick(index)

    _mount(
        key=key,
        data={
            "pieces": cut(text, words),
            "words": [_described(word, names) for word in words],
            "names": names._asdict(),
            "selected": selected,
            "diverging": diverging,
            "large": large,
        },
        on_pick_change=picked,
        height="content",
    )


def cut(text: str, words: Sequence[StripWord]) -> list[dict[str, str | int | None]]:
    """The text as pieces in reading order, each with the index of the word that it is, or None.

    JavaScript counts UTF-16 units where Python counts code points: offsets would not survive the way.
    """
    safe = UNSENDABLE.sub("\ufffd", text)
    pieces: list[dict[str, str | int | None]] = []
    end = 0
    for i, word in enumerate(words):
        if not end <= word.start < word.end <= len(text):
            raise ValueError(
                f"words[{i}] must lie in the text, after the word before it, and not be empty: "
                f"got {word.start} to {word.end}, after {end}, in {len(text)} characters"
            )
        if end < word.start:
            pieces.append({"text": safe[end : word.start], "word": None})
        pieces.append({"text": safe[word.start : word.end], "word": i})
        end = word.end
    if end < len(text):
        pieces.append({"text": safe[end:], "word": None})
    return pieces


def _described(word: StripWord, names: StripNames) -> dict[str, object]:
    """What the browser needs of a word; `flags` says in words what its drawing says."""
    flags = ((word.marked, names.marked), (not word.known, names.unknown), (word.crossed, names.crossed))
    return {
        "shade": word.shade,
        "value": word.value,
        "details": word.details,
        "marked": word.marked,
        "crossed": word.crossed,
        "known": word.known,
        "flags": [name for holds, name in flags if holds],
    }
