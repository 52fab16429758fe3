"""How good the review models are, and how far a gate's opening says what the prediction hangs on.

All figures are of texts that training and choices never met. The controls are part of it: what word length,
rarity or position say, and what a model says that was trained on shuffled ratings.
"""

from __future__ import annotations

import importlib.util
import math
import tarfile
import tempfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from core.arrays import Array
from core.attribution import opening
from core.review_data import ENGINE, VADER, Rated, fetched
from core.reviews import ReviewModel, Vocabulary
from core.tokens import tokenize

CLEAR = 0.5  # the size of a rating from which its sign counts
MIDDLING = (3, 200)  # how often a word of middling frequency is seen in training
KEPT = tuple(k / 10 for k in range(11))
KEPT_IN_TABLE = 0.3
LONG = 100  # words of a long text
FEWEST_WORDS = 5  # of a text in which ranks are compared
NEGATIONS = ("not", "no", "never", "n't", "without", "nothing", "hardly", "none", "nor", "cannot")
QUANTITIES = ("opening", "contribution", "share", "gradient", "deletion")


class Read(NamedTuple):
    """A text of the test, what a model predicts of it, and a number for each of its words by name."""

    forms: list[str]
    prediction: float
    scores: dict[str, Array]  # (T,) each: QUANTITIES, those that the model has; contribution, deletion signed


class Accuracy(NamedTuple):
    """Correlation with the rating, and the share of right signs where the rating is clear."""

    r: float
    sign: float


def accuracy(predictions: Array, ratings: Array) -> Accuracy:
    """How well predictions (N,) go with ratings (N,)."""
    clear = np.abs(ratings) > CLEAR
    return Accuracy(
        float(np.corrcoef(predictions, ratings)[0, 1]),
        float(np.mean((predictions > 0)[clear] == (ratings > 0)[clear])),
    )


def read_all(model: ReviewModel, texts: Sequence[Rated], *, deletions: bool = True) -> list[Read]:
    """Every text, read word by word, and again without each of its words."""
    return [_read(model, text.text, deletions) for text in texts]


def auc(scores: Array, positive: NDArray[np.bool_]) -> float:
    """How often one of the positive has the higher score of a pair, ties half; NaN without a pair."""
    ahead = scores[positive][:, None] - scores[~positive][None]
    return float(np.mean((ahead > 0) + 0.5 * (ahead == 0))) if ahead.size else math.nan


def lexicon_auc(
    reads: Sequence[Read],
    score: Callable[[Read], Array],
    lexicon: set[str],
    counts: dict[str, int] | None = None,
) -> float:
    """The mean over texts of `auc` of a score for the words of a lexicon; of words of middling frequency
    alone, where `counts` says how often each was seen."""

    def of(read: Read) -> float:
        chosen = [
            k
            for k, form in enumerate(read.forms)
            if counts is None or MIDDLING[0] <= counts.get(form, 0) <= MIDDLING[1]
        ]
        return auc(score(read)[chosen], np.array([read.forms[k] in lexicon for k in chosen], bool))

    return _mean(of(read) for read in reads)


def rank_correlation(a: Array, b: Array) -> float:
    """Spearman's ρ, with mean ranks for ties; NaN where either is constant."""
    ranks = [_ranks(values) - (len(values) - 1) / 2 for values in (a, b)]
    sizes = float(np.sqrt(np.sum(ranks[0] ** 2) * np.sum(ranks[1] ** 2)))
    return float(ranks[0] @ ranks[1]) / sizes if sizes > 0 else math.nan


def agreement(reads: Sequence[Read], a: str, b: str, *, signed: bool = False) -> float:
    """The mean rank correlation of two quantities within texts of FEWEST_WORDS words or more; of their sizes
    unless `signed`."""
    size = (lambda values: values) if signed else np.abs
    long_enough = (read for read in reads if len(read.forms) >= FEWEST_WORDS)
    return _mean(rank_correlation(size(read.scores[a]), size(read.scores[b])) for read in long_enough)


def kept_correlation(
    model: ReviewModel, reads: Sequence[Read], score: Callable[[Read], Array], share: float
) -> float:
    """The correlation of full predictions with those from the `share` of words with the highest score."""
    kept = [highest(score(read), share) for read in reads]
    forms = [
        [form for form, keep in zip(read.forms, mask, strict=True) if keep]
        for read, mask in zip(reads, kept, strict=True)
    ]
    reduced = predict_forms(model, forms)
    full = np.array([read.prediction for read in reads])
    return float(np.corrcoef(full, reduced)[0, 1]) if reduced.std() > 0 else 0.0


