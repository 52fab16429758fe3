"""What the reader chose on the gating page, the readings that this leads to, and what colours the words."""

from __future__ import annotations

import json
import math
import re
import unicodedata
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray

from core.arrays import Array
from core.attribution import keeping, opening
from core.reviews import LEAST_KNOWN, LONGEST, NAMES, WEIGHTS, Reading, ReviewModel, WeightsError, load
from core.tokens import Token, is_chinese, tokenize
from pages.shared import controls
from pages.shared.frame import Page
from pages.shared.numbers import from_log10, plain
from pages.shared.word_frames import window
from pages.shared.word_strip import StripNames, StripWord, word_strip
from pages.shared.words import Words

SAMPLES = ("book", "sour", "negation", "contrast", "long", "hotel", "novel", "own")
NETWORKS, TRAININGS = ("lstm", "gru"), ("economy", "plain")
QUANTITIES = (
    *("opening", "keeping", "contribution", "share", "telescoped", "deletion"),
    *("gradient", "input_gradient"),
)
CHINESE_QUANTITIES = ("contribution", "opening", "keeping", "share", "telescoped", "deletion")
SIGNED = ("contribution", "telescoped", "deletion")
LOGARITHMS = ("gradient", "input_gradient")
GATED = ("opening", "keeping")
UNITS = 16
MOST_CHARACTERS = 3000
READINGS = 32  # that are kept: 120 kB of the book's review, 1.7 MB of the longest text that is read
LONGEST_QUOTE = 24  # characters
CHINESE = "zh-gru"
MARK = re.compile(r"\[(.*?)\]")
MARKDOWN = re.compile(r"([\\`*_{}\[\]()#+\-.!|<>~$:&^])")
JOINTS = re.compile("[:.@]")  # of links, icons and emoji
WORD_JOINER, ISOLATE, END_ISOLATE = "\u2060", "\u2068", "\u2069"
DIRECTIONS = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")


class Choice(NamedTuple):
    """A text, and how it is read and coloured."""

    text: str
    marks: tuple[tuple[int, int], ...]  # from which character to which the book marks it
    network: str  # one of NETWORKS
    training: str  # one of TRAININGS
    quantity: str  # one of QUANTITIES
    unit: int | None  # of a gate, from 0; None for the mean of all
    chinese: bool
    picked: int | None = None  # a word

    @property
    def model(self) -> str:
        """The name of the model that reads it."""
        return CHINESE if self.chinese else name_of(self.network, self.training)

    @property
    def tokens(self) -> list[Token]:
        """The words that can be read."""
        return tokenize(self.text)[:LONGEST]


class Seen(NamedTuple):
    """A text as a model read it."""

    model: ReviewModel
    text: str
    kept: Sequence[bool] | None  # which words were read; None for all
    reading: Reading


def name_of(network: str, training: str) -> str:
    """One of `core.reviews.NAMES`."""
    return network if training == "economy" else f"{network}-plain"


@st.cache_resource(max_entries=8, show_spinner=False)
def model(name: str) -> ReviewModel:
    """The model, loaded once for all readers; it is never changed."""
    return load(name)


@st.cache_data(max_entries=1, show_spinner=False)
def evaluation() -> dict[str, Any]:
    """What `core.make_weights` measured on the test texts; WeightsError where that is missing or damaged."""
    file = WEIGHTS / "evaluation.json"
    try:
        found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    except OSError:
        raise WeightsError(file.name, "missing") from None
    except ValueError:
        raise WeightsError(file.name, "damaged") from None
    return found


def weights_are_there(page: Page) -> bool:
    """Whether all models can be read; says which can't."""
    try:
        evaluation()
        for name in NAMES:
            model(name)
    except WeightsError as error:
        st.error(told_of_weights(page.words, error))
        return False
    return True


def told_of_weights(words: Words, error: WeightsError) -> str:
    """What is wrong with the weights, in a sentence in the reader's language."""
    return words("no_weights.text", problem=words(f"no_weights.{error.reason}", file=error.file))


