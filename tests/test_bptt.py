"""Cells and back-propagation through time: against differences, the linear theory and mpmath."""

import math
from dataclasses import dataclass

import numpy as np
import pytest
from oracles import central_difference, mp, rnn_log10_gradients

from core.bptt import log10_hidden_gradient_norms, unroll
from core.cells import ACTIVATIONS, RNN
from core.linear import log10_gradient_norms, make_gradient, make_matrix

T, B, X, H = 6, 3, 2, 4


def rng(seed=0):
    return np.random.default_rng(seed)


def example(activation, *, cell=RNN, scale=1.0):
    """A cell, x (T, B, X) and a start (B, H), with weights large enough for the slopes to differ."""
    generator = rng(1)
    parameters = RNN.create(X, H, rng=generator).parameters
    parameters = {name: 2 * scale * values for name, values in parameters.items()}
    x, start = generator.standard_normal((T, B, X)), generator.standard_normal((B, H))
    return cell(parameters, activation), x, start


def without_input(W, activation, steps, *, batch=1):
    """An RNN with W as its recurrence and nothing else, unrolled from zero over inputs of zero."""
    n = len(W)
    parameters = {"weight_ih": np.zeros((n, 1)), "weight_hh": np.asarray(W, dtype=float)}
    parameters |= {"bias_ih": np.zeros(n), "bias_hh": np.zeros(n)}
    cell = RNN(parameters, activation)
    return cell, unroll(cell, np.zeros((steps, batch, 1)))


# The forward pass


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_step_is_the_equation_unit_by_unit(activation):
    cell, x, start = example(activation)
    value = {"identity": float, "tanh": math.tanh, "sigmoid": lambda a: 1 / (1 + math.exp(-a))}[activation]
    p = {name: values.tolist() for name, values in cell.parameters.items()}
    for b in range(B):
        for i in range(H):
            a = p["bias_ih"][i] + p["bias_hh"][i]
            a += sum(p["weight_ih"][i][j] * x[0, b, j] for j in range(X))
            a += sum(p["weight_hh"][i][j] * start[b, j] for j in range(H))
            assert cell.step(x[0], start)[b, i] == pytest.approx(value(a), rel=1e-13)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_unroll_is_step_after_step(activation):
    cell, x, start = example(activation)
    trace = unroll(cell, x, start)
    h = start
    np.testing.assert_array_equal(trace.hidden[0], start)
    for t in range(T):
        np.testing.assert_allclose(trace.pre_activations[t], cell.pre_activation(x[t], h), rtol=1e-14)
        h = cell.step(x[t], h)
        np.testing.assert_allclose(trace.hidden[t + 1], h, rtol=1e-14)
    assert trace.hidden.shape == (T + 1, B, H)


def test_unroll_starts_from_zero():
    cell, x, _ = example("tanh")
    np.testing.assert_array_equal(unroll(cell, x).hidden, unroll(cell, x, np.zeros((B, H))).hidden)


def test_unroll_leaves_its_arguments_alone_and_repeats_itself():
    cell, x, start = example("identity")
    copies = x.copy(), start.copy()
    first, again = unroll(cell, x, start), unroll(cell, x, start)
    np.testing.assert_array_equal(first.hidden, again.hidden)
    np.testing.assert_array_equal(x, copies[0])
    np.testing.assert_array_equal(start, copies[1])


# The gradients, by differences


def check_step_back(cell, x, h):
    """AssertionError unless cell.step_back is the gradient of Σ d·step(x, h) in h."""
    d_h = rng(2).standard_normal(h.shape)
    found = cell.step_back(d_h, cell.pre_activation(x, h))
    np.testing.assert_allclose(
        found, central_difference(lambda h: np.sum(d_h * cell.step(x, h)), h), rtol=1e-7
    )


def check_hidden_gradients(cell, x, start):
    """AssertionError unless the norms are those of the gradients of Σ d·h_T in each h_t."""
    d_last = rng(3).standard_normal(start.shape)
    trace = unroll(cell, x, start)
    found = log10_hidden_gradient_norms(cell, trace, d_last)
    for t in range(len(x)):
        after = x[t:]
        slopes = central_difference(
            lambda h, after=after: np.sum(d_last * unroll(cell, after, h).hidden[-1]), trace.hidden[t]
        )
        np.testing.assert_allclose(10 ** found[t], np.linalg.norm(slopes, axis=1), rtol=1e-7)
    np.testing.assert_allclose(10 ** found[-1], np.linalg.norm(d_last, axis=1), rtol=1e-14)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_step_back_is_the_gradient_of_step(activation):
    cell, x, start = example(activation)
    check_step_back(cell, x[0], start)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_hidden_gradients_are_those_by_differences(activation):
    check_hidden_gradients(*example(activation))


