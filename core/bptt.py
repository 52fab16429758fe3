"""Back-propagation through time: unroll a cell over a sequence, then walk back along it.

The only loops over time. Users see arrays of shape (T, B, ·); inside, a batch is so many columns,
(T, ·, B), so that every gate is a block of whole rows (see `core.cells`).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from core.arrays import LOG10_2, Array, aligned_empty, log10_norms
from core.cells import LSTM, Arrays, Cell, DType, Product, Row, product_with

BYTES_AT_ONCE = 3 * 2**19  # of the gradients that are formed before they are summed: they stay in the cache
SHORT_BUFFER = 2048  # entries, instead of numpy's 8192


@dataclass(frozen=True)
class Trace:
    """What the forward pass leaves behind; arrays that users see are views into it.

    It holds (T + 1)(X + 1 + H)·B numbers for the inputs and states, and T·G·H·B for the gates, with
    G = 1 for the RNN and 4 for GRU and LSTM; for the LSTM also (T + 4)·H·B for the memory, which has
    room for a step's gates at its end.
    """

    cell: Cell
    states: Array = field(repr=False)  # (T + 1, X + 1 + H, B): x_{t+1}, 1 and h_t
    record: Arrays = field(repr=False)
    rows: list[Row] = field(repr=False)
    size: Size

    @property
    def inputs(self) -> Array:
        """x, (T, B, X)."""
        return self.states[:-1, : self.cell.inputs].transpose(0, 2, 1)

    @property
    def hidden(self) -> Array:
        """h_0 … h_T, (T + 1, B, H)."""
        return self.states[:, -self.cell.hidden :].transpose(0, 2, 1)

    @property
    def memory(self) -> Array | None:
        """c_0 … c_T, (T + 1, B, H), for the LSTM; None for cells without one."""
        return self.record["memory"][: len(self.states)].transpose(0, 2, 1) if self.cell.remembers else None

    def gate(self, name: str) -> Array:
        """A gate's activations, (T, B, H); ValueError for a name that isn't in `cell.gates`."""
        return self.cell.gate(name, self.record).transpose(0, 2, 1)

    @property
    def overflow(self) -> int | None:
        """The first step after which a state isn't finite; None where all are."""
        finite = np.isfinite(self.states[1:, -self.cell.hidden :]).all(axis=(1, 2))
        return None if finite.all() else int(np.argmin(finite)) + 1


@dataclass(frozen=True)
class Gradients:
    """∂L by everything that the sequence met: in full, by every path that leads from it to L."""

    parameters: Arrays  # under the parameters' names and in their shapes
    hidden: Array  # (T + 1, B, H), by h_0 … h_T
    inputs: Array  # (T, B, X)
    memory: Array | None  # (T + 1, B, H), by c_0 … c_T, for the LSTM
    work: Workspace = field(repr=False)


class Size(NamedTuple):
    """What two walks must have in common to use the same arrays."""

    cell: type[Cell]
    inputs: int
    hidden: int
    steps: int
    batch: int
    dtype: DType


@dataclass(frozen=True)
class Workspace:
    """Room for a walk back, kept so that another walk of the same size needn't ask for it again."""

    size: Size
    hidden: Array  # (T + 1, H, B)
    memory: Array  # the same, or `hidden` itself for cells without one
    inputs: Array  # (T, X, B)
    direct: Array  # (C, H, B), for C steps at once
    room: Arrays
    rows: list[Row]  # what each step back reads and writes, from the last step to the first


class Chunk(NamedTuple):
    """Steps first … last − 1, whose factors fill the room from `offset` to its end."""

    first: int
    last: int
    offset: int
    room: Arrays
    rows: list[Row]  # from the last of these steps to the first


