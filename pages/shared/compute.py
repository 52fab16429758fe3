"""The core's results, kept between reruns. Everything cached is small and bounded,
and a copy of it goes to each reader.

Paths are computed once, for the spectral radius 1: at the radius ρ the gradient k steps back is
ρ^k times as large, so log10 of its norm is the kept one plus k·log10 ρ, exactly.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from core import bptt, descent, linear, precision
from core.arrays import Array
from core.cells import RNN
from core.optimizers import SGD
from core.tasks import Recall
from core.training import Model, train

ENTRIES = 64
LARGE_ENTRIES = 16  # of what holds the eigenvectors, 1 MB for a 256 × 256 matrix
REACH_BLOCK = 64
LARGEST_SCALED = 1e100  # an entry at the radius 1; beyond it W is as good as nilpotent


class System(NamedTuple):
    """A linear RNN and the gradient that starts at its last step."""

    W: Array  # (n, n), of the spectral radius 1; the reader's own as entered where that is 0
    gradient: Array  # (n,), of norm 1
    own_radius: float  # of the matrix as made or entered, before scaling; 0 where it can't be scaled


class Paths(NamedTuple):
    """log10 of norms at the spectral radius 1, k = 0 … steps."""

    norms: Array
    lower: Array
    upper: Array
    uncertainty: Array


class Power(NamedTuple):
    """The k-th power of a matrix."""

    entries: Array  # (n, n), scaled so that the largest is from ½ to 1 in size
    log10_growth: float  # log10 ‖W^k‖ / ‖W‖
    second: float  # its second singular value, as a share of its first


class Reach(NamedTuple):
    """What an update does about an input that arrived some steps before the loss."""

    unchanged: dict[str, Array]  # by type: the share of parameters left bit-identical, by distance
    last: dict[str, int | None]  # by type: the largest distance at which one still changes


@st.cache_data(max_entries=ENTRIES, show_spinner=False)
def make_system(kind: str, n: int, seed: int, gradient_kind: str) -> System:
    """A matrix of a kind in MATRIX_KINDS and a gradient, from one seed."""
    rng = np.random.default_rng(seed)
    W = linear.make_matrix(kind, n, 1.0, rng=rng)
    return System(W, linear.make_gradient(gradient_kind, W, rng=rng), 1.0)


@st.cache_data(max_entries=ENTRIES, show_spinner=False)
def own_system(entered: Array, seed: int, gradient_kind: str) -> System:
    """The reader's own matrix, scaled to the radius 1 where it has one, and a gradient."""
    radius = linear.spectral_radius(entered)
    scalable = radius > 0 and np.abs(entered).max() < LARGEST_SCALED * radius
    W = entered / radius if scalable else entered
    gradient = linear.make_gradient(gradient_kind, W, rng=np.random.default_rng(seed))
    return System(W, gradient, radius if scalable else 0.0)


@st.cache_data(max_entries=ENTRIES, show_spinner=False)
def paths(W: Array, gradient: Array, steps: int) -> Paths:
    """The gradient's path, its two bounds, and what float64 can't know about it."""
    lower, upper = linear.log10_bounds(W, gradient, steps)
    return Paths(
        linear.log10_gradient_norms(W, gradient, steps),
        lower,
        upper,
        linear.log10_uncertainty(W, gradient, steps, rng=np.random.default_rng(0)),
    )


@st.cache_data(max_entries=ENTRIES, show_spinner=False)
def scalar_path(rate: float, steps: int) -> Array:
    """log10 of rate^k, k = 0 … steps: the path of a 1 × 1 matrix."""
    return linear.log10_gradient_norms([[rate]], [1.0], steps)


def at_radius(log10_path: Array, radius: float) -> Array:
    """The path of aW from that of W: k·log10 a more at step k."""
    return log10_path + np.arange(len(log10_path)) * math.log10(radius)


