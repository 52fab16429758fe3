"""Recurrent cells: one step forward, and one step back. The loops over time are in `core.bptt`.

Parameters have PyTorch's names, shapes and order of gates, so that a `state_dict` loads as it is.

What makes a step fast is the same in every cell, and all of it is here:
- x_t, 1 and h_{t−1} stand below each other in one column, so that one product covers the input,
  the bias and the recurrence; a batch is so many columns, and every gate a block of whole rows;
- σ(a) = ½ + ½ tanh(a/2), with the inner ½ folded into the weights, so that one tanh serves all gates;
- what multiplies the gradient on its way back doesn't depend on it: these `factors` are formed
  for many steps at once, and a step back is a handful of products.

A cell keeps nothing but its parameters: `core.bptt` hands it the arrays of one step, and the cell
writes into them. A name like d_h stands for ∂L/∂h.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, NamedTuple, TypeAlias

import numpy as np
from numpy import add, multiply, subtract, tanh  # looked up once: a step is a few such short calls
from numpy.typing import DTypeLike

from core.arrays import (
    FLOATS,
    Array,
    Sigmoid,
    aligned_empty,
    check_choice,
    check_count,
    check_finite,
    check_float_type,
    check_positive,
    padded_empty,
    sigmoid,
    sigmoid_parts,
    sigmoid_slope,
    tanh_slope,
    tanh_slope_from,
)
from core.linear import gaussian_matrix, orthogonal_matrix, spectral_radius

Arrays: TypeAlias = dict[str, Array]
Row: TypeAlias = tuple[Array, ...]
Shared: TypeAlias = tuple[Any, ...]
Product: TypeAlias = Callable[[Array, Array], object]  # with a matrix, of the first, written into the second
DType: TypeAlias = np.dtype[Any]

SMALL_PRODUCT = 10**6  # multiplications, up to which OpenBLAS takes its path for small matrices
FEWEST_ROWS = 8  # of a block of a larger product
ROWS_AT_ONCE = 128  # of a copy that turns them to columns: their lines fit the nearest cache
RECURRENCES = ("uniform", "orthogonal", "identity", "gaussian")


class Activation(NamedTuple):
    """φ, written into a given array, and its derivative φ′, both of the pre-activation; γ = max φ′."""

    write: Callable[[Array, Array], object]
    slope: Callable[..., Array]  # (a), or (a, out)
    steepest: float


def _write_sigmoid(a: Array, out: Array) -> None:
    out[...] = sigmoid(a)


ACTIVATIONS = {
    "identity": Activation(lambda a, out: np.copyto(out, a), lambda a, out=None: np.power(a, 0, out), 1.0),
    "tanh": Activation(np.tanh, tanh_slope, 1.0),
    "relu": Activation(
        lambda a, out: np.maximum(a, 0, out=out), lambda a, out=None: np.heaviside(a, 0, out), 1.0
    ),
    "sigmoid": Activation(_write_sigmoid, sigmoid_slope, 0.25),
}


@dataclass(frozen=True)
class Cell(ABC):
    """A recurrent cell with G blocks of H units: G is 1 for the RNN, 3 for the GRU, 4 for the LSTM.

    parameters: weight_ih (G·H, X), weight_hh (G·H, H), bias_ih (G·H,), bias_hh (G·H,).
    """

    parameters: Arrays

    gates: ClassVar[tuple[str, ...]] = ()
    remembers: ClassVar[bool] = False  # whether a memory c runs beside h

    @property
    def inputs(self) -> int:
        """X."""
        return int(self.parameters["weight_ih"].shape[1])

    @property
    def hidden(self) -> int:
        """H."""
        return int(self.parameters["weight_hh"].shape[1])

    def __post_init__(self) -> None:
        """Raise ValueError unless the parameters are there, are floats, and fit each other."""
        check_parameters(self.parameters, 1 if not self.gates else len(self.gates))

    @abstractmethod
    def record(self, steps: int, batch: int, dtype: DType) -> Arrays:
        """Empty arrays, by name, for what the steps leave behind beside x and h."""

    @abstractmethod
    def rows(self, states: Array, record: Arrays) -> tuple[Iterable[Array], ...]:
        """The arrays, one entry a step, that `step` reads and writes."""

    @abstractmethod
    def begin(self, states: Array, record: Arrays) -> Shared:
        """What every step shares: the weights as `step` wants them, and room for one step."""

    @abstractmethod
    def step(self, shared: Shared, row: Row) -> None:
        """One step forward, in place."""

    @abstractmethod
    def gate(self, name: str, record: Arrays) -> Array:
        """The activations of a gate, (T, H, B); ValueError for a name that isn't in `gates`."""

    @abstractmethod
    def room(self, steps: int, batch: int, dtype: DType) -> Arrays:
        """Empty arrays for so many steps back: `deltas`, and what forming their factors takes."""

    @abstractmethod
    def factors(self, states: Array, record: Arrays, room: Arrays) -> None:
        """Fill the deltas of these steps with what will multiply the gradient there."""

    @abstractmethod
    def rows_back(self, room: Arrays) -> tuple[Iterable[Array], ...]:
        """The parts of the deltas, one entry a step, that `step_back` works on."""

    @abstractmethod
    def step_back(self, product: Product, row: Row) -> None:
        """One step back, in place: `step` read upwards, which turns the factors of the step into deltas.

        The product is that with weight_hhᵀ. The row is that of `rows_back`, then d_h, what L adds to it
        directly, d_c, and the d_h of the step before, which is written. d_c has room for four of it,
        (4, H·B), whose later three the steps before will overwrite; cells without a memory leave it alone.
        """

    def carried(self, room: Arrays) -> Array:
        """What goes from each step of the room to the one before, beside d_h, (steps + 1, H, B).

        The last entry is what comes from beyond the room. Zeros for cells without a memory.
        """
        deltas = room["deltas"]
        return np.zeros((len(deltas) + 1, self.hidden, deltas.shape[-1]), deltas.dtype)

    @abstractmethod
    def collect(self, states: Array, room: Arrays, sums: Arrays, inputs: Array) -> None:
        """Add these steps' part to the sums; write the gradient by their inputs, (T, X, B)."""

    @abstractmethod
    def parameter_gradients(self, sums: Arrays) -> Arrays:
        """The sums, taken apart: a gradient for each of `parameters`, under its name."""