def choose(page: Page) -> Choice:
    """Draw the controls."""
    words = page.words
    row, below = st.container(horizontal=True, vertical_alignment="bottom"), st.container()
    with row:
        sample = controls.choice(page, "review", SAMPLES, "book")
    with below:
        text, marks = _own(page) if sample == "own" else marked(words(f"texts.{sample}"))
    if st.session_state.setdefault(f"{page.name}-text-before", text) != text:
        controls.forget(page, "word", "out", "until")
    st.session_state[f"{page.name}-text-before"] = text
    chinese = is_chinese(text)
    network, training = NETWORKS[0], TRAININGS[0]
    with row:
        if chinese:
            quantity = controls.choice(
                page, "colour_zh", CHINESE_QUANTITIES, CHINESE_QUANTITIES[0], name=_name(words)
            )
        else:
            network = controls.choice(page, "network", NETWORKS, network)
            training = controls.choice(page, "trained", TRAININGS, training)
            quantity = controls.choice(page, "colour", QUANTITIES, QUANTITIES[0])
        unit = _unit(page) if quantity in GATED else None
    return Choice(text, marks, network, training, quantity, unit, chinese)


def _name(words: Words) -> Callable[[str], str]:
    return lambda quantity: words(f"colour.{quantity}")


def _unit(page: Page) -> int | None:
    names = ["all", *(str(k + 1) for k in range(UNITS))]
    linked = st.session_state.get(f"{page.name}-unit", st.query_params.get("unit", "all"))
    label = page.words("unit.number", number=linked) if linked in names[1:] else page.words("unit.one")
    with st.popover(label):
        chosen = controls.choice(
            page, "unit", names, "all", name=lambda k: page.words("unit.all") if k == "all" else k
        )
    return None if chosen == "all" else int(chosen) - 1


def marked(text: str) -> tuple[str, tuple[tuple[int, int], ...]]:
    """A text without its brackets, and from where to where they stood."""
    marks, shift = [], 0
    for found in MARK.finditer(text):
        marks.append((found.start() - shift, found.end() - shift - 2))
        shift += 2
    return MARK.sub(r"\1", text), tuple(marks)


def _own(page: Page) -> tuple[str, tuple[tuple[int, int], ...]]:
    written = controls.text(page, "text", MOST_CHARACTERS, page.words("texts.own"))
    if not tokenize(written):
        page.complain("no_word")
        return marked(page.words("texts.book"))[0], ()
    return written, ()


def read(choice: Choice, name: str | None = None, kept: Sequence[bool] | None = None) -> Seen:
    """The text as the chosen model reads it, or another one; but for the words that aren't kept."""
    return _read(name or choice.model, choice.text, None if kept is None else tuple(kept))


@st.cache_resource(max_entries=READINGS, show_spinner=False)
def _read(name: str, text: str, kept: tuple[bool, ...] | None) -> Seen:
    """One reading for all readers of the text, and for all words that they pick; it is never changed."""
    return seen(model(name), text, kept)


def seen(found: ReviewModel, text: str, kept: Sequence[bool] | None = None) -> Seen:
    """The text as any model reads it."""
    return Seen(found, text, kept, found.read(text, keep=kept))


def values(of: Seen, quantity: str, unit: int | None = None) -> Array:
    """The number of each word that was read, (T,), of a quantity; of one unit of a gate, or the mean."""
    trace, reading = of.reading.trace, of.reading
    if trace is None:
        return np.zeros(0)
    if quantity in GATED:
        gate = (opening if quantity == "opening" else keeping)(trace.cell, trace)[:, 0]
        return np.asarray(gate.mean(axis=1) if unit is None else gate[:, unit])
    if quantity == "deletion":
        return of.model.deletions(of.text, keep=of.kept)
    if quantity == "share":
        lengths: Array = np.linalg.norm(reading.shares, axis=1)
        return lengths
    kept: dict[str, Array] = {
        "contribution": reading.contributions,
        "telescoped": reading.telescoped,
        "gradient": reading.log10_gradients,
        "input_gradient": reading.log10_input_gradients,
    }
    return kept[quantity]


def sizes(of: Seen, quantity: str) -> Array:
    """What the words are ranked by: the numbers without their signs, of a logarithm as it is."""
    numbers = values(of, quantity)
    return numbers if quantity in LOGARITHMS else np.abs(numbers)


def shades(quantity: str, numbers: Array) -> Array:
    """−1 … 1: numbers as shares of the largest; logarithms between the smallest and the largest."""
    if quantity in LOGARITHMS:
        finite = numbers[np.isfinite(numbers)]
        if not finite.size or finite.max() == finite.min():
            return np.zeros_like(numbers)
        return np.asarray(np.clip((numbers - finite.min()) / (finite.max() - finite.min()), 0, 1))
    largest = float(np.max(np.abs(numbers), initial=0))
    return np.asarray(np.clip(numbers / largest, -1, 1)) if largest > 0 else np.zeros_like(numbers)


