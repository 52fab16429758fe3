"""Training: a generator that does one update each time it is asked, so that whoever asks may stop."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from core.arrays import Array, check_count
from core.bptt import Gradients, Trace, backpropagate, unroll
from core.cells import Arrays, Cell
from core.clipping import clip_by_norm, global_norm
from core.optimizers import Adam, Optimizer
from core.tasks import Batch, Task

OUT = ("weight_out", "bias_out")


@dataclass(frozen=True)
class Model:
    """y = W_out h_T + b_out: a cell, and what reads its last hidden state."""

    cell: Cell
    weight_out: Array  # (K, H)
    bias_out: Array  # (K,)

    def __post_init__(self) -> None:
        """Raise ValueError unless the two fit each other and the cell."""
        shape = (len(self.bias_out), self.cell.hidden)
        if self.weight_out.shape != shape or self.bias_out.ndim != 1:
            raise ValueError(f"weight_out must have the shape {shape}, not {self.weight_out.shape}")

    @staticmethod
    def create(cell: Cell, outputs: int, *, rng: np.random.Generator) -> Model:
        """A model whose weight_out is uniform in ±1/√H, as PyTorch's, with a bias_out of 0."""
        check_count("outputs", outputs, 1)
        bound, dtype = 1 / math.sqrt(cell.hidden), cell.parameters["weight_hh"].dtype
        weight_out = rng.uniform(-bound, bound, (outputs, cell.hidden)).astype(dtype)
        return Model(cell, weight_out, np.zeros(outputs, dtype))

    @property
    def parameters(self) -> Arrays:
        """Those of the cell, and weight_out and bias_out."""
        return self.cell.parameters | {"weight_out": self.weight_out, "bias_out": self.bias_out}

    def with_parameters(self, parameters: Arrays) -> Model:
        """The same model with other values."""
        of_the_cell = {name: values for name, values in parameters.items() if name not in OUT}
        return Model(
            replace(self.cell, parameters=of_the_cell), parameters["weight_out"], parameters["bias_out"]
        )

    def outputs(self, last_hidden: Array) -> Array:
        """y (B, K) from h_T (B, H)."""
        return np.asarray(last_hidden @ self.weight_out.T + self.bias_out)


class Loss(NamedTuple):
    """L, the share of right answers (NaN where there are none to be right), and ∂L/∂y (B, K)."""

    value: float
    accuracy: float
    d_outputs: Array


class Progress(NamedTuple):
    """One update. The loss, the accuracy and the norms are those of its batch, before the update."""

    step: int  # from 1
    loss: float
    accuracy: float  # NaN for a task without classes
    norm_before: float  # of the gradient, and after clipping
    norm_after: float
    not_finite: str | None  # the first of "state", "loss", "gradient", "parameters" to hold inf or NaN
    model: Model  # after the update

    @property
    def finite(self) -> bool:
        """Whether every number was finite."""
        return self.not_finite is None


def cross_entropy(outputs: Array, target: NDArray[Any]) -> Loss:
    """L = −mean log softmax(y)[target], outputs y (B, K), target (B,) from 0 to K − 1.

    ∂L/∂y = (softmax(y) − one-hot)/B. Natural logarithm. ValueError for a target of another shape or
    with other numbers.
    """
    size, classes = outputs.shape
    if target.shape != (size,) or target.dtype.kind not in "iu":
        raise ValueError(f"target must be whole numbers of the shape ({size},), not {target.shape}")
    if target.min() < 0 or target.max() >= classes:
        raise ValueError(f"target must be from 0 to {classes - 1}")
    everyone = np.arange(size)
    with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
        shifted = outputs - outputs.max(axis=1, keepdims=True)
        log_sums = np.log(np.sum(np.exp(shifted), axis=1))
        value = float(np.mean(log_sums - shifted[everyone, target]))
        d_outputs = np.exp(shifted - log_sums[:, None])
        d_outputs[everyone, target] -= 1
    accuracy = float(np.mean(np.argmax(outputs, axis=1) == target))
    return Loss(value, accuracy, d_outputs / size)


