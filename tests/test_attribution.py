"""From gates to words: sums that must be exact, loops over the definitions, and gates at their ends."""

import math

import numpy as np
import oracles
import pytest
import strategies as some
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import exactly, logistic, mp, started

from core.attribution import (
    contributions,
    keeping,
    log10_survival,
    memory_shares,
    opening,
    telescoped,
    written,
)
from core.bptt import unroll
from core.cells import GRU, LSTM

GATED = ("gru", "lstm")
gated_networks = some.networks.filter(lambda network: network.kind in GATED)
bounded_networks = some.networks.filter(lambda network: network.kind in ("tanh", "sigmoid", *GATED))


def from_zero(network):
    return unroll(network.cell, network.x)


def run_of(network, b):
    """The scalar oracle's run of one sequence from zero."""
    zero = np.zeros(network.cell.hidden)
    return oracles.run(
        network.kind, network.cell.parameters, network.x[:, b], started(zero, zero, len(network.x))
    )


def weights_of(network, seed=1):
    return np.random.default_rng(seed).standard_normal(network.cell.hidden)


def parts(kind, gates):
    """What a step lets in, keeps and proposes, (T, H) each."""
    if kind == "lstm":
        return gates["input"], gates["forget"], gates["candidate"]
    return 1 - gates["update"], gates["update"], gates["candidate"]


def slow_shares(kind, run):
    """∏_{k>t} keep_k · in_t · candidate_t, one unit at a time."""
    if kind not in GATED:
        return np.array([run.hidden[t + 1] - run.hidden[t] for t in range(len(run.hidden) - 1)])
    let_in, kept, proposed = parts(kind, run.gates)
    shares = np.empty_like(let_in)
    for t, j in np.ndindex(shares.shape):
        share = let_in[t, j] * proposed[t, j]
        for k in range(t + 1, len(shares)):
            share *= kept[k, j]
        shares[t, j] = share
    return shares


def assert_sums(found, wanted):
    """Over steps, within 1e-10 of what is summed."""
    size = np.maximum(1, np.abs(found).sum(axis=0))
    assert np.all(np.abs(found.sum(axis=0) - wanted) <= 1e-10 * size)


def saturated(kind, biases, steps=20, H=3, seed=3):
    """A cell whose gates have these biases and no weights; its candidate follows the input."""
    cell = some.CELLS[kind](2, H, rng=np.random.default_rng(seed))
    for values in cell.parameters.values():
        values[:] = 0
    cell.parameters["weight_ih"][-H if kind == "gru" else 2 * H :][:H] = 1
    for gate, bias in biases.items():
        k = cell.gates.index(gate) * H
        cell.parameters["bias_ih"][k : k + H] = bias
    x = np.random.default_rng(seed).standard_normal((steps, 2, 2))
    return cell, unroll(cell, x)


# Sums


@settings(max_examples=120)
@given(network=bounded_networks)
def test_shares_sum_to_the_last_memory(network):
    trace = from_zero(network)
    last = trace.memory[-1] if network.kind == "lstm" else trace.hidden[-1]
    assert_sums(memory_shares(network.cell, trace), last)


@settings(max_examples=120)
@given(network=bounded_networks)
def test_contributions_and_changes_sum_to_the_output(network):
    trace, w = from_zero(network), weights_of(network)
    for found in (contributions(network.cell, trace, w), telescoped(network.cell, trace, w)):
        assert found.shape == network.x.shape[:2]
        assert_sums(found, trace.hidden[-1] @ w)


@pytest.mark.parametrize("kind", ["tanh", "gru", "lstm"])
def test_sums_hold_over_500_steps(kind):
    network = some.network(kind, steps=500, batch=2, hidden=8)
    trace, w = from_zero(network), weights_of(network)
    last = trace.memory[-1] if kind == "lstm" else trace.hidden[-1]
    assert_sums(memory_shares(network.cell, trace), last)
    assert_sums(contributions(network.cell, trace, w), trace.hidden[-1] @ w)
    assert_sums(telescoped(network.cell, trace, w), trace.hidden[-1] @ w)


# Beside loops over a scalar's run


@settings(max_examples=60)
@given(network=bounded_networks)
def test_shares_are_those_of_a_loop_over_the_gates(network):
    found = memory_shares(network.cell, from_zero(network))
    for b in range(network.x.shape[1]):
        np.testing.assert_allclose(found[:, b], slow_shares(network.kind, run_of(network, b)), 1e-10, 1e-13)


