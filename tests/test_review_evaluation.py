"""The figures of the review models: their definitions by brute force, and what was reached."""

import json
import math
import statistics
from collections import Counter
from functools import cache
from itertools import combinations

import numpy as np
import pytest
import strategies as some
from hypothesis import given, settings
from hypothesis import strategies as st

from core import make_weights
from core import review_evaluation as ev
from core.attribution import opening
from core.make_weights import Done, Job, _mean, _rounded, _shuffled, _write
from core.model_card import card
from core.review_data import Rated, split
from core.review_training import Recipe, train
from core.reviews import LONGEST, NAMES, WEIGHTS, Vocabulary, load, packed
from core.tokens import fold, key, tokenize

EVALUATION = json.loads((WEIGHTS / "evaluation.json").read_text())

model = cache(load)
few_numbers = st.lists(st.sampled_from([-2.0, -0.5, 0.0, 1.0, 3.0]), min_size=2, max_size=9)


def rated(text, rating=0.0, source="amazon"):
    return Rated(text, rating, source, 0)


def read(forms, prediction=0.0, **scores):
    return ev.Read(
        forms.split(), prediction, {name: np.array(values, float) for name, values in scores.items()}
    )


def reads_of(name, texts, **options):
    return ev.read_all(model(name), [rated(text) for text in texts], **options)


ENGLISH = [
    "I love this wonderful book",
    "the worst film that was ever made!",
    "not so bad",
    "it came in a box, on a Monday",
    "Amazing :)",
    "hardly worth the money, but the colour is nice",
]


# Definitions


def test_accuracy_by_hand():
    # |0.5| isn't clear; of 2, −1 and 0.6 two have the right sign; 0 is no good one.
    found = ev.accuracy(np.array([1.0, 0.0, -3.0, 0.0]), np.array([2.0, 0.5, -1.0, 0.6]))
    assert found.sign == pytest.approx(2 / 3)
    assert found.r == pytest.approx(statistics.correlation([1, 0, -3, 0], [2, 0.5, -1, 0.6]))


@given(scores=few_numbers, data=st.data())
def test_auc_is_the_share_of_pairs(scores, data):
    positive = data.draw(st.lists(st.booleans(), min_size=len(scores), max_size=len(scores)))
    won = [
        1.0 if a > b else 0.5 if a == b else 0.0
        for a, is_positive in zip(scores, positive, strict=True)
        for b, other in zip(scores, positive, strict=True)
        if is_positive and not other
    ]
    found = ev.auc(np.array(scores), np.array(positive))
    assert math.isnan(found) if not won else found == pytest.approx(sum(won) / len(won))


@given(a=few_numbers, data=st.data())
def test_rank_correlation_is_pearsons_of_mean_ranks(a, data):
    b = data.draw(st.lists(st.sampled_from([-1.0, 0.0, 2.0, 5.0]), min_size=len(a), max_size=len(a)))
    ranks = [[sum(w < v for w in x) + (sum(w == v for w in x) - 1) / 2 for v in x] for x in (a, b)]
    found = ev.rank_correlation(np.array(a), np.array(b))
    if len(set(a)) == 1 or len(set(b)) == 1:
        assert math.isnan(found)
    else:
        assert found == pytest.approx(statistics.correlation(*ranks), abs=1e-12)


@given(order=st.permutations(range(7)))
def test_rank_correlation_without_ties_is_spearmans_formula(order):
    d = sum((k - rank) ** 2 for k, rank in enumerate(order))
    values = np.array(order, float)
    found = ev.rank_correlation(np.arange(7.0), values**3 - 5)
    assert found == pytest.approx(1 - 6 * d / (7 * 48), abs=1e-12)
    assert found == pytest.approx(ev.rank_correlation(np.exp(np.arange(7.0)), values), abs=1e-12)


def test_a_rank_takes_minus_infinity():
    assert ev.rank_correlation(np.array([-np.inf, 0, 1]), np.array([1.0, 2, 3])) == 1


def test_lexicon_auc_is_the_mean_over_texts_that_have_both():
    reads = [
        read("the good book", opening=[0.1, 0.9, 0.5]),  # 1
        read("bad good it was", opening=[0.3, 0.1, 0.2, 0.4]),  # 1/4
        read("good bad", opening=[1, 2]),  # no pair
    ]
    found = ev.lexicon_auc(reads, lambda r: r.scores["opening"], {"good", "bad"})
    assert found == pytest.approx((1 + 1 / 4) / 2)


