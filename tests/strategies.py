"""The hypothesis strategies that the tests of core share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import NamedTuple

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from core.cells import GRU, LSTM, RNN, Cell

# The same examples in every run, and no deadline: a slow machine must not turn a right answer red.
settings.register_profile("steady", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("steady")

seeds = st.integers(0, 2**32 - 1)

any_float64 = st.floats(width=64)
finite_float64 = st.floats(allow_nan=False, allow_infinity=False)
any_float32 = st.floats(width=32)
any_float16 = st.floats(width=16)

# Entries whose products neither underflow nor cancel in a way that depends on the order of a sum.
plain_entries = st.floats(-4, 4).filter(lambda x: x == 0 or abs(x) > 1e-3)


def vectors(entries: st.SearchStrategy[float], *, longest: int = 6) -> st.SearchStrategy[np.ndarray]:
    """One-dimensional float64 arrays of 1 … longest entries."""
    return st.integers(1, longest).flatmap(lambda n: arrays(np.float64, n, elements=entries))


@st.composite
def systems(draw: st.DrawFn, *, largest: int = 5) -> tuple[np.ndarray, np.ndarray]:
    """(W, gradient) with any plain entries, singular and defective matrices among them."""
    n = draw(st.integers(1, largest))
    return draw(arrays(np.float64, (n, n), elements=plain_entries)), draw(
        arrays(np.float64, n, elements=plain_entries)
    )


@st.composite
def well_conditioned_systems(draw: st.DrawFn, *, largest: int = 5) -> tuple[np.ndarray, np.ndarray]:
    """(W, gradient) with W = Q₁ diag(σ) Q₂, every σ from 0.1 to 10, so that σ_min is known to 14 digits."""
    n = draw(st.integers(1, largest))
    rng = np.random.default_rng(draw(seeds))
    left, right = (np.linalg.qr(rng.standard_normal((n, n)))[0] for _ in range(2))
    sigma = draw(arrays(np.float64, n, elements=st.floats(0.1, 10)))
    return left * sigma @ right, rng.standard_normal(n)


# Recurrent cells. The kinds are those of oracles.step.

CELLS: dict[str, Callable[..., Cell]] = {
    "identity": partial(RNN.create, activation="identity"),
    "tanh": RNN.create,
    "relu": partial(RNN.create, activation="relu"),
    "sigmoid": partial(RNN.create, activation="sigmoid"),
    "gru": GRU.create,
    "lstm": LSTM.create,
}


class Network(NamedTuple):
    """A cell, and what to run it on: x (T, B, X), h_0 and c_0 (B, H), and ∂L/∂h directly (T, B, H)."""

    kind: str
    cell: Cell
    x: np.ndarray
    h: np.ndarray
    c: np.ndarray
    d_hidden: np.ndarray

    @property
    def start(self) -> np.ndarray | tuple[np.ndarray, np.ndarray]:
        return (self.h, self.c) if self.cell.remembers else self.h


def network(
    kind: str,
    *,
    steps: int = 6,
    batch: int = 3,
    inputs: int = 2,
    hidden: int = 4,
    seed: int = 0,
    dtype: type[np.floating] = np.float64,
) -> Network:
    """A network of normal numbers, so that slopes and gates differ from unit to unit."""
    rng = np.random.default_rng(seed)
    cell = CELLS[kind](inputs, hidden, rng=rng)
    parameters = {
        name: (0.8 * rng.standard_normal(values.shape)).astype(dtype)
        for name, values in cell.parameters.items()
    }
    shapes = [(steps, batch, inputs), (batch, hidden), (batch, hidden), (steps, batch, hidden)]
    return Network(
        kind,
        replace(cell, parameters=parameters),
        *(rng.standard_normal(shape).astype(dtype) for shape in shapes),
    )


networks = st.builds(
    network,
    st.sampled_from(list(CELLS)),
    steps=st.integers(1, 7),
    batch=st.integers(1, 4),
    inputs=st.integers(1, 3),
    hidden=st.integers(1, 5),
    seed=seeds,
)


# Texts: what people write, what breaks programs, and anything at all.

CHUNKS = [
    *("good", "Amazing!!", "not", "don’t", "soooo", "BAD", "1,000", "x2", "a_b", "naïve", "cafe\u0301"),
    *("http://a.b/c?d", "www.x.org", "@you", "me@home", ":-)", ":'(", "<3", "XD", "8)", "?!", "…"),
    *(
        "\U0001f469\u200d\U0001f469\u200d\U0001f467",
        "\U0001f1e8\U0001f1f3",
        "\u2764\ufe0f",
        "\U0001f44d\U0001f3fd",
    ),
    *("好", "不错", "，", "！！", "カナ", "한국", "\U00020bb7", "\ufdfa", "\uf900", "½", "Ⅷ", "İ"),
    *("\x00", "\ud800", "\udfff", "\u202e", "\u2066", "\u200b", "\u200d", "\ufeff", "<script>", " ", "\n"),
]
any_characters = st.text(st.characters(exclude_categories=()), max_size=6)  # surrogates among them


def texts(*, longest: int = 30) -> st.SearchStrategy[str]:
    """Up to so many chunks in a row, with spaces between them or without."""
    chunks = st.lists(st.one_of(st.sampled_from(CHUNKS), any_characters), max_size=longest)
    return st.builds(str.join, st.sampled_from(["", " "]), chunks)
