"""The review models: beside PyTorch, a slow reader, and what their sums, gates and limits promise."""

import hashlib
import io
import json
import math
import pickle
import shutil
import time
import zipfile
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import strategies as some
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from oracles import central_difference, crc32, runs_of_three_and_four

from core import reviews
from core.attribution import log10_survival, opening
from core.bptt import backpropagate
from core.cells import LSTM
from core.reviews import LONGEST, NAMES, WEIGHTS, Vocabulary, WeightsError, load, packed, unpacked
from core.tokens import tokenize
from tests.npy import npy

GOLDEN = json.loads((Path(__file__).parent / "golden" / "reviews.json").read_text(encoding="utf-8"))["cases"]
BOOK = (
    "Amazing! This box of cereal gave me a perfectly balanced breakfast, as all things should be. "
    "In only ate half of it but will definitely be buying again!"
)
CHINESE = "房间很干净，服务员也很热情，下次还会再来！就是早餐不太好吃。"
TEXTS = [BOOK, CHINESE, "good", "Not bad at all :) 10/10 http://a.b", "qwyjibo zzyzx", "我 love 你"]
GATED = tuple(name for name in NAMES if name != "rnn")
EVERY = pytest.mark.parametrize("name", NAMES)
short_texts = some.texts(longest=12).filter(tokenize)


@cache
def model(name):
    return load(name)


def forms_of(text):
    return [token.form for token in tokenize(text)]


# A slow reader


class Plain(NamedTuple):
    """h_0 … h_T, c_0 … c_T, and ŷ had the text ended after 0 … T words."""

    hidden: np.ndarray
    memory: np.ndarray
    predictions: np.ndarray


def slow_vectors(m, forms):
    words, found = list(m.vocabulary.words), []
    for before, form in zip(["<", *forms], forms, strict=False):
        parts = [f"{before} {form}"] if m.vocabulary.pairs else runs_of_three_and_four(form)
        picked = [m.grams[crc32(part.encode("utf-8", "surrogatepass")) % len(m.grams)] for part in parts]
        row = words.index(form) + 1 if form in words else 0
        found.append(m.embedding[row] + sum(picked) / len(picked))
    return np.array(found).reshape(len(forms), m.embedding.shape[1])


def sigma(a):
    return 1 / (1 + np.exp(-a))


def plainly(m, x, pushed=None, pushed_memory=None):
    """The equations of the cells' docstrings over x (T, X).

    `pushed` (T + 1, H) is added to h_0 … h_T, `pushed_memory` to the LSTM's c_0 … c_T.
    """
    p, H = m.cell.parameters, m.cell.hidden
    none = np.zeros((len(x) + 1, H))
    pushed, pushed_memory = (none if given is None else given for given in (pushed, pushed_memory))
    hidden, memory = [pushed[0]], [pushed_memory[0]]
    for x_t, push, push_memory in zip(x, pushed[1:], pushed_memory[1:], strict=True):
        from_x = p["weight_ih"] @ x_t + p["bias_ih"]
        from_h = p["weight_hh"] @ hidden[-1] + p["bias_hh"]
        if len(from_x) == H:
            h, c = np.tanh(from_x + from_h), memory[-1]
        elif len(from_x) == 3 * H:
            r, z = (sigma((from_x + from_h)[k * H :][:H]) for k in (0, 1))
            n = np.tanh(from_x[2 * H :] + r * from_h[2 * H :])
            h, c = (1 - z) * n + z * hidden[-1], memory[-1]
        else:
            a_i, a_f, a_g, a_o = np.split(from_x + from_h, 4)
            c = sigma(a_f) * memory[-1] + sigma(a_i) * np.tanh(a_g) + push_memory
            h = sigma(a_o) * np.tanh(c)
        hidden.append(h + push)
        memory.append(c)
    hidden = np.array(hidden)
    return Plain(hidden, np.array(memory), hidden @ m.weights + m.bias)


def predicted(m, forms):
    return plainly(m, slow_vectors(m, forms)).predictions[-1]


# Beside PyTorch