def told(quantity: str, number: float) -> str:
    """A number of a quantity as a reader sees it."""
    if quantity in LOGARITHMS:
        return from_log10(number)
    return signed(number) if quantity in SIGNED else plain(number)


def signed(number: float) -> str:
    """A number with its sign and two digits."""
    return f"{number:+.2f}".replace("-", "−")


def draw(
    page: Page,
    choice: Choice,
    of: Seen,
    *,
    key: str,
    picked: int | None,
    on_pick: Callable[[int], None],
    large: bool = False,
) -> None:
    """The text as a strip of words, coloured; those that weren't read are crossed out."""
    words, numbers = page.words, values(of, choice.quantity, choice.unit)
    colours = shades(choice.quantity, numbers)
    places = {word.start: k for k, word in enumerate(of.reading.words)}
    strip = []
    for token in choice.tokens:
        place = places.get(token.start)
        marks = is_marked(choice, token.start)
        if place is None:
            strip.append(StripWord(token.start, token.end, 0.0, "", (), marks, crossed=True))
        else:
            number, colour = float(numbers[place]), float(colours[place])
            known = of.reading.words[place].known
            strip.append(
                StripWord(
                    *(token.start, token.end, colour, told(choice.quantity, number)),
                    *(_details(words, of, place), marks),
                    known=known,
                )
            )
    low, high = _ends(choice.quantity, numbers)
    hint = words(f"hint.{key}") + (f" {words('strip.hint_marks')}" if choice.marks else "")
    legend = words(f"colour.{choice.quantity}")
    if choice.unit is not None:
        legend = f"{legend} · {words('unit.number', number=choice.unit + 1)}"
    names = StripNames(
        *(words(f"label.{key}"), legend, low, high),
        *(words("strip.unknown"), words("strip.crossed"), words("strip.marked"), hint),
    )
    word_strip(
        *(choice.text, strip),
        key=key,
        selected=picked,
        names=names,
        on_pick=on_pick,
        diverging=choice.quantity in SIGNED,
        large=large,
    )


def _ends(quantity: str, numbers: Array) -> tuple[str, str]:
    """What the ends of the colour scale stand for."""
    if quantity in LOGARITHMS:
        finite = numbers[np.isfinite(numbers)]
        return (
            (from_log10(float(finite.min())), from_log10(float(finite.max()))) if finite.size else ("0", "0")
        )
    largest = float(np.max(np.abs(numbers), initial=0))
    return (signed(-largest), signed(largest)) if quantity in SIGNED else ("0", plain(largest))


def _details(words: Words, of: Seen, place: int) -> tuple[tuple[str, str], ...]:
    """The numbers of one word; no prediction where there is none of the text."""
    reading = of.reading
    so_far = ((words("short.so_far"), signed(float(reading.so_far[place]))),) if reading.scored else ()
    return (
        (words("short.opening"), plain(float(values(of, "opening")[place]))),
        (words("short.keeping"), plain(float(values(of, "keeping")[place]))),
        (words("short.contribution"), signed(float(reading.contributions[place]))),
        *so_far,
        (words("short.gradient"), from_log10(float(reading.log10_gradients[place]))),
    )


def story(words: Words, choice: Choice, of: Seen) -> list[str]:
    """What the model made of the text, in sentences."""
    reading, openings = of.reading, values(of, "opening")
    told_now = [words("read.title")]
    if not reading.scored:
        told_now.append(words("read.unknown", known=plain(100 * LEAST_KNOWN)))
    elif choice.chinese:
        share = percent(1 / (1 + math.exp(-reading.prediction)))
        told_now.append(words("read.chinese", share=share, odds=signed(reading.prediction)))
    else:
        told_now.append(words("read.rating", rating=signed(reading.prediction)))
    order = np.argsort(-openings, kind="stable")
    told_now.append(
        words(
            "read.gates",
            open=words.listed(f"{quoted(words, of, [k])} ({plain(float(openings[k]))})" for k in order[:2]),
            median=plain(float(np.median(openings))),
        )
    )
    if reading.unread:
        told_now.append(words("read.long", most=LONGEST, unread=f"{reading.unread:,}"))
    if choice.chinese:
        told_now.append(words("read.by_contribution"))
    return [*told_now, words(f"meaning.{choice.quantity}")]


