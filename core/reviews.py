"""Words in; a trained model's gates, states and prediction out.

A word's vector is that of the word itself, where it was seen often enough, plus the mean of those of its
parts, x_t = E[word] + mean G[parts] (Bojanowski et al. 2017); an RNN, GRU or LSTM reads one word after
another, and ŷ = w · h_T + b is the prediction: a rating from −4 to 4, or, for Chinese, the log-odds that a
review is a good one. The weights come from `core.review_training`.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from core.arrays import Array, check_choice, log10_norms
from core.attribution import contributions, memory_shares, telescoped
from core.bptt import Trace, backpropagate, log10_hidden_gradient_norms, unroll
from core.cells import GRU, LSTM, RNN, Cell
from core.tokens import Token, grams, tokenize

Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]

NAMES = ("lstm", "gru", "lstm-plain", "gru-plain", "rnn", "zh-gru")
WEIGHTS = Path(__file__).parent / "weights"
FORMAT = 1
LONGEST = 500  # words that are read of a text
LEAST_KNOWN = 0.5  # the share of words below which a prediction means nothing
SHUT, OPEN = -np.inf, np.inf  # pre-activations at which a sigmoid is 0 and 1
AT_ONCE = 64  # texts that are read side by side while one word after another is left out

REASONS = {
    "missing": "is missing",
    "damaged": "is damaged",
    "format": "is of another format",
    "unreadable": "can't be read",
    "misfit": "holds arrays that don't fit each other",
}

CELLS: dict[str, type[RNN] | type[LSTM] | type[GRU]] = {"rnn": RNN, "lstm": LSTM, "gru": GRU}


class WeightsError(ValueError):
    """A file of weights that is missing, or isn't what was written: its name, and why, one of REASONS."""

    def __init__(self, file: str, reason: str) -> None:
        super().__init__(file, reason)
        self.file = file
        self.reason = reason

    def __str__(self) -> str:
        return f"the weights' file {self.file} {REASONS[self.reason]}"


class Parts(NamedTuple):
    """Words as a model takes them: each one's row in E (0 for unknown), and the buckets of its parts."""

    rows: Ints  # (N,)
    buckets: Ints  # of all words, one word's after the other's
    starts: Ints  # (N,): where each word's begin

    @property
    def counts(self) -> Ints:
        """How many parts each word has, (N,)."""
        return np.diff(self.starts, append=len(self.buckets))


@dataclass(frozen=True)
class Vocabulary:
    """The words with a row of their own, and in how many buckets the parts of all words are counted.

    A word's parts are its runs of three and four characters; with `pairs`, for Chinese, a character's
    one part is the pair that it makes with the character before it.
    """

    words: tuple[str, ...]
    buckets: int
    pairs: bool

    @cached_property
    def rows(self) -> dict[str, int]:
        """The row of each word, from 1."""
        return {word: row for row, word in enumerate(self.words, 1)}

    def features(self, forms: Sequence[str]) -> list[str]:
        """What decides a word's vector: its form, or with `pairs` the form before it as well."""
        if not self.pairs:
            return list(forms)
        return [f"{before} {form}" for before, form in zip(["<", *forms], forms, strict=False)]

    def _form(self, feature: str) -> str:
        return feature.rpartition(" ")[2] if self.pairs else feature

    def parts(self, features: Sequence[str]) -> Parts:
        """The rows and buckets of words, from their features."""
        each = [[_bucket(f, self.buckets)] if self.pairs else grams(f, self.buckets) for f in features]
        return Parts(
            np.array([self.rows.get(self._form(feature), 0) for feature in features], np.int64),
            np.array([bucket for part in each for bucket in part], np.int64),
            np.cumsum([0, *map(len, each)])[:-1],
        )


class Word(NamedTuple):
    """A word that was read: text[start:end] as it stands there, and whether it has a row of its own."""

    text: str
    start: int
    end: int
    known: bool


@dataclass(frozen=True)
class Reading:
    """What a model made of a text; T is the number of words that it read."""

    words: tuple[Word, ...]
    unread: int  # how many words stood beyond the limit
    prediction: float
    so_far: Array  # (T,): what the prediction would be had the text ended at each word
    gates: dict[str, Array] = field(repr=False)  # (T, H), by their names
    hidden: Array = field(repr=False)  # (T + 1, H)
    shares: Array = field(repr=False)  # (T, H), as `core.attribution.memory_shares`
    contributions: Array = field(repr=False)  # (T,), summing to the prediction less the bias
    telescoped: Array = field(repr=False)  # (T,), likewise
    log10_gradients: Array = field(repr=False)  # (T,): log10 ‖∂ŷ/∂h_t‖
    log10_input_gradients: Array = field(repr=False)  # (T,): log10 ‖∂ŷ/∂x_t‖
    log10_memory_gradients: Array = field(repr=False)  # (T,): log10 ‖∂ŷ/∂c_t‖, empty without a memory
    trace: Trace | None = field(repr=False)  # None where no word was read

    @property
    def scored(self) -> bool:
        """Whether enough of the words were known for the prediction to mean anything."""
        return bool(self.words) and sum(word.known for word in self.words) >= LEAST_KNOWN * len(self.words)