@dataclass(frozen=True)
class WithoutSlope(RNN):
    """Wrong: leaves out φ′."""

    def step_back(self, d_h, a):  # noqa: ARG002
        return d_h @ self.parameters["weight_hh"]


@dataclass(frozen=True)
class Transposed(RNN):
    """Wrong: multiplies by W, not by Wᵀ."""

    def step_back(self, d_h, a):
        return (ACTIVATIONS[self.activation].slope(a) * d_h) @ self.parameters["weight_hh"].T


@pytest.mark.parametrize("wrong", [WithoutSlope, Transposed])
def test_the_checkers_reject_a_wrong_gradient(wrong):
    cell, x, start = example("tanh", cell=wrong)
    with pytest.raises(AssertionError, match="Not equal to tolerance"):
        check_step_back(cell, x[0], start)
    with pytest.raises(AssertionError, match="Not equal to tolerance"):
        check_hidden_gradients(cell, x, start)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_steepest_is_the_largest_slope_and_the_slope_is_that_of_the_value(name):
    activation = ACTIVATIONS[name]
    a = np.linspace(-6, 6, 241)
    assert activation.slope(a).max() == activation.slope(np.zeros(1))[0] == activation.steepest
    by_differences = central_difference(lambda a: np.sum(activation.value(a)), a)
    np.testing.assert_allclose(activation.slope(a), by_differences, rtol=1e-7, atol=1e-9)


# Beyond float64


