"""Many small RNNs trained at once: each product and each activation is of all runs together.

A run is one network with its own parameters, batches and clipping; runs never meet in a sum, so what
becomes of one doesn't depend on the others beside it. Shapes: R runs, T time, B batch, X inputs,
H hidden, K classes, P parameters. float32 or float64, as the parameters are.

    x_t = W_rec σ(x_{t−1}) + W_in u_t + b      (Pascanu, Mikolov & Bengio 2013, eq. 2), σ(x_0) = 0
    y = W_out σ(x_T) + b_out,  E = −mean log softmax(y)[target]

σ is tanh or the logistic sigmoid, h_t = σ(x_t), and δ_t = ∂E/∂x_t. `hidden` and `delta` are kept as
(R, T, B, H): the rows of one run are one matrix, (T·B, H), and those of one step are so many of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike, NDArray

from core.arrays import Array, check_choice
from core.linear import spectral_radius
from core.tasks import Task

Integers = NDArray[np.integer[Any]]
Arrays = dict[str, Array]

ACTIVATIONS = ("tanh", "sigmoid")
INITIALISATIONS = ("sigmoid", "basic tanh", "smart tanh")
DEVIATIONS = {"sigmoid": 0.01, "basic tanh": 0.1, "smart tanh": 0.01}  # standard, of all weights
SMART_INPUTS, SMART_RADIUS = 15, 0.95  # non-zero recurrent weights a unit; spectral radius of all of them
SMALLEST_SQUARE = 1e-20  # of ‖∂E/∂x_{k+1}‖: below it the authors' code, too, leaves Ω_k out
BLOCK = 250  # fresh sequences tested at once
DRAWN = 20  # batches drawn at once


@dataclass(frozen=True)
class Network:
    """The sizes of a network, and where its parameters stand in a row of P numbers."""

    inputs: int = 6
    hidden: int = 50
    outputs: int = 4
    activation: str = "tanh"

    def __post_init__(self) -> None:
        check_choice("activation", self.activation, ACTIVATIONS)

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The shape of each parameter, in their order. The last column of weight_in is the bias b."""
        X, H, K = self.inputs, self.hidden, self.outputs
        return {"weight_rec": (H, H), "weight_in": (H, X + 1), "weight_out": (K, H), "bias_out": (K,)}

    @property
    def size(self) -> int:
        """P."""
        return sum(int(np.prod(shape)) for shape in self.shapes.values())

    def views(self, rows: Array) -> Arrays:
        """The parameters (or gradients) of all runs, (R, ...) each: views into `rows` (R, P)."""
        views, start = {}, 0
        for name, shape in self.shapes.items():
            stop = start + int(np.prod(shape))
            views[name] = rows[:, start:stop].reshape(len(rows), *shape)
            start = stop
        return views


class Room(NamedTuple):
    """Arrays that each update writes anew, so that memory is asked for once."""

    hidden: Array  # (R, T + 1, B, H): h_0 … h_T
    delta: Array  # (R, T, B, H): δ_1 … δ_T
    step: Array  # (R, B, H)
    gradients: Array  # (R, P)

    @staticmethod
    def create(network: Network, runs: int, steps: int, batch: int, dtype: DTypeLike) -> Room:
        H = network.hidden
        return Room(
            np.zeros((runs, steps + 1, batch, H), dtype),  # h_0 stays 0
            np.empty((runs, steps, batch, H), dtype),
            np.empty((runs, batch, H), dtype),
            np.empty((runs, network.size), dtype),
        )


class Batches(NamedTuple):
    """Batches for all runs: each its own."""

    x: Array  # (N, R, T, B, X + 1): N batches, a 1 after the inputs for the bias
    target: Integers  # (N, R, B)


class Omega(NamedTuple):
    """Ω of each run (R,), and its immediate derivative by W_rec (R, H, H)."""

    value: Array
    gradient: Array


def initial_parameters(initialisation: str, network: Network, *, rng: np.random.Generator) -> Array:
    """(P,): one of the paper's three starts. Weights are normal with mean 0, biases 0.

    "sigmoid" has the standard deviation 0.01, "basic tanh" 0.1; "smart tanh" has 0.01 but for W_rec:
    15 weights a unit that aren't 0, and all of them scaled to the spectral radius 0.95.
    """
    check_choice("initialisation", initialisation, INITIALISATIONS)
    row = np.zeros((1, network.size))
    views = network.views(row)
    for name in ("weight_rec", "weight_in", "weight_out"):
        views[name][:] = rng.normal(0, DEVIATIONS[initialisation], views[name].shape)
    views["weight_in"][..., -1] = 0
    if initialisation == "smart tanh":
        views["weight_rec"][0] = _sparse(views["weight_rec"][0], rng)
    return np.asarray(row[0])