@settings(max_examples=60)
@given(network=gated_networks)
def test_openings_what_is_kept_and_what_is_written_are_the_gates(network):
    trace = from_zero(network)
    for b in range(network.x.shape[1]):
        let_in, kept, proposed = parts(network.kind, run_of(network, b).gates)
        np.testing.assert_allclose(opening(network.cell, trace)[:, b], let_in, 1e-10, 1e-13)
        np.testing.assert_allclose(keeping(network.cell, trace)[:, b], kept, 1e-10, 1e-13)
        np.testing.assert_allclose(written(network.cell, trace)[:, b], let_in * proposed, 1e-10, 1e-13)


@settings(max_examples=60)
@given(network=bounded_networks)
def test_contributions_and_changes_are_those_of_the_formulae(network):
    trace, w = from_zero(network), weights_of(network)
    found, changes = contributions(network.cell, trace, w), telescoped(network.cell, trace, w)
    for b in range(network.x.shape[1]):
        run = run_of(network, b)
        shares, H = slow_shares(network.kind, run), len(w)
        for t in range(len(network.x)):
            if network.kind == "lstm":
                o, c = run.gates["output"][-1], run.memory
                beta = sum(w[j] * o[j] * (math.tanh(c[t + 1, j]) - math.tanh(c[t, j])) for j in range(H))
                part = sum(w[j] * o[j] * math.tanh(c[-1, j]) / c[-1, j] * shares[t, j] for j in range(H))
            else:
                beta = sum(w[j] * (run.hidden[t + 1, j] - run.hidden[t, j]) for j in range(H))
                part = sum(w[j] * shares[t, j] for j in range(H))
            assert changes[t, b] == pytest.approx(beta, rel=1e-10, abs=1e-12)
            assert found[t, b] == pytest.approx(part, rel=1e-10, abs=1e-12)


def test_the_two_lines_differ_where_something_is_forgotten():
    network = some.network("lstm")
    trace, w = from_zero(network), weights_of(network)
    assert np.abs(contributions(network.cell, trace, w) - telescoped(network.cell, trace, w)).max() > 0.01


def test_two_steps_by_hand():
    # f = ½ everywhere, i = ½, o = ½; g = tanh(±1): c_1 = ½ g, c_2 = ½ c_1 + ½ g_2.
    cell = LSTM.create(1, 1, rng=np.random.default_rng(0))
    for values in cell.parameters.values():
        values[:] = 0
    cell.parameters["weight_ih"][2] = 1
    trace, g = unroll(cell, np.array([[[1.0]], [[2.0]]])), [math.tanh(1), math.tanh(2)]
    np.testing.assert_allclose(memory_shares(cell, trace)[:, 0, 0], [g[0] / 4, g[1] / 2], rtol=1e-14)
    c = g[0] / 4 + g[1] / 2
    factor = 3.0 * 0.5 * math.tanh(c) / c
    w = np.array([3.0])
    np.testing.assert_allclose(
        contributions(cell, trace, w)[:, 0], [factor * g[0] / 4, factor * g[1] / 2], rtol=1e-14
    )
    betas = [1.5 * math.tanh(g[0] / 2), 1.5 * (math.tanh(c) - math.tanh(g[0] / 2))]
    np.testing.assert_allclose(telescoped(cell, trace, w)[:, 0], betas, rtol=1e-14)
    assert log10_survival(cell, trace, 0)[:, 0] == pytest.approx([0, math.log10(0.5)], rel=1e-14)


def test_a_memory_of_zero_has_contributions_of_zero():
    cell, trace = saturated("lstm", {})
    cell.parameters["weight_ih"][:] = 0
    trace = unroll(cell, trace.inputs)
    assert (trace.memory == 0).all()
    assert (contributions(cell, trace, np.ones(3)) == 0).all()


# What survives


@settings(max_examples=60)
@given(network=gated_networks, data=st.data())
def test_survival_is_the_log_of_the_product(network, data):
    word = data.draw(st.integers(0, len(network.x) - 1))
    found = log10_survival(network.cell, from_zero(network), word)
    assert found.shape == (len(network.x) - word, network.x.shape[1])
    for b in range(network.x.shape[1]):
        let_in, kept, proposed = parts(network.kind, run_of(network, b).gates)
        left = let_in[word] * proposed[word]
        first = math.hypot(*left)
        for t in range(word, len(network.x)):
            left = left * kept[t] if t > word else left
            assert found[t - word, b] == pytest.approx(math.log10(math.hypot(*left) / first), abs=1e-9)


@pytest.mark.parametrize("bias", [-40.0, -700.0])
def test_survival_goes_on_where_the_product_is_0(bias):
    cell, trace = saturated("lstm", {"forget": bias}, steps=60)
    with mp.workdps(50):
        each = mp.log10(logistic(mp.mpf(bias), mp))
    wanted = [float(k * each) for k in range(60)]
    assert wanted[-1] < -1000
    np.testing.assert_allclose(
        log10_survival(cell, trace, 0), np.array(wanted)[:, None] + np.zeros((60, 2)), rtol=1e-12
    )


