"""Gradient descent in a given precision: its gradient, and where its first inf and NaN arise."""

import math

import numpy as np
import pytest
from oracles import NaiveDescent, central_difference, first_update

from core import descent
from core.descent import Failure, descend, nan_cause
from core.linear import make_matrix


def problem(n=3, radius=1.1, seed=0):
    generator = np.random.default_rng(seed)
    W = make_matrix("gaussian", n, radius, rng=generator)
    return W, generator.standard_normal(n), generator.standard_normal(n)


def run(W, start, target, *, steps=5, rate=1e-3, updates=1, dtype=np.float64):
    return list(descend(W, start, target, steps=steps, rate=rate, updates=updates, dtype=dtype))


# The gradient


def test_first_loss_and_norm_are_those_of_exact_rationals():
    W, start, target = problem()
    loss, gradient = first_update(W.tolist(), start.tolist(), target.tolist(), 5)
    norm = math.sqrt(sum(slope**2 for row in gradient for slope in row))
    (first,) = run(W, start, target)
    assert first.loss == pytest.approx(float(loss), rel=1e-13)
    assert first.norm == pytest.approx(norm, rel=1e-13)
    assert first.log10_norm == pytest.approx(math.log10(norm), rel=1e-13)


def check_gradient():
    """AssertionError unless the update goes down the slope that the losses themselves have.

    The norm is that of the slopes by differences, and a small update lowers the loss by
    rate · norm²: of all directions of that length only the gradient's own does so.
    """
    W, start, target = problem()
    slopes = central_difference(lambda W: run(W, start, target)[0].loss, W)
    rate = 1e-8
    before, after = run(W, start, target, rate=rate, updates=2)
    np.testing.assert_allclose(before.norm, np.linalg.norm(slopes), rtol=1e-8)
    np.testing.assert_allclose((before.loss - after.loss) / rate, np.sum(slopes**2), rtol=1e-5)


def test_gradient_is_that_by_differences():
    check_gradient()


def without_transpose(W, hidden, error, number, watch):
    return backward(W.T, hidden, error, number, watch)


def transposed(W, hidden, error, number, watch):
    return backward(W, hidden, error, number, watch).T


def one_term_short(W, hidden, error, number, watch):
    return backward(W, hidden, error, number, watch) - np.outer(error, hidden[-2])


backward = descent._backward


@pytest.mark.parametrize("wrong", [without_transpose, transposed, one_term_short])
def test_the_checker_rejects_a_wrong_gradient(wrong, monkeypatch):
    monkeypatch.setattr(descent, "_backward", wrong)
    with pytest.raises(AssertionError, match="Not equal to tolerance"):
        check_gradient()


# How training dies

DEATHS = {  # W, steps, rate, dtype; only products whose order no library can change the outcome of
    "one-unit-float16": ([[1.3]], 20, 0.1, np.float16),
    "one-unit-float32": ([[1.3]], 60, 0.01, np.float32),
    "one-unit-float64": ([[1.3]], 200, 0.01, np.float64),
    "one-unit-negative": ([[-1.5]], 200, 0.01, np.float32),
    "one-unit-within-one-update": ([[1.3]], 2000, 0.1, np.float32),
    "rate-too-small-for-float16": ([[1.3]], 40, 1e-8, np.float16),
    "forward-inf-times-0-float16": ([[2.0, 0.0], [0.0, 0.5]], 60, 0.1, np.float16),
    "forward-inf-times-0-float32": ([[2.0, 0.0], [0.0, 0.5]], 200, 0.1, np.float32),
    "forward-inf-times-0-float64": ([[2.0, 0.0], [0.0, 0.5]], 2000, 0.1, np.float64),
    "backward-inf-times-0": ([[1.2, 1.0], [0.0, 0.5]], 40, 1e-8, np.float16),
    "norm-first": ([[1.2, 1.0], [0.0, 0.5]], 200, 0.01, np.float32),
    "survives": ([[1.2, 1.0], [0.0, 0.5]], 40, 1e-8, np.float32),
}


def where(failure):
    return failure and (failure.update, failure.operation, failure.step)


