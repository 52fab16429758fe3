"""Tasks that only a network that remembers can learn: each asks, at the last step, about early ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import DTypeLike, NDArray

from core.arrays import Array, check_count, check_float_type


class Batch(NamedTuple):
    """Sequences and what is to be said at their end."""

    x: Array  # (T, B, X)
    target: NDArray[Any]  # (B,) numbers of classes, or (B, K) numbers to be met


class Task(Protocol):
    """A source of batches. Classes ask for the cross-entropy as the loss, numbers for the mean square."""

    @property
    def inputs(self) -> int:
        """X."""

    @property
    def outputs(self) -> int:
        """K: how many classes, or how many numbers."""

    def draw(self, size: int, *, rng: np.random.Generator, dtype: DTypeLike = np.float64) -> Batch:
        """A batch of `size` sequences."""


@dataclass(frozen=True)
class Adding:
    """Add the two marked numbers (Hochreiter & Schmidhuber 1997, experiment 4, in [0, 1]).

    x_t = (value, mark): values uniform in [0, 1], one mark in each half of the sequence. The target is
    the sum of the marked values; always saying 1 costs 1/6, the variance of such a sum.
    """

    length: int

    inputs = 2
    outputs = 1

    def __post_init__(self) -> None:
        check_count("length", self.length, 2)

    def draw(self, size: int, *, rng: np.random.Generator, dtype: DTypeLike = np.float64) -> Batch:
        check_count("size", size, 1)
        check_float_type(dtype)
        half, everyone = self.length // 2, np.arange(size)
        x = np.zeros((self.length, size, 2), dtype)
        x[:, :, 0] = rng.uniform(0, 1, (self.length, size))
        first = rng.integers(0, half, size)
        second = rng.integers(half, self.length, size)
        x[first, everyone, 1] = x[second, everyone, 1] = 1
        target = x[first, everyone, 0] + x[second, everyone, 0]
        return Batch(x, target[:, None])


@dataclass(frozen=True)
class TemporalOrder:
    """Say in which order two symbols came (Hochreiter & Schmidhuber 1997, experiment 6a).

    Six symbols, one of them 1 at each step: A and B at a step drawn from T/10 … 2T/10 and one from
    4T/10 … 5T/10, as in Pascanu et al. 2013; distractors c, d, e, f at all others. Four classes: AA, AB,
    BA, BB; guessing is right in a quarter of cases.
    """

    length: int

    inputs = 6
    outputs = 4

    def __post_init__(self) -> None:
        check_count("length", self.length, 10)

    def draw(self, size: int, *, rng: np.random.Generator, dtype: DTypeLike = np.float64) -> Batch:
        check_count("size", size, 1)
        check_float_type(dtype)
        T, everyone = self.length, np.arange(size)
        symbols = rng.integers(2, 6, (T, size))
        first = rng.integers(T // 10, 2 * T // 10, size, endpoint=True)
        second = rng.integers(4 * T // 10, 5 * T // 10, size, endpoint=True)
        symbols[first, everyone] = a = rng.integers(0, 2, size)
        symbols[second, everyone] = b = rng.integers(0, 2, size)
        return Batch(_one_hot(symbols, 6, dtype), 2 * a + b)


@dataclass(frozen=True)
class Recall:
    """Say which of K symbols came first, after a delay filled with as many other symbols.

    One of 2K symbols is 1 at each step: the one to recall at the first, distractors at the `delay`
    steps after it. Guessing is right once in K cases.
    """

    delay: int
    symbols: int = 4

    def __post_init__(self) -> None:
        check_count("delay", self.delay, 0)
        check_count("symbols", self.symbols, 2)

    @property
    def inputs(self) -> int:
        return 2 * self.symbols

    @property
    def outputs(self) -> int:
        return self.symbols

    def draw(self, size: int, *, rng: np.random.Generator, dtype: DTypeLike = np.float64) -> Batch:
        check_count("size", size, 1)
        check_float_type(dtype)
        symbols = rng.integers(self.symbols, 2 * self.symbols, (self.delay + 1, size))
        symbols[0] = first = rng.integers(0, self.symbols, size)
        return Batch(_one_hot(symbols, 2 * self.symbols, dtype), first)


def _one_hot(symbols: NDArray[np.int64], count: int, dtype: DTypeLike) -> Array:
    """(T, B) whole numbers as (T, B, count) zeros with a one each."""
    rows: Array = np.eye(count, dtype=dtype)
    return rows[symbols]
