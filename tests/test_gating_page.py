"""The gating page without a browser: what its words, charts and sentences say, against the core."""

from __future__ import annotations

import functools
import hashlib
import io
import json
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest
from test_pages import open_page, rows, said, settled, warnings, words

from core.attribution import log10_survival
from core.review_evaluation import highest, rank_correlation
from core.reviews import REASONS, WEIGHTS, load
from core.tokens import tokenize
from pages.shared import reading_lab
from pages.shared.words import read_words

TABS = [
    *("look", "gates", "survival", "along", "claim", "hold"),
    *("agree", "fails", "convoy", "figures", "code"),
]
BOOK = reading_lab.marked(words("gating")["texts"]["book"])[0]
GRADIENTS, SECOND = 0, 1  # the charts, from the top


def strip(at: AppTest, place: int = 0) -> dict[str, Any]:
    """What the browser is given to draw a strip of words."""
    found: dict[str, Any] = json.loads(at.get("bidi_component")[place].proto.json)
    return found


def number(text: str) -> float:
    return float(text.replace("−", "-").replace(",", ""))


def numbers_said(at: AppTest, said_here: str) -> list[float]:
    """The bold numbers with a sign in the first markdown that says so."""
    text = next(markdown.value for markdown in at.markdown if said_here in markdown.value)
    return [number(found) for found in re.findall(r"\*\*([+−][\d.]+)\*\*", text)]


@pytest.mark.parametrize("tab", TABS)
@pytest.mark.parametrize(
    "choice",
    [
        pytest.param({}, id="LSTM"),
        pytest.param({"network": "gru", "trained": "plain", "word": "3"}, id="GRU, plain"),
        pytest.param({"review": "hotel"}, id="Chinese"),
        pytest.param({"review": "own", "text": "Good"}, id="one word"),
    ],
)
def test_every_section_opens_by_its_link(tab: str, choice: dict[str, str]) -> None:
    at = open_page("gating", tab=tab, **choice)
    assert at.session_state["gating-tab"] == tab
    assert warnings(at) == []


def test_the_book_s_text_and_marks_are_the_book_s() -> None:
    at = open_page("gating")
    pieces = strip(at)["pieces"]
    assert "".join(piece["text"] for piece in pieces) == BOOK
    assert "In only ate half of it" in BOOK
    marked = [
        piece["text"]
        for piece in pieces
        if piece["word"] is not None and strip(at)["words"][piece["word"]]["marked"]
    ]
    assert marked == [
        "Amazing",
        "!",
        "perfectly",
        "balanced",
        "breakfast",
        "will",
        "definitely",
        "be",
        "buying",
        "again",
        "!",
    ]


@pytest.mark.parametrize(
    ("network", "gate"),
    [("lstm", "input"), ("gru", "update"), ("lstm-plain", "input"), ("gru-plain", "update")],
)
def test_a_word_s_colour_is_the_mean_opening_of_its_gate(network: str, gate: str) -> None:
    name, _, plain = network.partition("-")
    at = open_page("gating", network=name, trained="plain" if plain else "economy")
    activations = load(network).read(BOOK).gates[gate]
    opening = (activations if gate == "input" else 1 - activations).mean(axis=1)
    shown = [word["shade"] for word in strip(at)["words"]]
    np.testing.assert_allclose(shown, opening / opening.max(), rtol=1e-12)
    top = strip(at)["names"]["high"]
    assert number(top) == pytest.approx(opening.max(), rel=0.01)


def test_one_unit_s_gate_colours_the_words() -> None:
    at = open_page("gating", unit="5", colour="keeping")
    kept = load("lstm").read(BOOK).gates["forget"][:, 4]
    np.testing.assert_allclose([word["shade"] for word in strip(at)["words"]], kept / kept.max(), rtol=1e-12)


