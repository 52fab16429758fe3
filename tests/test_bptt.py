"""Back-propagation through time: against PyTorch, differences, mpmath and the linear theory."""

import json
import math
import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import oracles
import pytest
import strategies as some
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import exactly, log10_gradients, mp, started

from core import bptt, cells
from core.bptt import backpropagate, log10_forget_path, log10_hidden_gradient_norms, unroll
from core.cells import GRU, LSTM, RNN
from core.linear import log10_gradient_norms, make_gradient, make_matrix

KINDS = tuple(some.CELLS)
GOLDEN = json.loads((Path(__file__).parent / "golden" / "bptt.json").read_text())["cases"]


def rng(seed=0):
    return np.random.default_rng(seed)


def walk(network):
    """(trace, gradients) of a network."""
    trace = unroll(network.cell, network.x, network.start)
    return trace, backpropagate(network.cell, trace, network.d_hidden)


def everything(trace, gradients):
    """All that the two passes give, by name."""
    found = {"hidden": trace.hidden, "d_hidden": gradients.hidden, "d_inputs": gradients.inputs}
    if trace.memory is not None:
        found |= {"memory": trace.memory, "d_memory": gradients.memory}
    found |= {f"gate {name}": trace.gate(name) for name in trace.cell.gates}
    return found | {f"d_{name}": values for name, values in gradients.parameters.items()}


def assert_close(found, expected, **tolerance):
    assert found.keys() == expected.keys()
    for name, values in found.items():
        np.testing.assert_allclose(values, expected[name], **tolerance, err_msg=name)


def last_only(d_last, steps):
    """d_hidden (T, B, H) of a loss that only h_T bears on."""
    return np.concatenate([np.zeros((steps - 1, *d_last.shape)), d_last[None]])


def without_input(kind, W, steps, *, batch=1, **biases):
    """(cell, trace) from zero over inputs of zero; `biases` are numbers, a block."""
    H = W.shape[1]
    bias = np.repeat([biases.get(name, 0.0) for name in some.CELLS[kind](1, 1, rng=rng()).gates or ("a",)], H)
    parameters = {"weight_ih": np.zeros((len(W), 1)), "weight_hh": W, "bias_ih": bias, "bias_hh": 0 * bias}
    cell = replace(some.CELLS[kind](1, H, rng=rng()), parameters=parameters)
    return cell, unroll(cell, np.zeros((steps, batch, 1)))


# Against PyTorch's cells, from the file that golden/make_bptt.py wrote


def golden(name, dtype):
    """(what core gives, what PyTorch gave)."""
    ours, theirs = GOLDEN[name]["given"], GOLDEN[name]["answer"]
    parameters = {key: np.array(values, dtype) for key, values in ours["parameters"].items()}
    cell = {"rnn-tanh": RNN, "gru": GRU, "lstm": LSTM}.get(name, lambda p: RNN(p, "relu"))(parameters)
    start = tuple(np.array(values, dtype) for values in ours["start"].values())
    trace = unroll(cell, np.array(ours["x"], dtype), start if name == "lstm" else start[0])
    found = everything(trace, backpropagate(cell, trace, np.array(ours["d_hidden"], dtype)))
    d = theirs["gradients"]
    expected = {"hidden": theirs["hidden"], "d_hidden": d["hidden"], "d_inputs": d["inputs"]}
    if name == "lstm":
        expected |= {"memory": theirs["memory"], "d_memory": d["memory"]}
    expected |= {f"gate {gate}": values for gate, values in theirs["gates"].items()}
    return found, expected | {f"d_{key}": values for key, values in d["parameters"].items()}


@pytest.mark.parametrize("name", GOLDEN)
def test_all_is_what_pytorch_gives(name):
    found, expected = golden(name, np.float64)
    assert_close(found, expected, rtol=1e-10, atol=1e-15)


@pytest.mark.parametrize("name", GOLDEN)
def test_all_in_float32_is_float32_and_what_pytorch_gives_in_float64(name):
    found, expected = golden(name, np.float32)
    assert {values.dtype for values in found.values()} == {np.dtype(np.float32)}
    assert_close(found, expected, rtol=1e-5, atol=5e-6)


# Against PyTorch itself, where it is installed


@pytest.fixture(scope="module")
def torch():
    return pytest.importorskip(
        "torch", reason="PyTorch isn't installed: only its golden file is compared with"
    )


def by_torch(torch, network):
    """What nn.RNN, nn.GRU or nn.LSTM gives of what `everything` has; autograd for the gradients."""
    kind, cell, x, h, c, d_hidden = network
    make = {"gru": torch.nn.GRU, "lstm": torch.nn.LSTM}.get(kind, torch.nn.RNN)
    options = {"nonlinearity": kind} if make is torch.nn.RNN else {}
    module = make(cell.inputs, cell.hidden, dtype=torch.float64, **options)
    module.load_state_dict({f"{key}_l0": torch.tensor(values) for key, values in cell.parameters.items()})
    x, h, c = (torch.tensor(values, requires_grad=True) for values in (x, h[None], c[None]))
    hidden, _ = module(x, (h, c) if kind == "lstm" else h)
    (hidden * torch.tensor(d_hidden)).sum().backward()
    found = {f"d_{key.removesuffix('_l0')}": parameter.grad for key, parameter in module.named_parameters()}
    found |= {"hidden": hidden, "d_inputs": x.grad, "d_h_0": h.grad[0]}
    found |= {"d_c_0": c.grad[0]} if kind == "lstm" else {}
    return {name: values.detach().numpy() for name, values in found.items()}


@settings(max_examples=60)
@given(network=some.networks.filter(lambda network: network.kind in ("tanh", "relu", "gru", "lstm")))
def test_networks_of_any_shape_are_pytorchs(torch, network):
    trace, gradients = walk(network)
    found = gradients.parameters
    found = {f"d_{name}": values for name, values in found.items()}
    found |= {"hidden": trace.hidden[1:], "d_inputs": gradients.inputs, "d_h_0": gradients.hidden[0]}
    found |= {"d_c_0": gradients.memory[0]} if network.kind == "lstm" else {}
    assert_close(found, by_torch(torch, network), rtol=1e-10, atol=1e-12)