def _sparse(W: Array, rng: np.random.Generator) -> Array:
    """W with 15 entries left in each row, scaled to the radius 0.95."""
    H = len(W)
    if H < SMART_INPUTS:
        raise ValueError(f"hidden must be {SMART_INPUTS} or more for smart tanh, not {H}")
    for row in W:
        row[rng.permutation(H)[SMART_INPUTS:]] = 0
    return np.asarray(W * (SMART_RADIUS / spectral_radius(W)))


def draw(task: Task, count: int, size: int, rngs: Sequence[np.random.Generator], dtype: DTypeLike) -> Batches:
    """`count` batches of `size` sequences for each run, drawn from that run's own generator."""
    drawn = [task.draw(count * size, rng=rng, dtype=dtype) for rng in rngs]
    T, X = len(drawn[0].x), task.inputs
    x = np.ones((count, len(rngs), T, size, X + 1), dtype)
    for run, batch in enumerate(drawn):
        x[:, run, :, :, :X] = batch.x.reshape(T, count, size, X).swapaxes(0, 1)
    target = np.stack([batch.target.reshape(count, size) for batch in drawn], axis=1)
    return Batches(x, target)


def forward(network: Network, parameters: Array, x: Array, room: Room) -> Array:
    """y (R, B, K) from x (R, T, B, X + 1); h_t is written into the room.

    h_t = σ(h_{t−1} W_recᵀ + u_t W_inᵀ), the inputs of all steps in one product.
    """
    R, T, B, _ = x.shape
    weights, hidden = network.views(parameters), room.hidden
    W_rec = np.ascontiguousarray(weights["weight_rec"].swapaxes(1, 2))
    np.matmul(
        x.reshape(R, T * B, -1),
        weights["weight_in"].swapaxes(1, 2),
        out=hidden[:, 1:].reshape(R, T * B, -1),  # a view
    )
    for t in range(T):
        np.matmul(hidden[:, t], W_rec, out=room.step)
        np.add(room.step, hidden[:, t + 1], out=room.step)
        _activate(network, room.step, hidden[:, t + 1])
    return read_out(weights, hidden[:, -1])


def read_out(weights: Arrays, last: Array) -> Array:
    """y = W_out h_T + b_out, (R, B, K)."""
    return np.asarray(last @ weights["weight_out"].swapaxes(1, 2) + weights["bias_out"][:, None])


def cross_entropy(outputs: Array, target: Integers) -> tuple[Array, Array]:
    """(E (R,), ∂E/∂y (R, B, K)) from y (R, B, K) and target (R, B): a mean over the batch."""
    shifted = outputs - outputs.max(axis=-1, keepdims=True)
    log_softmax = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    right = target[..., None] == np.arange(outputs.shape[-1])
    B = outputs.dtype.type(target.shape[1])
    return -log_softmax[right].reshape(target.shape).mean(axis=1), (np.exp(log_softmax) - right) / B


def backward(network: Network, parameters: Array, x: Array, d_outputs: Array, room: Room) -> Array:
    """∂E by every parameter, (R, P), after `forward`; δ_t is left in the room.

    δ_T = σ′(x_T) ∘ (∂E/∂y W_out), δ_t = σ′(x_t) ∘ (δ_{t+1} W_rec), ∂E/∂W_rec = Σ_t δ_tᵀ h_{t−1},
    ∂E/∂W_in = Σ_t δ_tᵀ u_t: all steps in one product.
    """
    R, T, B, _ = x.shape
    weights, gradients = network.views(parameters), network.views(room.gradients)
    hidden, delta, W_rec = room.hidden, room.delta, np.ascontiguousarray(weights["weight_rec"])
    slope(network, hidden[:, 1:], out=delta)
    np.matmul(d_outputs, weights["weight_out"], out=room.step)
    delta[:, -1] *= room.step
    for t in range(T - 2, -1, -1):
        np.matmul(delta[:, t + 1], W_rec, out=room.step)
        delta[:, t] *= room.step
    columns = delta.reshape(R, T * B, -1).swapaxes(1, 2)  # (R, H, T·B)
    np.matmul(columns, hidden[:, :-1].reshape(R, T * B, -1), out=gradients["weight_rec"])
    np.matmul(columns, x.reshape(R, T * B, -1), out=gradients["weight_in"])
    np.matmul(d_outputs.swapaxes(1, 2), hidden[:, -1], out=gradients["weight_out"])
    np.sum(d_outputs, axis=1, out=gradients["bias_out"])
    return room.gradients


