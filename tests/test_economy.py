"""The price on open gates: by loops, and its gradients by differences of the equations."""

import numpy as np
import oracles
import pytest
import strategies as some
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import central_difference, started

from core.bptt import backpropagate, unroll
from core.cells import GRU, LSTM, RNN
from core.economy import PRICES, Price, Priced, backpropagate_priced, price

EVERY_GATE = {
    "lstm": (Price("input", 2.0, False), Price("forget", 0.5, True), Price("output", 1.25, False)),
    "gru": (Price("update", 3.0, True), Price("reset", 0.75, False)),
}
CASES = [
    pytest.param("lstm", PRICES[LSTM], id="lstm"),
    pytest.param("gru", PRICES[GRU], id="gru"),
    *(pytest.param(kind, prices, id=f"{kind}-every-gate") for kind, prices in EVERY_GATE.items()),
]


def lengths_of(batch, steps):
    """A full text, then shorter ones, down to a single word."""
    return [max(1, steps - 2 * b) for b in range(batch)]


def words_of(lengths, steps):
    return (np.arange(steps)[:, None] < np.array(lengths)).astype(float)


def slow_price(gates, length, words, prices):
    """What one text of so many words adds to P, gate by gate, unit by unit; gates (T, H)."""
    total = 0.0
    for gate, asked, keeps in prices:
        for t in range(length):
            for u in gates[gate][t]:
                total += asked * ((1 - u) if keeps else u) / (words * len(gates[gate][t]))
    return total


def by_differences(network, lengths, prices):
    """∂(L + P) by everything, L = Σ d_hidden · h: a dict for each text."""
    kind, cell, x, h, c, d_hidden = network
    each = []
    for b in range(x.shape[1]):
        everything = cell.parameters | {"inputs": x[:, b]} | started(h[b], c[b], len(x))

        def loss(name, values, everything=everything, b=b):
            now = everything | {name: values}
            run = oracles.run(kind, {key: now[key] for key in cell.parameters}, now["inputs"], now)
            owed = slow_price(run.gates, lengths[b], sum(lengths), prices)
            return float((d_hidden[:, b] * run.hidden[1:]).sum()) + owed

        each.append(
            {
                name: central_difference(lambda values, name=name, loss=loss: loss(name, values), at)
                for name, at in everything.items()
            }
        )
    return each


def check(network, prices, d_a_of=lambda priced: priced.d_a):
    """AssertionError unless all gradients of L + P are those by differences."""
    lengths = lengths_of(network.x.shape[1], len(network.x))
    words = words_of(lengths, len(network.x))
    trace = unroll(network.cell, network.x, network.start)
    priced = price(network.cell, trace, words, prices)
    found = backpropagate_priced(network.cell, trace, network.d_hidden, d_a_of(priced))
    each = by_differences(network, lengths, prices)
    for b, true in enumerate(each):
        for name in ("inputs", "hidden", "memory") if network.cell.remembers else ("inputs", "hidden"):
            np.testing.assert_allclose(getattr(found, name)[:, b], true[name], 1e-6, 1e-9, err_msg=name)
    assert found.parameters.keys() == network.cell.parameters.keys()
    for name, values in found.parameters.items():
        np.testing.assert_allclose(values, sum(true[name] for true in each), 1e-6, 1e-9, err_msg=name)


@pytest.mark.parametrize(("kind", "prices"), CASES)
def test_gradients_of_loss_and_price_are_those_by_differences(kind, prices):
    check(some.network(kind, steps=4, batch=3, hidden=2), prices)


@settings(max_examples=15)
@given(
    kind=st.sampled_from(["lstm", "gru"]),
    steps=st.integers(1, 4),
    batch=st.integers(1, 2),
    hidden=st.integers(1, 3),
    seed=some.seeds,
)
def test_gradients_of_any_shape_are_those_by_differences(kind, steps, batch, hidden, seed):
    check(some.network(kind, steps=steps, batch=batch, hidden=hidden, seed=seed), EVERY_GATE[kind])


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param(lambda priced: -priced.d_a, id="sign"),
        pytest.param(lambda priced: 0 * priced.d_a, id="none"),
        pytest.param(lambda priced: 2 * priced.d_a, id="twice"),
        pytest.param(lambda priced: np.abs(priced.d_a), id="keeps-taken-for-opens"),
        pytest.param(lambda priced: np.roll(priced.d_a, 1, axis=0), id="one-step-late"),
        pytest.param(lambda priced: priced.d_a[..., ::-1], id="another-text's"),
        pytest.param(lambda priced: np.roll(priced.d_a, 2, axis=1), id="another-gate's"),
    ],
)
@pytest.mark.parametrize(("kind", "prices"), CASES[:2])
def test_the_checker_rejects_a_wrong_gradient(kind, prices, wrong):
    network = some.network(kind, steps=4, batch=2, hidden=2)
    check(network, prices)
    with pytest.raises(AssertionError, match="Not equal to tolerance"):
        check(network, prices, wrong)