@pytest.mark.parametrize("quantity", ["contribution", "telescoped", "deletion"])
def test_a_signed_quantity_adds_up_or_is_what_it_says(quantity: str) -> None:
    at = open_page("gating", colour=quantity, network="gru")
    model = load("gru")
    reading = model.read(BOOK)
    without = [
        reading.prediction - model.read(BOOK, keep=[j != k for j in range(len(reading.words))]).prediction
        for k in range(len(reading.words))
    ]
    expected = {"contribution": reading.contributions, "telescoped": reading.telescoped}.get(
        quantity, without
    )
    shades = np.array([word["shade"] for word in strip(at)["words"]])
    np.testing.assert_allclose(shades, np.array(expected) / np.abs(expected).max(), atol=1e-9)
    assert strip(at)["diverging"]
    if quantity != "deletion":
        assert np.sum(expected) == pytest.approx(reading.prediction - model.bias, abs=1e-10)


def test_the_gradients_are_those_of_the_three_networks() -> None:
    at = open_page("gating", word="4")
    drawn = rows(at, GRADIENTS)
    cells = words("common")["cells"]
    for name, label in (("rnn", "rnn"), ("lstm", "lstm_economy"), ("gru", "gru_economy")):
        found = drawn[drawn["name"] == cells[label]].sort_values("label")
        np.testing.assert_allclose(found["y"], load(name).read(BOOK).log10_gradients, rtol=1e-9)
        assert found["word"].tolist() == [token.text for token in tokenize(BOOK)]
    assert set(drawn[drawn["picked"]]["label"]) == {"004 box"}
    assert strip(at)["selected"] == 3


def test_survival_follows_the_picked_word_or_the_one_that_contributes_most() -> None:
    label = words("common")["cells"]["lstm_plain"]
    for picked, word in (({}, 0), ({"word": "11"}, 10)):
        at = open_page("gating", tab="survival", **picked)
        drawn = rows(at, SECOND)
        trace = load("lstm-plain").read(BOOK).trace
        assert trace is not None
        expected = log10_survival(trace.cell, trace, word)[:, 0]
        np.testing.assert_allclose(drawn[drawn["name"] == label]["y"], expected, rtol=1e-9, atol=1e-12)


def test_reading_along_says_the_prediction_of_the_text_so_far() -> None:
    at = open_page("gating", tab="along", until="12")
    end = tokenize(BOOK)[11].end
    assert numbers_said(at, "At ")[0] == pytest.approx(load("lstm").read(BOOK[:end]).prediction, abs=0.006)


@pytest.mark.parametrize("by", ["opening", "contribution"])
def test_the_claim_is_tested_on_the_words_with_the_highest(by: str) -> None:
    at = open_page("gating", tab="claim", keep="20", by=by)
    model = load("lstm")
    reading = model.read(BOOK)
    scores = reading.gates["input"].mean(axis=1) if by == "opening" else np.abs(reading.contributions)
    kept = highest(scores, 0.2)
    crossed = [word["crossed"] for word in strip(at, 1)["words"]]
    assert crossed == [not keep for keep in kept]
    full, after = numbers_said(at, f"**{kept.sum()} of {len(kept)} words kept**")
    assert full == pytest.approx(reading.prediction, abs=0.006)
    assert after == pytest.approx(model.read(BOOK, keep=kept).prediction, abs=0.006)
    curve = json.loads((WEIGHTS / "evaluation.json").read_text())["models"]["lstm"]["seeds"][0]["curves"]
    drawn = rows(at, SECOND)
    label = words("common")["claimed"]["economy"]
    assert drawn[drawn["name"] == label]["y"].tolist() == curve["opening"]


def test_a_gate_is_held_and_words_are_clicked_away() -> None:
    at = open_page("gating", tab="hold", hold_of_3="forget", held_at="50", out="1,11")
    keep = [k not in (0, 10) for k in range(len(tokenize(BOOK)))]
    held = load("lstm").holding("forget", 0.5).read(BOOK, keep=keep)
    assert np.all(held.gates["forget"] == 0.5)
    assert numbers_said(at, "crossed out. The prediction")[1] == pytest.approx(held.prediction, abs=0.006)
    assert [k for k, word in enumerate(strip(at, 1)["words"]) if word["crossed"]] == [0, 10]
    changed = rows(at, SECOND)
    changed = changed[changed["name"] == words("common")["hold"]["held"]].sort_values("label")
    np.testing.assert_allclose(changed["y"], held.log10_gradients, rtol=1e-9)