@st.cache_data(max_entries=LARGE_ENTRIES, show_spinner=False)
def spectrum(W: Array) -> linear.Spectrum:
    return linear.spectrum(W)


@st.cache_data(max_entries=LARGE_ENTRIES, show_spinner=False)
def modes(W: Array, gradient: Array) -> linear.Modes:
    return linear.gradient_modes(W, gradient)


@st.cache_data(max_entries=ENTRIES, show_spinner=False)
def through_modes(W: Array, gradient: Array, steps: int) -> Array:
    """The path as Q Λ^k Q⁻¹ would have it."""
    return linear.log10_norms_through_modes(W, gradient, steps)


@st.cache_data(max_entries=ENTRIES, show_spinner=False)
def power(W: Array, k: int) -> Power:
    """The k-th power of W, by repeated multiplication."""
    entries, log10_factor = linear.scaled_power(W, k)
    log10_norm = float(linear.log10_power_norms(entries, 1)[1]) + log10_factor
    singular_values = np.append(np.linalg.svd(entries, compute_uv=False), 0.0)
    second = float(singular_values[1] / singular_values[0]) if singular_values[0] > 0 else 0.0
    return Power(entries, log10_norm - float(linear.log10_power_norms(W, 1)[1]), second)


@st.cache_data(max_entries=ENTRIES, show_spinner=False)
def power_norms(W: Array, steps: int) -> Array:
    return linear.log10_power_norms(W, steps)


@st.cache_data(max_entries=ENTRIES, show_spinner=False)
def training(W: Array, steps: int, rate: float, updates: int, seed: int) -> list[descent.Update]:
    """A float32 run of gradient descent on the unrolled linear RNN, from random h_0 to a random target."""
    rng = np.random.default_rng(seed)
    start, target = rng.standard_normal((2, len(W))) / math.sqrt(len(W))
    return list(descent.descend(W, start, target, steps=steps, rate=rate, updates=updates))


@st.cache_data(max_entries=ENTRIES, show_spinner=False)
def last_reach(W: Array, gradient: Array, steps: int, rate: float, seed: int, dtype: str) -> int | None:
    """The largest distance, up to `steps`, from which an update still changes a parameter; None if none.

    Walks towards the loss from the distance beyond which every update is too small for any of
    the weights.
    """
    weights, x = _input_weights(len(W), seed)
    path = linear.gradient_path(W, gradient, steps)
    able = _able(_log10_updates(W, gradient, steps, rate, x), weights, dtype)
    for end in range(able, 0, -REACH_BLOCK):
        distances = np.arange(max(0, end - REACH_BLOCK), end)
        same = precision.bit_identical(weights, rate * _input_gradients(path, distances, x), dtype)
        moving = distances[~same.all(axis=(1, 2))]
        if len(moving):
            return int(moving[-1])
    return None


@st.cache_data(max_entries=ENTRIES, show_spinner=False)
def reach(W: Array, gradient: Array, steps: int, rate: float, seed: int) -> Reach:
    """How many of U's parameters U ← U − rate·δxᵀ leaves bit-identical, for an input at each distance."""
    weights, x = _input_weights(len(W), seed)
    path = linear.gradient_path(W, gradient, steps)
    log10_updates = _log10_updates(W, gradient, steps, rate, x)
    shares: dict[str, Array] = {}
    for dtype in precision.PRECISIONS:
        able = _able(log10_updates, weights, dtype)
        updates = rate * _input_gradients(path, np.arange(able), x)
        shares[dtype] = np.ones(steps + 1)
        shares[dtype][:able] = precision.bit_identical(weights, updates, dtype).mean(axis=(1, 2))
    last = {
        dtype: int(np.flatnonzero(share < 1)[-1]) if (share < 1).any() else None
        for dtype, share in shares.items()
    }
    return Reach(shares, last)