def assert_pytorchs(reading, m, answer):
    close = {"rtol": 1e-10, "atol": 1e-13}
    assert reading.prediction == pytest.approx(answer["prediction"], rel=1e-12)
    np.testing.assert_allclose(reading.hidden, answer["hidden"], **close)
    assert reading.gates.keys() == answer["gates"].keys()
    for gate, values in answer["gates"].items():
        np.testing.assert_allclose(reading.gates[gate], values, **close, err_msg=gate)
    d_hidden = np.zeros((len(reading.words), 1, m.cell.hidden))
    d_hidden[-1, 0] = m.weights
    walked = backpropagate(m.cell, reading.trace, d_hidden)
    np.testing.assert_allclose(walked.hidden[1:, 0], answer["d_hidden"], **close)
    np.testing.assert_allclose(walked.inputs[:, 0], answer["d_inputs"], **close)
    logs = {"d_hidden": reading.log10_gradients, "d_inputs": reading.log10_input_gradients}
    logs |= {"d_memory": reading.log10_memory_gradients} if isinstance(m.cell, LSTM) else {}
    assert {name for name in answer if name.startswith("d_")} == set(logs)
    for name, found in logs.items():
        sizes = [math.log10(math.hypot(*row)) for row in answer[name]]
        np.testing.assert_allclose(found, sizes, rtol=1e-10, atol=1e-10, err_msg=name)


@pytest.mark.parametrize("name", GOLDEN)
def test_gates_states_prediction_and_gradients_are_pytorchs(name):
    case, m = GOLDEN[name], model(name)
    content = (WEIGHTS / f"{name}.npz").read_bytes()
    assert hashlib.sha256(content).hexdigest() == case["sha256"], "other weights: run golden/make_reviews.py"
    assert forms_of(case["given"]["text"]) == case["given"]["forms"]
    assert_pytorchs(m.read(case["given"]["text"]), m, case["answer"])


@pytest.fixture(scope="module")
def by_torch():
    pytest.importorskip("torch", reason="PyTorch isn't installed: only its golden file is compared with")
    from golden import make_reviews

    return make_reviews


@EVERY
def test_other_texts_are_read_as_pytorch_reads_them(by_torch, name):
    for text in TEXTS:
        assert_pytorchs(model(name).read(text), model(name), by_torch.answer(name, forms_of(text)))


def test_the_golden_file_is_what_its_script_writes(by_torch):
    assert set(GOLDEN) == set(by_torch.NAMES)
    for name, language in by_torch.NAMES.items():
        text, forms = by_torch.TEXTS[language]
        assert GOLDEN[name]["given"] == {"text": text, "forms": forms.split()}
        again, kept = by_torch.answer(name, forms.split()), GOLDEN[name]["answer"]
        for part in ("prediction", "hidden", "d_hidden", "d_inputs"):
            np.testing.assert_allclose(again[part], kept[part], rtol=1e-9, atol=1e-14)


# Beside a slow reader


@EVERY
@pytest.mark.parametrize("text", TEXTS)
def test_sample_texts_are_read_as_the_equations_say(name, text):
    check_reading(model(name), text)


@settings(max_examples=60)
@given(name=st.sampled_from(NAMES), text=short_texts)
def test_any_text_is_read_as_the_equations_say(name, text):
    check_reading(model(name), text)


