"""The lessons: three questions a page, guessed before the answer shows, and presented before a class."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pytest
from playwright.sync_api import Page
from streamlit.testing.v1 import AppTest
from test_axe import violations
from test_pages import chart, open_page, rows, warnings

from core.bptt import backpropagate, unroll
from core.cells import GRU, LSTM, RNN
from core.linear import make_gradient, make_matrix
from core.reviews import WEIGHTS, load
from pages.shared import clipping_lesson, gating_lesson, linear_lesson
from pages.shared.asked import PHASES, QUESTIONS
from pages.shared.lesson import Question
from pages.shared.words import Words, read_words
from tests.conftest import settle

Visit = Callable[..., Page]
LESSONS: dict[str, Sequence[Question]] = {
    "explosion": linear_lesson.EXPLOSION,
    "clipping": clipping_lesson.CLIPPING,
    "vanishing": linear_lesson.VANISHING,
    "gating": gating_lesson.GATING,
}
EVERY = [
    pytest.param(name, number, question, id=f"{name}-{question.name}")
    for name, lesson in LESSONS.items()
    for number, question in enumerate(lesson, 1)
]
LANGUAGES = ("en", "zh")


def card(at: AppTest) -> dict[str, Any]:
    """What the browser is given of the question."""
    found: dict[str, Any] = json.loads(at.get("bidi_component")[0].proto.json)
    return found


def link(at: AppTest) -> dict[str, str]:
    """What the link says: AppTest has lists where the page hasn't written since."""
    return {key: value if isinstance(value, str) else value[0] for key, value in at.query_params.items()}


def says(language: str, name: str, question: Question, part: str) -> str:
    words = Words(language, name)
    return words(f"lesson.{question.name}.{part}").format(**question.answer().values)


def pictures(at: AppTest) -> int:
    """Charts, and the texts whose words are coloured."""
    return len(at.get("vega_lite_chart")) + len(at.get("bidi_component")) - 1


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(("name", "number", "question"), EVERY)
def test_the_answer_is_not_sent_before_there_is_a_guess(
    name: str, number: int, question: Question, language: str
) -> None:
    at = open_page(name, lang=language, predict=str(number))
    sent = card(at)
    assert sent["question"] == says(language, name, question, "question")
    assert [option["key"] for option in sent["options"]] == list(question.options)
    assert sent["open"]
    assert sent["answer"] == sent["why"] == ""
    assert not any(option["right"] or option["guessed"] for option in sent["options"])
    assert pictures(at) == 0
    assert warnings(at) == []


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(("name", "number", "question"), EVERY)
def test_a_guess_is_answered_explained_and_shown(
    name: str, number: int, question: Question, language: str
) -> None:
    right = question.answer().right
    wrong = next(option for option in question.options if option != right)
    for guess in (right, wrong) if language == "en" else (right,):
        sent = card(at := open_page(name, lang=language, predict=str(number), guess=guess))
        assert [option["key"] for option in sent["options"] if option["right"]] == [right]
        assert [option["key"] for option in sent["options"] if option["guessed"]] == [guess]
        verdict = Words(language, name)("lesson.right" if guess == right else "lesson.wrong")
        assert sent["answer"] == f"{verdict} {says(language, name, question, 'answer')}"
        assert sent["why"] == says(language, name, question, "why")
        assert not sent["open"]
        assert pictures(at) == 1


@pytest.mark.parametrize("number", range(1, QUESTIONS + 1))
@pytest.mark.parametrize("name", list(LESSONS))
def test_each_phase_before_a_class_shows_what_it_should(name: str, number: int) -> None:
    shown = {}
    for phase in PHASES:
        at = open_page(name, present=str(number), phase=phase)
        sent = card(at)
        assert sent["large"]
        assert at.title.len == 0  # no menu, no title, no control
        assert {button.key for button in at.button} == {"lesson-back", "lesson-on", "lesson-out"}
        assert not at.selectbox
        shown[phase] = (bool(sent["options"]), bool(sent["answer"]), bool(sent["why"]), pictures(at))
    assert shown == {
        "question": (False, False, False, 0),
        "prediction": (True, False, False, 0),
        "reveal": (True, True, False, 1),
        "explanation": (False, True, True, 1),
    }


