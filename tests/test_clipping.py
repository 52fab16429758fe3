"""The global norm, and clipping by it: what it keeps, where naive squares overflow, and what isn't finite."""

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from oracles import mp

from core.clipping import clip_by_norm, global_norm

EPS = np.finfo(float).eps

# Squares beyond either end of float64, but neither max_norm/norm nor a result that is subnormal.
entries = st.floats(-1e190, 1e190).filter(lambda x: x == 0 or abs(x) > 1e-190)
limits = st.floats(1e-100, 1e190)
gradients = st.fixed_dictionaries(
    {"weight": arrays(np.float64, (2, 3), elements=entries), "bias": arrays(np.float64, 2, elements=entries)}
)


def flat(grads):
    """All entries in mpmath, where nothing overflows."""
    return [mp.mpf(float(g)) for values in grads.values() for g in values.ravel()]


def true_norm(grads):
    return mp.sqrt(sum(g * g for g in flat(grads)))


def true_cosine(grads, others):
    dot = sum(a * b for a, b in zip(flat(grads), flat(others), strict=True))
    return dot / (true_norm(grads) * true_norm(others))


def one(values, dtype=np.float64):
    return {"w": np.array(values, dtype)}


# The norm


def test_norm_is_taken_over_all_entries_of_all_gradients():
    assert global_norm({"a": np.array([[1.0, -2.0], [4.0, 0.0]]), "b": np.array([10.0])}) == 11


@pytest.mark.parametrize(
    ("grads", "norm"),
    [
        pytest.param(one([1e20] * 100, np.float32), 1e21, id="float32-squares-overflow"),
        pytest.param(one([1e-30] * 100, np.float32), 1e-29, id="float32-squares-underflow"),
        pytest.param(one([3e200, 4e200]), 5e200, id="float64-squares-overflow"),
        pytest.param(one([3e-200, -4e-200]), 5e-200, id="float64-squares-underflow"),
        pytest.param(one([3 * 5e-324, 4 * 5e-324]), 5 * 5e-324, id="float64-denormals"),
        pytest.param(one([3 * 2**-149, 4 * 2**-149], np.float32), 5 * 2**-149, id="float32-denormals"),
        pytest.param({"a": np.array([3e200]), "b": np.array([4e-200])}, 3e200, id="huge-beside-tiny"),
        pytest.param({"a": np.array([3e-9]), "b": np.zeros(5)}, 3e-9, id="beside-zeros"),
        pytest.param(one([0.0, -0.0]), 0.0, id="zero"),
        pytest.param({"a": np.array([2.0]), "b": np.zeros((0, 3))}, 2.0, id="beside-an-empty-array"),
        pytest.param({}, 0.0, id="no-gradients"),
    ],
)
def test_norm_at_the_edges(grads, norm):
    assert global_norm(grads) == pytest.approx(norm, rel=1e-7 if "float32" in str(grads) else 2 * EPS, abs=0)


@given(gradients)
def test_norm_is_right_to_the_last_digits_wherever_its_square_lies(grads):
    assert abs(global_norm(grads) - true_norm(grads)) <= 4 * EPS * true_norm(grads)


@given(gradients, st.integers(-100, 20))
def test_norm_of_gradients_times_a_power_of_two_is_exactly_that_much_larger(grads, power):
    scaled = {name: np.ldexp(g, power) for name, g in grads.items()}
    assert global_norm(scaled) == math.ldexp(global_norm(grads), power)


NOT_FINITE = pytest.mark.parametrize(
    ("grads", "norm"),
    [
        pytest.param(one([1.0, math.inf]), math.inf, id="inf"),
        pytest.param(one([math.inf, -math.inf]), math.inf, id="both-infs"),
        pytest.param(one([1.0, math.nan]), math.nan, id="nan"),
        pytest.param({"a": np.array([math.inf]), "b": np.array([math.nan])}, math.nan, id="nan-after-inf"),
        pytest.param({"a": np.array([math.nan]), "b": np.array([math.inf])}, math.nan, id="inf-after-nan"),
        pytest.param({"a": np.array([5.0]), "b": np.array([math.nan])}, math.nan, id="nan-after-a-number"),
        pytest.param({"a": np.array([math.nan]), "b": np.array([5.0])}, math.nan, id="nan-before-a-number"),
        pytest.param({"a": np.zeros(2), "b": np.array([math.nan])}, math.nan, id="nan-beside-zeros"),
        pytest.param(one([1.0, -math.inf], np.float32), math.inf, id="float32-inf"),
    ],
)


@NOT_FINITE
def test_norm_tells_inf_and_nan(grads, norm):
    np.testing.assert_equal(global_norm(grads), norm)


# Clipping


def test_a_gradient_too_long_is_cut_to_the_threshold():
    clipped = clip_by_norm({"a": np.array([[6.0], [0.0]]), "b": np.array([-8.0])}, 5)
    assert clipped.gradients["a"].tolist() == [[3], [0]]
    assert clipped.gradients["b"].tolist() == [-4]
    assert clipped[1:] == (10, 5, 1)


def test_a_gradient_short_enough_is_left_as_it_is():
    grads = one([3.0, 4.0])
    for max_norm in (5, 5.1, 1e300):
        clipped = clip_by_norm(grads, max_norm)
        assert clipped.gradients["w"] is grads["w"]
        assert clipped[1:] == (5, 5, 1)


def test_each_array_is_cut_by_the_same_share_however_short_it_is_itself():
    clipped = clip_by_norm({"long": np.array([1e3]), "short": np.array([1.0])}, 1).gradients
    assert clipped["long"][0] / clipped["short"][0] == pytest.approx(1e3, rel=1e-14)