@dataclass(frozen=True)
class RNN(Cell):
    """h_t = φ(a_t), a_t = W_ih x_t + b_ih + W_hh h_{t−1} + b_hh (Elman 1990).

    Back: d_a = φ′(a_t) ∘ d_h, and W_hhᵀ d_a goes on to h_{t−1}.
    """

    activation: str = "tanh"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice("activation", self.activation, tuple(ACTIVATIONS))

    @staticmethod
    def create(
        inputs: int,
        hidden: int,
        *,
        rng: np.random.Generator,
        activation: str = "tanh",
        recurrence: str = "uniform",
        radius: float | None = None,
        dtype: DTypeLike = np.float64,
    ) -> RNN:
        """An RNN with X = inputs and H = hidden, drawn as `draw_parameters` says.

        recurrence="identity" with activation="relu" is the IRNN of Le, Jaitly & Hinton 2015.
        """
        check_choice("activation", activation, tuple(ACTIVATIONS))
        return RNN(draw_parameters(1, inputs, hidden, recurrence, radius, dtype, rng), activation)

    def record(self, steps: int, batch: int, dtype: DType) -> Arrays:
        return {"a": aligned_empty((steps, self.hidden, batch), dtype)}

    def rows(self, states: Array, record: Arrays) -> tuple[Iterable[Array], ...]:
        return states[:-1], record["a"], states[1:, -self.hidden :]

    def begin(self, states: Array, record: Arrays) -> Shared:
        product = product_with(_packed(self.parameters, states.dtype), states)
        return product, ACTIVATIONS[self.activation].write

    def step(self, shared: Shared, row: Row) -> None:
        product, write = shared
        state, a, h = row
        product(state, a)
        write(a, h)

    def gate(self, name: str, record: Arrays) -> Array:
        raise ValueError(f"name must be that of a gate, and an RNN has none, not {name!r}")

    def room(self, steps: int, batch: int, dtype: DType) -> Arrays:
        return {"deltas": aligned_empty((steps, self.hidden, batch), dtype)}

    def factors(self, states: Array, record: Arrays, room: Arrays) -> None:
        ACTIVATIONS[self.activation].slope(record["a"], room["deltas"])

    def rows_back(self, room: Arrays) -> tuple[Iterable[Array], ...]:
        return (room["deltas"],)

    def step_back(self, product: Product, row: Row) -> None:
        d_a, d_h, direct, _, d_h_before = row
        add(d_h, direct, d_h)
        multiply(d_h, d_a, d_a)
        product(d_a, d_h_before)

    def collect(self, states: Array, room: Arrays, sums: Arrays, inputs: Array) -> None:
        _collect(room["deltas"], states, self.parameters["weight_ih"], sums, inputs)

    def parameter_gradients(self, sums: Arrays) -> Arrays:
        return _unpacked(sums["x1h"], self.inputs)


