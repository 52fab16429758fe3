"""A page's lesson: three questions, each asked, guessed, answered by the core, and explained.

Before a class (`present`) the page shows nothing else, in large type, and the arrow keys lead through
it. One reader (`predict`) has to commit to a guess before the answer shows. Each question has a view:
what the link says of the page's controls, so that whoever leaves it finds them as the answer has them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import streamlit as st

from pages.shared import language
from pages.shared.asked import MODES, PHASES, PREDICT, PRESENT, QUESTIONS, Asked
from pages.shared.frame import SCRIPTS, Page
from pages.shared.lesson_card import Card, Option, lesson_card
from pages.shared.words import Words

CARD = "lesson-card"
FOLLOWS = {"explosion": "clipping", "clipping": "vanishing", "vanishing": "gating", "gating": "overview"}


class Answer(NamedTuple):
    """What the core says."""

    right: str  # one of the question's options
    values: Mapping[str, object]  # the numbers in what is said of it


class Question(NamedTuple):
    """A question, the options there are to guess from, how it is answered, and its picture."""

    name: str  # of its words
    options: tuple[str, ...]
    answer: Callable[[], Answer]
    show: Callable[[Page, str], None]  # with what a screen reader is told of the picture
    view: dict[str, str]  # what the link says of the page's controls


def ask(page: Page, questions: Sequence[Question]) -> None:
    """Draw the question that the link asks for, and stop the page there.

    Without one, draw the ways into the lesson, beside the title.
    """
    asked = page.asked
    if asked is None:
        with page.beside_title:
            for mode in MODES:
                first = Asked(mode, 0, PHASES[0], None)
                st.page_link(
                    SCRIPTS[page.name],
                    label=page.words(f"lesson.{mode}"),
                    query_params=_link(first, questions),
                )
        return
    if asked.guess is not None and asked.guess not in questions[asked.question].options:
        page.complain("link.choice", name=page.words("lesson.guess"))
        asked = asked._replace(guess=None)
    question = questions[asked.question]
    answer = question.answer()
    if asked.revealed:
        said, picture = st.columns([2, 3], gap="large")
        with said:
            _draw_card(page, asked, questions, answer)
        with picture:
            question.show(page, _say(page.words, question, answer, "answer"))
    else:
        _draw_card(page, asked, questions, answer)
    with st.container(horizontal=True, vertical_alignment="center"):
        (_lead if asked.mode == PRESENT else _let_choose)(page, asked, questions)
    st.stop()


def _say(words: Words, question: Question, answer: Answer, part: str) -> str:
    """A part of what there is to say of a question, with its numbers."""
    return words(f"lesson.{question.name}.{part}").format(**answer.values)


def _lead(page: Page, asked: Asked, questions: Sequence[Question]) -> None:
    """The way on before a class, and the way out to the page as the question has it."""
    words, (back, on) = page.words, _beside(asked)
    _step(page, "back", "Left", back, questions)
    _step(page, "on", "Right", on, questions)
    if on is None:
        after = FOLLOWS[page.name]
        lesson = {} if after == "overview" else {PRESENT: "1"}
        label = words("lesson.after", page=words.of(after)("menu"))
        st.page_link(SCRIPTS[after], label=label, query_params=lesson | language.in_link())
    st.space("stretch")
    leave = questions[asked.question].view | language.in_link()
    st.button(words("lesson.out"), key="lesson-out", shortcut="Escape", on_click=_go, args=(leave,))


def _let_choose(page: Page, asked: Asked, questions: Sequence[Question]) -> None:
    """One reader's way to the other questions, and out to the page as this question has it."""
    for k in range(len(questions)):
        if k != asked.question:
            other = _link(Asked(PREDICT, k, PHASES[0], None), questions)
            label = page.words("lesson.another", number=k + 1)
            st.page_link(SCRIPTS[page.name], label=label, query_params=other)
    out = questions[asked.question].view | language.in_link()
    st.page_link(SCRIPTS[page.name], label=page.words("lesson.out"), query_params=out)


def _step(page: Page, name: str, key: str, to: Asked | None, questions: Sequence[Question]) -> None:
    """A button that leads to another step of the lesson."""
    st.button(
        page.words(f"lesson.{name}"),
        key=f"lesson-{name}",
        shortcut=key,
        disabled=to is None,
        on_click=_go,
        args=(_link(to, questions) if to else {},),
    )


def _beside(asked: Asked) -> tuple[Asked | None, Asked | None]:
    """The steps before and after one: the phases of a question, and then the next question's."""
    steps = [
        Asked(PRESENT, question, phase, asked.guess if question == asked.question else None)
        for question in range(QUESTIONS)
        for phase in PHASES
    ]
    at = steps.index(asked)
    return (steps[at - 1] if at else None), (steps[at + 1] if at + 1 < len(steps) else None)


def _link(to: Asked, questions: Sequence[Question]) -> dict[str, str]:
    return {**questions[to.question].view, **to.in_link(), **language.in_link()}


def _go(link: dict[str, str]) -> None:
    st.query_params.from_dict(link)


def _draw_card(page: Page, asked: Asked, questions: Sequence[Question], answer: Answer) -> None:
    """The question with what is shown of it in this phase."""
    question, words = questions[asked.question], page.words
    right = answer.right
    offered = asked.open or asked.mode == PREDICT or (asked.revealed and not asked.explained)
    options = [
        Option(
            option,
            _say(words, question, answer, f"options.{option}"),
            right=asked.revealed and option == right,
            guessed=option == asked.guess,
        )
        for option in (question.options if offered else ())
    ]
    head = words("lesson.number", page=words("menu"), number=asked.question + 1, count=len(questions))
    verdict = words("lesson.right" if asked.guess == right else "lesson.wrong") if asked.guess else ""
    card = Card(
        head=head,
        question=_say(words, question, answer, "question"),
        prompt=words("lesson.prompt") if asked.open else "",
        options=options,
        answer=f"{verdict} {_say(words, question, answer, 'answer')}".strip() if asked.revealed else "",
        why=_say(words, question, answer, "why") if asked.explained else "",
        right=words("lesson.is_right"),
        guess=words("lesson.is_guess"),
        large=asked.mode == PRESENT,
    )

    def guessed(option: str) -> None:
        _go(_link(asked._replace(guess=option), questions))

    lesson_card(card, key=CARD, open_to_guess=asked.open, on_guess=guessed)