def later_half(model: ReviewModel, texts: Sequence[Rated], words: int = LONG) -> float:
    """The share of all contributions, without their signs, that the later half of a long text has.

    The long texts are joined from these, one after another, until each has so many words.
    """
    shares, joined = [], ""
    for text in texts:
        joined += f" {text.text}"
        if len(tokenize(joined)) >= words:
            sizes = np.abs(model.read(joined).contributions)
            shares.append(float(sizes[len(sizes) // 2 :].sum() / sizes.sum()))
            joined = ""
    return _mean(shares)


def predict_forms(model: ReviewModel, texts: Sequence[Sequence[str]]) -> Array:
    """ŷ of texts given as the forms of their words, those of one length side by side."""
    entries: dict[str, int] = {}
    runs = [[entries.setdefault(f, len(entries)) for f in model.vocabulary.features(t)] for t in texts]
    vectors = model.vectors_of(list(entries))
    lengths = np.array([len(run) for run in runs])
    found = np.full(len(runs), model.bias)
    for length in np.unique(lengths[lengths > 0]):
        chosen = np.flatnonzero(lengths == length)
        found[chosen] = model.predict(vectors[np.array([runs[k] for k in chosen]).T])
    return found


def engine_predictions(texts: Sequence[Rated], folder: Path) -> Array:
    """What the VADER engine says of texts (Hutto & Gilbert 2014): its compound score, −1 … 1."""
    with tempfile.TemporaryDirectory() as place, tarfile.open(fetched(VADER, folder)) as package:
        members = [m for m in package.getmembers() if m.isfile() and m.name.startswith(f"{ENGINE}/")]
        for member in members:
            content = package.extractfile(member)
            (Path(place) / Path(member.name).name).write_bytes(content.read() if content else b"")
        spec = importlib.util.spec_from_file_location("vader", Path(place) / "vaderSentiment.py")
        if spec is None or spec.loader is None:
            raise ValueError("folder must hold the VADER engine")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        engine = module.SentimentIntensityAnalyzer()
        return np.array([engine.polarity_scores(text.text)["compound"] for text in texts])


def bag_of_words(
    training: Sequence[Rated], texts: Sequence[Rated], words: Vocabulary, ridge: float = 10.0
) -> Array:
    """Linear regression on which words are there, (XᵀX + ridge)⁻¹Xᵀy; the rows of `words` alone."""
    X, mean = _presence(training, words), float(np.mean([text.rating for text in training]))
    y = np.array([text.rating for text in training], np.float32) - mean
    square = X.T @ X
    square[np.diag_indices_from(square)] += ridge
    return np.asarray(_presence(texts, words) @ np.linalg.solve(square, X.T @ y) + mean)


def _presence(texts: Sequence[Rated], words: Vocabulary) -> NDArray[np.float32]:
    X = np.zeros((len(texts), len(words.words) + 1), np.float32)
    for k, text in enumerate(texts):
        X[k, [words.rows.get(token.form, 0) for token in tokenize(text.text)]] = 1
    X[:, 0] = 0
    return X


def has_negation(forms: Sequence[str]) -> bool:
    """Whether one of the words negates."""
    return any(form in NEGATIONS or form.endswith("n't") for form in forms)


def _read(model: ReviewModel, text: str, deletions: bool) -> Read:
    reading = model.read(text)
    forms = [token.form for token in tokenize(text)[: len(reading.words)]]
    scores = {
        "contribution": reading.contributions,
        "share": np.linalg.norm(reading.shares, axis=1),
        "gradient": 10.0**reading.log10_input_gradients,
    }
    if reading.trace is not None and model.cell.gates:
        scores["opening"] = opening(model.cell, reading.trace)[:, 0].mean(axis=1)
    if deletions:
        scores["deletion"] = model.deletions(text)
    return Read(forms, reading.prediction, scores)


def highest(scores: Array, share: float) -> NDArray[np.bool_]:
    """Where the `share` of words with the highest scores are, at least one unless the share is 0."""
    count = 0 if share == 0 else max(1, round(share * len(scores)))
    mask = np.zeros(len(scores), bool)
    mask[np.argsort(-scores, kind="stable")[:count]] = True
    return mask


def _ranks(values: Array) -> Array:
    """0 … N − 1, the mean for ties."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts) - 1
    return np.asarray((last - (counts - 1) / 2)[inverse])


def _mean(values: Iterable[float]) -> float:
    return float(np.nanmean(np.fromiter(values, float)))