@dataclass(frozen=True)
class LSTM(Cell):
    """The LSTM of Hochreiter & Schmidhuber 1997 with the forget gate of Gers et al. 2000.

    i, f, o = σ(a_i), σ(a_f), σ(a_o) and g = tanh(a_g), with a = W_ih x_t + b_ih + W_hh h_{t−1} + b_hh
    c_t = f ∘ c_{t−1} + i ∘ g
    h_t = o ∘ tanh(c_t)

    Back, d_a_o = tanh(c_t) σ′(a_o) ∘ d_h, d_c = f_{t+1} ∘ d_c_{t+1} + o tanh′(c_t) ∘ d_h,
    d_a_i = g σ′(a_i) ∘ d_c, d_a_f = c_{t−1} σ′(a_f) ∘ d_c, d_a_g = i tanh′(a_g) ∘ d_c, and W_hhᵀ d_a goes
    on to h_{t−1}.

    The blocks of the parameters stand in the order i, f, g, o.
    """

    gates: ClassVar[tuple[str, ...]] = ("input", "forget", "candidate", "output")
    remembers: ClassVar[bool] = True

    @staticmethod
    def create(
        inputs: int,
        hidden: int,
        *,
        rng: np.random.Generator,
        recurrence: str = "uniform",
        radius: float | None = None,
        forget_bias: float | None = None,
        longest: int | None = None,
        dtype: DTypeLike = np.float64,
    ) -> LSTM:
        """An LSTM with X = inputs and H = hidden, drawn as `draw_parameters` says.

        forget_bias is the bias of every forget gate (Gers et al. 2000; 1 in Jozefowicz et al. 2015).
        longest draws chrono biases instead, for dependencies of up to so many steps: b_f = log u with
        u uniform in 1 … longest − 1, and b_i = −b_f (Tallec & Ollivier 2018, eq. 16).
        """
        parameters = draw_parameters(4, inputs, hidden, recurrence, radius, dtype, rng)
        if forget_bias is not None:
            _set_bias(parameters, 1, "forget_bias", forget_bias)
        if longest is not None:
            _only_one("forget_bias", forget_bias)
            _set_bias(parameters, 1, "longest", _chrono(hidden, longest, rng))
            _set_bias(parameters, 0, "longest", -parameters["bias_ih"][hidden : 2 * hidden])
        return LSTM(parameters)

    def record(self, steps: int, batch: int, dtype: DType) -> Arrays:
        H = self.hidden
        backwards = aligned_empty((steps + 4, H, batch), dtype)
        return {"a": aligned_empty((steps, 4 * H, batch), dtype), "memory": backwards[::-1]}

    def rows(self, states: Array, record: Arrays) -> tuple[Iterable[Array], ...]:
        """The gates o, i, f and g of a step lie before the c_{t−1} they meet, where c_t … c_{t+3} will.

        So i and f lie together, and g and c_{t−1}, and one product makes i ∘ g and f ∘ c_{t−1}; c_t takes
        the place of g. This is why the memory lies backwards.
        """
        H, steps = self.hidden, len(record["a"])
        backwards = record["memory"][::-1].reshape((steps + 4) * H, -1)
        o, i, f, g, c = range(5)

        def views(first: int, end: int) -> list[Array]:
            return [backwards[(t + first) * H : (t + end) * H] for t in reversed(range(steps))]

        return (
            *(states[:-1], record["a"], views(o, c), views(o, g), views(i, g), views(g, c + 1)),
            *(views(o, i), views(i, f), views(f, g), views(g, c), states[1:, -H:]),
        )

    def begin(self, states: Array, record: Arrays) -> Shared:
        W = _packed(self.parameters, states.dtype)
        i, f, g, o = W.reshape(4, self.hidden, -1)
        W = np.concatenate([o, i, f, g])
        W[: -self.hidden] *= 0.5
        return product_with(W, states), np.array(0.5, states.dtype)

    def step(self, shared: Shared, row: Row) -> None:
        product, half = shared
        state, a, gates, sigmoids, i_f, g_c, o, i_g, f_c, c, h = row
        product(state, a)
        tanh(a, gates)
        multiply(sigmoids, half, sigmoids)
        add(sigmoids, half, sigmoids)  # o, i, f = ½ + ½ tanh(a/2)
        multiply(i_f, g_c, i_f)
        add(f_c, i_g, c)  # c_t = f ∘ c_{t−1} + i ∘ g
        tanh(c, i_g)
        multiply(o, i_g, h)  # h_t = o ∘ tanh(c_t)

    def gate(self, name: str, record: Arrays) -> Array:
        check_choice("name", name, self.gates)
        k, H = ("output", "input", "forget", "candidate").index(name), self.hidden
        a = record["a"][:, k * H : (k + 1) * H]
        return np.tanh(a) if name == "candidate" else sigmoid(2 * a)

    def room(self, steps: int, batch: int, dtype: DType) -> Arrays:
        H = self.hidden
        return {
            "deltas": aligned_empty((steps + 1, 6, H, batch), dtype),
            "values": aligned_empty((steps, 3 * H, batch), dtype),
            "slopes": aligned_empty((steps, 3 * H, batch), dtype),
            "squashed": aligned_empty((steps, H, batch), dtype),
        }

    def factors(self, states: Array, record: Arrays, room: Arrays) -> None:
        H, steps, squashed = self.hidden, len(states), room["squashed"]
        c_before, c = record["memory"][:steps], record["memory"][1 : steps + 1]
        carried, c_to_a_i, c_to_a_f, c_to_a_g, h_to_a_o, h_to_c = room["deltas"][:-1].swapaxes(0, 1)
        a_oif, a_g = record["a"][:, : 3 * H], record["a"][:, 3 * H :]
        parts = sigmoid_parts(a_oif, Sigmoid(room["values"], room["slopes"], room["slopes"]))
        (o, i, f), (o_slope, i_slope, f_slope) = _blocks(parts.value, 3), _blocks(parts.slope, 3)
        carried[:] = f
        np.multiply(np.tanh(a_g, squashed), i_slope, c_to_a_i)
        np.multiply(c_before, f_slope, c_to_a_f)
        np.multiply(tanh_slope(a_g, squashed), i, c_to_a_g)
        np.multiply(np.tanh(c, squashed), o_slope, h_to_a_o)
        np.multiply(tanh_slope_from(squashed, c), o, h_to_c)

    def rows_back(self, room: Arrays) -> tuple[Iterable[Array], ...]:
        """The parts of d_c lie together: what h adds ends a step, what is carried begins the next."""
        deltas, H = room["deltas"], self.hidden
        blocks = deltas.reshape(6 * len(deltas), -1)
        d_c_parts = [blocks[k : k + 2] for k in range(5, len(blocks) - 1, 6)]
        here = deltas[:-1].reshape(len(d_c_parts), 6, -1)
        d_a = here.reshape(len(here), 6 * H, -1)[:, H : 5 * H]
        add_4_times = [np.ones((4, 2), deltas.dtype)] * len(here)
        return deltas[:-1, 4], deltas[:-1, 5], d_c_parts, add_4_times, here[:, :4], d_a

    def step_back(self, product: Product, row: Row) -> None:
        d_a_o, d_c_from_h, d_c_parts, add_4_times, d_from_c, d_a, d_h, direct, d_c, d_h_before = row
        add(d_h, direct, d_h)
        multiply(d_h, d_a_o, d_a_o)
        multiply(d_h, d_c_from_h, d_c_from_h)
        add_4_times.dot(d_c_parts, d_c)  # numpy takes longer to add, and then to repeat
        multiply(d_c, d_from_c, d_from_c)  # what the memory carries back, d_a_i, d_a_f and d_a_g
        product(d_a, d_h_before)

    def collect(self, states: Array, room: Arrays, sums: Arrays, inputs: Array) -> None:
        deltas, H = room["deltas"][:-1], self.hidden
        d_a = deltas.reshape(len(deltas), 6 * H, -1)[:, H : 5 * H]
        _collect(d_a, states, self.parameters["weight_ih"], sums, inputs)

    def carried(self, room: Arrays) -> Array:
        return room["deltas"][:, 0]

    def log10_forget(self, record: Arrays) -> Array:
        """log10 f_t = −log10(1 + e^−a), (T, H, B), right where f_t itself is 0 in float64."""
        a = 2 * record["a"][:, 2 * self.hidden : 3 * self.hidden]
        return -np.logaddexp(0, -a) / math.log(10)

    def log10_into_memory(self, record: Arrays, d_h: Array) -> Array:
        """log10 |o_T ∘ tanh′(c_T) ∘ d_h|, (H, B): what goes from h_T into c_T."""
        a, c = 2 * record["a"][-1, : self.hidden], np.abs(record["memory"][len(record["a"])])
        log_o = -np.logaddexp(0, -a)
        log_slope = math.log(4) - 2 * c - 2 * np.log1p(np.exp(-2 * c))
        with np.errstate(divide="ignore"):
            return np.asarray((log_o + log_slope) / math.log(10) + np.log10(np.abs(d_h)))

    def parameter_gradients(self, sums: Arrays) -> Arrays:
        return _unpacked(sums["x1h"], self.inputs)