def _able(log10_updates: Array, weights: Array, dtype: str) -> int:
    """The distance from which on the norm of the update is too small to change any of the weights."""
    smallest_step = float(np.abs(weights).min()) * precision.PRECISIONS[dtype].half_ulp / 2
    able = np.flatnonzero(log10_updates >= math.log10(smallest_step))
    return int(able[-1]) + 1 if len(able) else 0


def _log10_updates(W: Array, gradient: Array, steps: int, rate: float, x: Array) -> Array:
    """log10 ‖rate · δxᵀ‖, (steps + 1,), for an input that arrived each distance before the loss."""
    return linear.log10_gradient_norms(W, gradient, steps) + math.log10(rate * np.linalg.norm(x))


def _input_weights(n: int, seed: int) -> tuple[Array, Array]:
    """The input weights U (n, 4), uniform in ±1/√n as PyTorch has them, and one input x (4,)."""
    rng = np.random.default_rng(seed)
    return rng.uniform(-1, 1, size=(n, 4)) / math.sqrt(n), rng.standard_normal(4)


def _input_gradients(path: linear.GradientPath, distances: NDArray[np.intp], x: Array) -> Array:
    """∂L/∂U = δxᵀ, (D, n, 4), for an input that arrived each distance before the loss; 0 below float64."""
    with np.errstate(over="ignore", under="ignore"):
        delta = np.ldexp(path.mantissas[distances], path.exponents[distances, None])
        return delta[:, :, None] * x


@st.cache_data(max_entries=ENTRIES, show_spinner=False)
def computed_path(W: Array, gradient: Array, steps: int, dtype: str) -> Array:
    return precision.log10_computed_norms(W, gradient, steps, dtype)


@st.cache_data(max_entries=ENTRIES, show_spinner=False)
def through_activation(
    W: Array, gradient: Array, steps: int, activation: str, scale: float, seed: int
) -> Array:
    """log10 ‖∂L/∂h‖ by steps back through a real network, driven by random inputs of size `scale`."""
    n = len(W)
    x = scale * np.random.default_rng(seed).standard_normal((steps, 1, n))
    parameters = {"weight_ih": np.eye(n), "weight_hh": W, "bias_ih": np.zeros(n), "bias_hh": np.zeros(n)}
    cell = RNN(parameters, activation)
    return bptt.log10_hidden_gradient_norms(cell, bptt.unroll(cell, x), gradient[None])[::-1, 0]


class VanishingPair(NamedTuple):
    """What clipping makes of a run whose gradient vanishes."""

    free: list[float]  # the losses
    clipped: list[float]
    largest_norm: float
    log10_arrives: float  # of the gradient, 1 at the loss, at the first step
    differ: int  # parameters that differ between the two after the last update
    parameters: int
    accuracy: float  # of the last half of the updates


@st.cache_data(max_entries=ENTRIES, show_spinner=False)
def vanishing_pair(delay: int, updates: int, threshold: float) -> VanishingPair:
    """An RNN that must recall a symbol, trained twice from one start: clipped by norm, and not."""
    task, runs = Recall(delay), []
    for max_norm in (None, threshold):
        rng = np.random.default_rng(0)
        model = Model.create(RNN.create(task.inputs, 32, rng=rng), task.outputs, rng=rng)
        runs.append(list(train(model, task, rng=rng, optimizer=SGD(0.1), updates=updates, max_norm=max_norm)))
    free, clipped = runs
    trace = bptt.unroll(model.cell, task.draw(1, rng=rng).x)
    arrives = bptt.log10_hidden_gradient_norms(model.cell, trace, np.full((1, 32), 32**-0.5))[1, 0]
    ends = [run[-1].model.parameters for run in runs]
    differ = sum(int(np.sum(ends[0][name] != ends[1][name])) for name in ends[0])
    return VanishingPair(
        [update.loss for update in free],
        [update.loss for update in clipped],
        max(update.norm_before for update in free),
        float(arrives),
        differ,
        sum(values.size for values in ends[0].values()),
        float(np.mean([update.accuracy for update in free[updates // 2 :]])),
    )