@pytest.mark.parametrize("radius", [0.3, 1.0, 3.0], ids=["to-1e-1569", "radius-1", "to-1e1431"])
def test_identity_rnn_reproduces_the_linear_theory(radius):
    generator = rng(4)
    W = make_matrix("gaussian", 8, radius, rng=generator)
    gradients = np.array([make_gradient("random", W, rng=generator) for _ in range(2)])
    norms = log10_hidden_gradient_norms(*without_input(W, "identity", 3000, batch=2), gradients)
    for b in range(2):
        expected = log10_gradient_norms(W, gradients[b], 3000)
        np.testing.assert_allclose(norms[::-1, b], expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("activation", ["sigmoid", "tanh"])
def test_two_units_over_2000_steps_are_right_beyond_float64(activation):
    """Forward and back in 60 digits; the sigmoid takes the gradient to 10^−1900, past any float."""
    W, drive, d_last = [[0.9, -0.4], [0.5, 0.7]], rng(5).standard_normal((2000, 2)), [1.0, -2.0]
    value, slope = {
        "sigmoid": (lambda a: 1 / (1 + mp.exp(-a)), lambda a: mp.exp(-a) / (1 + mp.exp(-a)) ** 2),
        "tanh": (mp.tanh, lambda a: 1 / mp.cosh(a) ** 2),
    }[activation]
    parameters = {"weight_ih": np.eye(2), "weight_hh": np.array(W)}
    cell = RNN(parameters | {"bias_ih": np.zeros(2), "bias_hh": np.zeros(2)}, activation)
    found = log10_hidden_gradient_norms(cell, unroll(cell, drive[:, None]), np.array([d_last]))[:, 0]
    true = [float(norm) for norm in rnn_log10_gradients(slope, value, W, drive.tolist(), d_last)]
    np.testing.assert_allclose(found, true, rtol=1e-11, atol=1e-11)
    assert true[0] < -400


@pytest.mark.parametrize("size", [5e-324, 1e-310, 1e300, 1.7e308], ids=repr)
@pytest.mark.parametrize("factor", [0.1, 30.0])
def test_a_last_gradient_of_any_size(factor, size):
    cell, trace = without_input([[factor]], "identity", 20)
    norms = log10_hidden_gradient_norms(cell, trace, np.array([[size]]))[::-1, 0]
    np.testing.assert_allclose(norms, math.log10(size) + np.arange(21) * math.log10(factor), rtol=1e-13)


def test_zero_stays_zero_without_a_warning():
    cell, trace = without_input(np.eye(2), "tanh", 4, batch=2)
    norms = log10_hidden_gradient_norms(cell, trace, np.array([[0.0, 0.0], [1.0, 0.0]]))
    assert np.isneginf(norms[:, 0]).all()
    np.testing.assert_array_equal(norms[:, 1], 0)


def test_nilpotent_recurrence_ends_the_gradient():
    cell, trace = without_input(np.eye(3, k=1), "identity", 5)
    norms = log10_hidden_gradient_norms(cell, trace, np.array([[1.0, 0.0, 0.0]]))[::-1, 0]
    np.testing.assert_array_equal(norms, [0, 0, 0, -np.inf, -np.inf, -np.inf])


def test_a_saturated_unit_passes_on_what_1_minus_tanh_squared_would_not():
    """10^−26 of what it gets at a = 31, where float64 has 1 − tanh² = 0."""
    W = np.array([[1.0]])
    cell = RNN({"weight_ih": W, "weight_hh": W, "bias_ih": np.zeros(1), "bias_hh": np.zeros(1)})
    norms = log10_hidden_gradient_norms(cell, unroll(cell, np.full((50, 1, 1), 30.0)), np.ones((1, 1)))[:, 0]
    slope = 1 / mp.cosh(31) ** 2  # a = 30 + h with h = 1
    np.testing.assert_allclose(np.diff(norms)[1:], -float(mp.log10(slope)), rtol=1e-12)


def test_states_that_overflow_do_so_without_a_warning():
    """The identity RNN's states may pass float64; its gradients don't depend on them."""
    W = np.array([[10.0]])
    cell = RNN({"weight_ih": W, "weight_hh": W, "bias_ih": np.zeros(1), "bias_hh": np.zeros(1)}, "identity")
    trace = unroll(cell, np.ones((400, 1, 1)))
    assert trace.hidden[-1] == np.inf
    norms = log10_hidden_gradient_norms(cell, trace, np.ones((1, 1)))[::-1, 0]
    np.testing.assert_allclose(norms, np.arange(401), rtol=1e-13)


# Making a cell


def test_create_has_pytorchs_names_shapes_and_range():
    parameters = RNN.create(3, 400, rng=rng()).parameters
    shapes = {name: values.shape for name, values in parameters.items()}
    assert shapes == {"weight_ih": (400, 3), "weight_hh": (400, 400), "bias_ih": (400,), "bias_hh": (400,)}
    for values in parameters.values():
        assert 0.04 < np.abs(values).max() <= 1 / 20
        assert values.min() < 0 < values.max()


def test_create_repeats_with_its_generator_and_is_tanh_unless_told():
    first, again, other = (RNN.create(2, 3, rng=rng(seed)) for seed in (6, 6, 7))
    for name, values in first.parameters.items():
        np.testing.assert_array_equal(values, again.parameters[name])
        assert not np.array_equal(values, other.parameters[name])
    assert first.activation == "tanh"
    assert RNN.create(1, 1, rng=rng(), activation="identity").activation == "identity"


# What is refused


@pytest.mark.parametrize(
    ("inputs", "hidden", "activation", "message"),
    [
        pytest.param(0, 2, "tanh", "inputs must be a whole number, 1 or more", id="inputs-0"),
        pytest.param(1.0, 2, "tanh", "inputs must be a whole number, 1 or more", id="inputs-float"),
        pytest.param(1, -2, "tanh", "hidden must be a whole number, 1 or more", id="hidden-negative"),
        pytest.param(1, 2, "relu", "activation must be one of identity, tanh, sigmoid", id="activation"),
    ],
)
def test_create_refuses(inputs, hidden, activation, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        RNN.create(inputs, hidden, rng=rng(), activation=activation)


@pytest.mark.parametrize(
    "x",
    [
        pytest.param(np.zeros((T, X)), id="no-batch"),
        pytest.param(np.zeros((T, B, X + 1)), id="inputs"),
        pytest.param(np.zeros((0, B, X)), id="no-steps"),
        pytest.param(np.zeros((T, 0, X)), id="empty-batch"),
        pytest.param(np.full((T, B, X), np.nan), id="nan"),
        pytest.param(np.full((T, B, X), np.inf), id="inf"),
    ],
)
def test_unroll_refuses_x(x):
    cell, _, _ = example("tanh")
    with pytest.raises(ValueError, match=r"^x must be finite, of shape \(T, B, 2\) with T, B ≥ 1, not \("):
        unroll(cell, x)


BAD_STATES = [
    pytest.param(np.zeros(H), id="no-batch"),
    pytest.param(np.zeros((B + 1, H)), id="batch"),
    pytest.param(np.zeros((B, H - 1)), id="hidden"),
    pytest.param(np.full((B, H), np.nan), id="nan"),
    pytest.param(np.full((B, H), -np.inf), id="inf"),
]


@pytest.mark.parametrize("state", BAD_STATES)
def test_unroll_refuses_a_start(state):
    cell, x, _ = example("tanh")
    with pytest.raises(ValueError, match=r"^start must be finite, of shape \(3, 4\), not \("):
        unroll(cell, x, state)


@pytest.mark.parametrize("state", BAD_STATES)
def test_hidden_gradients_refuse_a_last_gradient(state):
    cell, x, start = example("tanh")
    with pytest.raises(ValueError, match=r"^d_last must be finite, of shape \(3, 4\), not \("):
        log10_hidden_gradient_norms(cell, unroll(cell, x, start), state)