@given(gradients, limits)
def test_norm_after_is_the_smaller_of_norm_and_threshold(grads, max_norm):
    wanted = min(true_norm(grads), mp.mpf(max_norm))
    clipped = clip_by_norm(grads, max_norm)
    assert abs(true_norm(clipped.gradients) - wanted) <= 8 * EPS * wanted
    assert abs(clipped.norm_after - wanted) <= 8 * EPS * wanted
    assert abs(clipped.norm_before - true_norm(grads)) <= 8 * EPS * true_norm(grads)


@given(gradients, limits)
def test_the_direction_is_kept(grads, max_norm):
    assume(any(g.any() for g in grads.values()))
    clipped = clip_by_norm(grads, max_norm)
    assert 1 - true_cosine(grads, clipped.gradients) <= 1e-15
    assert clipped.cosine == 1


@given(gradients, limits)
def test_clipping_twice_is_clipping_once(grads, max_norm):
    once = clip_by_norm(grads, max_norm).gradients
    twice = clip_by_norm(once, max_norm).gradients
    for name in grads:
        np.testing.assert_allclose(twice[name], once[name], rtol=4 * EPS, atol=5e-324)


@given(gradients, limits, st.integers(-50, 20))
def test_gradients_and_threshold_scaled_together_scale_the_result(grads, max_norm, power):
    scaled = {name: np.ldexp(g, power) for name, g in grads.items()}
    result = clip_by_norm(grads, max_norm).gradients
    found = clip_by_norm(scaled, math.ldexp(max_norm, power)).gradients
    for name in grads:
        np.testing.assert_allclose(found[name], np.ldexp(result[name], power), rtol=0, atol=1e-300)


@NOT_FINITE
def test_a_gradient_that_is_not_finite_is_reported_and_left_as_it_is(grads, norm):
    before = {name: g.copy() for name, g in grads.items()}
    clipped = clip_by_norm(grads, 1.0)
    np.testing.assert_equal(clipped[1:], (norm, norm, math.nan))
    for name, g in before.items():
        np.testing.assert_array_equal(clipped.gradients[name], g)


def test_zeros_stay_zeros():
    clipped = clip_by_norm(one([0.0, 0.0]), 1e-300)
    assert clipped.gradients["w"].tolist() == [0, 0]
    assert clipped[1:] == (0, 0, 1)


@pytest.mark.parametrize("max_norm", [1.0, 100.0], ids=["cut", "left"])
def test_nothing_handed_in_is_written_to(max_norm):
    grads = one([6.0, 8.0])
    grads["w"].setflags(write=False)
    clipped = clip_by_norm(grads, max_norm)
    clipped.gradients["more"] = np.ones(1)
    assert list(grads) == ["w"]
    assert grads["w"].tolist() == [6, 8]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("max_norm", [1, 1.0, 100.0])
def test_the_type_of_the_gradients_is_kept(dtype, max_norm):
    assert clip_by_norm(one([6.0, 8.0], dtype), max_norm).gradients["w"].dtype == dtype


@pytest.mark.parametrize("max_norm", [0, 0.0, -1.0, math.nan, math.inf, "1", None, True, 10**400], ids=str)
@pytest.mark.parametrize("gradient", [0.0, 1.0, math.nan], ids=str)
def test_a_threshold_must_be_above_0(gradient, max_norm):
    with pytest.raises(ValueError, match=r"^max_norm must be a finite number above 0, not "):
        clip_by_norm(one([gradient]), max_norm)


@pytest.mark.parametrize(
    "gradients",
    [
        pytest.param({"w": np.full(4, 3e38, np.float32)}, id="sums-that-overflow"),
        pytest.param({"w": np.array([3e38] * 20 + [-3e38] * 20, np.float32)}, id="sums-that-cancel"),
        pytest.param({"a": np.zeros(2, np.float32), "b": np.array([1e-50])}, id="too-small-for-one-type"),
        pytest.param({"a": np.ones(2, np.float32), "b": np.array([1e300])}, id="too-large-for-one-type"),
    ],
)
def test_norms_of_extreme_and_mixed_types_are_exact_and_warn_of_nothing(gradients):
    squares = sum(mp.mpf(float(g)) ** 2 for values in gradients.values() for g in values)
    assert global_norm(gradients) == pytest.approx(float(mp.sqrt(squares)), rel=1e-14)


@pytest.mark.parametrize(
    ("entries", "max_norm", "dtype"),
    [(np.array([1e38]), 1e-3, np.float32), (np.array([1e300, 1e300]), 1e-300, np.float64)],
)
def test_the_factor_may_be_too_small_for_any_float(entries, max_norm, dtype):
    clipped = clip_by_norm({"w": entries.astype(dtype)}, max_norm)
    found = clipped.gradients["w"]
    np.testing.assert_allclose(found, max_norm / math.sqrt(len(entries)), rtol=1e-6)
    assert found.dtype == dtype
    assert clipped.norm_after == pytest.approx(max_norm, rel=1e-6)


def test_a_gradient_that_clipping_rounds_away_is_told():
    clipped = clip_by_norm({"w": np.full(4, 5e-324)}, 5e-324)
    assert clipped.norm_after == np.linalg.norm(clipped.gradients["w"] / 5e-324) * 5e-324
    assert math.isnan(clipped.cosine) == (clipped.norm_after == 0)


def test_entries_whose_norm_alone_is_past_float64_are_clipped_all_the_same():
    clipped = clip_by_norm({"w": np.full(4, 1.7e308)}, 2.0)
    assert clipped.norm_before == math.inf
    np.testing.assert_allclose(clipped.gradients["w"], 1.0, rtol=1e-15)


def test_a_float64_threshold_leaves_float32_in_float32():
    assert clip_by_norm({"w": np.array([3], np.float32)}, np.float64(1)).gradients["w"].dtype == np.float32