def says_a_rating(words: Words, of: Seen) -> bool:
    """Whether there is a rating to speak of; says why where there is none."""
    if not of.reading.scored:
        st.markdown(words("read.unknown", known=plain(100 * LEAST_KNOWN)))
    return of.reading.scored


def say_window(words: Words, choice: Choice, of: Seen) -> None:
    """Which words a picture shows, where it doesn't show all."""
    count = len(of.reading.words)
    shown = window(count, choice.picked)
    if len(shown) < count:
        st.markdown(words("window", first=shown.start + 1, last=shown.stop, count=count))


def is_marked(choice: Choice, place: int) -> bool:
    """Whether the book marks what stands at a place of the text."""
    return any(start <= place < end for start, end in choice.marks)


def quoted(words: Words, of: Seen, which: Sequence[int] | NDArray[np.intp]) -> str:
    """Some of the words that were read, as Markdown that shows them as they are."""
    texts = (of.reading.words[int(k)].text for k in which)
    return words.listed(f"“{isolated(escaped(shortened(text)))}”" for text in texts)


def told_lines(words: Words, frame: pd.DataFrame) -> str:
    """Each line of a chart over the words at its ends and where it is picked, as Markdown.

    `frame` is one of `word_frames.over_words` or `beside`.
    """
    lines: dict[str, list[Any]] = {}
    for row in frame.itertuples(index=False):
        lines.setdefault(str(row.name), []).append(row)
    told = []
    for name, rows in lines.items():
        shown = [row for k, row in enumerate(rows) if k in (0, len(rows) - 1) or row.picked]
        places = (words("lines.place", value=row.told, word=escaped(shortened(row.word))) for row in shown)
        told.append(words("lines.line", name=name, places=words.listed(places)))
    return "\n".join(told)


def shortened(text: str) -> str:
    """A word, or the beginning of an enormous one."""
    return text if len(text) <= LONGEST_QUOTE else f"{text[:LONGEST_QUOTE]}…"


def escaped(text: str) -> str:
    """A reader's text, of which Markdown makes nothing else.

    Links, icons and emoji are found after the backslashes are gone: word joiners, which nobody sees, keep
    their parts asunder.
    """
    return MARKDOWN.sub(r"\\\1", JOINTS.sub(rf"{WORD_JOINER}\g<0>{WORD_JOINER}", text))


def isolated(text: str) -> str:
    """A reader's text, which turns nothing around it from right to left."""
    plain_text = DIRECTIONS.sub("", text)
    turns = any(unicodedata.bidirectional(character) in ("R", "AL", "AN") for character in plain_text)
    return f"{ISOLATE}{plain_text}{END_ISOLATE}" if turns else plain_text


def twin(choice: Choice) -> str:
    """The same network, trained the other way."""
    return name_of(choice.network, "plain" if choice.training == "economy" else "economy")


def style(choice: Choice) -> str:
    """How the networks are drawn."""
    return "chinese" if choice.chinese else choice.training


def drawn_models(choice: Choice) -> dict[str, str]:
    """The networks that are drawn beside the chosen one, by what they are called on the page."""
    if choice.chinese:
        return {"gru_chinese": CHINESE}
    cells = {f"{network}_{choice.training}": name_of(network, choice.training) for network in NETWORKS}
    return {"rnn": "rnn"} | cells


def gated_models(choice: Choice) -> dict[str, str]:
    """All networks with gates that read such a text, by what they are called on the page."""
    if choice.chinese:
        return drawn_models(choice)
    return {f"{network}_{kind}": name_of(network, kind) for kind in TRAININGS for network in NETWORKS}


def gradients(words: Words, choice: Choice) -> dict[str, Array]:
    """log10 ‖∂ŷ/∂h_t‖ of each drawn network by its name, and for an LSTM also log10 ‖∂ŷ/∂c_t‖."""
    paths = {}
    for label, name in drawn_models(choice).items():
        found = read(choice, name).reading
        paths[words(f"cells.{label}")] = found.log10_gradients
        if len(found.log10_memory_gradients):
            paths[words("cells.memory")] = found.log10_memory_gradients
    return paths


def percent(share: float) -> str:
    """A share in per cent, never rounded to none or all of it."""
    if share < 0.01:
        return "< 1"
    return "> 99" if share > 0.99 else f"{100 * share:.0f}"


def correlation(number: float | None) -> str:
    """A correlation, a share or nothing, to two digits."""
    return "–" if number is None or math.isnan(number) else f"{number:.2f}".replace("-", "−")