def check_reading(m, text):
    reading, forms = m.read(text), forms_of(text)
    plain = plainly(m, slow_vectors(m, forms))
    np.testing.assert_allclose(reading.hidden, plain.hidden, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(reading.so_far, plain.predictions[1:], rtol=1e-10, atol=1e-10)
    assert reading.prediction == reading.so_far[-1]
    for parts in (reading.contributions, reading.telescoped):
        size = max(1, np.abs(parts).sum())
        assert abs(parts.sum() + m.bias - reading.prediction) <= 1e-10 * size
    last = plain.memory[-1] if isinstance(m.cell, LSTM) else plain.hidden[-1]
    np.testing.assert_allclose(reading.shares.sum(axis=0), last, rtol=1e-10, atol=1e-10)
    assert [word[:3] for word in reading.words] == [token[:3] for token in tokenize(text)]
    assert [word.known for word in reading.words] == [form in set(m.vocabulary.words) for form in forms]
    assert reading.scored == (2 * sum(word.known for word in reading.words) >= len(forms))
    assert reading.unread == 0
    steps, H = len(forms), m.cell.hidden
    assert {values.shape for values in reading.gates.values()} <= {(steps, H)}
    assert {len(values) for values in (reading.log10_gradients, reading.log10_input_gradients)} == {steps}
    assert len(reading.log10_memory_gradients) == (steps if isinstance(m.cell, LSTM) else 0)


@EVERY
def test_so_far_is_what_the_shorter_text_would_have_had(name):
    m, tokens = model(name), tokenize(BOOK)
    so_far = m.read(BOOK).so_far
    for k in (1, 5, 12, len(tokens) - 1):
        assert so_far[k - 1] == pytest.approx(m.read(BOOK[: tokens[k - 1].end]).prediction, abs=1e-10)


@settings(max_examples=40)
@given(name=st.sampled_from(NAMES), text=short_texts, data=st.data())
def test_words_that_are_crossed_out_might_as_well_not_be_there(name, text, data):
    m, forms = model(name), forms_of(text)
    keep = data.draw(st.lists(st.booleans(), min_size=len(forms), max_size=len(forms)))
    kept = [form for form, wanted in zip(forms, keep, strict=True) if wanted]
    reading = m.read(text, keep=keep)
    assert reading.prediction == pytest.approx(predicted(m, kept), abs=1e-10)
    wanted = [token[:3] for token, left in zip(tokenize(text), keep, strict=True) if left]
    assert [word[:3] for word in reading.words] == wanted
    assert len(reading.so_far) == len(reading.contributions) == len(kept)


@EVERY
def test_crossing_words_out_is_writing_the_text_without_them(name):
    m, text = model(name), CHINESE if name == "zh-gru" else BOOK
    tokens = tokenize(text)
    keep = np.arange(len(tokens)) % 3 != 1
    written = " ".join(token.text for token, wanted in zip(tokens, keep, strict=True) if wanted)
    full, reduced, without = m.read(text), m.read(text, keep=keep), m.read(written)
    assert reduced.prediction == pytest.approx(without.prediction, abs=1e-10)
    np.testing.assert_allclose(reduced.contributions, without.contributions, atol=1e-10)
    assert abs(reduced.prediction - full.prediction) > 1e-3
    assert m.read(text, keep=[True] * len(tokens)).prediction == full.prediction


def test_a_chinese_characters_vector_depends_on_the_one_before():
    m = model("zh-gru")
    assert np.abs(m.vectors(["很", "好"])[1] - m.vectors(["不", "好"])[1]).max() > 1e-3
    assert (model("gru").vectors(["very", "good"])[1] == model("gru").vectors(["not", "good"])[1]).all()


@EVERY
def test_deletions_are_what_the_prediction_loses_without_each_word(name):
    m, text = model(name), CHINESE if name == "zh-gru" else BOOK
    forms, full = forms_of(text), m.read(text).prediction
    wanted = []
    for k in range(len(forms)):
        keep = np.arange(len(forms)) != k
        wanted.append(full - m.read(text, keep=keep).prediction)
        assert wanted[-1] == pytest.approx(full - predicted(m, forms[:k] + forms[k + 1 :]), abs=1e-10)
    np.testing.assert_allclose(m.deletions(text), wanted, rtol=0, atol=1e-10)
    assert np.abs(wanted).max() > 0.1


@settings(max_examples=30)
@given(name=st.sampled_from(["lstm", "rnn", "zh-gru"]), text=short_texts, data=st.data())
def test_deletions_of_any_text_with_words_crossed_out(name, text, data):
    m, forms = model(name), forms_of(text)
    keep = data.draw(st.lists(st.booleans(), min_size=len(forms), max_size=len(forms)))
    kept = [form for form, wanted in zip(forms, keep, strict=True) if wanted]
    full = predicted(m, kept)
    wanted = [full - predicted(m, kept[:k] + kept[k + 1 :]) for k in range(len(kept))]
    np.testing.assert_allclose(m.deletions(text, keep=keep), wanted, rtol=0, atol=1e-10)


def test_deletions_of_more_texts_than_are_read_at_once():
    m, text = model("gru"), "good bad so " * 30
    forms = forms_of(text)
    assert len(forms) > reviews.AT_ONCE
    full = predicted(m, forms)
    wanted = [full - predicted(m, forms[:k] + forms[k + 1 :]) for k in range(0, len(forms), 7)]
    np.testing.assert_allclose(m.deletions(text)[::7], wanted, rtol=0, atol=1e-10)


# Gradients


@pytest.mark.parametrize("name", ["lstm", "gru", "rnn", "zh-gru"])
def test_gradients_are_those_by_differences(name):
    m = model(name)
    text = "不好，很干净！" if name == "zh-gru" else "not bad, but never again!"
    reading = m.read(text)
    x, none = slow_vectors(m, forms_of(text)), np.zeros((len(reading.words) + 1, m.cell.hidden))
    d_hidden = central_difference(lambda pushed: plainly(m, x, pushed).predictions[-1], none)
    d_inputs = central_difference(lambda moved: plainly(m, moved).predictions[-1], x)
    pairs = [(reading.log10_gradients, d_hidden[1:]), (reading.log10_input_gradients, d_inputs)]
    if name == "lstm":
        d_memory = central_difference(lambda pushed: plainly(m, x, None, pushed).predictions[-1], none)
        pairs.append((reading.log10_memory_gradients, d_memory[1:]))
    for found, true in pairs:
        np.testing.assert_allclose(found, np.log10(np.linalg.norm(true, axis=1)), rtol=0, atol=1e-7)


@EVERY
def test_gradients_are_those_of_the_walk_back(name):
    m = model(name)
    reading = m.read(BOOK)
    d_hidden = np.zeros((len(reading.words), 1, m.cell.hidden))
    d_hidden[-1, 0] = m.weights
    walked = backpropagate(m.cell, reading.trace, d_hidden)
    sizes = np.log10(np.linalg.norm(walked.hidden[1:, 0], axis=1))
    np.testing.assert_allclose(reading.log10_gradients, sizes, rtol=0, atol=1e-10)
    assert reading.log10_gradients[-1] == pytest.approx(math.log10(np.linalg.norm(m.weights)), abs=1e-12)


# Gates that are held


@pytest.mark.parametrize("value", [0, 1, 0.5, 0.0, 1.0, True])
@pytest.mark.parametrize(
    ("name", "gate"),
    [
        *(("lstm", gate) for gate in ("input", "forget", "output")),
        *(("zh-gru", gate) for gate in ("reset", "update")),
    ],
)
def test_a_held_gate_is_exactly_that_everywhere(name, gate, value):
    m = model(name)
    before = {key: values.copy() for key, values in m.cell.parameters.items()}
    held = m.holding(gate, value)
    for text in (BOOK, CHINESE, "good " * 300):
        reading = held.read(text)
        assert (reading.gates[gate] == value).all()
        plain = plainly_held(m, slow_vectors(m, forms_of(text)), gate, float(value))
        assert reading.prediction == pytest.approx(plain, abs=1e-10)
        assert reading.contributions.sum() + m.bias == pytest.approx(reading.prediction, abs=1e-9)
    rows = np.repeat(np.array(m.cell.gates) != gate, m.cell.hidden)
    for key, values in before.items():
        assert (m.cell.parameters[key] == values).all()
        assert (held.cell.parameters[key][rows] == values[rows]).all()
    assert (held.embedding is m.embedding, held.bias, held.vocabulary) == (True, m.bias, m.vocabulary)


def plainly_held(m, x, gate, value):
    """ŷ with one gate put to a value by hand."""
    p, H = m.cell.parameters, m.cell.hidden
    h, c = np.zeros(H), np.zeros(H)
    for x_t in x:
        from_x, from_h = p["weight_ih"] @ x_t + p["bias_ih"], p["weight_hh"] @ h + p["bias_hh"]
        a = from_x + from_h
        s = {name: sigma(a[k * H :][:H]) for k, name in enumerate(m.cell.gates)} | {gate: np.full(H, value)}
        if "update" in s:
            n = np.tanh(from_x[2 * H :] + s["reset"] * from_h[2 * H :])
            h = (1 - s["update"]) * n + s["update"] * h
        else:
            c = s["forget"] * c + s["input"] * np.tanh(a[2 * H : 3 * H])
            h = s["output"] * np.tanh(c)
    return h @ m.weights + m.bias


@settings(max_examples=40)
@given(value=st.floats(0, 1))
@example(value=1 - 2**-53)
@example(value=5e-324)
@example(value=2.0**-1000)
def test_any_value_can_be_held(value):
    reading = model("gru").holding("update", value).read("good book")
    np.testing.assert_allclose(reading.gates["update"], value, rtol=1e-12, atol=1e-307)


def test_an_lstm_that_forgets_all_knows_its_last_word_alone_and_one_that_lets_nothing_in_none():
    m = model("lstm").holding("forget", 0)
    assert (m.read(BOOK).contributions[:-1] == 0).all()
    shut = model("lstm").holding("input", 0).read(BOOK)
    assert shut.prediction == pytest.approx(m.bias, abs=1e-12)
    assert (shut.contributions == 0).all()


def test_what_survives_in_a_held_model_is_no_warning():
    m = model("lstm").holding("forget", 0)
    assert (log10_survival(m.cell, m.read(BOOK).trace, 0)[1:] == -np.inf).all()


@pytest.mark.parametrize("value", [-0.01, 1.01, math.nan, math.inf, -math.inf])
def test_a_held_value_must_be_from_0_to_1(value):
    with pytest.raises(ValueError, match=r"^value must be from 0 to 1, not "):
        model("lstm").holding("input", value)


@pytest.mark.parametrize(
    ("name", "gate"),
    [
        ("lstm", "candidate"),
        ("gru", "candidate"),
        ("lstm", "update"),
        ("gru", "input"),
        ("rnn", "input"),
        ("gru", ""),
    ],
)
def test_a_held_gate_must_be_one_of_the_cells(name, gate):
    with pytest.raises(ValueError, match=r"^gate must be "):
        model(name).holding(gate, 0.5)


# Texts of all kinds

WORDLESS = [
    "",
    " ",
    "\n\t ",
    ".,;—…",
    "\u200d\u200b\ufeff",
    "\u202e\u2066\u2069",
    "\x00" * 10,
    "\ud800\udfff",
    "_" * 50,
]
HOSTILE = {
    "100,000 characters": "good and bad, " * 7143,
    "one enormous word": "abcdefghij" * 10_000,
    "one letter": "a" * 100_000,
    "digits": "1234567890" * 5000,
    "emoji": "\U0001f469\u200d\U0001f469\u200d\U0001f467\u2764\ufe0f" * 20,
    "bidi": "\u202egood\u2066 bad\u200f\u200bfine\u2069",
    "script": "<script>alert('good')</script>",
    "NUL": "good\x00bad",
    "surrogates": "\ud800good\udfffbad\ud83d",
    "apostrophes": "a'" * 5000,
    "marks": "!?" * 5000,
    "mathematics": "𝓰𝓸𝓸𝓭 ½ Ⅷ İ ﷺ",
    "CJK": "好" * 20_000,
}


@pytest.mark.parametrize("text", WORDLESS, ids=ascii)
@EVERY
def test_a_text_must_hold_a_word(name, text):
    with pytest.raises(ValueError, match=r"^text must hold a word$"):
        model(name).read(text)


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
@pytest.mark.parametrize("name", ["lstm", "gru-plain", "rnn", "zh-gru"])
def test_whatever_holds_a_word_gives_finite_numbers(name, text):
    m = model(name)
    reading, count = m.read(text), len(tokenize(text))
    assert len(reading.words) == min(count, LONGEST)
    assert reading.unread == count - len(reading.words)
    for values in (
        reading.so_far,
        reading.hidden,
        reading.shares,
        reading.contributions,
        *reading.gates.values(),
    ):
        assert np.isfinite(values).all()
    assert np.isfinite(reading.log10_gradients).all()
    assert all(word.text == text[word.start : word.end] for word in reading.words)
    assert reading.contributions.sum() + m.bias == pytest.approx(reading.prediction, abs=1e-9)


def test_a_word_of_the_vocabulary_is_known_by_its_own_row_even_where_its_form_has_spaces():
    vocabulary = Vocabulary(("وسلم",), 8, pairs=False)
    forms = forms_of("\ufdfa")
    assert [" " in form for form in forms] == [True]
    known = [form in vocabulary.rows for form in forms]
    assert [bool(row) for row in vocabulary.parts(vocabulary.features(forms)).rows] == known


@EVERY
def test_words_beyond_the_limit_are_counted_and_not_read(name):
    m, words = model(name), ["good", "bad", "fine"] * 200
    reading = m.read(" ".join(words))
    assert (len(reading.words), reading.unread) == (LONGEST, len(words) - LONGEST)
    assert reading.prediction == pytest.approx(m.read(" ".join(words[:LONGEST])).prediction, abs=1e-12)
    exactly = m.read(" ".join(words[:LONGEST]))
    assert (len(exactly.words), exactly.unread) == (LONGEST, 0)
    some_kept = m.read(" ".join(words), keep=[True] * 3 + [False] * (LONGEST - 3))
    assert some_kept.prediction == pytest.approx(m.read("good bad fine").prediction, abs=1e-12)
    assert some_kept.unread == len(words) - LONGEST


@pytest.mark.parametrize("keep", [[], [True], [True] * 3, np.ones(4, bool)], ids=len)
def test_keep_must_have_an_entry_for_each_word(keep):
    with pytest.raises(ValueError, match=r"^keep must have an entry for each of the 2 words, not \d$"):
        model("lstm").read("good book", keep=keep)


@EVERY
def test_with_every_word_crossed_out_the_prediction_is_the_bias(name):
    m = model(name)
    reading = m.read("good book", keep=[False, False])
    assert (reading.prediction, reading.words, reading.trace, reading.scored) == (m.bias, (), None, False)
    assert reading.hidden.shape == (1, m.cell.hidden)
    assert {
        len(v) for v in (reading.so_far, reading.shares, reading.contributions, *reading.gates.values())
    } == {0}
    assert len(m.deletions("good book", keep=[False, False])) == 0
    alone = m.read("good book", keep=[False, True]).prediction - m.bias
    assert m.deletions("good book", keep=[False, True]) == pytest.approx([alone], abs=1e-12)


def test_a_prediction_is_scored_from_half_of_its_words_on():
    m = model("lstm")
    assert m.read("good qwyjiboz").scored
    assert not m.read("good qwyjiboz zzyzxq").scored
    assert not m.read("qwyjiboz").scored
    assert not m.read(CHINESE).scored
    assert model("zh-gru").read(CHINESE).scored


@settings(max_examples=20)
@given(text=short_texts)
def test_reading_twice_gives_the_same(text):
    once, twice = (model("lstm").read(text) for _ in range(2))
    assume(once.words)
    assert once.prediction == twice.prediction
    np.testing.assert_array_equal(once.contributions, twice.contributions)


# What the page says of the book's review


def ranked(name, text=BOOK):
    """The words of a text by mean opening, the most open first, and by the size of their contributions."""
    reading = model(name).read(text)
    openings = opening(model(name).cell, reading.trace)[:, 0].mean(axis=1)
    words = np.array([word.text for word in reading.words])
    return words[np.argsort(-openings)].tolist(), words[np.argsort(-np.abs(reading.contributions))].tolist()


@pytest.mark.parametrize("name", ["lstm", "gru"])
def test_an_economy_model_opens_most_for_amazing_and_perfectly(name):
    by_opening, by_contribution = ranked(name)
    assert by_opening[:2] == ["Amazing", "perfectly"]
    assert [word for word in by_contribution if word != "!"][:3] == ["Amazing", "perfectly", "definitely"]
    assert not {"buying", "will", "breakfast", "gave", "as", "be"} & set(by_opening[:5])


@pytest.mark.parametrize("name", ["lstm", "gru"])
def test_an_economy_model_is_shut_for_most_words_and_a_plain_one_is_not(name):
    economy, plain = (
        opening(m.cell, m.read(BOOK).trace)[:, 0].mean(axis=1) for m in (model(name), model(f"{name}-plain"))
    )
    assert np.median(economy) < 0.05
    assert np.median(plain) > 0.3
    assert economy.max() / np.median(economy) > 4 > plain.max() / np.median(plain)


@pytest.mark.parametrize("name", ["lstm", "gru", "lstm-plain", "gru-plain", "rnn"])
def test_good_is_above_bad(name):
    m = model(name)
    assert m.read(BOOK).prediction > 0.5
    assert m.read("I love this, it is wonderful").prediction > 1
    assert m.read("I hate this, it is horrible").prediction < -1


def test_chinese_good_is_above_bad():
    m = model("zh-gru")
    assert m.read("房间很干净，服务很好，下次还来").prediction > 1
    assert m.read("太差了，房间很脏，再也不来了").prediction < -1


# Files


@pytest.fixture
def folder(tmp_path):
    """A folder with the weights of one model."""
    for name in ("lstm.npz", "index.json"):
        shutil.copy(WEIGHTS / name, tmp_path / name)
    assert load("lstm", tmp_path).name == "lstm"
    return tmp_path


def refused(folder, damage):
    damage(folder)
    with pytest.raises(WeightsError, match=r"^the weights' file lstm\.npz ") as error:
        load("lstm", folder)
    assert error.value.file == "lstm.npz"
    assert "\n" not in str(error.value)
    return error.value.reason


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        pytest.param(lambda f: (f / "lstm.npz").unlink(), "missing", id="no-file"),
        pytest.param(lambda f: (f / "index.json").unlink(), "missing", id="no-index"),
        pytest.param(lambda f: (f / "index.json").write_text("{}"), "missing", id="empty-index"),
        pytest.param(
            lambda f: (f / "index.json").write_text('{"sha256": {}}'), "missing", id="not-in-the-index"
        ),
        pytest.param(lambda f: (f / "index.json").write_text('{"sha'), "missing", id="half-an-index"),
        pytest.param(lambda f: (f / "index.json").write_bytes(b"\xff\xfe"), "missing", id="index-not-UTF-8"),
        pytest.param(lambda f: cut(f / "lstm.npz", 1000), "damaged", id="truncated"),
        pytest.param(lambda f: cut(f / "lstm.npz", 0), "damaged", id="empty"),
        pytest.param(lambda f: flip(f / "lstm.npz"), "damaged", id="one-bit"),
    ],
)
def test_a_file_that_is_missing_or_damaged_is_named(folder, damage, reason):
    assert refused(folder, damage) == reason