def test_lexicon_auc_of_middling_words_takes_those_seen_3_to_200_times():
    reads = [read("the good rare fine so", opening=[9, 2, 8, 3, 1])]
    counts = {"the": 201, "good": 200, "rare": 2, "fine": 3, "so": 50}
    score = lambda r: r.scores["opening"]  # noqa: E731
    assert ev.lexicon_auc(reads, score, {"good"}, counts) == pytest.approx(1 / 2)  # of good, fine, so
    assert ev.lexicon_auc(reads, score, {"good"}) == pytest.approx(1 / 4)
    assert ev.lexicon_auc(reads, score, {"good"}, Counter(counts) | {"rare": 4}) == pytest.approx(1 / 3)


def test_agreement_is_of_sizes_unless_signed_and_in_long_enough_texts():
    reads = [
        read("a b c d e", contribution=[-5, 1, 2, -3, 4], deletion=[-9, 0, 1, -2, 3]),
        read("a b c d", contribution=[1, 2, 3, 4], deletion=[4, 3, 2, 1]),  # too short
        read("a b c d e", contribution=[1, 2, 3, 4, -5], deletion=[1, 2, 3, 4, 5]),
    ]
    assert ev.agreement(reads, "contribution", "deletion") == pytest.approx(1)
    # signed: 1 for the first; for the last the ranks are 2 3 4 5 1, so that ρ = 1 − 6·20/(5·24) = 0
    assert ev.agreement(reads, "contribution", "deletion", signed=True) == pytest.approx((1 + 0) / 2)


@pytest.mark.parametrize(
    ("share", "kept"), [(0, []), (0.1, [3]), (0.3, [0, 3]), (0.5, [0, 1, 3, 4]), (1, [0, 1, 2, 3, 4, 5, 6])]
)
def test_the_words_with_the_highest_scores_are_kept_and_of_ties_the_first(share, kept):
    mask = ev.highest(np.array([4.0, 2, 1, 9, 2, 0, 2]), share)
    assert np.flatnonzero(mask).tolist() == kept


# With the models


@pytest.mark.parametrize("name", NAMES)
def test_predictions_of_forms_are_those_of_reading(name):
    texts = [*ENGLISH, "房间很不错", "good", "good"]
    found = ev.predict_forms(model(name), [[t.form for t in tokenize(text)] for text in texts])
    np.testing.assert_allclose(found, [model(name).read(text).prediction for text in texts], atol=1e-10)


@settings(max_examples=20)
@given(texts=st.lists(some.texts(longest=6), min_size=1, max_size=5), name=st.sampled_from(["gru", "zh-gru"]))
def test_predictions_of_any_forms_are_those_of_reading_and_the_bias_without_a_word(texts, name):
    m = model(name)
    found = ev.predict_forms(m, [[t.form for t in tokenize(text)] for text in texts])
    wanted = [m.read(text).prediction if tokenize(text) else m.bias for text in texts]
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-10)


@pytest.mark.parametrize("name", ["lstm", "zh-gru"])
def test_of_all_words_the_prediction_is_kept_and_of_none_nothing(name):
    texts = ENGLISH if name == "lstm" else ["房间很不错", "太差了！", "还可以", "服务员很热情，早餐好吃"]
    reads = reads_of(name, texts)
    for quantity in ("opening", "share"):
        score = lambda r, quantity=quantity: r.scores[quantity]  # noqa: E731
        assert ev.kept_correlation(model(name), reads, score, 1.0) == pytest.approx(1, abs=1e-12)
        assert ev.kept_correlation(model(name), reads, score, 0.0) == pytest.approx(0, abs=1e-12)
        assert ev.kept_correlation(model(name), reads, score, 0) == pytest.approx(0, abs=1e-12)


def test_kept_correlation_is_that_of_texts_with_the_other_words_crossed_out():
    reads, full, reduced = reads_of("gru", ENGLISH), [], []
    for text, one in zip(ENGLISH, reads, strict=True):
        order = sorted(range(len(one.forms)), key=lambda k, one=one: -one.scores["opening"][k])
        count = max(1, round(0.3 * len(order)))
        keep = [k in order[:count] for k in range(len(order))]
        full.append(model("gru").read(text).prediction)
        reduced.append(model("gru").read(text, keep=keep).prediction)
    found = ev.kept_correlation(model("gru"), reads, lambda r: r.scores["opening"], 0.3)
    assert found == pytest.approx(statistics.correlation(full, reduced), abs=1e-10)
    assert found < 0.9999


