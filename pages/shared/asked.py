"""What the link says of a page's questions: `?present=2&phase=reveal`, before a class, step by step, or
`?predict=2&guess=norm`, for one reader, who commits to a guess before the answer shows.
"""

from __future__ import annotations

from typing import NamedTuple

import streamlit as st

PRESENT, PREDICT = "present", "predict"
MODES = (PREDICT, PRESENT)
QUESTIONS = 3  # of each page
PHASES = ("question", "prediction", "reveal", "explanation")


class Asked(NamedTuple):
    """The question that a page asks now."""

    mode: str  # PRESENT or PREDICT
    question: int  # from 0
    phase: str  # one of PHASES; before one reader there is but the guess
    guess: str | None

    @property
    def revealed(self) -> bool:
        """Whether the answer shows."""
        return self.guess is not None if self.mode == PREDICT else self.phase in PHASES[2:]

    @property
    def explained(self) -> bool:
        """Whether it is said why; before a class the options make room for it."""
        return self.revealed if self.mode == PREDICT else self.phase == PHASES[-1]

    @property
    def open(self) -> bool:
        """Whether one can guess now."""
        return not self.revealed and (self.mode == PREDICT or self.phase == "prediction")

    def in_link(self) -> dict[str, str]:
        """What a link says of it."""
        said = {self.mode: str(self.question + 1)}
        if self.phase != PHASES[0]:
            said["phase"] = self.phase
        return said if self.guess is None else said | {"guess": self.guess}


def asked() -> Asked | None:
    """The question that the link asks for; None where it asks for none."""
    modes = [mode for mode in MODES if mode in st.query_params]
    number = st.query_params.get(modes[0]) if modes else None
    if number not in [str(k + 1) for k in range(QUESTIONS)]:
        return None
    phase = st.query_params.get("phase", PHASES[0])
    known = modes[0] == PRESENT and phase in PHASES
    return Asked(modes[0], int(number) - 1, phase if known else PHASES[0], st.query_params.get("guess"))


def makes_no_sense() -> str | None:
    """The parameter of the link that is not one of a question, or None."""
    for mode in MODES:
        if mode in st.query_params and (asked() is None):
            return mode
    found = asked()
    return "phase" if found and found.phase != st.query_params.get("phase", PHASES[0]) else None