def unroll(
    cell: Cell, x: Array, start: Array | tuple[Array, Array] | None = None, *, out: Trace | None = None
) -> Trace:
    """Run `cell` over x (T, B, X) from `start`, or from zero.

    `start` is h_0 (B, H), for the LSTM (h_0, c_0). `out` is an earlier trace of the same shapes, to be
    overwritten instead of asking for memory. States that overflow do so without a warning:
    `Trace.overflow` tells. ValueError for an x that isn't of floats, finite and of that shape with
    T, B ≥ 1, or a start or an `out` that doesn't fit it.
    """
    if not isinstance(x, np.ndarray) or x.dtype.kind != "f" or x.ndim != 3 or x.shape[2] != cell.inputs:
        raise ValueError(f"x must be an array of floats of the shape (T, B, {cell.inputs}), not {_told(x)}")
    if 0 in x.shape:
        raise ValueError(f"x must have the shape (T, B, {cell.inputs}) with T, B ≥ 1, not {x.shape}")
    _check_finite("x", x)
    steps, batch, inputs = x.shape
    dtype = np.result_type(x, cell.parameters["weight_hh"])
    size = Size(type(cell), inputs, cell.hidden, steps, batch, dtype)
    if out is not None and out.size != size:
        raise ValueError("out must be the trace of a cell and an x of the same kinds, shapes and types")
    trace = _empty_trace(cell, size) if out is None else Trace(cell, out.states, out.record, out.rows, size)
    states, record = trace.states, trace.record
    states[:-1, :inputs] = x.transpose(0, 2, 1)
    _start(cell, states, record, start)
    with np.errstate(over="ignore", invalid="ignore"):
        shared, step = cell.begin(states, record), cell.step
        for row in trace.rows:
            step(shared, row)
    return trace


def backpropagate(cell: Cell, trace: Trace, d_hidden: Array, *, out: Gradients | None = None) -> Gradients:
    """Walk back along `trace`: d_hidden (T, B, H) is what L adds to ∂L/∂h_1 … ∂L/∂h_T directly.

    ∂L/∂θ = Σ_t (∂L/∂a_t)(∂a_t/∂θ), with ∂L/∂h_{t−1} = (∂h_t/∂h_{t−1})ᵀ ∂L/∂h_t + d_hidden_{t−1} (Werbos
    1990). `out` is an earlier result of the same shapes, whose arrays but for the parameters' are
    overwritten. Beside the result it takes a few times BYTES_AT_ONCE, or the gates of one step where
    those are more. ValueError for a d_hidden of another shape, or an `out` that doesn't fit.
    """
    size = _check_trace(cell, trace)
    batch = size.batch
    _check_shape("d_hidden", d_hidden, (size.steps, batch, size.hidden))
    if out is not None and out.work.size != size:
        raise ValueError(
            "out must be the gradients of a cell and a trace of the same kinds, shapes and types"
        )
    work = _workspace(cell, size) if out is None else out.work
    work.hidden[-1] = 0
    sums: Arrays = {}
    product, direct, step_back = _recurrence(cell, work), d_hidden.transpose(0, 2, 1), cell.step_back
    with _walking():
        for first, last, offset, room, rows in _chunks_back(cell, trace, work):
            work.direct[offset:] = direct[first:last]
            for row in rows:
                step_back(product, row)
            cell.collect(trace.states[first:last], room, sums, work.inputs[first:last])
    if cell.remembers:
        work.memory[0] = cell.carried(work.room)[-1]
    return Gradients(
        cell.parameter_gradients(sums),
        work.hidden.transpose(0, 2, 1),
        work.inputs.transpose(0, 2, 1),
        work.memory.transpose(0, 2, 1) if cell.remembers else None,
        work,
    )