@dataclass(frozen=True)
class GRU(Cell):
    """The GRU of Cho et al. 2014 in PyTorch's form: the reset acts after the matrix product.

    r, z = σ(a_r), σ(a_z) with a = W_ih x_t + b_ih + W_hh h_{t−1} + b_hh
    n = tanh(a_n), a_n = W_in x_t + b_in + r ∘ m with m = W_hn h_{t−1} + b_hn
    h_t = (1 − z) ∘ n + z ∘ h_{t−1}: here z *keeps* the old state

    Back, d_a_n = (1 − z) tanh′(a_n) ∘ d_h, d_a_r = m σ′(a_r) ∘ d_a_n, d_a_z = (h_{t−1} − n) σ′(a_z) ∘ d_h,
    d_m = r ∘ d_a_n, and z ∘ d_h + W_hhᵀ (d_a_r, d_a_z, d_m) goes on to h_{t−1}.

    The blocks of the parameters stand in the order r, z, n.
    """

    gates: ClassVar[tuple[str, ...]] = ("reset", "update", "candidate")

    @staticmethod
    def create(
        inputs: int,
        hidden: int,
        *,
        rng: np.random.Generator,
        recurrence: str = "uniform",
        radius: float | None = None,
        update_bias: float | None = None,
        longest: int | None = None,
        dtype: DTypeLike = np.float64,
    ) -> GRU:
        """A GRU with X = inputs and H = hidden, drawn as `draw_parameters` says.

        update_bias is the bias of every update gate: the larger, the more is kept. longest draws
        chrono biases instead: log u with u uniform in 1 … longest − 1 (Tallec & Ollivier 2018).
        """
        parameters = draw_parameters(3, inputs, hidden, recurrence, radius, dtype, rng)
        if update_bias is not None:
            _set_bias(parameters, 1, "update_bias", update_bias)
        if longest is not None:
            _only_one("update_bias", update_bias)
            _set_bias(parameters, 1, "longest", _chrono(hidden, longest, rng))
        return GRU(parameters)

    def record(self, steps: int, batch: int, dtype: DType) -> Arrays:
        widths = {"a_rz": 2 * self.hidden, "m": self.hidden, "a_n": self.hidden}
        return {name: aligned_empty((steps, width, batch), dtype) for name, width in widths.items()}

    def rows(self, states: Array, record: Arrays) -> tuple[Iterable[Array], ...]:
        hidden = states[:, -self.hidden :]
        one_and_h = states[:-1, self.inputs :]
        return states[:-1], one_and_h, *record.values(), hidden[:-1], hidden[1:]

    def begin(self, states: Array, record: Arrays) -> Shared:
        H, dtype, p = self.hidden, states.dtype, self.parameters
        W_rz = 0.5 * _packed({name: values[: 2 * H] for name, values in p.items()}, dtype)
        W_m = np.column_stack([p["bias_hh"][2 * H :], p["weight_hh"][2 * H :]]).astype(dtype, copy=False)
        W_x = np.column_stack([p["weight_ih"][2 * H :], p["bias_ih"][2 * H :]]).astype(dtype, copy=False)
        _write_input_part(W_x, states, record["a_n"])
        rz, n = aligned_empty((2 * H, states.shape[2]), dtype), aligned_empty((H, states.shape[2]), dtype)
        rz_product, m_product = product_with(W_rz, states), product_with(W_m, states)
        return rz_product, m_product, np.array(0.5, dtype), rz, rz[:H], rz[H:], n

    def step(self, shared: Shared, row: Row) -> None:
        rz_product, m_product, half, rz, r, z, n = shared
        state, one_and_h, a_rz, m, a_n, h_before, h = row
        rz_product(state, a_rz)
        m_product(one_and_h, m)
        tanh(a_rz, rz)
        multiply(rz, half, rz)
        add(rz, half, rz)  # r, z = ½ + ½ tanh(a/2)
        multiply(r, m, n)
        add(a_n, n, a_n)  # which held W_in x_t + b_in
        tanh(a_n, n)
        subtract(h_before, n, h)
        multiply(h, z, h)
        add(h, n, h)  # h_t = n + z ∘ (h_{t−1} − n)

    def gate(self, name: str, record: Arrays) -> Array:
        check_choice("name", name, self.gates)
        if name == "candidate":
            return np.asarray(np.tanh(record["a_n"]))
        k, H = self.gates.index(name), self.hidden
        return sigmoid(2 * record["a_rz"][:, k * H : (k + 1) * H])

    def room(self, steps: int, batch: int, dtype: DType) -> Arrays:
        H = self.hidden
        widths = {"values": 2 * H, "complements": 2 * H, "slopes": 2 * H, "squashed": H}
        return {"deltas": aligned_empty((steps, 5, H, batch), dtype)} | {
            name: aligned_empty((steps, width, batch), dtype) for name, width in widths.items()
        }

    def factors(self, states: Array, record: Arrays, room: Arrays) -> None:
        H, a_n, squashed = self.hidden, record["a_n"], room["squashed"]
        h_to_a_n, h_to_a_r, h_to_a_z, h_to_m, carried = room["deltas"].swapaxes(0, 1)
        out = Sigmoid(room["values"], room["complements"], room["slopes"])
        parts = sigmoid_parts(record["a_rz"], out)
        (r, z), (_, z_complement), (r_slope, z_slope) = (_blocks(part, 2) for part in parts)
        n_slope = np.multiply(tanh_slope(a_n, squashed), z_complement, squashed)
        h_to_a_n[:] = n_slope
        np.multiply(n_slope, r, h_to_m)
        np.multiply(np.multiply(n_slope, record["m"], squashed), r_slope, h_to_a_r)
        np.subtract(states[:, -H:], np.tanh(a_n, squashed), squashed)
        np.multiply(squashed, z_slope, h_to_a_z)
        carried[:] = z

    def rows_back(self, room: Arrays) -> tuple[Iterable[Array], ...]:
        deltas, H = room["deltas"], self.hidden
        d_rzm = deltas.reshape(len(deltas), 5 * H, -1)[:, H : 4 * H]
        return deltas, d_rzm, deltas[:, 4]

    def step_back(self, product: Product, row: Row) -> None:
        deltas, d_rzm, carried, d_h, direct, _, d_h_before = row
        add(d_h, direct, d_h)
        multiply(d_h, deltas, deltas)  # d_a_n, d_a_r, d_a_z, d_m, and what z carries back
        product(d_rzm, d_h_before)
        add(d_h_before, carried, d_h_before)

    def collect(self, states: Array, room: Arrays, sums: Arrays, inputs: Array) -> None:
        H, X, W_ih = self.hidden, self.inputs, self.parameters["weight_ih"]
        deltas, states = room["deltas"].reshape(len(states), 5 * H, -1)[:, : 4 * H], _stacked(states)
        flat = _flat(deltas)
        _add_product(sums, "x1", flat[: 3 * H], states[:, : X + 1])
        _add_product(sums, "1h", flat[H:], states[:, X:])
        W_nrz = np.concatenate([W_ih[2 * H :], W_ih[: 2 * H]])
        _write_by_inputs(deltas[:, : 3 * H], W_nrz, inputs)

    def parameter_gradients(self, sums: Arrays) -> Arrays:
        x1, one_h = np.roll(sums["x1"], -self.hidden, axis=0), sums["1h"]  # n, r, z to r, z, n
        return {
            "weight_ih": x1[:, :-1],
            "weight_hh": one_h[:, 1:],
            "bias_ih": x1[:, -1],
            "bias_hh": one_h[:, 0],
        }