def test_the_golden_file_is_what_its_script_writes(torch):  # noqa: ARG001
    from golden import make_bptt

    for name in make_bptt.CELLS:
        assert make_bptt.draw(name) == GOLDEN[name]["given"]
        again, kept = make_bptt.answer(name, GOLDEN[name]["given"]), GOLDEN[name]["answer"]
        for part in ("hidden", *(["memory"] if name == "lstm" else [])):
            np.testing.assert_allclose(again[part], kept[part], rtol=1e-12)
            np.testing.assert_allclose(again["gradients"][part], kept["gradients"][part], rtol=1e-12)


# Against differences of the equations


def check_gradients(network, *, rtol=1e-6, atol=1e-9):
    """AssertionError unless all gradients are those by differences of a loss written with scalars."""
    kind, cell, x, h, c, d_hidden = network
    trace = unroll(cell, x, network.start)
    found = backpropagate(cell, trace, d_hidden)
    sums = {name: np.zeros_like(values) for name, values in cell.parameters.items()}
    for b in range(x.shape[1]):
        given = started(h[b], c[b], len(x))
        true = oracles.gradients_by_differences(kind, cell.parameters, x[:, b], given, d_hidden[:, b])
        sums = {name: total + true[name] for name, total in sums.items()}
        for name in ("inputs", "hidden", "memory") if cell.remembers else ("inputs", "hidden"):
            np.testing.assert_allclose(getattr(found, name)[:, b], true[name], rtol, atol, err_msg=name)
    assert_close(found.parameters, sums, rtol=rtol, atol=atol)


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_are_those_by_differences(kind):
    check_gradients(some.network(kind, steps=5, batch=2, hidden=3))


@settings(max_examples=40)
@given(
    network=some.networks.filter(lambda network: network.kind != "relu")
)  # whose kink differences may cross
def test_gradients_of_any_shape_are_those_by_differences(network):
    check_gradients(network)


class Transposed(RNN):
    """Wrong: goes back through W, not Wᵀ."""

    def step_back(self, product, row):  # noqa: ARG002
        super().step_back(self.parameters["weight_hh"].dot, row)


class WithoutSlope(RNN):
    """Wrong: leaves φ′ out."""

    def factors(self, states, record, room):  # noqa: ARG002
        room["deltas"][:] = 1


class WithoutDirectTerm(RNN):
    """Wrong: of d_hidden, only what the last step gets."""

    def step_back(self, product, row):
        *deltas, d_h, direct, d_c, d_h_before = row
        super().step_back(product, (*deltas, d_h, direct * (d_h == 0).all(), d_c, d_h_before))


class InputsOneLate(RNN):
    """Wrong: the weights' gradients are summed with the next step's x and h."""

    def collect(self, states, room, sums, inputs):
        super().collect(np.roll(states, 1, axis=0), room, sums, inputs)


class UpdateTheWrongWay(GRU):
    """Wrong: takes z for what lets the new in."""

    def factors(self, states, record, room):
        super().factors(states, record, room)
        room["deltas"][:, 4] = 1 - room["deltas"][:, 4]


class ResetForgotten(GRU):
    """Wrong: the candidate's gradient reaches h_{t−1} as if r were 1."""

    def factors(self, states, record, room):
        super().factors(states, record, room)
        room["deltas"][:, 3] = room["deltas"][:, 0]


class WithoutCarry(LSTM):
    """Wrong: no memory's gradient reaches the memory before it but through h."""

    def factors(self, states, record, room):
        super().factors(states, record, room)
        room["deltas"][:-1, 0] = 0


class OutputsSlopeForgotten(LSTM):
    """Wrong: ∂h/∂a_o without σ′."""

    def factors(self, states, record, room):
        super().factors(states, record, room)
        room["deltas"][:-1, 4] = np.tanh(record["memory"][1:-3])


WRONG = [
    *(pytest.param("tanh", cell, id=cell.__name__) for cell in (Transposed, WithoutSlope, WithoutDirectTerm)),
    pytest.param("sigmoid", InputsOneLate, id="InputsOneLate"),
    *(pytest.param("gru", cell, id=cell.__name__) for cell in (UpdateTheWrongWay, ResetForgotten)),
    *(pytest.param("lstm", cell, id=cell.__name__) for cell in (WithoutCarry, OutputsSlopeForgotten)),
]


@pytest.mark.parametrize(("kind", "wrong"), WRONG)
def test_the_checker_rejects_a_wrong_gradient(kind, wrong):
    network = some.network(kind, steps=3, batch=1, hidden=3)
    right = network.cell
    cell = wrong(right.parameters, *([right.activation] if isinstance(right, RNN) else []))
    check_gradients(network)
    with pytest.raises(AssertionError, match="Not equal to tolerance"):
        check_gradients(network._replace(cell=cell))


# Saturation

SATURATED = [
    pytest.param(kind, gate, bias, id=f"{kind}-{name}{bias:+g}")
    for kind, gates in (("tanh", ("unit",)), ("sigmoid", ("unit",)), ("gru", GRU.gates), ("lstm", LSTM.gates))
    for gate, name in enumerate(gates)
    for bias in (-40.0, 40.0)
]


def gradients_to_ten_digits(network):
    """The gradients of one sequence, once they have been compared with mpmath's, entry by entry."""
    kind, cell, x, h, c, d_hidden = network
    _, found = walk(network)
    p = {name: exactly(values) for name, values in cell.parameters.items()}
    given = started(exactly(h[0]), exactly(c[0]), len(x))
    true = oracles.gradients_by_differences(kind, p, exactly(x[:, 0]), given, exactly(d_hidden[:, 0]), mp)
    ours = found.parameters | {"inputs": found.inputs[:, 0], "hidden": found.hidden[:, 0]}
    ours |= {"memory": found.memory[:, 0]} if cell.remembers else {}
    for name, values in ours.items():
        np.testing.assert_allclose(values, true[name].astype(float), rtol=1e-10, err_msg=name)
    return ours