def test_survival_with_gates_of_many_sizes_is_mpmaths():
    cell, trace = saturated("lstm", {"forget": np.array([-40.0, -20.0, -30.0]), "input": -5.0}, steps=40)
    with mp.workdps(50):
        kept = [logistic(mp.mpf(a), mp) for a in (-40, -20, -30)]
        for b in range(2):
            first = exactly(written(cell, trace)[3, b])
            sizes = [mp.norm([m * f**k for m, f in zip(first, kept, strict=True)]) for k in range(37)]
            wanted = [float(mp.log10(size / sizes[0])) for size in sizes]
            np.testing.assert_allclose(log10_survival(cell, trace, 3)[:, b], wanted, rtol=1e-12, atol=1e-13)


def test_survival_goes_on_where_the_gate_is_0():
    cell, trace = saturated("lstm", {"forget": -800.0}, steps=3)
    np.testing.assert_allclose(
        log10_survival(cell, trace, 0)[:, 0], [0, -800 / math.log(10), -1600 / math.log(10)]
    )


@pytest.mark.parametrize(("kind", "gate", "bias"), [("lstm", "forget", -np.inf), ("gru", "update", -np.inf)])
def test_where_nothing_is_kept_nothing_survives(kind, gate, bias):
    cell, trace = saturated(kind, {gate: bias}, steps=4)
    assert (log10_survival(cell, trace, 1) == np.array([0, -np.inf, -np.inf])[:, None]).all()


@pytest.mark.parametrize(("kind", "gate"), [("lstm", "forget"), ("gru", "update")])
def test_where_all_is_kept_all_survives(kind, gate):
    cell, trace = saturated(kind, {gate: 30.0}, steps=30)
    np.testing.assert_allclose(log10_survival(cell, trace, 2), 0, atol=1e-11)


@pytest.mark.parametrize(("kind", "gate", "bias"), [("lstm", "input", -1e4), ("gru", "update", 1e4)])
def test_where_nothing_was_written_all_units_count_alike(kind, gate, bias):
    cell, trace = saturated(kind, {gate: bias}, steps=4)
    kept = np.cumprod(keeping(cell, trace)[2:], axis=0)
    wanted = np.log10(np.sqrt(np.mean(kept**2, axis=-1)))
    np.testing.assert_allclose(log10_survival(cell, trace, 1)[1:], wanted, rtol=1e-12, atol=1e-13)


def test_survival_in_a_gru_that_keeps_almost_all():
    cell, trace = saturated("gru", {"update": 40.0}, steps=4)
    np.testing.assert_allclose(log10_survival(cell, trace, 1), 0, atol=1e-12)


@pytest.mark.parametrize("kind", GATED)
def test_the_word_must_be_there(kind):
    network = some.network(kind, steps=4)
    trace = from_zero(network)
    assert log10_survival(network.cell, trace, 3).shape == (1, 3)
    for word in (-1, 4, 100):
        with pytest.raises(ValueError, match=r"^word must be from 0 to 3, not "):
            log10_survival(network.cell, trace, word)


# The ends of the gates


def test_shares_are_right_at_the_ends_of_the_gates():
    for biases in ({"forget": 1e4, "input": 1e4}, {"forget": -1e4}, {"input": -1e4}, {"forget": -40.0}):
        cell, trace = saturated("lstm", biases)
        assert_sums(memory_shares(cell, trace), trace.memory[-1])
    cell, trace = saturated("lstm", {"forget": -1e4})
    assert (memory_shares(cell, trace)[:-1] == 0).all()
    assert (memory_shares(cell, trace)[-1] == trace.memory[-1]).all()
    cell, trace = saturated("gru", {"update": 1e4})
    assert (memory_shares(cell, trace) == 0).all()


@pytest.mark.parametrize("function", [opening, keeping, written, lambda *given: log10_survival(*given, 0)])
@pytest.mark.parametrize("kind", ["tanh", "identity"])
def test_an_rnn_has_no_gates(function, kind):
    network = some.network(kind)
    with pytest.raises(ValueError, match=r"^cell must be an LSTM or a GRU"):
        function(network.cell, from_zero(network))


def test_the_gru_lets_in_what_it_does_not_keep():
    network = some.network("gru")
    assert isinstance(network.cell, GRU)
    trace = from_zero(network)
    np.testing.assert_array_equal(opening(network.cell, trace), 1 - trace.gate("update"))