def draw_parameters(
    blocks: int,
    inputs: int,
    hidden: int,
    recurrence: str,
    radius: float | None,
    dtype: DTypeLike,
    rng: np.random.Generator,
) -> Arrays:
    """Parameters of a cell with so many blocks: all uniform in ±1/√H, as PyTorch has them, but for weight_hh.

    Each of its blocks is, by `recurrence` (one of RECURRENCES),

    uniform     uniform in ±1/√H
    gaussian    N(0, 1/H)
    orthogonal  uniform over the orthogonal group (Saxe et al. 2014)
    identity    the identity, with biases of 0 (Le, Jaitly & Hinton 2015)

    and is scaled to the spectral radius `radius` unless that is None. ValueError for fewer than one
    input or hidden unit, an unknown recurrence, a radius that isn't above 0, or a dtype but float32
    and float64.
    """
    check_count("inputs", inputs, 1)
    check_count("hidden", hidden, 1)
    check_choice("recurrence", recurrence, RECURRENCES)
    if radius is not None:
        check_positive("radius", radius)
    check_float_type(dtype)
    bound = 1 / math.sqrt(hidden)
    rows = blocks * hidden
    parameters = {
        "weight_ih": rng.uniform(-bound, bound, (rows, inputs)),
        "weight_hh": np.concatenate([_recurrence(recurrence, hidden, radius, rng) for _ in range(blocks)]),
        "bias_ih": rng.uniform(-bound, bound, rows),
        "bias_hh": rng.uniform(-bound, bound, rows),
    }
    if recurrence == "identity":
        parameters |= {"bias_ih": np.zeros(rows), "bias_hh": np.zeros(rows)}
    return {name: values.astype(dtype) for name, values in parameters.items()}