@pytest.mark.parametrize(("kind", "gate", "bias"), SATURATED)
def test_gradients_of_saturated_units_keep_ten_digits(kind, gate, bias):
    """Down to 10⁻¹⁷ (σ) and 10⁻³⁴ (tanh) of the others, where σ(1 − σ) and 1 − tanh² are 0 in float64."""
    network = some.network(kind, steps=4, batch=1, hidden=2)
    block = slice(gate * 2, gate * 2 + 2)
    network.cell.parameters["bias_ih"][block] += bias
    assert 0 < np.abs(gradients_to_ten_digits(network)["bias_ih"][block]).max() < 1e-12


@pytest.mark.parametrize("size", [-30.0, 30.0])
def test_gradients_by_a_memory_far_out_keep_ten_digits(size):
    """tanh′(c) is 10⁻²⁶ of what 1 − tanh² would make 0."""
    network = some.network("lstm", steps=4, batch=1, hidden=2)
    network.cell.parameters["bias_ih"][2:4] = 40
    network = network._replace(c=np.full((1, 2), size))
    assert 0 < np.abs(gradients_to_ten_digits(network)["memory"]).max() < 1e-20


def test_a_saturated_unit_passes_on_what_1_minus_tanh_squared_would_not():
    """10^−26 of what it gets at a = 31, where float64 has 1 − tanh² = 0."""
    W = np.array([[1.0]])
    cell = RNN({"weight_ih": W, "weight_hh": W, "bias_ih": np.zeros(1), "bias_hh": np.zeros(1)})
    norms = log10_hidden_gradient_norms(cell, unroll(cell, np.full((50, 1, 1), 30.0)), np.ones((1, 1)))[:, 0]
    slope = 1 / mp.cosh(31) ** 2  # a = 30 + h with h = 1
    np.testing.assert_allclose(np.diff(norms)[1:], -float(mp.log10(slope)), rtol=1e-12)


@pytest.mark.parametrize("kind", ["gru", "lstm"])
@pytest.mark.parametrize("bias", [-1e4, 1e4])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_gates_far_out_give_finite_gradients(kind, bias, dtype):
    network = some.network(kind, dtype=dtype)
    network.cell.parameters["bias_ih"][:8] = bias
    for name, values in everything(*walk(network)).items():
        assert np.isfinite(values).all(), name


# The linear theory


@pytest.mark.parametrize("radius", [0.5, 1.0, 2.0])
def test_identity_rnn_reproduces_the_linear_theory(radius):
    """Through the ordinary way back: the gradients of h_T … h_0 are (Wᵀ)^k g, k = 0 … T."""
    generator = rng(4)
    W = make_matrix("gaussian", 8, radius, rng=generator)
    gradients = np.array([make_gradient("random", W, rng=generator) for _ in range(2)])
    cell, trace = without_input("identity", W, 500, batch=2)
    hidden = backpropagate(cell, trace, last_only(gradients, 500)).hidden
    for b in range(2):
        expected = log10_gradient_norms(W, gradients[b], 500)
        np.testing.assert_allclose(np.log10(np.linalg.norm(hidden[::-1, b], axis=1)), expected, atol=1e-11)


@pytest.mark.parametrize("radius", [0.3, 1.0, 3.0], ids=["to-1e-1569", "radius-1", "to-1e1431"])
def test_identity_rnn_reproduces_the_linear_theory_beyond_float64(radius):
    generator = rng(4)
    W = make_matrix("gaussian", 8, radius, rng=generator)
    gradients = np.array([make_gradient("random", W, rng=generator) for _ in range(2)])
    norms = log10_hidden_gradient_norms(*without_input("identity", W, 3000, batch=2), gradients)
    for b in range(2):
        expected = log10_gradient_norms(W, gradients[b], 3000)
        np.testing.assert_allclose(norms[::-1, b], expected, rtol=1e-12, atol=1e-12)


# Norms beyond float64


@pytest.mark.parametrize("kind", KINDS)
def test_log10_norms_are_those_of_the_gradients_where_float64_holds(kind):
    network = some.network(kind, steps=30)
    trace, d_last = unroll(network.cell, network.x, network.start), network.d_hidden[0]
    hidden = backpropagate(network.cell, trace, last_only(d_last, 30)).hidden
    found = log10_hidden_gradient_norms(network.cell, trace, d_last)
    np.testing.assert_allclose(found, np.log10(np.linalg.norm(hidden, axis=2)), rtol=1e-12, atol=1e-13)


def shrunk(kind, weights, **biases):
    """A network of two units whose weights are shrunk, with these biases for its gates."""
    network = some.network(kind, hidden=2, batch=2)
    cell = network.cell
    cell.parameters["weight_hh"][:] *= weights
    for name, bias in biases.items():
        k = cell.gates.index(name)
        cell.parameters["bias_ih"][2 * k : 2 * k + 2] = bias
    return network


def growing(kind, **biases):
    """(kind, cell, x, start) of a state that stays at zero, with gradients that grow eightfold a step."""
    W = np.tile(8 * np.array([[0.6, -0.8], [0.8, 0.6]]), (3 if kind == "gru" else 1, 1))
    cell, _ = without_input(kind, W, 1, **biases)
    return kind, cell, np.zeros((500, 1, 1)), np.zeros((1, 2))


def driven(network, steps):
    return network.kind, network.cell, rng(5).standard_normal((steps, 2, 2)), network.h[:2]


BEYOND = {  # the network, and what log10 of its first norm must pass
    "tanh-2000": (lambda: driven(shrunk("tanh", 1.0), 2000), -400),
    "sigmoid-1000": (lambda: driven(shrunk("sigmoid", 1.0), 1000), -400),
    "gru-replacing": (lambda: driven(shrunk("gru", 0.05, update=-8.0), 300), -400),
    "gru-replacing-reset-shut": (lambda: driven(shrunk("gru", 1.0, update=-20.0, reset=-20.0), 150), -400),
    "lstm-forgetting": (lambda: driven(shrunk("lstm", 0.05, forget=-10.0), 220), -400),
    "lstm-output-shut": (lambda: driven(shrunk("lstm", 1.0, forget=-40.0, output=-40.0), 60), -900),
    "tanh-exploding": (lambda: growing("tanh"), 450),
    "gru-exploding": (lambda: growing("gru", reset=40.0, update=-40.0), 450),
}


