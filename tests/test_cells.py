"""The cells: their equations one scalar at a time, their gates where saturated, and how they are made."""

import math
from dataclasses import replace

import numpy as np
import oracles
import pytest
import strategies as some
from hypothesis import given
from oracles import central_difference, exactly, mp, started

from core.bptt import unroll
from core.cells import ACTIVATIONS, GRU, LSTM, RECURRENCES, RNN

KINDS = tuple(some.CELLS)
CREATE = {"rnn": RNN.create, "gru": GRU.create, "lstm": LSTM.create}
BLOCKS = {"rnn": 1, "gru": 3, "lstm": 4}
NAMES = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")


def rng(seed=0):
    return np.random.default_rng(seed)


def blocks(cell, name="weight_hh"):
    """The blocks of a parameter, (G, H, ·)."""
    return cell.parameters[name].reshape(-1, cell.hidden, *cell.parameters[name].shape[1:])


def whole_bias(cell):
    """bias_ih + bias_hh by block, (G, H)."""
    return blocks(cell, "bias_ih") + blocks(cell, "bias_hh")


# The equations


@given(some.networks)
def test_forward_is_the_equations_unit_by_unit(network):
    kind, cell, x, h, c, _ = network
    trace = unroll(cell, x, network.start)
    for b in range(x.shape[1]):
        expected = oracles.run(kind, cell.parameters, x[:, b], started(h[b], c[b], len(x)))
        np.testing.assert_allclose(trace.hidden[:, b], expected.hidden, rtol=1e-12, atol=1e-13)
        assert set(cell.gates) == set(expected.gates)
        for name in cell.gates:
            np.testing.assert_allclose(trace.gate(name)[:, b], expected.gates[name], rtol=1e-12)
        if cell.remembers:
            np.testing.assert_allclose(trace.memory[:, b], expected.memory, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("kind", KINDS)
def test_only_an_lstm_has_a_memory(kind):
    network = some.network(kind)
    trace = unroll(network.cell, network.x)
    assert network.cell.remembers == (kind == "lstm")
    assert (trace.memory is None) == (kind != "lstm")


def test_gates_stand_in_pytorchs_order():
    assert RNN.gates == ()
    assert GRU.gates == ("reset", "update", "candidate")
    assert LSTM.gates == ("input", "forget", "candidate", "output")


@pytest.mark.parametrize("kind", ["gru", "lstm"])
def test_a_gates_bias_is_the_block_of_its_place(kind):
    cell = some.network(kind).cell
    for k, name in enumerate(cell.gates):
        parameters = {key: np.zeros_like(values) for key, values in cell.parameters.items()}
        parameters["bias_ih"][k * cell.hidden : (k + 1) * cell.hidden] = 1
        trace = unroll(replace(cell, parameters=parameters), np.zeros((1, 1, 2)))
        moved = math.tanh(1) if name == "candidate" else 1 / (1 + math.exp(-1))
        for other in cell.gates:
            still = 0 if other == "candidate" else 0.5
            np.testing.assert_allclose(trace.gate(other), moved if other == name else still, rtol=1e-15)


def test_a_grus_update_gate_keeps_the_old_state():
    """PyTorch's z: at 1 the state stays, at 0 it is replaced."""
    network = some.network("gru")
    for bias, kept in ((50.0, True), (-50.0, False)):
        network.cell.parameters["bias_ih"][4:8] = bias
        trace = unroll(network.cell, network.x, network.start)
        expected = trace.hidden[:-1] if kept else trace.gate("candidate")
        np.testing.assert_allclose(trace.hidden[1:], expected, atol=1e-15)


def test_a_shut_reset_gate_leaves_the_inputs_half_of_the_candidate():
    """The reset acts after the product, on bias_hh too, so that tanh(W_in x + b_in) is left."""
    network = some.network("gru")
    p = network.cell.parameters
    p["bias_ih"][:4] = -800.0
    expected = np.tanh(network.x @ p["weight_ih"][8:].T + p["bias_ih"][8:])
    trace = unroll(network.cell, network.x, network.start)
    np.testing.assert_allclose(trace.gate("candidate"), expected, rtol=1e-13)


def test_an_lstm_with_open_forget_and_shut_input_gates_keeps_its_memory():
    network = some.network("lstm")
    network.cell.parameters["bias_ih"][:8] = np.repeat([-50.0, 50.0], 4)
    memory = unroll(network.cell, network.x, network.start).memory
    np.testing.assert_allclose(memory, np.broadcast_to(network.c, memory.shape), atol=1e-15)


# Saturation

SATURATED = [
    pytest.param(kind, gate, bias, id=f"{kind}-{gate}{bias:+g}")
    for kind, gates in (("gru", GRU.gates), ("lstm", LSTM.gates))
    for gate in range(len(gates))
    for bias in (-40.0, 40.0)
]


@pytest.mark.parametrize(("kind", "gate", "bias"), SATURATED)
def test_saturated_gates_are_right_relatively_and_states_absolutely(kind, gate, bias):
    network = some.network(kind, batch=1, hidden=2)
    kind, cell, x, h, c, _ = network
    cell.parameters["bias_ih"][gate * 2 : gate * 2 + 2] += bias
    trace = unroll(cell, x, network.start)
    p = {name: exactly(values) for name, values in cell.parameters.items()}
    true = oracles.run(kind, p, exactly(x[:, 0]), started(exactly(h[0]), exactly(c[0]), len(x)), mp)
    for name in cell.gates:
        errors = abs(exactly(trace.gate(name)[:, 0]) - true.gates[name])
        size = 1 if name == "candidate" else true.gates[name]  # tanh may cross zero
        assert max((errors / size).ravel()) < 1e-13
    assert max(abs((exactly(trace.hidden[:, 0]) - true.hidden).ravel())) < 5e-15
    if cell.remembers:
        assert max(abs((exactly(trace.memory[:, 0]) - true.memory).ravel())) < 5e-15


# Activations


def values(activation, a):
    out = np.empty_like(a)
    ACTIVATIONS[activation].write(a, out)
    return out


def test_the_activations_of_an_rnn():
    assert set(ACTIVATIONS) == {"identity", "tanh", "relu", "sigmoid"}


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_an_activations_slope_is_its_derivative(name):
    a = np.linspace(-6, 6, 240)  # without 0, where relu has none
    by_differences = central_difference(lambda a: np.sum(values(name, a)), a)
    np.testing.assert_allclose(ACTIVATIONS[name].slope(a), by_differences, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_steepest_is_the_largest_slope(name):
    assert ACTIVATIONS[name].slope(np.linspace(-6, 6, 241)).max() == ACTIVATIONS[name].steepest


def test_relu_is_flat_at_its_kink():
    assert ACTIVATIONS["relu"].slope(np.array([0.0, -0.0]))[0] == 0


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_slopes_keep_the_type(name, dtype):
    assert ACTIVATIONS[name].slope(np.ones(3, dtype)).dtype == dtype


# Making a cell


@pytest.mark.parametrize("kind", CREATE)
def test_create_has_pytorchs_names_shapes_and_range(kind):
    cell, rows = CREATE[kind](30, 400, rng=rng()), 400 * BLOCKS[kind]
    shapes = {name: values.shape for name, values in cell.parameters.items()}
    assert shapes == dict(zip(NAMES, [(rows, 30), (rows, 400), (rows,), (rows,)], strict=True))
    assert (cell.inputs, cell.hidden) == (30, 400)
    for values in cell.parameters.values():
        assert -1 / 20 <= values.min() < -0.049
        assert 0.049 < values.max() <= 1 / 20
        assert abs(values.mean()) < 0.05 * 4 / math.sqrt(3 * values.size)  # four standard errors


@pytest.mark.parametrize("kind", CREATE)
def test_create_gaussian_has_variance_1_by_hidden(kind):
    for W in blocks(CREATE[kind](2, 200, rng=rng(), recurrence="gaussian")):
        assert W.std() * math.sqrt(200) == pytest.approx(1, abs=0.02)
        assert np.abs(W).max() * math.sqrt(200) > 3  # a uniform of that variance ends at √3


@pytest.mark.parametrize("kind", CREATE)
def test_create_orthogonal_has_orthogonal_blocks(kind):
    for W in blocks(CREATE[kind](2, 20, rng=rng(), recurrence="orthogonal")):
        np.testing.assert_allclose(W @ W.T, np.eye(20), atol=1e-13)


@pytest.mark.parametrize("kind", CREATE)
def test_create_identity_has_identities_and_no_biases(kind):
    cell = CREATE[kind](3, 5, rng=rng(), recurrence="identity")
    for W in blocks(cell):
        np.testing.assert_array_equal(W, np.eye(5))
    np.testing.assert_array_equal(whole_bias(cell), 0)
    assert 0 < np.abs(cell.parameters["weight_ih"]).max() <= 1 / math.sqrt(5)


@pytest.mark.parametrize("recurrence", RECURRENCES)
@pytest.mark.parametrize("kind", CREATE)
def test_create_scales_each_block_to_the_radius(kind, recurrence):
    for W in blocks(CREATE[kind](2, 12, rng=rng(), recurrence=recurrence, radius=1.5)):
        assert np.abs(np.linalg.eigvals(W)).max() == pytest.approx(1.5, rel=1e-13)


@pytest.mark.parametrize("recurrence", ["uniform", "orthogonal", "gaussian"])
@pytest.mark.parametrize("kind", CREATE)
def test_create_draws_each_part_anew(kind, recurrence):
    cell = CREATE[kind](6, 6, rng=rng(), recurrence=recurrence)
    parts = [part for name in NAMES for part in blocks(cell, name)]
    drawn = [np.unique(np.abs(part)) for part in parts]
    for i, part in enumerate(drawn):
        for other in drawn[:i]:
            assert not np.intersect1d(part, other).size


@pytest.mark.parametrize("kind", CREATE)
def test_create_repeats_with_its_generator(kind):
    first, again, other = (CREATE[kind](2, 3, rng=rng(seed)).parameters for seed in (6, 6, 7))
    for name in NAMES:
        np.testing.assert_array_equal(first[name], again[name])
        assert not np.array_equal(first[name], other[name])


@pytest.mark.parametrize("recurrence", RECURRENCES)
@pytest.mark.parametrize("kind", CREATE)
def test_create_keeps_the_type(kind, recurrence):
    plain = CREATE[kind](2, 3, rng=rng(), recurrence=recurrence, radius=0.9).parameters
    single = CREATE[kind](2, 3, rng=rng(), recurrence=recurrence, radius=0.9, dtype=np.float32).parameters
    for name in NAMES:
        assert plain[name].dtype == np.float64
        assert single[name].dtype == np.float32
        np.testing.assert_array_equal(single[name], plain[name].astype(np.float32))


def test_create_is_tanh_unless_told():
    assert RNN.create(1, 1, rng=rng()).activation == "tanh"
    assert RNN.create(1, 1, rng=rng(), activation="relu").activation == "relu"


BIASED = [
    pytest.param(LSTM, "forget_bias", 1.0, id="forget"),
    pytest.param(LSTM, "forget_bias", -40, id="forget-shut"),
    pytest.param(GRU, "update_bias", 2.5, id="update"),
    pytest.param(GRU, "update_bias", np.float32(-3), id="update-float32"),
]


@pytest.mark.parametrize(("cell", "option", "bias"), BIASED)
def test_a_gates_bias_is_that_of_both_biases_together(cell, option, bias):
    made, plain = cell.create(2, 5, rng=rng(), **{option: bias}), cell.create(2, 5, rng=rng())
    np.testing.assert_array_equal(whole_bias(made)[1], bias)
    others = [k for k in range(len(cell.gates)) if k != 1]
    np.testing.assert_array_equal(whole_bias(made)[others], whole_bias(plain)[others])
    for name in ("weight_ih", "weight_hh"):
        np.testing.assert_array_equal(made.parameters[name], plain.parameters[name])


@pytest.mark.parametrize("cell", [LSTM, GRU])
def test_chrono_biases_are_logs_of_uniform_spans(cell):
    made, plain = cell.create(1, 500, rng=rng(), longest=102), cell.create(1, 500, rng=rng())
    biases, others = whole_bias(made), [k for k in range(len(cell.gates)) if k > 1]
    spans = np.exp(biases[1])
    assert 1 <= spans.min() < 2
    assert 100 < spans.max() < 101 + 1e-9
    np.testing.assert_allclose(np.quantile(spans, [0.25, 0.5, 0.75]), [26, 51, 76], atol=7)
    np.testing.assert_array_equal(biases[0], -biases[1] if cell is LSTM else whole_bias(plain)[0])
    np.testing.assert_array_equal(biases[others], whole_bias(plain)[others])


def test_the_shortest_chrono_bias_is_zero():
    np.testing.assert_array_equal(whole_bias(LSTM.create(1, 4, rng=rng(), longest=2))[:2], 0)


# What is refused

WHOLE = "must be a whole number, 1 or more"
ABOVE_0 = "must be a finite number above 0"
FINITE = "must be a finite number"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        pytest.param({"inputs": 0}, f"inputs {WHOLE}, not 0", id="inputs-0"),
        pytest.param({"inputs": 1.0}, f"inputs {WHOLE}", id="inputs-float"),
        pytest.param({"inputs": "2"}, f"inputs {WHOLE}", id="inputs-text"),
        pytest.param({"hidden": -2}, f"hidden {WHOLE}, not -2", id="hidden-negative"),
        pytest.param({"hidden": True}, f"hidden {WHOLE}", id="hidden-true"),
        pytest.param(
            {"recurrence": "sparse"}, "recurrence must be one of uniform, orthogonal", id="recurrence"
        ),
        pytest.param({"radius": 0}, f"radius {ABOVE_0}, not 0", id="radius-0"),
        pytest.param({"radius": -1.0}, f"radius {ABOVE_0}", id="radius-negative"),
        pytest.param({"radius": math.nan}, f"radius {ABOVE_0}", id="radius-nan"),
        pytest.param({"radius": "1"}, f"radius {ABOVE_0}", id="radius-text"),
        pytest.param(
            {"dtype": np.float16}, "dtype must be one of float32, float64, not 'float16'", id="float16"
        ),
        pytest.param({"dtype": int}, "dtype must be one of float32, float64", id="int"),
    ],
)
@pytest.mark.parametrize("kind", CREATE)
def test_create_refuses(kind, options, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        CREATE[kind](**{"inputs": 1, "hidden": 2, "rng": rng()} | options)


@pytest.mark.parametrize("bias", [math.nan, math.inf, -math.inf, "1", 1j, True, [1.0], 10**400], ids=str)
@pytest.mark.parametrize(("cell", "option"), [(LSTM, "forget_bias"), (GRU, "update_bias")])
def test_create_refuses_a_bias(cell, option, bias):
    with pytest.raises(ValueError, match=f"^{option} {FINITE}, not "):
        cell.create(1, 2, rng=rng(), **{option: bias})


@pytest.mark.parametrize("longest", [1, 0, -5, 2.5, "9", True], ids=repr)
@pytest.mark.parametrize("cell", [LSTM, GRU])
def test_create_refuses_a_longest_dependency(cell, longest):
    with pytest.raises(ValueError, match=r"^longest must be a whole number, 2 or more, not "):
        cell.create(1, 2, rng=rng(), longest=longest)


@pytest.mark.parametrize("activation", ["softplus", "", None, 0], ids=repr)
def test_an_unknown_activation_is_refused(activation):
    message = r"^activation must be one of identity, tanh, relu, sigmoid, not "
    with pytest.raises(ValueError, match=message):
        RNN.create(1, 2, rng=rng(), activation=activation)
    with pytest.raises(ValueError, match=message):
        RNN(RNN.create(1, 2, rng=rng()).parameters, activation)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", ["tanh", "gru", "lstm"])
def test_parameters_of_another_shape_or_type_are_refused(kind, name):
    cell = some.network(kind).cell
    values = cell.parameters[name]
    for wrong in (values[:-1], values[None], np.array(1.0)):
        with pytest.raises(
            ValueError, match=rf"^parameters\['{name}'\] must (have the shape \(|be a matrix)"
        ):
            replace(cell, parameters=cell.parameters | {name: wrong})
    for wrong in (values.astype(int), values.astype(np.float16), values.tolist(), None):
        with pytest.raises(
            ValueError, match=rf"^parameters\['{name}'\] must be an array of float32 or float64"
        ):
            replace(cell, parameters=cell.parameters | {name: wrong})


@pytest.mark.parametrize("name", NAMES)
def test_missing_and_superfluous_parameters_are_refused(name):
    cell = some.network("lstm").cell
    less = {key: values for key, values in cell.parameters.items() if key != name}
    for wrong in (less, cell.parameters | {f"{name}_reverse": cell.parameters[name]}):
        with pytest.raises(
            ValueError, match=r"^parameters must be weight_ih, weight_hh, bias_ih, bias_hh, not "
        ):
            LSTM(wrong)


@pytest.mark.parametrize(("kind", "other"), [("tanh", GRU), ("gru", LSTM), ("lstm", RNN)])
def test_another_cells_parameters_are_refused(kind, other):
    with pytest.raises(ValueError, match=r"^parameters\['weight_ih'\] must have the shape "):
        other(some.network(kind).cell.parameters)


@pytest.mark.parametrize("name", ["reset", "Forget", "", None, 0], ids=repr)
@pytest.mark.parametrize("kind", ["lstm", "tanh"])
def test_an_unknown_gate_is_refused(kind, name):
    network = some.network(kind)
    trace = unroll(network.cell, network.x)
    with pytest.raises(ValueError, match=r"^name must be "):
        trace.gate(name)


@pytest.mark.parametrize(("cell", "bias"), [(LSTM, "forget_bias"), (GRU, "update_bias")])
def test_a_bias_that_cannot_be_set_is_refused(cell, bias):
    with pytest.raises(ValueError, match=f"^{bias} must be None where longest is given"):
        cell.create(2, 3, rng=rng(), longest=10, **{bias: 1.0})
    with pytest.raises(ValueError, match=rf"^{bias} must be at most 3.403e\+38 in size, not 1e\+300"):
        cell.create(2, 3, rng=rng(), dtype="float32", **{bias: 1e300})


def test_a_type_that_numpy_does_not_know_is_refused():
    with pytest.raises(ValueError, match=r"^dtype must be one of float32, float64, not 'nonsense'"):
        RNN.create(2, 3, rng=rng(), dtype="nonsense")