@pytest.mark.parametrize("name", NAMES)
def test_what_is_read_of_a_text(name):
    m, (one,) = model(name), reads_of(name, ["Not a bad film!"])
    reading = m.read("Not a bad film!")
    assert one.forms == ["not", "a", "bad", "film", "!"]
    assert one.prediction == reading.prediction
    assert set(one.scores) == set(ev.QUANTITIES) - (set() if m.cell.gates else {"opening"})
    assert {values.shape for values in one.scores.values()} == {(5,)}
    np.testing.assert_array_equal(one.scores["contribution"], reading.contributions)
    np.testing.assert_array_equal(one.scores["deletion"], m.deletions("Not a bad film!"))
    np.testing.assert_allclose(np.log10(one.scores["gradient"]), reading.log10_input_gradients, atol=1e-12)
    sizes = [math.hypot(*row) for row in reading.shares]
    np.testing.assert_allclose(one.scores["share"], sizes, rtol=1e-12)
    if m.cell.gates:
        means = [statistics.fmean(row) for row in opening(m.cell, reading.trace)[:, 0]]
        np.testing.assert_allclose(one.scores["opening"], means, rtol=1e-12)
    assert "deletion" not in reads_of(name, ["good"], deletions=False)[0].scores


def test_a_text_beyond_the_limit_is_scored_up_to_it():
    (one,) = reads_of("rnn", ["good " * (LONGEST + 5)], deletions=False)
    assert len(one.forms) == len(one.scores["contribution"]) == LONGEST