@pytest.mark.parametrize("name", BEYOND)
def test_log10_norms_are_right_beyond_float64(name):
    make, passed = BEYOND[name]
    kind, cell, x, start = make()
    both = (start, start) if cell.remembers else start
    d_last = rng(6).standard_normal(start.shape)
    found = log10_hidden_gradient_norms(cell, unroll(cell, x, both), d_last)
    for b in range(len(start) if len(x) < 1000 else 1):
        true = log10_gradients(kind, cell.parameters, x[:, b], start[b], d_last[b])
        np.testing.assert_allclose(found[:, b], np.array(true, dtype=float), rtol=1e-11, atol=1e-10)
        assert true[0] / passed > 1


@pytest.mark.parametrize("size", [5e-324, 1e-310, 1e300, 1.7e308], ids=repr)
@pytest.mark.parametrize("factor", [0.1, 30.0])
def test_a_last_gradient_of_any_size(factor, size):
    cell, trace = without_input("identity", np.array([[factor]]), 20)
    norms = log10_hidden_gradient_norms(cell, trace, np.array([[size]]))[::-1, 0]
    np.testing.assert_allclose(norms, math.log10(size) + np.arange(21) * math.log10(factor), rtol=1e-13)


@pytest.mark.parametrize("kind", KINDS)
def test_zero_stays_zero_without_a_warning(kind):
    network = some.network(kind)
    trace = unroll(network.cell, network.x)
    d_last = np.ones((3, 4))
    d_last[1] = 0
    norms = log10_hidden_gradient_norms(network.cell, trace, d_last)
    assert np.isneginf(norms[:, 1]).all()
    if kind != "relu":  # whose units may all be off
        assert np.isfinite(norms[:, [0, 2]]).all()


def test_nilpotent_recurrence_ends_the_gradient():
    cell, trace = without_input("identity", np.eye(3, k=1), 5)
    norms = log10_hidden_gradient_norms(cell, trace, np.array([[1.0, 0.0, 0.0]]))[::-1, 0]
    np.testing.assert_array_equal(norms, [0, 0, 0, -np.inf, -np.inf, -np.inf])


# The path through the forget gates


def test_forget_path_is_the_product_of_the_gates_where_float64_holds():
    network = some.network("lstm", steps=20)
    trace, d_last = unroll(network.cell, network.x, network.start), network.d_hidden[0]
    path = trace.gate("output")[-1] * (1 - np.tanh(trace.memory[-1]) ** 2) * d_last
    expected = [np.linalg.norm(path, axis=1)]
    for f in trace.gate("forget")[::-1]:
        path = f * path
        expected.append(np.linalg.norm(path, axis=1))
    found = log10_forget_path(network.cell, trace, d_last)
    np.testing.assert_allclose(found, np.log10(expected[::-1]), rtol=1e-12, atol=1e-13)