def test_every_word_can_be_crossed_out() -> None:
    at = open_page("gating", review="own", text="So good", tab="hold", out="1,2")
    assert numbers_said(at, "crossed out. The prediction")[1] == pytest.approx(load("lstm").bias, abs=0.006)


def test_agreement_is_the_rank_correlation_of_what_is_measured() -> None:
    at = open_page("gating", tab="agree")
    model = load("lstm")
    reading = model.read(BOOK)
    here = rank_correlation(reading.gates["input"].mean(axis=1), np.abs(model.deletions(BOOK)))
    colour = words("common")["colour"]
    table = next(markdown.value for markdown in at.markdown if markdown.value.startswith("| one"))
    row = next(
        line for line in table.split("\n") if colour["opening"] in line and colour["deletion"] in line
    ).split("|")
    tested = json.loads((WEIGHTS / "evaluation.json").read_text())["models"]["lstm"]["mean"]["agreement"]
    assert number(row[3]) == pytest.approx(here, abs=0.006)
    assert number(row[4]) == pytest.approx(tested["opening, deletion"], abs=0.006)


def test_the_failures_are_what_the_chosen_model_says() -> None:
    at = open_page("gating", tab="fails", network="gru")
    table = next(markdown.value for markdown in at.markdown if markdown.value.startswith("| text"))
    for text in ("It is not bad.", "I have never been disappointed."):
        row = next(line for line in table.split("\n") if text in line)
        assert number(row.split("|")[2]) == pytest.approx(load("gru").read(text).prediction, abs=0.006)


def test_chinese_goes_to_its_own_model_and_contributions_come_first() -> None:
    at = open_page("gating", review="novel")
    text = words("gating")["texts"]["novel"]
    contributions = load("zh-gru").read(text).contributions
    shades = [word["shade"] for word in strip(at)["words"]]
    np.testing.assert_allclose(shades, contributions / np.abs(contributions).max(), rtol=1e-12)
    assert said(at, words("gating")["read"]["by_contribution"])


NASTY = {
    "empty": "",
    "spaces": " \t\n ",
    "NUL": "\0",
    "only bidi and zero-width": "\u202e\u200b\u2066\u2069\ufeff",
    "punctuation": "...,;--",
}


@pytest.mark.parametrize("text", NASTY.values(), ids=NASTY.keys())
def test_a_text_without_a_word_gets_one_sentence_and_the_book_s_review(text: str) -> None:
    at = open_page("gating", review="own", text=text)
    assert [warning.value for warning in at.warning] == [words("gating")["no_word"]]
    assert "".join(piece["text"] for piece in strip(at)["pieces"]) == BOOK


READABLE = {
    "script": "<script>alert(1)</script> good",
    "image": "<img src=x onerror=alert(1)>",
    "markdown": "**good** [bad](javascript:alert(1)) $x^2$ `code` # so :material/home: ~~no~~",
    "one enormous word": "a" * 3000,
    "only emoji": "😀😀👍🏽👨‍👩‍👧",
    "bidi": "\u202egood\u202c bad",
    "many words": "good " * 600,
    "NUL inside": "good\0bad",
    "mixed": "很好 good 不错 真的",
}


@pytest.mark.parametrize("tab", ["look", "survival", "hold", "convoy"])
@pytest.mark.parametrize("text", READABLE.values(), ids=READABLE.keys())
def test_a_strange_text_is_read(text: str, tab: str) -> None:
    at = open_page("gating", review="own", text=text, tab=tab)
    assert len(strip(at)["words"]) == len(tokenize(text[:3000])[:500])


def test_too_long_a_link_is_said() -> None:
    at = open_page("gating", review="own", text="good " * 700)
    assert [warning.value for warning in at.warning] == [words("common")["link"]["text"].format(most="3,000")]


def test_a_text_that_is_typed_too_long_is_cut_and_said_to_be() -> None:
    at = open_page("gating", review="own")
    at.text_area(key="gating-text").set_value("good " * 20_000)
    settled(at.run())
    assert [warning.value for warning in at.warning] == [words("common")["link"]["text"].format(most="3,000")]
    assert len(strip(at)["words"]) == 500
    assert len(at.text_area(key="gating-text").value) == 100_000


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_snippet_runs_and_prints_what_the_core_says(
    language: str, capsys: pytest.CaptureFixture[str]
) -> None:
    exec(read_words(language)["gating"]["figures"]["code"], {})
    printed = capsys.readouterr().out.strip().split("\n")
    reading = load("lstm").read("Amazing! A perfectly balanced breakfast.")
    assert float(printed[-1]) == reading.prediction
    assert printed[0].split()[0] == "Amazing"