@pytest.mark.parametrize("index", ["[]", "null", '{"sha256": null}', '{"sha256": []}', "1"])
def test_an_index_of_another_shape_is_refused(folder, index):
    refused(folder, lambda f: (f / "index.json").write_text(index))


def cut(path, length):
    path.write_bytes(path.read_bytes()[:length])


def flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))


def rewritten(**changes):
    """The file of the lstm with other arrays; None leaves one out."""
    with np.load(WEIGHTS / "lstm.npz", allow_pickle=False) as stored:
        arrays = dict(stored) | changes
    file = io.BytesIO()
    np.savez(file, **{key: values for key, values in arrays.items() if values is not None})
    return file.getvalue()


def test_what_is_rewritten_without_a_change_is_read():
    assert unpacked("lstm", rewritten()).read(BOOK).prediction == model("lstm").read(BOOK).prediction


UNREADABLE = {
    "format": lambda: rewritten(format=np.array(2)),
    "no-format": lambda: rewritten(format=None),
    "no-words": lambda: rewritten(words=None),
    "no-cell": lambda: rewritten(weight_hh=None),
    "another-kind": lambda: rewritten(kind=np.frombuffer(b"transformer", np.uint8)),
    "not-UTF-8": lambda: rewritten(words=np.frombuffer(b"\xff\xfe", np.uint8)),
}
NOT_WEIGHTS = {
    "nothing": lambda: b"",
    "not-a-zip": lambda: b"good and bad" * 10,
    "half-a-file": lambda: (WEIGHTS / "lstm.npz").read_bytes()[:300_000],
    "a-lone-array": lambda: npy(np.ones(3)),
    "a-pickle": lambda: npy(np.array([{}], object)),
    "pickled-words": lambda: rewritten(words=np.array(["good"], object)),
    "cells-that-do-not-fit": lambda: rewritten(weight_hh=np.ones((3, 3), np.float32)),
    "another-cell's-weights": lambda: rewritten(kind=np.frombuffer(b"gru", np.uint8)),
    "readout-of-another-size": lambda: rewritten(weight_out=np.ones(3, np.float32)),
    "rows-of-another-size": lambda: rewritten(embedding=np.ones((3, 32), np.float16)),
}


