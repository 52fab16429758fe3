"""Optimisers: from parameters and their gradients to the next parameters.

Both are dicts of arrays under the same names, so that any model will do. Nothing is kept inside an
optimiser: what it remembers is handed in and out.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np

from core.arrays import Array, check_positive

Arrays = dict[str, Array]


class Moments(NamedTuple):
    """What an optimiser remembers: running means of the gradients and of their squares."""

    updates: int
    first: Arrays
    second: Arrays


class Optimizer(Protocol):
    """Anything that turns parameters and gradients into the next parameters, without a warning of numpy's."""

    def begin(self, parameters: Mapping[str, Array]) -> Moments:
        """What is remembered before the first update."""

    def update(
        self, parameters: Mapping[str, Array], gradients: Mapping[str, Array], moments: Moments
    ) -> tuple[Arrays, Moments]:
        """The next parameters, and what to remember for the update after."""


@dataclass(frozen=True)
class SGD:
    """v ← momentum · v + g, w ← w − rate · v (Polyak 1964, in PyTorch's form).

    ValueError for a rate that isn't above 0 or a momentum outside 0 ≤ momentum < 1.
    """

    rate: float
    momentum: float = 0.0

    def __post_init__(self) -> None:
        check_positive("rate", self.rate)
        _check_share("momentum", self.momentum)

    def begin(self, parameters: Mapping[str, Array]) -> Moments:
        return Moments(0, _zeros(parameters), {})

    def update(
        self, parameters: Mapping[str, Array], gradients: Mapping[str, Array], moments: Moments
    ) -> tuple[Arrays, Moments]:
        _check_names(parameters, gradients)
        rate, momentum = float(self.rate), float(self.momentum)
        with np.errstate(over="ignore", invalid="ignore"):
            v: Arrays = {name: momentum * moments.first[name] + gradients[name] for name in parameters}
            following: Arrays = {name: w - rate * v[name] for name, w in parameters.items()}
        return following, Moments(moments.updates + 1, v, {})


@dataclass(frozen=True)
class Adam:
    """Kingma & Ba 2015, algorithm 1.

    m ← β₁ m + (1 − β₁) g, v ← β₂ v + (1 − β₂) g², and after t updates
    w ← w − rate · m̂/(√v̂ + ε) − rate · decay · w with m̂ = m/(1 − β₁ᵗ), v̂ = v/(1 − β₂ᵗ); with a
    decay above 0 this is AdamW (Loshchilov & Hutter 2019, algorithm 2).

    ValueError for a rate or an epsilon that isn't above 0, or a β or a decay outside 0 ≤ β < 1.
    """

    rate: float = 1e-3
    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8
    decay: float = 0.0

    def __post_init__(self) -> None:
        check_positive("rate", self.rate)
        check_positive("epsilon", self.epsilon)
        _check_share("decay", self.decay)
        _check_share("beta1", self.beta1)
        _check_share("beta2", self.beta2)

    def begin(self, parameters: Mapping[str, Array]) -> Moments:
        return Moments(0, _zeros(parameters), _zeros(parameters))

    def update(
        self, parameters: Mapping[str, Array], gradients: Mapping[str, Array], moments: Moments
    ) -> tuple[Arrays, Moments]:
        _check_names(parameters, gradients)
        t, beta1, beta2 = moments.updates + 1, float(self.beta1), float(self.beta2)
        step, unbias = float(self.rate) / (1 - beta1**t), 1 / math.sqrt(1 - beta2**t)
        epsilon, kept = float(self.epsilon), 1 - float(self.rate) * float(self.decay)
        with np.errstate(over="ignore", invalid="ignore"):
            m: Arrays = {k: beta1 * moments.first[k] + (1 - beta1) * g for k, g in gradients.items()}
            v: Arrays = {k: beta2 * moments.second[k] + (1 - beta2) * g**2 for k, g in gradients.items()}
            following: Arrays = {
                k: kept * w - step * m[k] / (unbias * np.sqrt(v[k]) + epsilon) for k, w in parameters.items()
            }
        return following, Moments(t, m, v)


def _zeros(parameters: Mapping[str, Array]) -> Arrays:
    return {name: np.zeros_like(values) for name, values in parameters.items()}


def _check_share(name: str, value: float) -> None:
    real = isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)
    if not real or not 0 <= value < 1:
        raise ValueError(f"{name} must be a number from 0 to below 1, not {value!r}")


def _check_names(parameters: Mapping[str, Array], gradients: Mapping[str, Array]) -> None:
    if set(parameters) != set(gradients):
        raise ValueError(f"gradients must be those of {', '.join(parameters)}, not {', '.join(gradients)}")