def test_words_beyond_the_limit_are_said() -> None:
    at = open_page("gating", review="own", text="good " * 510)
    assert said(at, words("gating")["read"]["long"].format(most=500, unread=10))


def test_a_text_of_unknown_words_gets_no_rating() -> None:
    at = open_page("gating", review="own", text="zxqv qqwz vvvk good")
    assert said(at, words("gating")["read"]["unknown"].format(known=50))


@pytest.mark.parametrize(
    ("key", "value"),
    [("word", "99"), ("word", "x"), ("out", "1,99"), ("out", "a"), ("held_at", "1e309"), ("colour", "red")],
)
def test_a_link_that_makes_no_sense_is_said_once(key: str, value: str) -> None:
    at = open_page("gating", tab="hold", hold_of_3="input", **{key: value})
    assert len(at.warning) == 1


def write(folder: Path, content: bytes) -> None:
    """Other weights than ours, which the index says are right."""
    (folder / "lstm.npz").write_bytes(content)
    sums = {"lstm.npz": hashlib.sha256(content).hexdigest()}
    (folder / "index.json").write_text(json.dumps({"sha256": sums}))


def changed(**changes: Any) -> bytes:
    """Our weights with other arrays."""
    with np.load(WEIGHTS / "lstm.npz") as stored:
        arrays = dict(stored) | changes
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


FAULTS: dict[str, Callable[[Path], object]] = {
    "missing": lambda folder: (folder / "lstm.npz").unlink(),
    "damaged": lambda folder: (folder / "lstm.npz").write_bytes(b"good"),
    "format": lambda folder: write(folder, changed(format=np.array(2))),
    "unreadable": lambda folder: write(folder, b"good"),
    "misfit": lambda folder: write(folder, changed(weight_out=np.ones(3, np.float32))),
}


@pytest.fixture
def weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of the weights that the pages read."""
    folder = tmp_path / "weights"
    shutil.copytree(WEIGHTS, folder)
    monkeypatch.setattr(reading_lab, "load", functools.partial(load, folder=folder))
    monkeypatch.setattr(reading_lab, "WEIGHTS", folder)
    reading_lab.model.clear()
    reading_lab.evaluation.clear()
    yield folder
    reading_lab.model.clear()


def is_said(language: str, reason: str, file: str) -> str:
    """The sentence that says it, in the language: but for the file's name in letters of its own."""
    told = read_words(language)["gating"]["no_weights"]
    sentence: str = told["text"].format(problem=told[reason].format(file=file))
    if language == "zh":
        assert file in sentence
        assert not re.search("[A-Za-z]", sentence.replace(file, ""))
    return sentence


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("page", ["gating", "overview"])
@pytest.mark.parametrize("reason", REASONS)
def test_weights_that_can_t_be_used_are_named_in_the_reader_s_language(
    weights: Path, reason: str, page: str, language: str
) -> None:
    FAULTS[reason](weights)
    at = open_page(page, lang=language)
    assert [error.value for error in at.error] == [is_said(language, reason, "lstm.npz")]
    assert len(at.get("vega_lite_chart")) == (3 if page == "overview" else 0)
    assert not at.get("bidi_component")


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize(
    "content", [None, b"", b"{", b"\xff\xfe"], ids=["none", "empty", "half", "not UTF-8"]
)
def test_figures_that_can_t_be_read_are_named_in_the_reader_s_language(
    weights: Path, content: bytes | None, language: str
) -> None:
    file = weights / "evaluation.json"
    file.unlink() if content is None else file.write_bytes(content)
    at = open_page("gating", lang=language)
    reason = "missing" if content is None else "damaged"
    assert [error.value for error in at.error] == [is_said(language, reason, "evaluation.json")]
    assert not at.get("bidi_component")