def test_the_buttons_lead_through_the_whole_lesson_and_back() -> None:
    at = open_page("clipping", present="1", lang="zh")
    seen = []
    for _ in range(QUESTIONS * len(PHASES) - 1):
        seen.append((card(at)["head"], card(at)["answer"]))
        at.button(key="lesson-on").click().run()
    assert at.button(key="lesson-on").disabled
    assert len({head for head, _ in seen}) == QUESTIONS
    assert link(at)["lang"] == "zh"
    for head, answer in reversed(seen):
        at.button(key="lesson-back").click().run()
        assert (card(at)["head"], card(at)["answer"]) == (head, answer)
    assert at.button(key="lesson-back").disabled


@pytest.mark.parametrize(("name", "number", "question"), EVERY)
def test_who_leaves_finds_the_page_as_the_question_has_it(name: str, number: int, question: Question) -> None:
    at = open_page(name, present=str(number), phase="reveal")
    at.button(key="lesson-out").click().run()
    assert not at.exception
    assert at.title.len == 1
    assert link(at) == question.view
    assert warnings(at) == []
    if "tab" in question.view:
        assert at.session_state[f"{name}-tab"] == question.view["tab"]


def drawn(at: AppTest) -> dict[str, pd.DataFrame]:
    """The rows of each chart, by what it says that it is."""
    found = {chart(at, k).alt: rows(at, k) for k in range(len(at.get("vega_lite_chart")))}
    assert len(found) == len(at.get("vega_lite_chart"))
    return found


def strips(at: AppTest) -> list[dict[str, Any]]:
    """What the browser is given of each text whose words are coloured; no matter where it stands."""
    sent = [json.loads(element.proto.json) for element in at.get("bidi_component")]
    return [
        {key: strip[key] for key in ("pieces", "words", "diverging")}
        | {"colour": [strip["names"][key] for key in ("legend", "low", "high")]}
        for strip in sent
        if "pieces" in strip
    ]


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(("name", "number", "question"), EVERY)
def test_the_picture_of_an_answer_is_the_one_to_which_the_lesson_leads(
    name: str, number: int, question: Question, language: str
) -> None:
    lesson = open_page(name, present=str(number), phase="reveal", lang=language)
    page = open_page(name, **question.view, lang=language)
    if name == "gating":
        assert strips(lesson) == strips(page)[-1:]  # the one of the section, where that has one
    else:
        ((alt_text, picture),) = drawn(lesson).items()
        pd.testing.assert_frame_equal(picture, drawn(page)[alt_text], check_exact=True)


@pytest.mark.parametrize(
    "link",
    [
        {"present": "0"},
        {"present": "4"},
        {"present": "<script>"},
        {"predict": "1e309"},
        {"present": "1", "phase": "<img src=x>"},
        {"predict": "1", "guess": "x" * 9000},
    ],
    ids=str,
)
def test_a_link_that_makes_no_sense_gets_one_sentence(link: dict[str, str]) -> None:
    at = open_page("vanishing", **link)
    assert len(warnings(at)) == 1
    assert at.get("bidi_component")  # the page, or the question, all the same