def omega(network: Network, room: Room) -> Omega:
    """Ω and ∂⁺Ω/∂W_rec (the paper's eq. 9 and 10), after `backward`; a mean over the batch.

    Ω = Σ_k (‖v_k‖/‖δ_{k+1}‖ − 1)², k = 1 … T − 1, with v_k = δ_{k+1} ∂x_{k+1}/∂x_k
      = σ′(x_k) ∘ (δ_{k+1} W_rec), where only W_rec counts as a variable:
    ∂⁺Ω_k/∂W_rec = 2 (‖v_k‖/‖δ_{k+1}‖ − 1)/(‖v_k‖ ‖δ_{k+1}‖) · δ_{k+1}ᵀ (σ′(x_k) ∘ v_k).

    The loss is at the last step alone, so v_k = δ_k is there already. A k at which ‖δ_{k+1}‖² is below
    10⁻²⁰, or a norm is past the type's range, has no term.
    """
    R, T, B, H = room.delta.shape
    squares = np.einsum("rtbh,rtbh->rtb", room.delta, room.delta)
    here, after = np.sqrt(squares[:, :-1]), np.sqrt(squares[:, 1:])  # ‖v_k‖, ‖δ_{k+1}‖, each (R, T − 1, B)
    counted = (squares[:, 1:] >= SMALLEST_SQUARE) & np.isfinite(after) & np.isfinite(here)
    here, after = np.where(counted, here, 1), np.where(counted, after, 1)  # so that they add nothing
    excess = here / after - 1
    factor = 2 / B * excess / np.where(here > 0, here * after, np.inf)
    right = slope(network, room.hidden[:, 1:-1], out=np.empty_like(room.delta[:, 1:]))
    right *= room.delta[:, :-1]
    right *= factor[..., None]
    left = room.delta[:, 1:].reshape(R, (T - 1) * B, H).swapaxes(1, 2)
    gradient = np.matmul(left, right.reshape(R, (T - 1) * B, H))
    return Omega(np.square(excess).sum(axis=1).mean(axis=1), gradient)


def clip_by_norm(gradients: Array, max_norm: float) -> Array:
    """Scale each run's row of (R, P) to max_norm, in place, where it is longer; its norms before, (R,).

    Divided by the largest entry first, so that no square overflows. A row that isn't finite is left.
    """
    largest = np.abs(gradients).max(axis=1, keepdims=True).astype(np.float64)  # NaN where one is
    usable = np.isfinite(largest) & (largest > 0)
    relative = np.divide(gradients, np.where(usable, largest, 1), dtype=np.float64)
    norms = np.where(usable, largest * np.sqrt(np.square(relative).sum(axis=1, keepdims=True)), largest)
    too_long = usable & (norms > max_norm)
    np.multiply(
        gradients,
        np.where(too_long, max_norm / np.where(usable, norms, 1), 1),
        out=gradients,
        casting="same_kind",
    )
    return np.asarray(norms[:, 0])


def slope(network: Network, hidden: Array, out: Array) -> Array:
    """σ′(x) from h = σ(x): 1 − h² or h(1 − h), written into `out`."""
    if network.activation == "tanh":
        np.multiply(hidden, hidden, out=out)
        return np.subtract(1, out, out=out)
    np.subtract(1, hidden, out=out)
    return np.multiply(out, hidden, out=out)


def _activate(network: Network, x: Array, out: Array) -> None:
    """σ(x), written into `out`; the sigmoid as ½ + ½ tanh(x/2), which never overflows; x is used up."""
    if network.activation == "tanh":
        np.tanh(x, out=out)
        return
    half = x.dtype.type(0.5)
    np.multiply(x, half, out=x)
    np.tanh(x, out=x)
    np.multiply(x, half, out=x)
    np.add(x, half, out=out)


def count_errors(network: Network, parameters: Array, x: Array, target: Integers) -> Integers:
    """How many of B sequences each run gets wrong, (R,), from x (R, T, B, X + 1); keeps no state."""
    R, T, B, _ = x.shape
    weights = network.views(parameters)
    W_rec, W_in = (np.ascontiguousarray(weights[f"weight_{of}"].swapaxes(1, 2)) for of in ("rec", "in"))
    h, step = (np.zeros((R, B, network.hidden), parameters.dtype) for _ in range(2))
    for t in range(T):
        np.matmul(h, W_rec, out=step)
        np.add(step, x[:, t] @ W_in, out=step)
        _activate(network, step, h)
    return np.asarray(np.sum(read_out(weights, h).argmax(axis=-1) != target, axis=1))