def told(content):
    with pytest.raises(WeightsError, match=r"^the weights' file lstm\.npz ") as error:
        unpacked("lstm", content)
    assert error.value.reason in ("format", "unreadable", "misfit")
    return str(error.value)


@pytest.mark.parametrize("content", UNREADABLE.values(), ids=UNREADABLE)
def test_bytes_of_another_format_are_refused(content):
    assert "\n" not in told(content())


@pytest.mark.parametrize("content", NOT_WEIGHTS.values(), ids=NOT_WEIGHTS)
def test_bytes_that_are_anything_else_are_refused(content):
    told(content())


def test_a_format_of_another_number_is_said():
    assert told(rewritten(format=np.array(2))) == "the weights' file lstm.npz is of another format"


def test_what_is_wrong_with_a_file_survives_a_pickle():
    error = pickle.loads(pickle.dumps(WeightsError("lstm.npz", "damaged")))
    assert (error.file, error.reason) == ("lstm.npz", "damaged")
    assert str(error) == "the weights' file lstm.npz is damaged"


@pytest.mark.parametrize("name", ["", "LSTM", "../lstm", "zh-lstm"])
def test_the_name_must_be_one_of_the_models(name):
    with pytest.raises(ValueError, match=r"^name must be one of lstm, gru, "):
        load(name)


