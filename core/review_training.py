"""Train one of the models of `core.reviews`: word vectors, cell and readout together.

Mean-square error on the rating, or for good and bad the logistic loss; AdamW, with a rate that rises and
then falls along a cosine; dropout on the vectors (the same entries for a whole text), on the last hidden
state, and of words' own rows. "Economy" adds the price of `core.economy` on open gates.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from core.arrays import Array, sigmoid
from core.bptt import Gradients, Trace, backpropagate, unroll
from core.cells import GRU, LSTM, RNN, Arrays, Cell
from core.clipping import clip_by_norm
from core.economy import PRICES, Price, backpropagate_priced, price
from core.optimizers import Adam
from core.review_data import Rated
from core.reviews import Ints, Parts, ReviewModel, Vocabulary, gram_means
from core.tokens import tokenize

OWN = ("embedding", "grams", "weight_out", "bias_out")
POOL = 40  # batches whose texts are sorted by length together, so that few steps are wasted on the shorter


CellType = TypeVar("CellType", bound=Cell)


class Recipe(NamedTuple):
    """How a model is made and trained."""

    kind: str
    economy: bool
    price: float = 1.0  # as a multiple of `core.economy.PRICES`
    logistic: bool = False
    pairs: bool = False
    buckets: int = 2048
    seen: int = 4  # how often a word must be seen to have a row of its own
    longest: int = 60
    inputs: int = 32
    hidden: int = 16
    epochs: int = 6
    size: int = 64
    rate: float = 5e-3
    decay: float = 1e-2
    rising: int = 200  # updates
    last_rate: float = 0.02  # as a share of the rate
    price_rises: float = 0.3  # share of the updates
    max_norm: float = 1.0
    drop_inputs: float = 0.5
    drop_output: float = 0.4
    drop_words: float = 0.1
    spread: float = 0.1  # standard deviation of new vectors


class Corpus(NamedTuple):
    """Texts as numbers: each a run of entries in `parts`, which holds every feature once."""

    texts: list[Ints]
    targets: Array
    parts: Parts

    @property
    def lengths(self) -> Ints:
        """How many words each text has."""
        return np.array([len(text) for text in self.texts])


class Batch(NamedTuple):
    """Some texts beside each other; the words of all of them in a row, text after text."""

    words: Ints  # (N,), entries in the corpus's parts
    present: NDArray[np.bool_]  # (B, T): where there is a word
    last: Ints  # (B,): the step of each text's last word
    targets: Array  # (B,)


class Dropped(NamedTuple):
    """What is left out of one update: factors of 0 or 1/(1 − share)."""

    words: NDArray[np.bool_]  # (N,): kept
    inputs: Array  # (B, 1, X)
    output: Array  # (B, H)


def vocabulary_of(texts: Sequence[Rated], recipe: Recipe) -> Vocabulary:
    """The words seen often enough in these texts, in alphabetical order."""
    seen = Counter(token.form for text in texts for token in tokenize(text.text)[: recipe.longest])
    words = tuple(sorted(word for word, count in seen.items() if count >= recipe.seen))
    return Vocabulary(words, recipe.buckets, recipe.pairs)


def encode(texts: Sequence[Rated], vocabulary: Vocabulary, longest: int) -> Corpus:
    """Texts as a corpus; those without a word are left out."""
    entries: dict[str, int] = {}
    read = [
        (
            vocabulary.features([token.form for token in tokenize(text.text)[:longest]]),
            text.rating,
        )
        for text in texts
    ]
    read = [(features, rating) for features, rating in read if features]
    runs = [np.array([entries.setdefault(f, len(entries)) for f in features]) for features, _ in read]
    return Corpus(runs, np.array([rating for _, rating in read]), vocabulary.parts(list(entries)))


def train(name: str, recipe: Recipe, texts: Sequence[Rated], *, seed: int) -> ReviewModel:
    """A model trained on these texts; the same for the same seed, on one machine."""
    rng = np.random.default_rng(seed)
    vocabulary = vocabulary_of(texts, recipe)
    corpus = encode(texts, vocabulary, recipe.longest)
    cell = new_cell(recipe, rng)
    parameters = new_parameters(recipe, cell, len(vocabulary.words), rng)
    adam = Adam(recipe.rate, 0.9, 0.98, decay=recipe.decay)
    moments = adam.begin(parameters)
    total = recipe.epochs * -(-len(corpus.texts) // recipe.size)
    for update, batch in enumerate(_batches(corpus, recipe, rng), 1):
        dropped = _drop(recipe, batch, rng)
        asked = min(1.0, update / (recipe.price_rises * total))
        gradients = gradients_of(
            recipe, _with(cell, parameters), parameters, corpus.parts, batch, dropped, asked
        )
        clipped = clip_by_norm(gradients, recipe.max_norm).gradients
        rate = recipe.rate * _share_of_rate(recipe, update, total)
        parameters, moments = replace(adam, rate=rate).update(parameters, clipped, moments)
    return ReviewModel(
        name,
        vocabulary,
        *(parameters["embedding"], parameters["grams"], _with(cell, parameters), parameters["weight_out"]),
        bias=float(parameters["bias_out"][0]),
    )


def new_cell(recipe: Recipe, rng: np.random.Generator) -> Cell:
    """A cell that has learned nothing; with economy its gates begin by keeping."""
    X, H = recipe.inputs, recipe.hidden
    if recipe.kind == "rnn":
        return _without_biases(RNN.create(X, H, rng=rng, recurrence="orthogonal", dtype=np.float32))
    if recipe.kind == "gru":
        gru = _without_biases(GRU.create(X, H, rng=rng, dtype=np.float32))
        gru.parameters["bias_ih"][H : 2 * H] = 2 if recipe.economy else 0
        return gru
    lstm = _without_biases(LSTM.create(X, H, rng=rng, dtype=np.float32))
    lstm.parameters["bias_ih"][:H] = -1 if recipe.economy else 0
    lstm.parameters["bias_ih"][H : 2 * H] = 4 if recipe.economy else 1
    return lstm


def new_parameters(recipe: Recipe, cell: Cell, words: int, rng: np.random.Generator) -> Arrays:
    """All that is learned, under its names: that of the cell, the vectors E and G, w and b."""
    bound = 1 / math.sqrt(recipe.hidden)
    drawn = {
        "embedding": recipe.spread * rng.standard_normal((words + 1, recipe.inputs)),
        "grams": recipe.spread * rng.standard_normal((recipe.buckets, recipe.inputs)),
        "weight_out": rng.uniform(-bound, bound, recipe.hidden),
        "bias_out": np.zeros(1),
    }
    return {name: values.astype(np.float32) for name, values in drawn.items()} | cell.parameters


def gradients_of(
    recipe: Recipe,
    cell: Cell,
    parameters: Arrays,
    parts: Parts,
    batch: Batch,
    dropped: Dropped,
    asked: float = 1.0,
) -> Arrays:
    """∂L by every parameter, L the mean loss of a batch and, with economy, `asked` of the price."""
    words, inverse = np.unique(batch.words, return_inverse=True)
    found = _some(parts, words)
    rows = found.rows[inverse] * dropped.words
    vectors = parameters["embedding"][rows] + gram_means(parameters["grams"], found)[inverse]
    x = np.zeros((*batch.present.shape, recipe.inputs), vectors.dtype)
    x[batch.present] = vectors
    trace = unroll(cell, np.ascontiguousarray((x * dropped.inputs).transpose(1, 0, 2)))
    texts = np.arange(len(batch.last))
    h = trace.hidden[1:][batch.last, texts] * dropped.output
    d_y = _d_outputs(recipe, h @ parameters["weight_out"] + parameters["bias_out"], batch.targets)
    d_hidden = np.zeros_like(trace.hidden[1:], order="C")
    d_hidden[batch.last, texts] = np.outer(d_y, parameters["weight_out"]) * dropped.output
    walked = _walk_back(recipe, cell, trace, d_hidden, batch, asked)
    d_vectors = (walked.inputs.transpose(1, 0, 2) * dropped.inputs)[batch.present]
    d_means = _summed(d_vectors, inverse, len(words)) / found.counts[:, None].astype(x.dtype)
    return {
        "embedding": _summed(d_vectors, rows, len(parameters["embedding"])),
        "grams": _summed(np.repeat(d_means, found.counts, axis=0), found.buckets, recipe.buckets),
        "weight_out": h.T @ d_y,
        "bias_out": d_y.sum(keepdims=True),
        **walked.parameters,
    }


def predictions(model: ReviewModel, corpus: Corpus) -> Array:
    """ŷ of every text, (N,)."""
    vectors = model.embedding[corpus.parts.rows] + gram_means(model.grams, corpus.parts)
    found = np.empty(len(corpus.texts))
    for length in np.unique(corpus.lengths):
        chosen = np.flatnonzero(corpus.lengths == length)
        found[chosen] = model.predict(vectors[np.stack([corpus.texts[k] for k in chosen], axis=1)])
    return found


def _walk_back(
    recipe: Recipe, cell: Cell, trace: Trace, d_hidden: Array, batch: Batch, asked: float
) -> Gradients:
    if not recipe.economy:
        return backpropagate(cell, trace, d_hidden)
    prices: tuple[Price, ...] = PRICES[type(cell)]
    words = batch.present.T.astype(d_hidden.dtype)
    priced = price(cell, trace, words, prices, asked * recipe.price)
    return backpropagate_priced(cell, trace, d_hidden, priced.d_a)


def _d_outputs(recipe: Recipe, outputs: Array, targets: Array) -> Array:
    if recipe.logistic:
        return np.asarray((sigmoid(outputs) - targets) / len(targets))
    return np.asarray(2 * (outputs - targets) / len(targets))


def _batches(corpus: Corpus, recipe: Recipe, rng: np.random.Generator) -> Iterator[Batch]:
    lengths = corpus.lengths
    for _ in range(recipe.epochs):
        order = rng.permutation(len(lengths))
        chosen: list[Ints] = []
        for first in range(0, len(order), POOL * recipe.size):
            pool = order[first : first + POOL * recipe.size]
            pool = pool[np.argsort(lengths[pool], kind="stable")]
            chosen += [pool[k : k + recipe.size] for k in range(0, len(pool), recipe.size)]
        for k in rng.permutation(len(chosen)):
            yield _batch(corpus, lengths, chosen[k])


def _batch(corpus: Corpus, lengths: Ints, chosen: Ints) -> Batch:
    some = lengths[chosen]
    return Batch(
        np.concatenate([corpus.texts[k] for k in chosen]),
        np.arange(some.max()) < some[:, None],
        some - 1,
        corpus.targets[chosen].astype(np.float32),
    )


def _drop(recipe: Recipe, batch: Batch, rng: np.random.Generator) -> Dropped:
    size = len(batch.last)
    return Dropped(
        rng.random(len(batch.words)) >= recipe.drop_words,
        _factors(rng, (size, 1, recipe.inputs), recipe.drop_inputs),
        _factors(rng, (size, recipe.hidden), recipe.drop_output),
    )


def _factors(rng: np.random.Generator, shape: tuple[int, ...], share: float) -> Array:
    return ((rng.random(shape) >= share) / (1 - share)).astype(np.float32)


def _share_of_rate(recipe: Recipe, update: int, total: int) -> float:
    if update <= recipe.rising:
        return update / recipe.rising
    done = (update - recipe.rising) / max(1, total - recipe.rising)
    return recipe.last_rate + (1 - recipe.last_rate) * 0.5 * (1 + math.cos(math.pi * done))


def _with(cell: Cell, parameters: Arrays) -> Cell:
    return replace(cell, parameters={name: parameters[name] for name in cell.parameters})


def _without_biases(cell: CellType) -> CellType:
    for name in ("bias_ih", "bias_hh"):
        cell.parameters[name][:] = 0
    return cell


def _some(parts: Parts, chosen: Ints) -> Parts:
    """The parts of some words alone."""
    counts = parts.counts[chosen]
    starts = np.cumsum(counts) - counts
    within = np.arange(counts.sum()) - np.repeat(starts - parts.starts[chosen], counts)
    return Parts(parts.rows[chosen], parts.buckets[within], starts)


def _summed(rows: Array, into: Ints, size: int) -> Array:
    """(size, X): row k is the sum of the rows whose entry in `into` is k, in their order."""
    order = np.argsort(into, kind="stable")
    starts = np.flatnonzero(np.diff(into[order], prepend=-1))
    sums = np.zeros((size, rows.shape[1]), rows.dtype)
    sums[into[order][starts]] = np.add.reduceat(rows[order], starts, axis=0)
    return sums