@dataclass(frozen=True)
class ReviewModel:
    """A trained model, and what it takes for a word."""

    name: str
    vocabulary: Vocabulary
    embedding: Array = field(repr=False)  # E (V + 1, X): row 0 is that of all unknown words
    grams: Array = field(repr=False)  # G (buckets, X)
    cell: Cell = field(repr=False)
    weights: Array = field(repr=False)  # w (H,)
    bias: float

    def words(self, text: str) -> list[Token]:
        """The words of a text, all of them."""
        return tokenize(text)

    def read(self, text: str, *, keep: Mask | Sequence[bool] | None = None) -> Reading:
        """Read a text, up to LONGEST words of it; where `keep` is False, a word is passed over.

        `keep` has an entry for each of the words up to the limit. With nothing left to read the
        prediction is the bias. ValueError for a text without a word, or a `keep` of another length.
        """
        tokens = _some_words(text)
        unread = max(0, len(tokens) - LONGEST)
        kept = _kept(tokens[:LONGEST], keep)
        x = self.vectors([token.form for token in kept])
        known = [token.form in self.vocabulary.rows for token in kept]
        words = tuple(Word(*token[:3], k) for token, k in zip(kept, known, strict=True))
        return self._reading(words, unread, x) if words else self._nothing(unread)

    def vectors(self, forms: Sequence[str]) -> Array:
        """x, (T, X)."""
        if not forms:
            return np.empty((0, self.cell.inputs))
        return self.vectors_of(self.vocabulary.features(forms))

    def vectors_of(self, features: Sequence[str]) -> Array:
        """The vectors of words, from their features, (N, X)."""
        parts = self.vocabulary.parts(features)
        return np.asarray(self.embedding[parts.rows] + gram_means(self.grams, parts))

    def predict(self, x: Array) -> Array:
        """ŷ of the vectors of texts of one length, (T, B, X) in and (B,) out."""
        return np.asarray(unroll(self.cell, x).hidden[-1] @ self.weights + self.bias)

    def deletions(self, text: str, *, keep: Mask | Sequence[bool] | None = None) -> Array:
        """What the prediction loses without each word, ŷ(text) − ŷ(text without it), (T,).

        Raises as `read` does.
        """
        forms = [token.form for token in _kept(_some_words(text)[:LONGEST], keep)]
        if len(forms) < 2:
            return np.array([self.predict(self.vectors(forms)[:, None])[0] - self.bias for _ in forms])
        entries: dict[str, int] = {}
        features = [self.vocabulary.features(forms[:k] + forms[k + 1 :]) for k in range(len(forms))]
        features.append(self.vocabulary.features(forms))
        runs = [[entries.setdefault(feature, len(entries)) for feature in run] for run in features]
        vectors = self.vectors_of(list(entries))
        without = vectors[np.array(runs[:-1]).T]  # (T − 1, T, X)
        found = [self.predict(without[:, k : k + AT_ONCE]) for k in range(0, len(forms), AT_ONCE)]
        return np.asarray(self.predict(vectors[runs[-1]][:, None]) - np.concatenate(found))

    def holding(self, gate: str, value: float) -> ReviewModel:
        """The same model with every unit of a gate held at a value from 0 to 1, whatever it reads.

        ValueError for a gate that the cell doesn't have, for the candidate, or another value.
        """
        if not self.cell.gates:
            raise ValueError(f"gate must be that of a cell with gates, and an RNN has none, not {gate!r}")
        check_choice("gate", gate, tuple(name for name in self.cell.gates if name != "candidate"))
        if not 0 <= value <= 1:
            raise ValueError(f"value must be from 0 to 1, not {value!r}")
        parameters = {name: values.copy() for name, values in self.cell.parameters.items()}
        first = self.cell.gates.index(gate) * self.cell.hidden
        rows = slice(first, first + self.cell.hidden)
        for name in ("weight_ih", "weight_hh", "bias_hh"):
            parameters[name][rows] = 0
        parameters["bias_ih"][rows] = (
            np.log(value / (1 - value)) if 0 < value < 1 else (SHUT, OPEN)[int(value)]
        )
        return replace(self, cell=replace(self.cell, parameters=parameters))

    def _reading(self, words: tuple[Word, ...], unread: int, x: Array) -> Reading:
        cell, w = self.cell, self.weights
        trace = unroll(cell, x[:, None])
        d_hidden = np.zeros((len(x), 1, cell.hidden))
        d_hidden[-1, 0] = w
        back = backpropagate(cell, trace, d_hidden)
        so_far = trace.hidden[1:, 0] @ w + self.bias
        return Reading(
            *(words, unread, float(so_far[-1]), so_far),
            gates={name: trace.gate(name)[:, 0] for name in cell.gates},
            hidden=trace.hidden[:, 0],
            shares=memory_shares(cell, trace)[:, 0],
            contributions=contributions(cell, trace, w)[:, 0],
            telescoped=telescoped(cell, trace, w)[:, 0],
            log10_gradients=log10_hidden_gradient_norms(cell, trace, w[None])[1:, 0],
            log10_input_gradients=log10_norms(back.inputs[:, 0]),
            log10_memory_gradients=np.zeros(0) if back.memory is None else log10_norms(back.memory[1:, 0]),
            trace=trace,
        )

    def _nothing(self, unread: int) -> Reading:
        none, H = np.zeros(0), self.cell.hidden
        gates: dict[str, Array] = {name: np.zeros((0, H)) for name in self.cell.gates}
        zero = np.zeros((1, H))
        return Reading((), unread, self.bias, none, gates, zero, zero[:0], none, none, none, none, none, None)