@pytest.mark.parametrize("name", DEATHS)
def test_first_inf_and_nan_are_where_a_plain_loop_has_them(name):
    W, steps, rate, dtype = DEATHS[name]
    n = len(W)
    last = run(W, [0.5] * n, [0.0] * n, steps=steps, rate=rate, updates=6, dtype=dtype)[-1]
    naive = NaiveDescent(dtype)
    naive.run(W, [0.5] * n, [0.0] * n, steps, rate, updates=6)
    assert where(last.first_inf) == naive.first_inf
    assert where(last.first_nan) == naive.first_nan
    assert (last.first_nan and last.first_nan.cause) == naive.cause
    assert (last.first_inf and last.first_inf.cause) == (naive.first_inf and "overflow")


def test_the_deaths_above_differ():
    """So that the comparison with the plain loop is not all of one kind."""
    found = set()
    for W, steps, rate, dtype in DEATHS.values():
        last = run(W, [0.5] * len(W), [0.0] * len(W), steps=steps, rate=rate, updates=6, dtype=dtype)[-1]
        found |= {last.first_inf and last.first_inf.operation, last.first_nan and last.first_nan.cause}
    assert {"forward", "gradient", "loss", "norm", "inf·0", "inf−inf", None} <= found


def test_the_norm_overflows_while_every_entry_of_the_gradient_is_finite():
    first, *_ = run([[1.2, 1.0], [0.0, 0.5]], [0.5, 0.5], [0.0, 0.0], steps=200, rate=0.01, dtype=np.float32)
    assert first.norm == math.inf
    assert 19 < first.log10_norm < 38
    assert first.first_inf == Failure(1, "norm", None, "overflow")
    assert first.first_nan is None


def test_log10_norm_is_nan_once_the_gradient_is_not_finite():
    first, *_ = run([[1.3]], [0.5], [0.0], steps=2000, dtype=np.float32)
    assert first.norm == math.inf
    assert math.isnan(first.log10_norm)


def test_it_ends_with_the_first_W_that_is_nan_throughout():
    updates = run([[1.3]], [0.5], [0.0], steps=60, rate=0.01, updates=50, dtype=np.float32)
    assert [update.number for update in updates] == [1, 2, 3]
    assert updates[1].first_nan is None
    assert updates[-1].first_nan == Failure(3, "update", None, "inf−inf")


def test_it_goes_on_while_a_row_of_W_is_still_a_number():
    """Row 0 overflows, and inf · 0 makes its NaN; row 1 never meets it in a single step."""
    updates = run([[3e38, 0.0], [0.0, 1.0]], [2.0, 0.0], [0.0, 0.0], steps=1, updates=3, dtype=np.float32)
    assert [update.number for update in updates] == [1, 2, 3]
    assert updates[0].first_nan == Failure(1, "gradient", 1, "inf·0")


def test_it_ends_after_the_updates_asked_for():
    assert [update.number for update in run(*problem(radius=0.5), updates=7)] == [1, 2, 3, 4, 5, 6, 7]


def test_training_that_converges_has_no_failure_and_ends_near_0():
    updates = run([[0.9]], [1.0], [0.5], rate=0.01, updates=300)
    losses = [update.loss for update in updates]
    assert losses[-1] < 1e-6 * losses[0]
    assert losses == sorted(losses, reverse=True)
    assert (updates[-1].first_inf, updates[-1].first_nan) == (None, None)


# What an update leaves as it is


def test_a_vanishing_gradient_leaves_every_float32_weight_as_it_was():
    W, start, target = problem(n=8, radius=0.3)
    near, far = (run(W, start, target, steps=T, rate=0.01, dtype=np.float32)[0] for T in (2, 40))
    assert near.changed == 64
    assert far.changed == 0
    assert 0 < far.norm < 1e-15


@pytest.mark.parametrize(("dtype", "changed"), [(np.float16, 0), (np.float32, 0), (np.float64, 1)])
def test_the_precision_decides_whether_a_weight_moves(dtype, changed):
    """W = 1, h_0 = 1, y = 0 and one step: the gradient is 1, the update the rate."""
    (update,) = run([[1.0]], [1.0], [0.0], steps=1, rate=1e-8, dtype=dtype)
    assert update.norm == 1
    assert update.changed == changed