def _recurrence(kind: str, n: int, radius: float | None, rng: np.random.Generator) -> Array:
    if kind == "uniform":
        W: Array = rng.uniform(-1, 1, (n, n)) / math.sqrt(n)
    elif kind == "identity":
        W = np.eye(n)
    else:
        W = gaussian_matrix(n, rng) if kind == "gaussian" else orthogonal_matrix(n, rng)
    return W if radius is None else W * (radius / spectral_radius(W))


def _set_bias(parameters: Arrays, block: int, name: str, bias: float | Array) -> None:
    """Make the whole bias of a block, bias_ih + bias_hh, so much; `name` is the argument that asks for it."""
    H = parameters["weight_hh"].shape[1]
    rows = slice(block * H, (block + 1) * H)
    if not isinstance(bias, np.ndarray):
        largest = float(np.finfo(parameters["bias_ih"].dtype).max)
        if not abs(check_finite(name, bias)) <= largest:
            raise ValueError(f"{name} must be at most {largest:.4g} in size, not {bias!r}")
    parameters["bias_ih"][rows] = bias
    parameters["bias_hh"][rows] = 0


def _only_one(name: str, value: float | None) -> None:
    if value is not None:
        raise ValueError(f"{name} must be None where longest is given, which draws the same biases")


def _chrono(hidden: int, longest: int, rng: np.random.Generator) -> Array:
    check_count("longest", longest, 2)
    return np.log(rng.uniform(1, longest - 1, hidden))