@pytest.mark.parametrize(("kind", "prices"), CASES)
@pytest.mark.parametrize("share", [1.0, 0.25])
def test_the_price_is_that_of_a_loop_over_texts_words_and_units(kind, prices, share):
    network = some.network(kind, steps=5, batch=3)
    lengths = lengths_of(3, 5)
    trace = unroll(network.cell, network.x)
    total = 0.0
    for b, length in enumerate(lengths):
        run = oracles.run(kind, network.cell.parameters, network.x[:, b], started(*np.zeros((2, 4)), 5))
        total += share * slow_price(run.gates, length, sum(lengths), prices)
    priced = price(network.cell, trace, words_of(lengths, 5), prices, share)
    assert priced.value == pytest.approx(total, rel=1e-12)
    whole = price(network.cell, trace, words_of(lengths, 5), prices)
    np.testing.assert_allclose(priced.d_a, share * whole.d_a, rtol=1e-14)


def test_the_usual_prices_by_hand():
    # All gates are ½: 2·½ + 2·½ for the LSTM, 3·½ for the GRU. ∂P/∂a = ± price · ¼/(words · H).
    for make, value, slopes in ((LSTM, 2.0, (0.5, -0.5, 0, 0)), (GRU, 1.5, (0, -0.75, 0))):
        cell = make.create(2, 3, rng=np.random.default_rng(0))
        for values in cell.parameters.values():
            values[:] = 0
        priced = price(cell, unroll(cell, np.ones((4, 1, 2))), np.ones((4, 1)), PRICES[make])
        assert priced.value == pytest.approx(value, rel=1e-15)
        wanted = np.repeat(slopes, 3)[None, :, None] / (4 * 3)
        np.testing.assert_allclose(
            priced.d_a, np.broadcast_to(wanted, (4, len(cell.gates) * 3, 1)), rtol=1e-14
        )


@pytest.mark.parametrize("kind", ["lstm", "gru"])
def test_what_lies_beyond_a_texts_end_costs_nothing(kind):
    network = some.network(kind, steps=5, batch=2)
    words = words_of([5, 2], 5)
    priced = price(network.cell, unroll(network.cell, network.x), words, PRICES[type(network.cell)])
    assert (priced.d_a[2:, :, 1] == 0).all()
    other = network.x.copy()
    other[2:, 1] = 7
    again = price(network.cell, unroll(network.cell, other), words, PRICES[type(network.cell)])
    assert again.value == priced.value


@settings(max_examples=25)
@given(network=some.networks)
def test_without_a_price_it_is_backpropagate(network):
    trace = unroll(network.cell, network.x, network.start)
    none = np.zeros((len(network.x), len(network.cell.parameters["bias_ih"]), network.x.shape[1]))
    found = backpropagate_priced(network.cell, trace, network.d_hidden, none)
    true = backpropagate(network.cell, trace, network.d_hidden)
    assert found.parameters.keys() == true.parameters.keys()
    for name, values in true.parameters.items():
        np.testing.assert_array_equal(found.parameters[name], values, err_msg=name)
    for name in ("hidden", "inputs", "memory") if network.cell.remembers else ("hidden", "inputs"):
        np.testing.assert_array_equal(getattr(found, name), getattr(true, name), err_msg=name)


@pytest.mark.parametrize("kind", ["lstm", "gru"])
def test_float32_is_kept(kind):
    network = some.network(kind, dtype=np.float32)
    trace = unroll(network.cell, network.x)
    words = np.ones(network.x.shape[:2], np.float32)
    priced = price(network.cell, trace, words, PRICES[type(network.cell)])
    found = backpropagate_priced(network.cell, trace, network.d_hidden, priced.d_a)
    kept = [priced.d_a, found.hidden, found.inputs, *found.parameters.values()]
    assert {values.dtype for values in kept} == {np.dtype(np.float32)}


def test_nothing_handed_in_is_written_to():
    network = some.network("lstm")
    trace, words = unroll(network.cell, network.x), np.ones(network.x.shape[:2])
    priced = Priced(*price(network.cell, trace, words, PRICES[LSTM]))
    given = (network.d_hidden, priced.d_a, words, *network.cell.parameters.values())
    for values in given:
        values.setflags(write=False)
    once, twice = (backpropagate_priced(network.cell, trace, network.d_hidden, priced.d_a) for _ in range(2))
    np.testing.assert_array_equal(once.hidden, twice.hidden)


@pytest.mark.parametrize(
    ("kind", "gate"),
    [("lstm", "candidate"), ("gru", "candidate"), ("lstm", "update"), ("gru", "input"), ("lstm", "")],
)
def test_a_gate_must_be_a_sigmoid_of_the_cell(kind, gate):
    network = some.network(kind)
    with pytest.raises(ValueError, match=r"gate|tuple"):
        price(network.cell, unroll(network.cell, network.x), np.ones((6, 3)), (Price(gate, 1.0, False),))


@pytest.mark.parametrize("make", [LSTM, GRU, RNN])
def test_the_error_of_an_unknown_gate_names_the_argument(make):
    cell = make.create(2, 3, rng=np.random.default_rng(0))
    with pytest.raises(ValueError, match=r"^gate must be "):
        price(cell, unroll(cell, np.ones((2, 1, 2))), np.ones((2, 1)), (Price("door", 1.0, False),))