def test_default_precision_is_float32():
    (update,) = descend([[1.0]], [1.0], [0.0], steps=1, rate=1e-8, updates=1)
    assert update.changed == 0


# Repeatable, and without side effects


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_the_same_arguments_give_the_same_run(dtype):
    W, start, target = problem(radius=1.5)
    copies = [array.copy() for array in (W, start, target)]
    first, again = (run(W, start, target, steps=50, rate=0.1, updates=5, dtype=dtype) for _ in range(2))
    assert repr(first) == repr(again)  # as text, for NaN is not equal to itself
    for array, copy in zip((W, start, target), copies, strict=True):
        np.testing.assert_array_equal(array, copy)


# What made a NaN


@pytest.mark.parametrize(
    ("operands", "cause"),
    [
        pytest.param(([[math.nan, 1.0]], [1.0, 1.0]), "passed on", id="nan-in-the-first"),
        pytest.param(([1.0, math.inf], [math.nan, 0.0]), "passed on", id="nan-beside-inf-times-0"),
        pytest.param(([math.nan],), "passed on", id="nan-in-one-operand"),
        pytest.param(([math.inf, 1.0], [0.0, 1.0]), "inf·0", id="product"),
        pytest.param(([[1.0, 0.0], [0.0, 2.0]], [1.0, math.inf]), "inf·0", id="matrix-times-vector"),
        pytest.param(([[0.0], [1.0]], [1.0, math.inf]), "inf·0", id="outer-product"),
        pytest.param(([math.inf, math.inf], [1.0, -1.0]), "inf−inf", id="sum-of-products"),
        pytest.param(([1e308, 1.0], [10.0, -math.inf]), "inf−inf", id="overflow-in-a-product"),
        pytest.param(([math.inf],), "inf−inf", id="difference"),
    ],
)
def test_nan_cause(operands, cause):
    with np.errstate(all="ignore"):
        assert nan_cause(*map(np.array, operands)) == cause


# What is refused


@pytest.mark.parametrize(
    ("argument", "value", "message"),
    [
        pytest.param("W", np.ones((2, 3)), "W must be a square matrix", id="W-2x3"),
        pytest.param("W", [[math.nan]], "W must hold finite numbers", id="W-nan"),
        pytest.param("start", [1.0], r"start must have the shape \(2,\)", id="start-short"),
        pytest.param("start", [1.0, math.inf], "start must hold finite numbers", id="start-inf"),
        pytest.param("target", [[1.0, 2.0]], r"target must have the shape \(2,\)", id="target-row"),
        pytest.param("steps", 0, "steps must be a whole number, 1 or more", id="steps-0"),
        pytest.param("updates", 0, "updates must be a whole number, 1 or more", id="updates-0"),
        pytest.param("updates", 1.5, "updates must be a whole number, 1 or more", id="updates-float"),
        pytest.param("rate", 0.0, "rate must be a finite number above 0", id="rate-0"),
        pytest.param("rate", math.nan, "rate must be a finite number above 0", id="rate-nan"),
        pytest.param(
            "dtype", "bfloat16", "dtype must be one of float16, float32, float64", id="dtype-unknown"
        ),
        pytest.param("dtype", np.int32, "dtype must be one of float16, float32, float64", id="dtype-whole"),
        pytest.param("W", 1e39 * np.eye(2), "W must be finite in float32", id="W-past-float32"),
        pytest.param("start", [0.0, 1e39], "start must be finite in float32", id="start-past-float32"),
        pytest.param("target", [0.0, 1e39], "target must be finite in float32", id="target-past-float32"),
        pytest.param("rate", 1e39, "rate must be finite in float32", id="rate-past-float32"),
    ],
)
def test_descend_refuses_at_once(argument, value, message):
    """When called, not when the first update is asked for."""
    arguments = {
        "W": np.eye(2),
        "start": np.ones(2),
        "target": np.ones(2),
        "steps": 2,
        "rate": 0.1,
        "updates": 1,
    }
    with pytest.raises(ValueError, match=f"^{message}"):
        descend(**arguments | {argument: value})