def number(told: object) -> float:
    """A number as a reader sees it: 0.12, 2.5·10⁴¹, 10³."""
    found = re.fullmatch(r"(?:([\d.]+)·?)??(?:10([⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+))?", str(told))
    assert found is not None, told
    exponent = (found[2] or "0").translate(str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789"))
    return float(found[1] or 1) * 10.0 ** int(exponent)


@pytest.mark.parametrize(
    ("told", "meant"), [("0.12", 0.12), ("10", 10), ("105", 105), ("2.5·10⁴¹", 2.5e41), ("10⁻³", 1e-3)]
)
def test_a_number_is_read_as_it_is_meant(told: str, meant: float) -> None:
    assert number(told) == pytest.approx(meant)


def test_the_growth_is_that_of_the_products_themselves() -> None:
    rng = np.random.default_rng(7)
    W = make_matrix("gaussian", 16, 1.0, rng=rng)
    gradient = make_gradient("random", W, rng=rng)
    for _ in range(1000):
        gradient = 1.1 * (W.T @ gradient)
    said = linear_lesson.growth()
    assert said.right == "large"
    mantissa, exponent = f"{np.linalg.norm(gradient):.1e}".split("e+")
    assert (
        said.values["size"]
        == f"{float(mantissa):g}·10{exponent.translate(str.maketrans('0123456789', '⁰¹²³⁴⁵⁶⁷⁸⁹'))}"
    )
    assert number(said.values["pure"]) == pytest.approx(1.1**1000, rel=0.03)
    assert 1.1 ** number(said.values["double"]) == pytest.approx(2, rel=0.01)


def test_the_squares_are_inf_in_float32_where_the_lesson_says() -> None:
    rng = np.random.default_rng(7)
    W = (1.1 * make_matrix("gaussian", 16, 1.0, rng=rng)).astype(np.float64)
    gradient = make_gradient("random", W, rng=rng)
    first: dict[str, int] = {}
    largest = float(np.finfo(np.float32).max)
    for k in range(1001):
        norm = float(np.linalg.norm(gradient))
        if norm**2 > largest:
            first.setdefault("squared", k)
        if norm > largest:
            first.setdefault("norm", k)
        gradient = W.T @ gradient
    said = linear_lesson.overflow()
    assert said.right == "squared"
    assert {name: int(str(said.values[name])) for name in first} == first


def test_a_non_normal_matrix_grows_first_as_its_powers_say() -> None:
    rng = np.random.default_rng(7)
    W = 0.9 * make_matrix("non-normal", 16, 1.0, rng=rng)
    gradient = make_gradient("random", W, rng=rng)
    norms = []
    for _ in range(1001):
        norms.append(np.linalg.norm(gradient))
        gradient = W.T @ gradient
    said = linear_lesson.transient()
    assert said.right == "first"
    assert said.values["step"] == int(np.argmax(norms))
    assert number(said.values["peak"]) == pytest.approx(max(norms), rel=0.01)
    assert number(said.values["left"]) == pytest.approx(norms[-1], rel=0.03)


@pytest.mark.parametrize(("rate", "key"), [(0.1, "reach"), (0.01, "before"), (1.0, "after")])
def test_an_input_from_beyond_the_reach_moves_no_float32_weight(rate: float, key: str) -> None:
    rng = np.random.default_rng(7)
    W = 0.9 * make_matrix("gaussian", 16, 1.0, rng=rng)
    delta = make_gradient("random", W, rng=rng)
    own = np.random.default_rng(7)
    weights = (own.uniform(-1, 1, size=(16, 4)) / 4).astype(np.float32)
    x = own.standard_normal(4)
    moved, sizes = [], []
    for k in range(400):
        sizes.append(float(np.linalg.norm(delta)))
        update = (rate * np.outer(delta, x)).astype(np.float32)
        if not np.array_equal(weights - update, weights):
            moved.append(k)
        delta = W.T @ delta
    said = linear_lesson.reach() if key == "reach" else linear_lesson.faster()
    assert said.values[key] == max(moved)
    assert said.right == ("middle" if key == "reach" else "some")
    if key == "reach":
        assert number(said.values["left"]) == pytest.approx(sizes[max(moved)], rel=0.03)
    else:
        assert (1 / 0.9) ** number(said.values["worth"]) == pytest.approx(100, rel=0.01)
        assert said.values["more"] == number(said.values["after"]) - number(said.values["before"])


@pytest.mark.parametrize(("name", "kind"), [("rnn", RNN), ("lstm", LSTM), ("gru", GRU)])
def test_the_cells_gradients_are_those_of_small_changes_of_the_start(name: str, kind: Any) -> None:
    rng = np.random.default_rng(7)
    x, d_last = rng.standard_normal((200, 1, 8)), rng.standard_normal((1, 32))
    d_last /= np.linalg.norm(d_last)
    bias = {"rnn": {}, "lstm": {"forget_bias": 1.0}, "gru": {"update_bias": 1.0}}[name]
    cell = kind.create(8, 32, rng=np.random.default_rng(7), **bias)
    steps = 12  # back from the end: the whole way is beyond what differences can resolve
    trace = unroll(cell, x)

    def loss(change: np.ndarray) -> float:
        at = trace.hidden[-1 - steps] + change
        start = (at, trace.memory[-1 - steps]) if name == "lstm" else at
        return float(np.sum(unroll(cell, x[-steps:], start).hidden[-1] * d_last))

    size = 1e-6
    slope = [(loss(size * row) - loss(-size * row)) / (2 * size) for row in np.eye(32)[:, None, :]]
    path = linear_lesson.paths(1.0)[name]
    assert path[steps] == pytest.approx(math.log10(np.linalg.norm(slope)), abs=1e-5)


def test_what_each_cell_brings_back_is_what_backpropagation_does() -> None:
    rng = np.random.default_rng(7)
    x, d_last = rng.standard_normal((200, 1, 8)), rng.standard_normal((1, 32))
    d_hidden = np.zeros((200, 1, 32))
    d_hidden[-1] = d_last / np.linalg.norm(d_last)
    said, left = linear_lesson.cells(), {}
    for told, bias in (("left", 1.0), ("shut", 0.0)):
        for name, cell in {
            "rnn": RNN.create(8, 32, rng=np.random.default_rng(7)),
            "lstm": LSTM.create(8, 32, rng=np.random.default_rng(7), forget_bias=bias),
            "gru": GRU.create(8, 32, rng=np.random.default_rng(7), update_bias=bias),
        }.items():
            back = np.linalg.norm(backpropagate(cell, unroll(cell, x), d_hidden).hidden[0])
            assert number(said.values[f"{name}_{told}"]) == pytest.approx(back, rel=0.05)
            left[name, told] = back
    assert said.right == max(("rnn", "lstm", "gru"), key=lambda name: left[name, "left"])


def test_clipping_by_value_turns_as_plane_geometry_says() -> None:
    said = clipping_lesson.turned()
    across, up = min(1.0, 4 * math.cos(math.radians(20))), min(1.0, 4 * math.sin(math.radians(20)))
    assert said.right == "value"
    assert float(str(said.values["turned"])) == pytest.approx(
        math.degrees(math.atan2(up, across)) - 20, rel=5e-3
    )


def test_the_longest_step_is_the_slope_times_the_rate() -> None:
    w, b = 4.75, -2.75
    lengths = []

    def error(w: float, b: float) -> float:
        x = 0.5
        for _ in range(50):
            x = w / (1 + math.exp(-x)) + b
        return (1 / (1 + math.exp(-x)) - 0.7) ** 2

    for _ in range(14):
        h = 1e-7
        slope = np.array(
            [(error(w + h, b) - error(w - h, b)) / (2 * h), (error(w, b + h) - error(w, b - h)) / (2 * h)]
        )
        w, b = np.array([w, b]) - 0.1 * slope
        lengths.append(0.1 * float(np.linalg.norm(slope)))
    said = clipping_lesson.leap()
    assert said.right == "away"
    assert number(said.values["length"]) == pytest.approx(max(lengths), rel=0.01)
    assert number(said.values["update"]) == np.argmax(lengths) + 1
    assert number(said.values["clipped"]) == 0.1  # the rate times the threshold, which is 1


def test_the_gating_answers_are_what_the_model_says_of_the_texts() -> None:
    model = load("lstm")
    plainly, denied = (model.read(text) for text in ("It is bad.", "It is not bad."))
    said = gating_lesson.denied()
    assert said.right == "same"
    for told, found in {
        "bad": plainly.prediction,
        "not_bad": denied.prediction,
        "alone": plainly.contributions[2],
        "denial": denied.contributions[2],
        "after_it": denied.contributions[3],
    }.items():
        assert said.values[told] == f"{found:+.2f}".replace("-", "−")
    assert said.values["moved"] == f"{denied.prediction - plainly.prediction:.3f}"


def test_the_answers_on_the_book_s_review_are_what_the_gates_and_the_model_say() -> None:
    model = load("lstm")
    book = read_words("en")["gating"]["texts"]["book"].replace("[", "").replace("]", "")
    reading = model.read(book)
    openings = reading.gates["input"].mean(axis=1)
    opened = {word.text.lower(): size for word, size in zip(reading.words, openings, strict=True)}
    first, second = sorted(gating_lesson.WORDS, key=lambda word: -opened[word])[:2]
    widest = gating_lesson.widest()
    assert widest.right == first == "amazing"
    assert number(widest.values["opening"]) == pytest.approx(opened[first], rel=0.01)
    assert number(widest.values["next"]) == pytest.approx(opened[second], rel=0.01)
    assert number(widest.values["median"]) == pytest.approx(np.median(openings), rel=0.01)
    least = np.sort(openings)[-round(0.3 * len(openings))]
    after = model.read(book, keep=(openings >= least).tolist()).prediction
    crossed = gating_lesson.crossed()
    assert crossed.right == "some"
    assert crossed.values["out"] == "70"
    assert crossed.values["before"] == f"{reading.prediction:+.2f}".replace("-", "−")
    assert crossed.values["after"] == f"{after:+.2f}".replace("-", "−")
    assert number(crossed.values["moved"]) == pytest.approx(abs(after - reading.prediction), rel=0.01)


def test_the_correlations_of_the_answers_are_those_of_the_evaluation() -> None:
    models = json.loads((WEIGHTS / "evaluation.json").read_text(encoding="utf-8"))["models"]
    economy, plain = (models[name]["mean"] for name in ("lstm", "lstm-plain"))
    crossed, denied = gating_lesson.crossed().values, gating_lesson.denied().values
    assert number(crossed["economy_r"]) == pytest.approx(economy["kept, opening"], abs=0.006)
    assert number(crossed["plain_r"]) == pytest.approx(plain["kept, opening"], abs=0.006)
    assert number(denied["r"]) == pytest.approx(economy["r"], abs=0.006)
    assert number(denied["negation"]) == pytest.approx(economy["r within"]["negation"], abs=0.006)


@pytest.mark.browser
def test_the_keyboard_leads_a_class_through_a_question(server: str, visit_bare: Visit) -> None:
    page = visit_bare(f"{server}/explosion?present=1")
    question = page.get_by_role("heading", level=2)
    assert float(question.evaluate("e => parseFloat(getComputedStyle(e).fontSize)")) > 34
    assert page.get_by_role("link", name="Vanishing").count() == 0  # no menu
    for phase in PHASES[1:]:
        page.keyboard.press("ArrowRight")
        page.wait_for_function("phase => location.search.includes(`phase=${phase}`)", arg=phase)
        settle(page)
    chart = page.locator(".vega-embed svg")
    chart.wait_for()
    smallest = chart.evaluate(
        """e => Math.min(...[...e.querySelectorAll('text')].filter(t => t.textContent.trim())
            .map(t => parseFloat(getComputedStyle(t).fontSize)))"""
    )
    assert smallest >= 18
    assert "10⁴¹" in page.get_by_role("status").filter(has_text="doubles").inner_text()
    page.keyboard.press("ArrowLeft")
    page.wait_for_function("location.search.includes('phase=reveal')")
    page.keyboard.press("Escape")
    page.get_by_role("heading", level=1, name="Explosion").wait_for()
    assert "present" not in page.url


@pytest.mark.browser
def test_a_guess_by_keyboard_reveals_the_answer_and_its_link_shows_it_to_others(
    server: str, visit_bare: Visit
) -> None:
    page = visit_bare(f"{server}/vanishing?predict=3&lang=zh", width=390, height=844)
    option = page.get_by_role("button", name="GRU")
    option.focus()
    page.keyboard.press("Enter")
    page.wait_for_function("location.search.includes('guess=gru')")
    verdict = read_words("zh")["common"]["lesson"]["wrong"].replace("*", "")
    page.get_by_role("status").filter(has_text=verdict).wait_for()
    page.locator(".vega-embed svg").wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    other = visit_bare(page.url)
    other.get_by_role("status").filter(has_text=verdict).wait_for()


@pytest.mark.browser
@pytest.mark.parametrize("look", ["light", "dark"])
@pytest.mark.parametrize("name", list(LESSONS))
def test_no_question_breaks_a_rule_of_accessibility(
    server: str, visit_bare: Visit, name: str, look: str
) -> None:
    width, mode = (1440, "present") if look == "light" else (390, "predict")
    found = {}
    for number, question in enumerate(LESSONS[name], 1):
        for then in ("phase=prediction", f"phase=reveal&guess={question.options[0]}"):
            page = visit_bare(
                f"{server}/{name}?{mode}={number}&{then}&lang={'en' if look == 'light' else 'zh'}",
                width=width,
                theme=look,
            )
            page.wait_for_timeout(300)
            found[f"{number} {then}"] = violations(page)
            assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert not {where: broken for where, broken in found.items() if broken}