@EVERY
def test_a_model_that_is_packed_and_unpacked_is_the_same(name):
    m, kind = model(name), {"rnn": "rnn"}.get(name, "lstm" if "lstm" in name else "gru")
    content = packed(m, kind)
    again = unpacked(name, content)
    assert (again.vocabulary, again.bias, type(again.cell)) == (m.vocabulary, m.bias, type(m.cell))
    for a, b in ((again.embedding, m.embedding), (again.grams, m.grams), (again.weights, m.weights)):
        np.testing.assert_array_equal(a, b)
        assert a.dtype == np.float64
    assert again.cell.parameters.keys() == m.cell.parameters.keys()
    for key, values in m.cell.parameters.items():
        np.testing.assert_array_equal(again.cell.parameters[key], values)


def test_vectors_are_packed_in_float16_and_all_else_in_float32():
    m = model("rnn")
    finer = replace(m, embedding=m.embedding + 1e-7, weights=m.weights + 1e-12)
    with np.load(io.BytesIO(packed(finer, "rnn")), allow_pickle=False) as stored:
        assert {key: stored[key].dtype.name for key in ("embedding", "grams")} == dict.fromkeys(
            ("embedding", "grams"), "float16"
        )
        names = ("weight_out", "bias_out", "weight_ih", "weight_hh", "bias_ih", "bias_hh")
        assert {stored[key].dtype.name for key in names} == {"float32"}
        np.testing.assert_array_equal(stored["embedding"], finer.embedding.astype(np.float16))
    assert unpacked("rnn", packed(finer, "rnn")).read(BOOK).prediction == pytest.approx(
        finer.read(BOOK).prediction, abs=0.01
    )


