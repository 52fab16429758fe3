"""Recurrent cells: one step forward, and one step back. The loop over time is in `core.bptt`.

Parameters have PyTorch's names, shapes and conventions, so that a `state_dict` loads as it is.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from core.arrays import Array, check_choice, check_count, sigmoid, sigmoid_slope, tanh_slope


class Activation(NamedTuple):
    """φ and its derivative φ′, both of the pre-activation; γ = max φ′."""

    value: Callable[[Array], Array]
    slope: Callable[[Array], Array]
    steepest: float


ACTIVATIONS = {
    "identity": Activation(lambda a: a, np.ones_like, 1.0),
    "tanh": Activation(np.tanh, tanh_slope, 1.0),
    "sigmoid": Activation(sigmoid, sigmoid_slope, 0.25),
}


@dataclass(frozen=True)
class RNN:
    """h_t = φ(W_ih x_t + b_ih + W_hh h_{t−1} + b_hh), Elman 1990, with PyTorch's parameter names.

    weight_ih (H, X), weight_hh (H, H), bias_ih (H,), bias_hh (H,).
    """

    parameters: dict[str, Array]
    activation: str = "tanh"

    @staticmethod
    def create(inputs: int, hidden: int, *, rng: np.random.Generator, activation: str = "tanh") -> RNN:
        """An RNN with PyTorch's initialisation, every entry uniform in ±1/√H.

        Raises ValueError for fewer than one input or hidden unit, or an unknown activation.
        """
        check_count("inputs", inputs, 1)
        check_count("hidden", hidden, 1)
        check_choice("activation", activation, tuple(ACTIVATIONS))
        bound = 1 / math.sqrt(hidden)
        shapes = {
            "weight_ih": (hidden, inputs),
            "weight_hh": (hidden, hidden),
            "bias_ih": (hidden,),
            "bias_hh": (hidden,),
        }
        return RNN({name: rng.uniform(-bound, bound, shape) for name, shape in shapes.items()}, activation)

    def pre_activation(self, x: Array, h: Array) -> Array:
        """a_t = W_ih x_t + b_ih + W_hh h_{t−1} + b_hh; x (B, X), h (B, H) → (B, H)."""
        p = self.parameters
        return x @ p["weight_ih"].T + p["bias_ih"] + h @ p["weight_hh"].T + p["bias_hh"]

    def activate(self, a: Array) -> Array:
        """φ(a)."""
        return ACTIVATIONS[self.activation].value(a)

    def step(self, x: Array, h: Array) -> Array:
        """h_t = φ(a_t); x (B, X), h (B, H) → (B, H)."""
        return self.activate(self.pre_activation(x, h))

    def step_back(self, d_h: Array, a: Array) -> Array:
        """∂L/∂h_{t−1} = W_hhᵀ (φ′(a_t) ∘ ∂L/∂h_t); d_h (B, H), a_t (B, H) → (B, H)."""
        return (ACTIVATIONS[self.activation].slope(a) * d_h) @ self.parameters["weight_hh"]
