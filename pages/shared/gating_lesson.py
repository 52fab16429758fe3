"""The questions of the gating page."""

from __future__ import annotations

import numpy as np

from core.review_evaluation import highest
from pages.shared import reading_lab
from pages.shared.frame import Page
from pages.shared.lesson import Answer, Question
from pages.shared.numbers import plain
from pages.shared.reading_lab import Choice, Seen, marked, signed
from pages.shared.words import Words

NETWORK = "lstm"
WORDS = ("amazing", "cereal", "breakfast", "buying")  # of the book's review
KEPT = 0.3
LITTLE, MUCH = 0.25, 1.0  # of the rating
ENGLISH = Words("en", "gating")  # which the networks read
BOOK, MARKS = marked(ENGLISH("texts.book"))
SAID, DENIED = ENGLISH("fails.bad"), ENGLISH("fails.not_bad")


def widest() -> Answer:
    """For which of the words the gates open widest."""
    of = _book()
    every = reading_lab.values(of, "opening")
    openings = dict(zip(_forms(of), every, strict=True))
    right = max(WORDS, key=lambda word: float(openings[word]))
    rest = max(float(openings[word]) for word in WORDS if word != right)
    values = {"opening": plain(float(openings[right])), "next": plain(rest)}
    return Answer(right, values | {"median": plain(float(np.median(every)))})


def crossed() -> Answer:
    """How far the rating moves without the words for which the gates hardly open."""
    of, after = _book(), _most_open()
    before, now = of.reading.prediction, after.reading.prediction
    moved = abs(now - before)
    right = "little" if moved < LITTLE else "some" if moved < MUCH else "much"
    found = reading_lab.evaluation()["models"]
    tested = {
        f"{training}_r": reading_lab.correlation(found[name]["mean"]["kept, opening"])
        for training, name in (("economy", NETWORK), ("plain", f"{NETWORK}-plain"))
    }
    values = {"out": plain(100 * (1 - KEPT)), "little": plain(LITTLE), "much": plain(MUCH)}
    return Answer(
        right, {**values, **tested, "before": signed(before), "after": signed(now), "moved": plain(moved)}
    )


def denied() -> Answer:
    """What the network makes of a negation."""
    plainly, negated = _read(SAID), _read(DENIED)
    said, denied_ = plainly.reading.prediction, negated.reading.prediction
    right = "good" if denied_ > LITTLE else "better" if denied_ - said > MUCH else "same"
    values = {"said": SAID, "denied": DENIED, "bad": signed(said), "not_bad": signed(denied_)}
    alone, brought = _contributions(plainly), _contributions(negated)
    values |= {"alone": signed(alone["bad"])}
    values |= {"denial": signed(brought["not"]), "after_it": signed(brought["bad"])}
    tested = reading_lab.evaluation()["models"][NETWORK]["mean"]
    values |= {"r": reading_lab.correlation(tested["r"])}
    values |= {"negation": reading_lab.correlation(tested["r within"]["negation"])}
    return Answer(right, values | {"moved": plain(abs(denied_ - said)), "much": plain(MUCH)})


def _forms(of: Seen) -> list[str]:
    return [word.text.lower() for word in of.reading.words]


def _contributions(of: Seen) -> dict[str, float]:
    return dict(zip(_forms(of), map(float, of.reading.contributions), strict=True))


def _read(text: str) -> Seen:
    return reading_lab.seen(reading_lab.model(NETWORK), text)


def _book() -> Seen:
    return _read(BOOK)


def _most_open() -> Seen:
    of = _book()
    kept = highest(reading_lab.sizes(of, "opening"), KEPT)
    return reading_lab.seen(of.model, of.text, [bool(keep) for keep in kept])


def _strip(page: Page, of: Seen, quantity: str, marks: tuple[tuple[int, int], ...] = ()) -> None:
    choice = Choice(of.text, marks, NETWORK, "economy", quantity, None, False)
    reading_lab.draw(
        page, choice, of, key="lesson-strip", picked=None, on_pick=_nothing, large=page.scale > 1
    )


def _nothing(_which: int) -> None:
    """There is nothing to follow a word to."""


def show_openings(page: Page, _now: str) -> None:
    _strip(page, _book(), "opening", MARKS)


def show_crossed(page: Page, _now: str) -> None:
    _strip(page, _most_open(), "opening", MARKS)


def show_denied(page: Page, _now: str) -> None:
    _strip(page, _read(DENIED), "contribution")


GATING = (
    Question("widest", WORDS, widest, show_openings, {}),
    Question("crossed", ("little", "some", "much"), crossed, show_crossed, {"tab": "claim"}),
    Question(
        "denied",
        ("good", "better", "same"),
        denied,
        show_denied,
        {"review": "own", "text": DENIED, "colour": "contribution", "tab": "fails"},
    ),
)