def log10_hidden_gradient_norms(cell: Cell, trace: Trace, d_last: Array) -> Array:
    """log10 ‖∂L/∂h_t‖₂ for t = 0 … T, (T + 1, B), when only h_T bears on the loss, by d_last (B, H).

    What goes on from step to step is scaled back to about 1 by a power of two, which is exact, so that
    the norms are right beyond any float, as far as the states of the trace are and each step's own
    factors are floats (σ(a) is 0 from a = −745 down); −inf for zero. ValueError for a d_last of another
    shape or with numbers that aren't finite.
    """
    size = _check_trace(cell, trace)
    last_gradient = _fitting("d_last", d_last, (size.batch, size.hidden), size.dtype)
    work = _workspace(cell, size)
    product, carried = _recurrence(cell, work), cell.carried(work.room)
    exponents = np.zeros((size.steps + 1, size.batch), dtype=np.int64)
    work.hidden[-1] = last_gradient.T
    exponents[-1] = _rescale(work.hidden[-1], carried[-1])
    work.direct[:] = 0
    with _walking():
        for chunk in _chunks_back(cell, trace, work):
            k, j = chunk.last, len(work.direct)
            for row in chunk.rows:
                cell.step_back(product, row)
                k, j = k - 1, j - 1
                exponents[k] = exponents[k + 1] + _rescale(work.hidden[k], carried[j])
    return log10_norms(work.hidden.transpose(0, 2, 1)) + exponents * LOG10_2


def log10_forget_path(cell: LSTM, trace: Trace, d_last: Array) -> Array:
    """log10 ‖∏_{s>t} f_s ∘ ∂h_T/∂c_T ∘ d_last‖₂ for t = 0 … T, (T + 1, B): the path through the memory alone.

    One of the paths that add up to ∂L/∂c_t: the one that passes no weight and no squashing but the
    forget gates, σ(a_f) (Gers et al. 2000). Summed as logarithms, so that it is right beyond any
    float. Raises as `log10_hidden_gradient_norms` does, and for a cell that isn't an LSTM.
    """
    if not isinstance(cell, LSTM):
        raise ValueError("cell must be an LSTM: the others have no memory beside their hidden state")
    size = _check_trace(cell, trace)
    last_gradient = _fitting("d_last", d_last, (size.batch, size.hidden), size.dtype)
    last = cell.log10_into_memory(trace.record, last_gradient.T)
    gates = cell.log10_forget(trace.record)
    path = last + np.concatenate([np.cumsum(gates[::-1], axis=0)[::-1], np.zeros((1, *last.shape))])
    largest = np.maximum(path.max(axis=1, keepdims=True), -np.finfo(np.float64).max)
    with np.errstate(divide="ignore"):
        norms: Array = largest[:, 0] + 0.5 * np.log10(np.sum(10 ** (2 * (path - largest)), axis=1))
    return norms