def check_parameters(parameters: Arrays, blocks: int) -> None:
    """ValueError unless `parameters` are float arrays of the shapes of a cell with so many blocks."""
    wanted = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    if set(parameters) != set(wanted):
        raise ValueError(f"parameters must be {', '.join(wanted)}, not {', '.join(map(str, parameters))}")
    for name in wanted:
        if not isinstance(parameters[name], np.ndarray) or parameters[name].dtype.name not in FLOATS:
            raise ValueError(f"parameters[{name!r}] must be an array of float32 or float64")
    for name in wanted[:2]:
        if parameters[name].ndim != 2:
            raise ValueError(f"parameters[{name!r}] must be a matrix, not of shape {parameters[name].shape}")
    inputs, hidden = parameters["weight_ih"].shape[1], parameters["weight_hh"].shape[1]
    rows = blocks * hidden
    shapes = ((rows, inputs), (rows, hidden), (rows,), (rows,))
    for name, shape in zip(wanted, shapes, strict=True):
        if parameters[name].shape != shape or 0 in shape:
            raise ValueError(
                f"parameters[{name!r}] must have the shape {shape}, not {parameters[name].shape}"
            )


def _packed(parameters: Arrays, dtype: DType) -> Array:
    """(G·H, X + 1 + H): the weights of a column of x, 1 and h."""
    p = parameters
    bias = p["bias_ih"] + p["bias_hh"]
    W = np.concatenate([p["weight_ih"], bias[:, np.newaxis], p["weight_hh"]], axis=1)
    return W.astype(dtype, copy=False)