def test_forget_path_is_the_whole_gradient_of_the_memory_without_recurrent_weights():
    network = some.network("lstm", steps=20)
    network.cell.parameters["weight_hh"][:] = 0
    trace, d_last = unroll(network.cell, network.x, network.start), network.d_hidden[0]
    memory = backpropagate(network.cell, trace, last_only(d_last, 20)).memory
    found = log10_forget_path(network.cell, trace, d_last)
    np.testing.assert_allclose(found, np.log10(np.linalg.norm(memory, axis=2)), rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("bias", [-40.0, -800.0, 40.0])
def test_forget_path_is_right_beyond_float64(bias):
    network = shrunk("lstm", 1.0, forget=bias)
    x, d_last = rng(5).standard_normal((100, 2, 2)), rng(6).standard_normal((2, 2))
    found = log10_forget_path(network.cell, unroll(network.cell, x), d_last)
    p = {name: exactly(values) for name, values in network.cell.parameters.items()}
    nothing = started(exactly(np.zeros(2)), exactly(np.zeros(2)), len(x))
    for b in range(2):
        run = oracles.run("lstm", p, exactly(x[:, b]), nothing, mp)
        path = [
            d * o / mp.cosh(c) ** 2
            for d, o, c in zip(d_last[b], run.gates["output"][-1], run.memory[-1], strict=True)
        ]
        true = [mp.log10(mp.norm(path))]
        for gates in run.gates["forget"][::-1]:
            path = [f * entry for f, entry in zip(gates, path, strict=True)]
            true.append(mp.log10(mp.norm(path)))
        np.testing.assert_allclose(found[::-1, b], np.array(true, dtype=float), rtol=1e-12, atol=1e-12)
        assert (true[-1] < -1600) == (bias < 0)


def test_forget_path_of_zero_is_zero_without_a_warning():
    network = some.network("lstm")
    d_last = np.ones((3, 4))
    d_last[0], d_last[1, :3] = 0, 0
    norms = log10_forget_path(network.cell, unroll(network.cell, network.x), d_last)
    assert np.isneginf(norms[:, 0]).all()
    assert np.isfinite(norms[:, 1:]).all()


@pytest.mark.parametrize("kind", ["tanh", "gru"])
def test_forget_path_is_an_lstms(kind):
    network = some.network(kind)
    trace = unroll(network.cell, network.x)
    with pytest.raises(ValueError, match=r"^cell must be an LSTM"):
        log10_forget_path(network.cell, trace, network.d_hidden[0])


# In chunks, again, and into given arrays


def in_chunks(monkeypatch, network, steps):
    """So many steps' factors at once."""
    monkeypatch.setattr(bptt, "BYTES_AT_ONCE", steps * 6 * network.h.nbytes)


@pytest.mark.parametrize("steps", [1, 2, 3, 7, 100])
@pytest.mark.parametrize("kind", KINDS)
def test_results_do_not_depend_on_the_chunks(monkeypatch, kind, steps):
    network = some.network(kind, steps=7)
    expected = everything(*walk(network))
    norms = log10_hidden_gradient_norms(network.cell, unroll(network.cell, network.x), network.d_hidden[0])
    in_chunks(monkeypatch, network, steps)
    trace, gradients = walk(network)
    assert len(gradients.work.direct) == min(steps, 7)
    assert_close(everything(trace, gradients), expected, rtol=1e-12, atol=1e-14)
    again = log10_hidden_gradient_norms(network.cell, unroll(network.cell, network.x), network.d_hidden[0])
    np.testing.assert_allclose(again, norms, rtol=1e-13, atol=1e-14)


@pytest.mark.parametrize("kind", KINDS)
def test_products_by_blocks_of_rows_give_what_whole_ones_give(monkeypatch, kind):
    network = some.network(kind, steps=7, batch=3, hidden=6)
    whole = everything(*walk(network))
    monkeypatch.setattr(cells, "SMALL_PRODUCT", 100)
    monkeypatch.setattr(cells, "FEWEST_ROWS", 2)
    assert cells._rows_of_a_block(6, 7, 3) == 3
    assert_close(everything(*walk(network)), whole, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("steps", [1, 3])
@pytest.mark.parametrize("kind", KINDS)
def test_gradients_in_chunks_are_those_by_differences(monkeypatch, kind, steps):
    network = some.network(kind, steps=5, batch=2, hidden=3)
    in_chunks(monkeypatch, network, steps)
    check_gradients(network)


@pytest.mark.parametrize("steps", [2, 100])
@pytest.mark.parametrize("kind", KINDS)
def test_given_arrays_are_reused_and_nothing_of_before_is_left_in_them(monkeypatch, kind, steps):
    network, other = (some.network(kind, steps=7, seed=seed) for seed in (0, 1))
    in_chunks(monkeypatch, network, steps)
    expected = {name: values.copy() for name, values in everything(*walk(network)).items()}
    trace, gradients = walk(other)
    for values in (trace.states, *trace.record.values(), *gradients.work.room.values()):
        values[:] = np.nan
    into = unroll(network.cell, network.x, network.start, out=trace)
    again = backpropagate(network.cell, into, network.d_hidden, out=gradients)
    assert np.shares_memory(into.hidden, trace.hidden)
    assert np.shares_memory(again.hidden, gradients.hidden)
    for name, values in everything(into, again).items():
        np.testing.assert_array_equal(values, expected[name], err_msg=name)


@pytest.mark.parametrize("kind", KINDS)
def test_a_later_walk_leaves_earlier_gradients_of_parameters_alone(kind):
    network, other = some.network(kind), some.network(kind, seed=1)
    trace, gradients = walk(network)
    before = {name: values.copy() for name, values in gradients.parameters.items()}
    backpropagate(network.cell, trace, other.d_hidden, out=gradients)
    for name, values in gradients.parameters.items():
        np.testing.assert_array_equal(values, before[name])


@pytest.mark.parametrize("kind", KINDS)
def test_each_gradient_has_its_own_numbers(kind):
    """So that scaling one in place leaves the others alone."""
    found = list(walk(some.network(kind, batch=1))[1].parameters.values())
    for i, values in enumerate(found):
        assert not any(np.shares_memory(values, other) for other in found[:i])


@pytest.mark.parametrize("kind", KINDS)
def test_calling_twice_gives_the_same_and_leaves_all_arguments_alone(kind):
    network = some.network(kind)
    given = [network.x, network.h, network.c, network.d_hidden, *network.cell.parameters.values()]
    copies = [values.copy() for values in given]
    trace, gradients = walk(network)
    first = {name: values.copy() for name, values in everything(trace, gradients).items()}
    log10_hidden_gradient_norms(network.cell, trace, network.d_hidden[0])
    for name, values in everything(trace, backpropagate(network.cell, trace, network.d_hidden)).items():
        np.testing.assert_array_equal(values, first[name], err_msg=name)
    for name, values in everything(*walk(network)).items():
        np.testing.assert_array_equal(values, first[name], err_msg=name)
    for values, copy in zip(given, copies, strict=True):
        np.testing.assert_array_equal(values, copy)


@pytest.mark.parametrize("kind", KINDS)
def test_arrays_in_any_order_of_memory_give_the_same(kind):
    network = some.network(kind)
    x, h, c, d = (np.asfortranarray(values) for values in network[2:])
    parameters = {name: np.asfortranarray(values) for name, values in network.cell.parameters.items()}
    cell = replace(network.cell, parameters=parameters)
    found = everything(*walk(network._replace(cell=cell, x=x, h=h, c=c, d_hidden=d)))
    assert_close(found, everything(*walk(network)), rtol=1e-13, atol=1e-14)


@pytest.mark.parametrize("kind", KINDS)
def test_without_a_start_all_is_zero(kind):
    network = some.network(kind)
    zero = np.zeros_like(network.h)
    started, plain = (
        unroll(network.cell, network.x, start)
        for start in ((zero, zero) if network.cell.remembers else zero, None)
    )
    np.testing.assert_array_equal(started.hidden, plain.hidden)
    np.testing.assert_array_equal(plain.hidden[0], 0)


@pytest.mark.parametrize("kind", KINDS)
def test_a_trace_holds_its_inputs_and_start(kind):
    network = some.network(kind)
    trace = unroll(network.cell, network.x, network.start)
    np.testing.assert_array_equal(trace.inputs, network.x)
    np.testing.assert_array_equal(trace.hidden[0], network.h)
    if network.cell.remembers:
        np.testing.assert_array_equal(trace.memory[0], network.c)


# Properties


@given(network=some.networks, cut=st.integers(1, 6))
def test_a_run_in_two_parts_is_one_run(network, cut):
    whole = unroll(network.cell, network.x, network.start)
    first = unroll(network.cell, network.x[:cut], network.start)
    np.testing.assert_allclose(first.hidden, whole.hidden[: cut + 1], rtol=1e-11, atol=1e-12)
    if cut < len(network.x):
        end = (first.hidden[-1], first.memory[-1]) if network.cell.remembers else first.hidden[-1]
        rest = unroll(network.cell, network.x[cut:], end)
        np.testing.assert_allclose(rest.hidden, whole.hidden[cut:], rtol=1e-11, atol=1e-12)


@given(network=some.networks, factors=st.tuples(st.floats(-3, 3), st.floats(-3, 3)))
def test_gradients_are_linear_in_those_of_the_hidden_states(network, factors):
    cell, trace = network.cell, unroll(network.cell, network.x, network.start)
    one, other = network.d_hidden, network.d_hidden[::-1] ** 2
    parts = [everything(trace, backpropagate(cell, trace, d)) for d in (one, other)]
    both = everything(trace, backpropagate(cell, trace, factors[0] * one + factors[1] * other))
    for name in filter(lambda name: name.startswith("d_"), both):
        expected = factors[0] * parts[0][name] + factors[1] * parts[1][name]
        size = sum(
            abs(factor) * np.abs(part[name]).max() for factor, part in zip(factors, parts, strict=True)
        )
        np.testing.assert_allclose(both[name], expected, rtol=0, atol=1e-11 * size + 1e-300, err_msg=name)


@given(network=some.networks)
def test_each_sequence_of_a_batch_goes_its_own_way(network):
    whole = everything(*walk(network))
    columns = [
        everything(
            *walk(
                network._replace(
                    x=network.x[:, [b]],
                    h=network.h[[b]],
                    c=network.c[[b]],
                    d_hidden=network.d_hidden[:, [b]],
                )
            )
        )
        for b in range(len(network.h))
    ]
    sums = [f"d_{name}" for name in network.cell.parameters]
    expected = {name: sum(column[name] for column in columns) for name in sums}
    for name in whole.keys() - expected.keys():
        expected[name] = np.concatenate([column[name] for column in columns], axis=1)
    for name, values in whole.items():
        size = max(1, np.abs(values).max())
        np.testing.assert_allclose(values, expected[name], rtol=0, atol=1e-11 * size, err_msg=name)


@given(network=some.networks, seed=some.seeds)
def test_units_may_change_places(network, seed):
    """The same permutation of every block's rows, of the recurrence's columns and of the states."""
    H = network.cell.hidden
    order = rng(seed).permutation(H)
    blocks = len(network.cell.parameters["bias_ih"]) // H
    rows = np.concatenate([order + k * H for k in range(blocks)])
    moved = {name: values[rows] for name, values in network.cell.parameters.items()}
    moved["weight_hh"] = moved["weight_hh"][:, order]
    found = everything(
        *walk(
            network._replace(
                cell=replace(network.cell, parameters=moved),
                h=network.h[:, order],
                c=network.c[:, order],
                d_hidden=network.d_hidden[..., order],
            )
        )
    )
    expected = everything(*walk(network))
    for name, values in expected.items():
        if name.removeprefix("d_") in moved:
            expected[name] = values[rows]
        elif name != "d_inputs":
            expected[name] = values[..., order]
    expected["d_weight_hh"] = expected["d_weight_hh"][:, order]
    for name, values in found.items():
        size = max(1, np.abs(values).max())
        np.testing.assert_allclose(values, expected[name], rtol=0, atol=1e-11 * size, err_msg=name)


# States that overflow


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("kind", ["identity", "relu"])
def test_a_diverging_run_says_when_and_warns_of_nothing(kind, dtype):
    W = np.array([[10.0]], dtype)
    parameters = {
        "weight_ih": W,
        "weight_hh": W,
        "bias_ih": np.zeros(1, dtype),
        "bias_hh": np.zeros(1, dtype),
    }
    cell = RNN(parameters, kind)
    x = np.ones((400, 2, 1), dtype)
    x[:, 1] = 0
    trace = unroll(cell, x)
    largest, h, first = float(np.finfo(dtype).max), 0, 0
    while h <= largest:
        first, h = first + 1, 10 * h + 10  # whole numbers, which Python doesn't round
    assert trace.overflow == first
    assert np.isfinite(trace.hidden[first - 1]).all()
    assert trace.hidden[first, 0] == np.inf
    np.testing.assert_array_equal(trace.hidden[:, 1], 0)
    backpropagate(cell, trace, np.ones_like(trace.hidden[1:]))


def test_a_run_to_nan_warns_of_nothing():
    """inf − inf from the second step on."""
    W = np.array([[1e308, 1e308], [1e308, -1e308]])
    parameters = {"weight_ih": W, "weight_hh": W, "bias_ih": np.zeros(2), "bias_hh": np.zeros(2)}
    cell = RNN(parameters, "identity")
    trace = unroll(cell, np.full((5, 1, 2), 10.0))
    assert trace.overflow == 1
    assert np.isnan(trace.hidden[-1]).any()
    gradients = backpropagate(cell, trace, np.ones((5, 1, 2)))
    assert not np.isfinite(gradients.parameters["weight_hh"]).all()


@pytest.mark.parametrize("kind", ["gru", "lstm"])
def test_gated_cells_of_huge_weights_warn_of_nothing(kind):
    network = some.network(kind)
    for values in network.cell.parameters.values():
        values[:] = np.copysign(1e308, values)
    trace, _ = walk(network)
    finite = np.isfinite(trace.hidden).all(axis=(1, 2))
    assert finite.tolist() == [t < trace.overflow for t in range(len(finite))]
    log10_hidden_gradient_norms(network.cell, trace, network.d_hidden[0])


@pytest.mark.parametrize("kind", KINDS)
def test_a_run_that_stays_finite_has_no_overflow(kind):
    network = some.network(kind)
    assert unroll(network.cell, network.x).overflow is None


def test_the_norms_of_the_identity_rnn_do_not_mind_states_that_overflow():
    W = np.array([[10.0]])
    cell = RNN({"weight_ih": W, "weight_hh": W, "bias_ih": np.zeros(1), "bias_hh": np.zeros(1)}, "identity")
    trace = unroll(cell, np.ones((400, 1, 1)))
    assert trace.overflow is not None
    norms = log10_hidden_gradient_norms(cell, trace, np.ones((1, 1)))[::-1, 0]
    np.testing.assert_allclose(norms, np.arange(401), rtol=1e-13)


# Memory


def peak(function):
    """(the result, bytes at the peak less those before)."""
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        result = function()
        return result, tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()


def test_a_walk_back_leaves_the_settings_of_numpy_alone():
    network = some.network("lstm", steps=3, batch=2, inputs=2, hidden=3)
    trace = unroll(network.cell, network.x)
    before = np.getbufsize(), np.geterr()
    backpropagate(network.cell, trace, network.d_hidden)
    log10_hidden_gradient_norms(network.cell, trace, network.d_hidden[-1])
    assert (np.getbufsize(), np.geterr()) == before


BYTES_A_VIEW = 200  # an array's header, its shape and its share of a tuple


@pytest.mark.parametrize("kind", ["tanh", "gru", "lstm"])
def test_a_trace_takes_what_it_says(kind):
    T, B, X, H = 1000, 16, 24, 32
    network = some.network(kind, steps=T, batch=B, inputs=X, hidden=H)
    trace, taken = peak(lambda: unroll(network.cell, network.x))
    numbers = (T + 1) * (X + 1 + H) * B + T * {"tanh": 1, "gru": 4, "lstm": 4}[kind] * H * B
    numbers += (T + 4) * H * B if kind == "lstm" else 0
    views = T * len(trace.rows[0])
    assert 8 * numbers <= taken <= 1.02 * 8 * numbers + views * BYTES_A_VIEW + 100_000


@pytest.mark.parametrize("kind", ["tanh", "gru", "lstm"])
def test_a_walk_back_takes_its_result_and_a_few_times_the_bytes_at_once(kind):
    T, B, X, H = 2000, 16, 24, 32
    network = some.network(kind, steps=T, batch=B, inputs=X, hidden=H)
    trace = unroll(network.cell, network.x)
    gradients, taken = peak(lambda: backpropagate(network.cell, trace, network.d_hidden))
    result = gradients.work.hidden.nbytes + gradients.inputs.nbytes
    result += gradients.work.memory.nbytes if kind == "lstm" else 0
    result += sum(values.nbytes for values in gradients.parameters.values())
    views = T * (3 if kind == "lstm" else 2) + 10 * len(gradients.work.direct)
    assert result <= taken <= result + 7 * bptt.BYTES_AT_ONCE + views * BYTES_A_VIEW


# What is refused


def refuses(message, function, *arguments, **options):
    with pytest.raises(ValueError, match=f"^{message}"):
        function(*arguments, **options)


@pytest.mark.parametrize(
    "x",
    [
        pytest.param(np.zeros((6, 2)), id="no-batch"),
        pytest.param(np.zeros((6, 3, 3)), id="inputs"),
        pytest.param(np.zeros((6, 3, 0)), id="no-inputs"),
        pytest.param(np.zeros((1, 6, 3, 2)), id="four-axes"),
        pytest.param(np.zeros((0, 3, 2)), id="no-steps"),
        pytest.param(np.zeros((6, 0, 2)), id="no-sequences"),
        pytest.param(np.full((6, 3, 2), np.nan), id="nan"),
        pytest.param(np.full((6, 3, 2), np.inf), id="inf"),
        pytest.param(np.zeros((6, 3, 2), int), id="integers"),
        pytest.param(np.zeros((6, 3, 2), complex), id="complex"),
        pytest.param(np.zeros((6, 3, 2)).tolist(), id="list"),
        pytest.param(None, id="none"),
    ],
)
def test_unroll_refuses_x(x):
    refuses("x must ", unroll, some.network("gru").cell, x)


BAD_STATES = [
    pytest.param(np.zeros(4), id="no-batch"),
    pytest.param(np.zeros((4, 4)), id="batch"),
    pytest.param(np.zeros((3, 3)), id="hidden"),
    pytest.param(np.zeros((1, 3, 4)), id="as-in-pytorch"),
    pytest.param(np.zeros((3, 4), int), id="integers"),
    pytest.param(np.zeros((3, 4)).tolist(), id="list"),
    pytest.param(np.full((3, 4), np.nan), id="nan"),
    pytest.param(np.full((3, 4), -np.inf), id="inf"),
]


@pytest.mark.parametrize("state", BAD_STATES)
def test_unroll_refuses_a_start(state):
    plain, lstm, right = some.network("tanh"), some.network("lstm"), np.zeros((3, 4))
    refuses("start must ", unroll, plain.cell, plain.x, state)
    refuses(r"start \(h_0\) must ", unroll, lstm.cell, lstm.x, (state, right))
    refuses(r"start \(c_0\) must ", unroll, lstm.cell, lstm.x, (right, state))


@pytest.mark.parametrize("kind", ["tanh", "gru"])
def test_a_pair_to_start_from_is_for_an_lstm(kind):
    network, state = some.network(kind), np.zeros((3, 4))
    refuses(r"start must be a pair \(h_0, c_0\) for an LSTM", unroll, network.cell, network.x, (state, state))


@pytest.mark.parametrize("count", [0, 1, 3])
def test_an_lstm_starts_from_a_pair(count):
    network, state = some.network("lstm"), np.zeros((3, 4))
    message = r"start must be a pair \(h_0, c_0\) for an LSTM"
    refuses(message, unroll, network.cell, network.x, (state,) * count)
    refuses(message, unroll, network.cell, network.x, state)


@pytest.mark.parametrize(
    "d_hidden",
    [
        pytest.param(np.zeros((6, 3, 3)), id="hidden"),
        pytest.param(np.zeros((6, 2, 4)), id="batch"),
        pytest.param(np.zeros((7, 3, 4)), id="with-h0"),
        pytest.param(np.zeros((3, 4)), id="last-alone"),
        pytest.param(np.zeros((6, 3, 4), int), id="integers"),
        pytest.param(np.zeros((6, 3, 4)).tolist(), id="list"),
        pytest.param(None, id="none"),
    ],
)
@pytest.mark.parametrize("kind", ["tanh", "gru", "lstm"])
def test_backpropagate_refuses_d_hidden(kind, d_hidden):
    network = some.network(kind)
    trace = unroll(network.cell, network.x)
    refuses(r"d_hidden must .* \(6, 3, 4\), not ", backpropagate, network.cell, trace, d_hidden)


@pytest.mark.parametrize("d_last", BAD_STATES)
def test_norms_refuse_a_last_gradient(d_last):
    network = some.network("lstm")
    trace = unroll(network.cell, network.x)
    refuses("d_last must ", log10_hidden_gradient_norms, network.cell, trace, d_last)
    refuses("d_last must ", log10_forget_path, network.cell, trace, d_last)


@pytest.mark.parametrize(
    "other",
    [
        pytest.param({"steps": 5}, id="steps"),
        pytest.param({"batch": 2}, id="batch"),
        pytest.param({"hidden": 3}, id="hidden"),
        pytest.param({"dtype": np.float32}, id="float32"),
    ],
)
@pytest.mark.parametrize("kind", ["tanh", "gru", "lstm"])
def test_arrays_of_another_shape_or_type_are_not_written_into(kind, other):
    network, (trace, gradients) = some.network(kind), walk(some.network(kind, **other))
    refuses("out must ", unroll, network.cell, network.x, out=trace)
    right = unroll(network.cell, network.x)
    refuses("out must ", backpropagate, network.cell, right, network.d_hidden, out=gradients)


@pytest.mark.parametrize("inputs", [1, 2])
def test_gradients_by_other_inputs_are_not_written_into(inputs):
    cells = {X: RNN.create(X, 4, rng=rng()) for X in (inputs, 3)}
    traces = {X: unroll(cell, np.ones((5, 2, X))) for X, cell in cells.items()}
    d_hidden = np.ones((5, 2, 4))
    other = backpropagate(cells[3], traces[3], d_hidden)
    refuses("out must be ", backpropagate, cells[inputs], traces[inputs], d_hidden, out=other)


@pytest.mark.parametrize(("cell", "other"), [(GRU, LSTM), (LSTM, GRU), (RNN, LSTM)])
def test_what_another_kind_of_cell_left_behind_is_refused(cell, other):
    mine, theirs = cell.create(3, 4, rng=rng()), other.create(3, 4, rng=rng())
    x, d_hidden = np.ones((5, 2, 3)), np.ones((5, 2, 4))
    trace = unroll(theirs, x)
    refuses("out must be ", unroll, mine, x, out=trace)
    refuses("trace must be ", backpropagate, mine, trace, d_hidden)
    refuses("trace must be ", log10_hidden_gradient_norms, mine, trace, d_hidden[-1])
    gradients = backpropagate(theirs, trace, d_hidden)
    refuses("out must be ", backpropagate, mine, unroll(mine, x), d_hidden, out=gradients)


@pytest.mark.parametrize("kind", ["rnn", "gru", "lstm"])
def test_what_float32_cannot_hold_is_refused_not_turned_into_inf(kind):
    cell = {"rnn": RNN, "gru": GRU, "lstm": LSTM}[kind].create(2, 3, rng=rng(), dtype="float32")
    x, huge = np.zeros((4, 1, 2), np.float32), np.full((1, 3), 1e300)
    start = (huge, huge) if kind == "lstm" else huge
    refuses("start .*must hold finite numbers of float32", unroll, cell, x, start)
    refuses(
        "d_last must hold finite numbers of float32", log10_hidden_gradient_norms, cell, unroll(cell, x), huge
    )


def test_a_sequence_that_meets_nan_leaves_the_others_of_its_batch_alone():
    """The first column ends in NaN; in the second the update gate is so far out that e^−a overflows."""
    parameters = {"weight_ih": np.array([[-1e308, 1.0], [-1e308, 1.0], [-1e308, 0.0]])}
    parameters |= {"weight_hh": np.full((3, 1), 1e308), "bias_ih": np.zeros(3), "bias_hh": np.zeros(3)}
    cell = GRU(parameters)
    x = np.zeros((3, 2, 2))
    x[:, 1, 1], x[:, 0, 0] = -800, 100
    start, d_hidden = np.array([[100.0], [0.0]]), np.ones((3, 2, 1))
    together = backpropagate(cell, unroll(cell, x, start), d_hidden)
    alone = backpropagate(cell, unroll(cell, x[:, 1:], start[1:]), d_hidden[:, 1:])
    assert np.isnan(together.hidden[0, 0, 0])
    np.testing.assert_array_equal(together.hidden[:, 1], alone.hidden[:, 0])
    assert np.isfinite(alone.hidden).all()


@pytest.mark.parametrize(("dtype", "bias"), [("float32", -100.0), ("float64", -740.0)])
def test_a_gate_that_only_a_subnormal_number_can_tell_from_zero_still_counts(dtype, bias):
    zeros = {"weight_ih": np.zeros((3, 1)), "weight_hh": np.zeros((3, 1)), "bias_hh": np.zeros(3)}
    parameters = zeros | {"bias_ih": np.array([0.0, bias, 0.0])}
    cell = GRU({name: values.astype(dtype) for name, values in parameters.items()})
    trace = unroll(cell, np.zeros((30, 1, 1), dtype))
    norms = log10_hidden_gradient_norms(cell, trace, np.ones((1, 1), dtype))[:, 0]
    np.testing.assert_allclose(np.diff(norms), -bias / math.log(10), rtol=1e-2)


def test_forget_path_begins_right_where_the_last_memory_saturates_the_squashing():
    """A memory that has counted to 500: tanh′(500) is 10^−433.7, past any float64."""
    parameters = {"weight_ih": np.zeros((4, 1)), "weight_hh": np.zeros((4, 1))}
    cell = LSTM(parameters | {"bias_ih": np.full(4, 50.0), "bias_hh": np.zeros(4)})
    path = log10_forget_path(cell, unroll(cell, np.zeros((500, 1, 1))), np.ones((1, 1)))
    slope = mp.log10(1 / mp.cosh(500) ** 2)
    np.testing.assert_allclose(path, float(slope), rtol=1e-12)


def test_forget_path_begins_right_where_the_output_gate_is_shut():
    parameters = {"weight_ih": np.zeros((4, 1)), "weight_hh": np.zeros((4, 1))}
    cell = LSTM(parameters | {"bias_ih": np.array([0.0, 0.0, 0.0, -800.0]), "bias_hh": np.zeros(4)})
    path = log10_forget_path(cell, unroll(cell, np.zeros((3, 1, 1))), np.ones((1, 1)))[:, 0]
    steps_back = np.arange(3, -1, -1)
    np.testing.assert_allclose(path, -800 / math.log(10) + steps_back * math.log10(0.5), rtol=1e-12)