def passes(
    network: Network,
    parameters: Array,
    task: Task,
    rngs: Sequence[np.random.Generator],
    tested: int,
    share: float,
) -> NDArray[np.bool_]:
    """Whether each run gets fewer than share · tested of `tested` fresh sequences wrong, (R,).

    Exact, and cheap while nothing is learned: sequences come in blocks, and a run that has made too many
    errors to pass isn't asked again.
    """
    errors = np.zeros(len(parameters), int)
    for start in range(0, tested, BLOCK):
        open_runs = np.nonzero(errors < share * tested)[0].tolist()
        if not open_runs:
            break
        size = min(BLOCK, tested - start)
        x, target = draw(task, 1, size, [rngs[run] for run in open_runs], parameters.dtype)
        errors[open_runs] += count_errors(network, parameters[open_runs], x[0], target[0])
    return errors < share * tested


@dataclass(frozen=True)
class Recipe:
    """SGD without momentum: W ← W − rate · g, g clipped per run to max_norm, with α ∂⁺Ω/∂W_rec in it."""

    rate: float
    max_norm: float | None = None  # None: not clipped
    alpha: float = 0.0  # 0: without Ω
    batch: int = 20  # sequences an update


class Criterion(NamedTuple):
    """When a run has succeeded: fewer than share · tested errors on fresh sequences, asked at times."""

    every: int = 100  # updates; a multiple of DRAWN
    tested: int = 10_000  # sequences
    share: float = 0.01


class Progress(NamedTuple):
    """Where all runs are at a check. A run that has succeeded, or whose weights aren't finite, is over."""

    update: int
    solved_at: tuple[int | None, ...]  # the check at which each run succeeded
    died_at: tuple[int | None, ...]  # the check that found inf or NaN among its parameters


def update(
    network: Network, parameters: Array, x: Array, target: Integers, recipe: Recipe, room: Room
) -> Array:
    """One update of every run, in place; E of each before it, (R,)."""
    losses, d_outputs = cross_entropy(forward(network, parameters, x, room), target)
    gradients = backward(network, parameters, x, d_outputs, room)
    if recipe.alpha:
        by_W_rec = network.views(gradients)["weight_rec"]
        by_W_rec += parameters.dtype.type(recipe.alpha) * omega(network, room).gradient
    if recipe.max_norm is not None:
        clip_by_norm(gradients, recipe.max_norm)
    gradients *= parameters.dtype.type(recipe.rate)
    parameters -= gradients
    return losses


def train(
    network: Network,
    task: Task,
    initialisation: str,
    recipe: Recipe,
    *,
    seeds: Sequence[int],
    updates: int,
    criterion: Criterion | None = None,
    dtype: DTypeLike = np.float32,
) -> Iterator[Progress]:
    """Train a run for each seed and yield their progress at each check, until all are over.

    A seed draws its start, its batches and its tests from three generators, so that methods that share
    a seed share them too. ValueError for a check that isn't after whole draws.
    """
    criterion = criterion or Criterion()
    if criterion.every % DRAWN:
        raise ValueError(f"every must be a multiple of {DRAWN}, not {criterion.every}")
    starts = [initial_parameters(initialisation, network, rng=_generator(seed, 0)) for seed in seeds]
    parameters = np.array(starts, dtype)
    runs = list(range(len(seeds)))  # those that aren't over
    rngs = [_generator(seed, 1) for seed in seeds]
    solved_at: list[int | None] = [None] * len(seeds)
    died_at: list[int | None] = [None] * len(seeds)
    room: Room | None = None
    for done in range(DRAWN, updates + 1, DRAWN):
        batches = draw(task, DRAWN, recipe.batch, [rngs[run] for run in runs], dtype)
        steps = batches.x.shape[2]
        if room is None or len(room.gradients) != len(runs):
            room = Room.create(network, len(runs), steps, recipe.batch, dtype)
        with np.errstate(all="ignore"):  # what isn't finite is found at the check
            for x, target in zip(*batches, strict=True):
                update(network, parameters, x, target, recipe, room)
        if done % criterion.every:
            continue
        died = ~np.isfinite(parameters).all(axis=1)
        fresh = [_generator(seeds[run], 2, done) for run in runs]
        with np.errstate(all="ignore"):
            solved = passes(network, parameters, task, fresh, criterion.tested, criterion.share) & ~died
        for run, has_solved, has_died in zip(runs, solved, died, strict=True):
            if has_solved:
                solved_at[run] = done
            if has_died:
                died_at[run] = done
        yield Progress(done, tuple(solved_at), tuple(died_at))
        going = np.nonzero(~(solved | died))[0].tolist()
        parameters, runs = parameters[going], [runs[place] for place in going]
        if not runs:
            return


def _generator(*key: int) -> np.random.Generator:
    return np.random.default_rng(key)