@contextmanager
def _walking() -> Iterator[None]:
    """States that overflow do so without a warning, and ufuncs take the blocks of a chunk as they are.

    Where blocks stand apart in memory and are shorter than a third of its buffer, numpy copies them
    through that, although there is nothing to cast, which takes three times as long.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        np.setbufsize(SHORT_BUFFER)
        yield


def _chunks_back(cell: Cell, trace: Trace, work: Workspace) -> Iterator[Chunk]:
    """Chunks of steps from the last to the first, each with its factors formed when it is yielded."""
    carried, steps, at_once = cell.carried(work.room), len(work.rows), len(work.direct)
    for last in range(steps, 0, -at_once):
        first = max(0, last - at_once)
        offset = at_once - (last - first)
        room = {name: array[offset:] for name, array in work.room.items()}
        record = {name: array[first : last + len(array) - steps] for name, array in trace.record.items()}
        cell.factors(trace.states[first:last], record, room)
        yield Chunk(first, last, offset, room, work.rows[steps - last : steps - first])
        carried[-1] = carried[offset]


def _recurrence(cell: Cell, work: Workspace) -> Product:
    """The product with W_hhᵀ; and nothing is carried into the last step yet."""
    cell.carried(work.room)[-1] = 0
    return product_with(cell.parameters["weight_hh"].T, work.hidden)


def _rescale(d_h: Array, d_carried: Array) -> NDArray[np.int64] | int:
    """Scale each column of both (H, B), in place, by a power of two to about 1; the exponents (B,).

    While all are within a sixteenth of the type's range, in logarithms, nothing is done: 0.
    """
    largest = np.maximum(np.abs(d_h).max(axis=0), np.abs(d_carried).max(axis=0))
    far = float(np.finfo(d_h.dtype).max) ** (1 / 16)
    if 1 / far < largest.min() and largest.max() < far:
        return 0
    _, shifts = np.frexp(largest)
    for array in (d_h, d_carried):
        np.ldexp(array, -shifts, out=array)
    return np.asarray(shifts, dtype=np.int64)


def _empty_trace(cell: Cell, size: Size) -> Trace:
    states = aligned_empty((size.steps + 1, size.inputs + 1 + size.hidden, size.batch), size.dtype)
    record = cell.record(size.steps, size.batch, size.dtype)
    return Trace(cell, states, record, list(zip(*cell.rows(states, record), strict=True)), size)


def _check_trace(cell: Cell, trace: Trace) -> Size:
    if trace.size[:3] != (type(cell), cell.inputs, cell.hidden):
        raise ValueError("trace must be that of a cell of the same kind and shape")
    return trace.size


def _workspace(cell: Cell, size: Size) -> Workspace:
    steps, batch, dtype = size.steps, size.batch, size.dtype
    hidden = aligned_empty((steps + 1, size.hidden, batch), dtype)
    d_c = aligned_empty((steps + 4, size.hidden * batch), dtype) if cell.remembers else hidden
    at_once = min(steps, max(1, BYTES_AT_ONCE // (6 * hidden[0].nbytes)))
    room = cell.room(at_once, batch, dtype)
    direct = aligned_empty((at_once, size.hidden, batch), dtype)
    here = list(zip(*cell.rows_back(room), direct, strict=True))[::-1]
    rows = [
        (*here[k % at_once][:-1], hidden[-k - 1], here[k % at_once][-1], d_c[k : k + 4], hidden[-k - 2])
        for k in range(steps)
    ]
    memory = d_c[steps::-1].reshape(hidden.shape) if cell.remembers else hidden
    inputs = aligned_empty((steps, size.inputs, batch), dtype)
    return Workspace(size, hidden, memory, inputs, direct, room, rows)


def _start(cell: Cell, states: Array, record: Arrays, start: Array | tuple[Array, Array] | None) -> None:
    """Write the row of ones, h_0, and for the LSTM c_0."""
    states[:, cell.inputs] = 1
    firsts = [states[0, -cell.hidden :]] + ([record["memory"][0]] if cell.remembers else [])
    if start is None:
        for first in firsts:
            first[:] = 0
        return
    starts = start if isinstance(start, tuple) else (start,)
    if isinstance(start, tuple) != cell.remembers or len(starts) != len(firsts):
        raise ValueError("start must be a pair (h_0, c_0) for an LSTM, and h_0 alone for other cells")
    names = ("start (h_0)", "start (c_0)") if cell.remembers else ("start",)
    for name, first, given in zip(names, firsts, starts, strict=True):
        first[:] = _fitting(name, given, (states.shape[2], cell.hidden), states.dtype).T


def _check_shape(name: str, array: Array, shape: tuple[int, ...]) -> None:
    if not isinstance(array, np.ndarray) or array.dtype.kind != "f" or array.shape != shape:
        raise ValueError(f"{name} must be an array of floats of the shape {shape}, not {_told(array)}")


def _fitting(name: str, array: Array, shape: tuple[int, ...], dtype: DType) -> Array:
    """`array` in the type asked for; ValueError unless it has the shape, and is finite in that type."""
    _check_shape(name, array, shape)
    with np.errstate(over="ignore"):
        fitting = array.astype(dtype, copy=False)
    _check_finite(name, fitting)
    return fitting


def _check_finite(name: str, array: Array) -> None:
    if not np.isfinite(array).all():
        raise ValueError(f"{name} must hold finite numbers of {array.dtype}")


def _told(array: object) -> str:
    """What an argument is, for an error."""
    if isinstance(array, np.ndarray):
        return f"one of {array.dtype} of the shape {array.shape}"
    return type(array).__name__