def test_the_later_half_by_hand():
    texts = [rated("good film"), rated("bad, bad book"), rated("so good"), rated("awful")]
    # joined until there are four words: the first two texts, then the last two never have enough
    sizes = np.abs(model("lstm").read("good film bad, bad book").contributions)
    assert ev.later_half(model("lstm"), texts, words=4) == pytest.approx(sizes[2:].sum() / sizes.sum())
    both = [
        np.abs(model("lstm").read(text).contributions)
        for text in ("good film bad, bad book", "so good awful")
    ]
    wanted = statistics.fmean(sizes[len(sizes) // 2 :].sum() / sizes.sum() for sizes in both)
    assert ev.later_half(model("lstm"), texts, words=3) == pytest.approx(wanted)


def test_a_bag_of_words_is_ridge_regression():
    vocabulary = Vocabulary(("bad", "film", "good"), 5, pairs=False)
    training = [
        rated("good good film", 2.0),
        rated("bad film", -3.0),
        rated("so good", 1.5),
        rated("film", 0.5),
    ]
    test = [rated("bad bad"), rated("good film, bad film"), rated("unheard of")]
    X = np.array([[0, 1, 1], [1, 1, 0], [0, 0, 1], [0, 1, 0]], float)
    y = np.array([2.0, -3, 1.5, 0.5])
    mean = y.mean()
    stacked = np.vstack([X, math.sqrt(0.5) * np.eye(3)])
    w = np.linalg.lstsq(stacked, np.concatenate([y - mean, np.zeros(3)]), rcond=None)[0]
    found = ev.bag_of_words(training, test, vocabulary, ridge=0.5)
    np.testing.assert_allclose(found, [w[0] + mean, w.sum() + mean, mean], rtol=1e-5)


@pytest.mark.parametrize(
    ("forms", "negates"),
    [
        ("not good", True),
        ("i don't know", True),
        ("no", True),
        ("nothing", True),
        ("a knot", False),
        ("notable nor", True),
        ("ant", False),
        ("", False),
    ],
)
def test_negation(forms, negates):
    assert ev.has_negation(forms.split()) is negates


# One small run of all of it


ENGINE = b"""
from pathlib import Path
class SentimentIntensityAnalyzer:
    def __init__(self):
        lines = Path(__file__).with_name("vader_lexicon.txt").read_text().splitlines()
        self.scores = {line.split("\\t")[0]: float(line.split("\\t")[1]) for line in lines}
    def polarity_scores(self, text):
        return {"compound": sum(self.scores.get(word, 0) for word in text.split()) / 10}
"""
RECIPE = Recipe("gru", True, buckets=32, seen=2, inputs=6, hidden=3, epochs=2, size=32, rate=2e-2, rising=5)


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    """A folder with a package of the texts that is as VADER's, of made-up sentences."""
    from test_review_training import HUTTO_FILES, hutto, vader

    rng, files = np.random.default_rng(0), {}
    for name in HUTTO_FILES:
        lines = []
        for k in range(90):
            good = rng.random() < 0.5
            words = [
                *rng.choice(["the", "film", "was", "not", "it"], 5),
                "good" if good else "bad",
                f"n{k}{name}",
            ]
            lines.append(
                f"{k}\t{(1 if good else -1) * rng.uniform(0.6, 3):.2f}\t{' '.join(rng.permutation(words))}"
            )
        files[name] = "\n".join(lines).encode()
    members = {
        "vaderSentiment-3.3.2/vaderSentiment/vaderSentiment.py": ENGINE,
        "vaderSentiment-3.3.2/vaderSentiment/vader_lexicon.txt": b"good\t1.9\nbad\t-2.5\n",
    }
    return vader(tmp_path_factory.mktemp("texts"), texts=hutto(files), **members)


def test_the_engine_of_a_package_is_run(package):
    texts = [rated("good good film"), rated("bad"), rated("film")]
    np.testing.assert_allclose(ev.engine_predictions(texts, package), [0.38, -0.25, 0])


@pytest.fixture(scope="module")
def done(package):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            make_weights, "RECIPES", {"gru": RECIPE, "rnn": RECIPE._replace(kind="rnn", economy=False)}
        )
        jobs = [Job("gru", 0, False, package), Job("gru", 0, True, package), Job("rnn", 1, False, package)]
        return [make_weights.run(job) for job in [*jobs, jobs[0]]]


def test_a_job_gives_the_same_twice_and_all_figures(done):
    economy, shuffled, rnn, again = done
    assert economy == again
    assert economy.content != shuffled.content
    named = {
        "r",
        "sign",
        "r within",
        "agreement",
        "auc",
        "auc, middling words",
        "kept, opening",
        "kept, random",
    }
    named |= {"contribution with deletion", "opening with deletion", "later half", "mean opening"}
    named |= {"largest opening by the median"}
    assert set(economy.figures) == named | {"curves"}
    assert set(shuffled.figures) == named
    assert set(rnn.figures) == {
        "r",
        "sign",
        "r within",
        "agreement",
        "contribution with deletion",
        "kept, random",
    }
    assert economy.figures["r"] > 0.7 > 0.5 > shuffled.figures["r"]
    assert economy.figures["auc"] > 0.8
    quantities = [name for name in ev.QUANTITIES if name != "opening"]
    assert set(rnn.figures["agreement"]) == {f"{a}, {b}" for a, b in combinations(quantities, 2)}
    for curve in economy.figures["curves"].values():
        assert len(curve) == len(ev.KEPT)
        assert curve[0] == pytest.approx(0, abs=1e-12)
        assert curve[-1] == pytest.approx(1, abs=1e-12)


def test_what_is_written_is_the_first_seeds_and_its_card_what_the_figures_say(tmp_path):
    model = train("gru", RECIPE._replace(epochs=1), [rated("good bad " * k) for k in (1, 2)], seed=0)
    content, new = packed(model, "gru"), tmp_path / "new"
    kept = [Done(Job(name, 0, False, tmp_path), content, {}) for name in NAMES]
    other = Done(Job("gru", 1, False, tmp_path), b"of another seed", {})
    control = Done(Job("gru", 0, True, tmp_path), b"of shuffled ratings", {})
    _write(new, [*kept, other, control], EVALUATION)
    for name in NAMES:
        assert (new / f"{name}.npz").read_bytes() == content
        assert load(name, new).read("good").prediction == pytest.approx(
            model.read("good").prediction, abs=1e-2
        )
    assert json.loads((new / "evaluation.json").read_text()) == EVALUATION
    assert (new / "README.md").read_text() == card(EVALUATION)


def test_shuffled_ratings_are_the_same_ratings_of_other_texts():
    texts = [rated(f"text {k}", float(k)) for k in range(50)]
    once, again, other = _shuffled(texts, 0), _shuffled(texts, 0), _shuffled(texts, 1)
    assert once == again != other
    assert [text.text for text in once] == [text.text for text in texts]
    assert sorted(text.rating for text in once) == [text.rating for text in texts]
    assert sum(a.rating == b.rating for a, b in zip(once, texts, strict=True)) < 8


# Means and roundings


def test_means_are_of_numbers_at_every_depth_and_of_no_curve():
    figures = [
        {"r": 1.0, "within": {"a": 0.0, "b": 2.0}, "curves": {"x": 1.0}},
        {"r": 2.0, "within": {"a": 1.0, "b": 2.5}},
    ]
    assert _mean(figures) == {"r": 1.5, "within": {"a": 0.5, "b": 2.25}}
    assert _mean(figures[:1]) == {"r": 1.0, "within": {"a": 0.0, "b": 2.0}}


def test_means_are_of_what_all_have():
    assert _mean([{"r": 1.0, "auc": 0.5}, {"r": 2.0}]) == {"r": 1.5}


def test_numbers_are_rounded_to_four_digits_at_every_depth():
    given = {"a": 0.123456, "b": [1.00004, {"c": -2.55555}], "n": 7, "s": "0.123456", "t": True}
    assert _rounded(given) == {"a": 0.1235, "b": [1.0, {"c": -2.5556}], "n": 7, "s": "0.123456", "t": True}
    assert _rounded(_rounded(given)) == _rounded(given)
    assert given["a"] == 0.123456


# What was reached


def test_the_card_is_that_of_the_figures():
    assert card(EVALUATION) == (WEIGHTS / "README.md").read_text()


LEAST = {
    "lstm": {
        "r": 0.69,
        "sign": 0.785,
        "auc": 0.78,
        "auc, middling words": 0.64,
        "opening with deletion": 0.58,
    }
    | {"contribution with deletion": 0.78, "kept, opening": 0.94},
    "gru": {"r": 0.68, "sign": 0.78, "auc": 0.80, "auc, middling words": 0.65, "opening with deletion": 0.65}
    | {"contribution with deletion": 0.85, "kept, opening": 0.94},
    "zh-gru": {"accuracy": 0.845},
}


@pytest.mark.parametrize(
    ("name", "figure", "least"),
    [(name, figure, least) for name, some_figures in LEAST.items() for figure, least in some_figures.items()],
)
def test_what_is_asked_of_the_models_is_reached(name, figure, least):
    assert EVALUATION["models"][name]["mean"][figure] >= least


@pytest.mark.parametrize("name", ["lstm", "gru"])
def test_shuffled_ratings_teach_a_model_nothing(name):
    figures, real = EVALUATION["shuffled"][name]["mean"], EVALUATION["models"][name]["mean"]
    assert figures["auc, middling words"] <= 0.55 < real["auc, middling words"] - 0.1
    assert abs(figures["r"]) < 0.05
    assert all(abs(seed["r"]) < 0.1 for seed in EVALUATION["shuffled"][name]["seeds"])


def test_openings_say_more_than_rarity_length_or_position():
    for name in ("lstm", "gru"):
        for figure in ("auc", "auc, middling words"):
            controls = [EVALUATION["baselines"][c][figure] for c in ("rarity", "word length", "position")]
            assert EVALUATION["models"][name]["mean"][figure] > max(controls) + 0.08


@pytest.mark.parametrize("group", ["models", "shuffled"])
def test_means_are_those_of_the_three_seeds(group):
    for found in EVALUATION[group].values():
        assert len(found["seeds"]) == len(EVALUATION["seeds"]) == 3
        check_means(found["mean"], found["seeds"])


def check_means(mean, seeds):
    assert set(mean) == set(seeds[0]) - {"curves"}
    for name, value in mean.items():
        if isinstance(value, dict):
            check_means(value, [seed[name] for seed in seeds])
        else:
            assert value == pytest.approx(statistics.fmean(seed[name] for seed in seeds), abs=1.01e-4)


def test_every_model_and_curve_is_there():
    assert set(EVALUATION["models"]) == set(NAMES)
    assert EVALUATION["kept"] == [k / 10 for k in range(11)]
    for name, found in EVALUATION["models"].items():
        curves = [set(seed.get("curves", ())) for seed in found["seeds"]]
        wanted = {"opening", "contribution", "share", "random"} if name != "rnn" else set()
        assert curves == [wanted, set(), set()]
        for curve in found["seeds"][0].get("curves", {}).values():
            assert (curve[0], curve[-1], len(curve)) == (0, 1, 11)


def test_the_texts_of_the_test_share_no_key_with_the_others():
    texts = [Rated(f"{word} {k}{mark}", 0.0, "amazon", fold(f"{word} {k}{mark}")) for word in ("good", "BAD")
             for k in range(40) for mark in ("", "!", "…")]  # fmt: skip
    parts = split(texts)
    keys = [{key(text.text) for text in part} for part in parts]
    assert all(not a & b for a, b in combinations(keys, 2))
    assert sum(map(len, parts)) == len(texts)