def mean_square(outputs: Array, target: NDArray[Any]) -> Loss:
    """L = mean (y − target)² over all of outputs and target (B, K); ∂L/∂y = 2(y − target)/(B·K).

    ValueError for a target of another shape.
    """
    if target.shape != outputs.shape:
        raise ValueError(f"target must have the shape {outputs.shape}, not {target.shape}")
    with np.errstate(invalid="ignore", over="ignore"):
        error = outputs - target
        return Loss(float(np.mean(np.square(error))), math.nan, 2 * error / error.size)


def evaluate(model: Model, batch: Batch) -> Loss:
    """The loss of a model on a batch."""
    return _loss(model, unroll(model.cell, batch.x), batch)


def train(
    model: Model,
    task: Task,
    *,
    rng: np.random.Generator,
    updates: int | None = None,
    optimizer: Optimizer | None = None,
    size: int = 32,
    max_norm: float | None = None,
) -> Iterator[Progress]:
    """Yield the progress of one update after another, each on a new batch of `size` sequences.

    Adam with its usual rate unless another optimiser is given; gradients clipped to the global norm
    `max_norm`, if that is given, before they reach it; without end unless `updates` is given. It ends
    after the first update with a number that isn't finite. ValueError, when first asked, for a model
    that doesn't fit the task, or a count that isn't one.
    """
    check_count("size", size, 1)
    if updates is not None:
        check_count("updates", updates, 0)
    if (model.cell.inputs, len(model.bias_out)) != (task.inputs, task.outputs):
        raise ValueError(f"model must have {task.inputs} inputs and {task.outputs} outputs for this task")
    optimizer = optimizer or Adam()
    moments = optimizer.begin(model.parameters)
    dtype = model.weight_out.dtype
    trace: Trace | None = None
    walked: Gradients | None = None
    step = 0
    while updates is None or step < updates:
        step += 1
        batch = task.draw(size, rng=rng, dtype=dtype)
        trace = unroll(model.cell, batch.x, out=trace)
        loss = _loss(model, trace, batch)
        gradients, walked = _gradients(model, trace, loss, walked)
        if max_norm is None:
            norm_before = norm_after = global_norm(gradients)
        else:
            gradients, norm_before, norm_after, _ = clip_by_norm(gradients, max_norm)
        parameters, moments = optimizer.update(model.parameters, gradients, moments)
        model = model.with_parameters(parameters)
        culprit = _first_not_finite(trace, loss, norm_before, parameters)
        yield Progress(step, loss.value, loss.accuracy, norm_before, norm_after, culprit, model)
        if culprit is not None:
            return


def _loss(model: Model, trace: Trace, batch: Batch) -> Loss:
    with np.errstate(over="ignore", invalid="ignore"):
        outputs = model.outputs(trace.hidden[-1])
    return (cross_entropy if batch.target.dtype.kind in "iu" else mean_square)(outputs, batch.target)


def _gradients(model: Model, trace: Trace, loss: Loss, earlier: Gradients | None) -> tuple[Arrays, Gradients]:
    """∂L by every parameter, under its name; and the walk back, whose arrays the next may use."""
    last = trace.hidden[-1]
    d_hidden = np.zeros((len(trace.states) - 1, *last.shape), last.dtype)
    with np.errstate(over="ignore", invalid="ignore"):
        d_hidden[-1] = loss.d_outputs @ model.weight_out
        of_the_output = {"weight_out": loss.d_outputs.T @ last, "bias_out": loss.d_outputs.sum(axis=0)}
    walked = backpropagate(model.cell, trace, d_hidden, out=earlier)
    return walked.parameters | of_the_output, walked


def _first_not_finite(trace: Trace, loss: Loss, norm: float, parameters: Arrays) -> str | None:
    """What held inf or NaN first, in the order in which an update computes."""
    if trace.overflow is not None:
        return "state"
    if not math.isfinite(loss.value):
        return "loss"
    if not math.isfinite(norm):
        return "gradient"
    return None if all(np.isfinite(values).all() for values in parameters.values()) else "parameters"