def gram_means(vectors: Array, parts: Parts) -> Array:
    """The mean vector of each word's parts, (N, X)."""
    sums = np.add.reduceat(vectors[parts.buckets], parts.starts, axis=0)
    return np.asarray(sums / parts.counts[:, None].astype(vectors.dtype))


def load(name: str, folder: Path = WEIGHTS) -> ReviewModel:
    """One of NAMES, in float64. WeightsError, which says of which file, where it is missing or damaged.

    A file counts as damaged unless its SHA-256 is the one that stands in the folder's index.json.
    """
    check_choice("name", name, NAMES)
    path = folder / f"{name}.npz"
    try:
        content = path.read_bytes()
        wanted = json.loads((folder / "index.json").read_text())["sha256"][path.name]
    except (OSError, ValueError, KeyError, TypeError):
        raise WeightsError(path.name, "missing") from None
    if hashlib.sha256(content).hexdigest() != wanted:
        raise WeightsError(path.name, "damaged")
    return unpacked(name, content)


def packed(model: ReviewModel, kind: str) -> bytes:
    """A model as the bytes of an .npz file: the vectors of words in float16, all else in float32."""
    arrays: dict[str, Any] = {
        "format": np.array(FORMAT),
        "kind": _text(kind),
        "words": _text("\n".join(model.vocabulary.words)),
        "pairs": np.array(model.vocabulary.pairs),
        "embedding": model.embedding.astype(np.float16),
        "grams": model.grams.astype(np.float16),
        "weight_out": model.weights.astype(np.float32),
        "bias_out": np.array(model.bias, np.float32),
        **{name: values.astype(np.float32) for name, values in model.cell.parameters.items()},
    }
    file = io.BytesIO()
    np.savez_compressed(file, allow_pickle=False, **arrays)
    return file.getvalue()


def unpacked(name: str, content: bytes) -> ReviewModel:
    """`packed` undone, in float64; WeightsError for anything else."""
    file = f"{name}.npz"
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as stored:
            arrays = dict(stored)
        if int(arrays["format"]) != FORMAT:
            raise WeightsError(file, "format")
        floats = {
            key: values.astype(np.float64) for key, values in arrays.items() if values.dtype.kind == "f"
        }
        of_the_cell = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        model = ReviewModel(
            name,
            Vocabulary(
                tuple(_read_text(arrays["words"]).split("\n")), len(floats["grams"]), bool(arrays["pairs"])
            ),
            floats["embedding"],
            floats["grams"],
            CELLS[_read_text(arrays["kind"])]({key: floats[key] for key in of_the_cell}),
            floats["weight_out"],
            float(floats["bias_out"]),
        )
        if not _fits(model):
            raise WeightsError(file, "misfit")
        return model
    except WeightsError:
        raise
    except (KeyError, OSError, EOFError, TypeError, ValueError, zipfile.BadZipFile) as error:
        raise WeightsError(file, "unreadable") from error


def _fits(model: ReviewModel) -> bool:
    """Whether the vectors of words and the readout are of the sizes that the cell takes."""
    X, H = model.cell.inputs, model.cell.hidden
    sizes = (model.embedding.shape, model.grams.shape[1:], model.weights.shape)
    return sizes == ((len(model.vocabulary.words) + 1, X), (X,), (H,))


def _some_words(text: str) -> list[Token]:
    tokens = tokenize(text)
    if not tokens:
        raise ValueError("text must hold a word")
    return tokens


def _kept(tokens: list[Token], keep: Mask | Sequence[bool] | None) -> list[Token]:
    if keep is None:
        return tokens
    if len(keep) != len(tokens):
        raise ValueError(f"keep must have an entry for each of the {len(tokens)} words, not {len(keep)}")
    return [token for token, wanted in zip(tokens, keep, strict=True) if wanted]


def _bucket(feature: str, buckets: int) -> int:
    return zlib.crc32(feature.encode("utf-8", "surrogatepass")) % buckets


def _text(text: str) -> NDArray[np.uint8]:
    return np.frombuffer(text.encode(), np.uint8)


def _read_text(array: NDArray[np.uint8]) -> str:
    return array.tobytes().decode()