def _write_input_part(W: Array, states: Array, out: Array) -> None:
    """W (x_t, 1) of all steps, (T, G·H, B): in one product where a step has a single column."""
    x_and_1 = states[:-1, : W.shape[1]]
    if states.shape[-1] == 1:
        np.dot(x_and_1[:, :, 0], W.T, out[:, :, 0])
    else:
        write_product(W, x_and_1, out)


def product_with(W: Array, columns: Array) -> Product:
    """The product with W, which BLAS wants on a cache line, and by columns where there is a single one."""
    batch, dtype = columns.shape[-1], columns.dtype
    laid_out = aligned_empty(W.shape[::-1], dtype).T if batch == 1 else aligned_empty(W.shape, dtype)
    laid_out[:] = W
    rows, inner = W.shape
    if _rows_of_a_block(rows, inner, batch) == rows:
        return laid_out.dot
    return partial(write_product, laid_out)


def write_product(A: Array, B: Array, out: Array) -> None:
    """A B, (..., M, K) by (..., K, N), into out: by blocks of rows that are small products, if need be.

    OpenBLAS copies the operands of a larger product into an order of its own, which for as few columns
    as these takes as long as half the product; those of a small one it takes as they are. Where its
    kernels have no such path, without AVX-512, blocks of 32 rows take a seventh longer than the whole.
    """
    *_, rows, inner = A.shape
    block = _rows_of_a_block(rows, inner, B.shape[-1])
    blocks = A.reshape(*A.shape[:-2], -1, block, inner)
    np.matmul(blocks, B[..., np.newaxis, :, :], out.reshape(*out.shape[:-2], -1, block, out.shape[-1]))


def _rows_of_a_block(rows: int, inner: int, columns: int) -> int:
    """The most rows of equal blocks that are small products; all of them where blocks would be too thin."""
    most = min(rows, SMALL_PRODUCT // (inner * columns))
    return next((n for n in range(most, FEWEST_ROWS - 1, -1) if rows % n == 0), rows)


def _collect(d_a: Array, states: Array, W: Array, sums: Arrays, inputs: Array) -> None:
    """Add Σ_t d_a_t (x_t, 1, h_{t−1})ᵀ to the sums; write the gradient by the inputs, (T, X, B)."""
    _add_product(sums, "x1h", _flat(d_a), _stacked(states))
    _write_by_inputs(d_a, W, inputs)


def _write_by_inputs(d_a: Array, W: Array, out: Array) -> None:
    """W_ihᵀ d_a of all steps, (T, X, B): in one product where a step has a single column."""
    if d_a.shape[-1] == 1:
        np.dot(d_a[:, :, 0], W, out[:, :, 0])
    else:
        write_product(np.ascontiguousarray(W.T), d_a, out)


def _unpacked(sums: Array, inputs: int) -> Arrays:
    """`_packed` undone: a bias shares its gradient with the other."""
    bias = sums[:, inputs]
    return {
        "weight_ih": sums[:, :inputs],
        "weight_hh": sums[:, inputs + 1 :],
        "bias_ih": bias,
        "bias_hh": bias.copy(),
    }


def _add_product(sums: Arrays, name: str, A: Array, B: Array) -> None:
    part = padded_empty((len(A), B.shape[1]), A.dtype)
    write_product(A, B, part)
    sums[name] = part if name not in sums else np.add(sums[name], part, sums[name])


def _blocks(columns: Array, count: int) -> Array:
    """(T, count·H, B) as (count, T, H, B), a view."""
    steps, rows, batch = columns.shape
    return columns.reshape(steps, count, rows // count, batch).swapaxes(0, 1)


def _flat(columns: Array) -> Array:
    """(T, N, B) as (N, T·B): a copy, but for B = 1."""
    return columns.transpose(1, 0, 2).reshape(columns.shape[1], -1)


def _stacked(columns: Array) -> Array:
    """(T, N, B) as (T·B, N): a copy, but for B = 1."""
    steps, rows, batch = columns.shape
    if batch == 1:
        return columns[:, :, 0]
    stacked = padded_empty((steps * batch, rows), columns.dtype)
    for first in range(0, rows, ROWS_AT_ONCE):
        some = slice(first, first + ROWS_AT_ONCE)
        stacked.reshape(steps, batch, rows)[..., some] = columns[:, some].transpose(0, 2, 1)
    return stacked