def test_packed_bytes_do_not_depend_on_the_clock(monkeypatch):
    once = packed(model("rnn"), "rnn")
    monkeypatch.setattr(time, "time", lambda: 1e9)
    monkeypatch.setattr(time, "localtime", lambda *_: time.gmtime(1e9))
    assert packed(model("rnn"), "rnn") == once


def test_the_files_are_small_and_hold_no_pickle():
    assert sum(path.stat().st_size for path in WEIGHTS.iterdir()) <= 5_000_000
    assert {path.name for path in WEIGHTS.glob("*.npz")} == {f"{name}.npz" for name in NAMES}
    types = set()
    for path in WEIGHTS.glob("*.npz"):
        with zipfile.ZipFile(path) as file:
            assert {Path(member).suffix for member in file.namelist()} == {".npy"}
        with np.load(path, allow_pickle=False) as stored:
            types |= {stored[key].dtype.name for key in stored}
            assert np.float16 == stored["embedding"].dtype == stored["grams"].dtype
    assert types == {"float16", "float32", "uint8", "bool", "int64"}


def test_the_index_has_the_sums_of_all_files_and_no_other():
    sums = json.loads((WEIGHTS / "index.json").read_text())["sha256"]
    assert sums == {
        f"{n}.npz": hashlib.sha256((WEIGHTS / f"{n}.npz").read_bytes()).hexdigest() for n in NAMES
    }


@EVERY
def test_a_loaded_model_is_in_float64_finite_and_of_one_shape(name):
    m = model(name)
    arrays = [m.embedding, m.grams, m.weights, *m.cell.parameters.values()]
    assert {values.dtype for values in arrays} == {np.dtype(np.float64)}
    assert all(np.isfinite(values).all() for values in arrays)
    assert len(m.embedding) == len(m.vocabulary.words) + 1
    assert len(m.grams) == m.vocabulary.buckets
    assert list(m.vocabulary.words) == sorted(set(m.vocabulary.words))
    assert m.name == name
    assert m.vocabulary.pairs == (name == "zh-gru")
