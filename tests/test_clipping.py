"""The global norm, and clipping by it, by value and row by row: beside PyTorch's, mpmath and plain loops."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from oracles import mp
from strategies import plain_entries

from core.clipping import SMALLEST_WEIGHTS, clip_adaptive, clip_by_norm, clip_by_value, global_norm

EPS = np.finfo(float).eps
GOLDEN = json.loads((Path(__file__).parent / "golden" / "clipping.json").read_text())


def clip_beside_ones(grads, ratio):
    """Row by row, beside parameters that are all 1."""
    return clip_adaptive(grads, {name: np.ones(np.shape(g)) for name, g in grads.items()}, ratio)


EACH_WAY = pytest.mark.parametrize(
    "clip", [clip_by_norm, clip_by_value, clip_beside_ones], ids=["norm", "value", "adaptive"]
)

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


@EACH_WAY
@NOT_FINITE
def test_a_gradient_that_is_not_finite_is_reported_and_left_as_it_is(grads, norm, clip):
    before = {name: g.copy() for name, g in grads.items()}
    clipped = clip(grads, 1.0)
    np.testing.assert_equal(clipped[1:], (norm, norm, math.nan))
    for name, g in before.items():
        np.testing.assert_array_equal(clipped.gradients[name], g)


@EACH_WAY
def test_zeros_stay_zeros(clip):
    clipped = clip(one([0.0, 0.0]), 1e-300)
    assert clipped.gradients["w"].tolist() == [0, 0]
    assert clipped[1:] == (0, 0, 1)


@EACH_WAY
@pytest.mark.parametrize("limit", [1.0, 100.0], ids=["cut", "left"])
def test_nothing_handed_in_is_written_to(limit, clip):
    grads = one([6.0, 8.0])
    grads["w"].setflags(write=False)
    clipped = clip(grads, limit)
    clipped.gradients["more"] = np.ones(1)
    assert list(grads) == ["w"]
    assert grads["w"].tolist() == [6, 8]


@EACH_WAY
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("limit", [1, 1.0, np.float64(1), 100.0], ids=repr)
def test_the_type_of_each_gradient_is_kept(dtype, limit, clip):
    clipped = clip({"w": np.array([6, 8], dtype), "other": np.array([6.0, 8.0])}, limit).gradients
    assert clipped["w"].dtype == dtype
    assert clipped["other"].dtype == np.float64


NOT_ABOVE_0 = pytest.mark.parametrize(
    "limit", [0, 0.0, -1.0, math.nan, math.inf, -math.inf, "1", None, True, 10**400, np.ones(2)], ids=str
)


@NOT_ABOVE_0
@pytest.mark.parametrize("gradient", [0.0, 1.0, math.nan], ids=str)
@pytest.mark.parametrize(
    ("clip", "name"), [(clip_by_norm, "max_norm"), (clip_by_value, "limit"), (clip_beside_ones, "ratio")]
)
def test_a_threshold_must_be_above_0(gradient, limit, clip, name):
    with pytest.raises(ValueError, match=rf"^{name} must be a finite number above 0, not "):
        clip(one([gradient]), limit)


@EACH_WAY
def test_there_must_be_a_gradient(clip):
    with pytest.raises(ValueError, match=r"^gradients must hold at least one array$"):
        clip({}, 1.0)
    with pytest.raises(ValueError, match=r"^gradients must hold at least one array$"):
        global_norm({})


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


# By value


def cut_by_value(grads, limit):
    """By a loop over the entries."""
    cut = {name: g.copy() for name, g in grads.items()}
    for values in cut.values():
        for i in np.ndindex(values.shape):
            if values[i] > limit:
                values[i] = limit
            elif values[i] < -limit:
                values[i] = -limit
    return cut


def test_entries_past_the_limit_are_put_on_it_and_the_gradient_turns():
    clipped = clip_by_value({"a": np.array([[6.0, -0.5]]), "b": np.array([-8.0])}, 1)
    assert clipped.gradients["a"].tolist() == [[1, -0.5]]
    assert clipped.gradients["b"].tolist() == [-1]
    assert clipped.norm_before == pytest.approx(math.sqrt(100.25), rel=1e-15)
    assert clipped.norm_after == 1.5
    assert clipped.cosine == pytest.approx((6 + 0.25 + 8) / math.sqrt(100.25) / 1.5, rel=1e-15)


@given(gradients, limits)
def test_entries_by_value_are_those_of_a_loop(grads, limit):
    found = clip_by_value(grads, limit).gradients
    for name, wanted in cut_by_value(grads, limit).items():
        np.testing.assert_array_equal(found[name], wanted, strict=True)


@given(gradients, limits)
def test_norms_and_cosine_by_value_are_those_of_mpmath(grads, limit):
    assume(any(g.any() for g in grads.values()))
    clipped, cut = clip_by_value(grads, limit), cut_by_value(grads, limit)
    assert abs(clipped.norm_before - true_norm(grads)) <= 4 * EPS * true_norm(grads)
    assert abs(clipped.norm_after - true_norm(cut)) <= 4 * EPS * true_norm(cut)
    assert abs(clipped.cosine - true_cosine(grads, cut)) <= 16 * EPS
    assert 0 < clipped.cosine <= 1


@given(gradients, limits)
def test_clipping_by_value_twice_is_clipping_once(grads, limit):
    once = clip_by_value(grads, limit).gradients
    twice = clip_by_value(once, limit)
    for name in grads:
        np.testing.assert_array_equal(twice.gradients[name], once[name])
    assert twice.norm_before == twice.norm_after


@pytest.mark.parametrize(
    ("entries", "limit", "norm", "dtype"),
    [
        pytest.param([1e300, -1e300], 1e-300, 2**0.5 * 1e-300, np.float64, id="float64-huge-to-tiny"),
        pytest.param([1.7e308] * 4, 1e308, 2e308, np.float64, id="float64-norm-past-it"),
        pytest.param([3e38] * 4, 1e-38, 2e-38, np.float32, id="float32-huge-to-tiny"),
        pytest.param([5e-324] * 4, 1.0, 1e-323, np.float64, id="float64-denormals"),
        pytest.param([2**-149] * 4, 1.0, 2**-148, np.float32, id="float32-denormals"),
    ],
)
def test_extreme_gradients_are_clipped_by_value_and_warn_of_nothing(entries, limit, norm, dtype):
    clipped = clip_by_value(one(entries, dtype), limit)
    np.testing.assert_array_equal(np.abs(clipped.gradients["w"]), dtype(min(limit, abs(entries[0]))))
    assert clipped.norm_after == pytest.approx(norm, rel=1e-7, abs=0)
    assert clipped.cosine == pytest.approx(1, rel=2 * EPS)


# Row by row


def rows_of(values):
    """What leads to each unit, as lists of mpmath numbers; a vector is one row."""
    rows = [values] if values.ndim < 2 else list(values)
    return [flat({"row": row}) for row in rows]


def length(row):
    return mp.sqrt(sum(x * x for x in row))


def allowed_lengths(weights, ratio):
    return [mp.mpf(ratio) * max(length(row), mp.mpf(SMALLEST_WEIGHTS)) for row in rows_of(weights)]


def cut_by_rows(gradient, weights, ratio):
    """By a loop over the rows, in mpmath: a list of rows."""
    cut = []
    for row, allowed in zip(rows_of(gradient), allowed_lengths(weights, ratio), strict=True):
        norm = length(row)
        cut.append([g * allowed / norm for g in row] if norm > allowed else row)
    return cut


SHAPES = {"matrix": (3, 2), "vector": (4,), "kernel": (2, 2, 2)}
sizes = st.floats(-1e100, 1e100).filter(lambda x: x == 0 or abs(x) > 1e-100)
ratios = st.floats(1e-4, 10)


def of_shapes(elements):
    return st.fixed_dictionaries(
        {name: arrays(np.float64, shape, elements=elements) for name, shape in SHAPES.items()}
    )


wide_or_plain = st.one_of(of_shapes(sizes), of_shapes(plain_entries))


def test_a_row_too_long_for_its_weights_is_cut_and_the_others_are_left():
    grads = {"w": np.array([[3.0, 4.0], [0.3, 0.4], [0.0, 2.0]])}
    weights = {"w": np.array([[6.0, 8.0], [6.0, 8.0], [0.0, 0.0]])}
    clipped = clip_adaptive(grads, weights, 0.25)
    np.testing.assert_allclose(clipped.gradients["w"], [[1.5, 2], [0.3, 0.4], [0, 0.25e-3]], rtol=2 * EPS)
    assert clipped.norm_before == pytest.approx(math.sqrt(25 + 0.25 + 4), rel=2 * EPS)
    assert clipped.norm_after == pytest.approx(math.sqrt(6.25 + 0.25 + 0.0625e-6), rel=2 * EPS)


def test_a_vector_is_one_row_and_a_kernel_has_one_for_each_unit():
    grads = {"bias": np.full(4, 2.0), "kernel": np.ones((2, 2, 2))}
    weights = {"bias": np.full(4, 1.0), "kernel": np.stack([np.full((2, 2), 10.0), np.full((2, 2), 0.5)])}
    clipped = clip_adaptive(grads, weights, 0.5).gradients
    np.testing.assert_allclose(clipped["bias"], [0.5] * 4, rtol=2 * EPS)
    np.testing.assert_allclose(clipped["kernel"][0], 1, rtol=0)
    np.testing.assert_allclose(clipped["kernel"][1], 0.25, rtol=2 * EPS)


@given(wide_or_plain, wide_or_plain, ratios)
def test_rows_are_those_of_a_loop_in_mpmath(grads, weights, ratio):
    found = clip_adaptive(grads, weights, ratio).gradients
    for name in SHAPES:
        for row, wanted in zip(
            rows_of(found[name]), cut_by_rows(grads[name], weights[name], ratio), strict=True
        ):
            assert all(abs(a - b) <= 16 * EPS * abs(b) for a, b in zip(row, wanted, strict=True))


@given(wide_or_plain, wide_or_plain, ratios)
def test_no_row_is_longer_than_allowed_and_rows_below_are_untouched(grads, weights, ratio):
    found = clip_adaptive(grads, weights, ratio).gradients
    for name in SHAPES:
        allowed = allowed_lengths(weights[name], ratio)
        for before, after, most in zip(rows_of(grads[name]), rows_of(found[name]), allowed, strict=True):
            assert length(after) <= most * (1 + 8 * EPS)
            assert after == before or length(before) > most * (1 - 8 * EPS)


@given(wide_or_plain, wide_or_plain, ratios)
def test_norms_and_cosine_by_rows_are_those_of_mpmath(grads, weights, ratio):
    assume(any(g.any() for g in grads.values()))
    clipped = clip_adaptive(grads, weights, ratio)
    assert abs(clipped.norm_before - true_norm(grads)) <= 4 * EPS * true_norm(grads)
    assert abs(clipped.norm_after - true_norm(clipped.gradients)) <= 4 * EPS * true_norm(clipped.gradients)
    assert abs(clipped.cosine - true_cosine(grads, clipped.gradients)) <= 16 * EPS


@given(wide_or_plain, wide_or_plain, ratios)
def test_clipping_rows_twice_is_clipping_once(grads, weights, ratio):
    once = clip_adaptive(grads, weights, ratio).gradients
    twice = clip_adaptive(once, weights, ratio).gradients
    for name in SHAPES:
        np.testing.assert_allclose(twice[name], once[name], rtol=8 * EPS)


EXTREME_ROWS = [
    pytest.param([[1e300, -1e300]], [[1.0, 0.0]], 0.01, np.float64, id="float64-huge"),
    pytest.param([[1e300, -1e300]], [[1e300, 1e300]], 0.01, np.float64, id="float64-huge-beside-huge"),
    pytest.param([[1e-300, 0.0]], [[1e-300, 0.0]], 1e-300, np.float64, id="float64-tiny"),
    pytest.param([[3e38, 3e38]], [[1e-38, 0.0]], 0.01, np.float32, id="float32-huge"),
    pytest.param([[3e38] * 4], [[3e38] * 4], 0.01, np.float32, id="float32-norm-past-it"),
    pytest.param([[1e-38, 1e-38]], [[0.0, 0.0]], 1e-37, np.float32, id="float32-tiny"),
    pytest.param([[2**-149] * 2], [[2**-149] * 2], 0.01, np.float32, id="float32-denormals"),
    pytest.param([[0.0, 0.0], [2.0, 0.0]], [[0.0, 0.0], [0.0, 0.0]], 0.01, np.float64, id="rows-of-zeros"),
    pytest.param([[0.0, 0.0], [1e300, 0.0]], [[1e300, 0.0], [0.0, 0.0]], 0.01, np.float64, id="both-ends"),
]


@pytest.mark.parametrize(("gradient", "weights", "ratio", "dtype"), EXTREME_ROWS)
def test_extreme_rows_are_cut_to_what_is_allowed_and_warn_of_nothing(gradient, weights, ratio, dtype):
    gradient, weights = np.array(gradient, dtype), np.array(weights, dtype)
    found = clip_adaptive({"w": gradient}, {"w": weights}, ratio).gradients["w"]
    wanted = np.array([[float(g) for g in row] for row in cut_by_rows(gradient, weights, ratio)])
    np.testing.assert_allclose(found, wanted.astype(dtype), rtol=4 * np.finfo(dtype).eps, atol=0)
    assert found.dtype == dtype


@pytest.mark.parametrize(
    "parameters",
    [
        pytest.param({}, id="none"),
        pytest.param({"v": np.ones((2, 3))}, id="another-name"),
        pytest.param({"w": np.ones((2, 3)), "b": np.ones(3)}, id="one-more"),
        pytest.param({"w": np.ones((3, 2))}, id="another-shape"),
        pytest.param({"w": np.ones(6)}, id="flat"),
        pytest.param({"w": 1.0}, id="a-number"),
    ],
)
def test_parameters_must_have_the_names_and_shapes_of_the_gradients(parameters):
    message = r"^parameters must have the names and shapes of the gradients, \{'w': \(2, 3\)\}$"
    with pytest.raises(ValueError, match=message):
        clip_adaptive({"w": np.ones((2, 3))}, parameters, 0.01)


# Beside PyTorch, which divides by ‖g‖ + 10⁻⁶, and so leaves a gradient shorter by that share


def assert_pytorchs(found, theirs):
    for name in found:
        np.testing.assert_allclose(found[name], theirs[name], rtol=1e-12, atol=0)


def by_pytorchs_norm(grads, max_norm):
    """Our clipping, with PyTorch's 10⁻⁶ put in."""
    clipped = clip_by_norm(grads, max_norm)
    share = (
        clipped.norm_before / (clipped.norm_before + 1e-6) if clipped.norm_after < clipped.norm_before else 1
    )
    return {name: g * share for name, g in clipped.gradients.items()}


def golden_gradients():
    return {name: np.array(values) for name, values in GOLDEN["gradients"].items()}


@pytest.mark.parametrize(("limit", "answer"), list(zip(GOLDEN["limits"], GOLDEN["by norm"], strict=True)))
def test_norm_and_clipping_by_it_are_pytorchs_as_they_were_kept(limit, answer):
    assert global_norm(golden_gradients()) == pytest.approx(answer["norm"], rel=1e-15)
    assert_pytorchs(by_pytorchs_norm(golden_gradients(), limit), answer["gradients"])


@pytest.mark.parametrize(("limit", "answer"), list(zip(GOLDEN["limits"], GOLDEN["by value"], strict=True)))
def test_clipping_by_value_is_pytorchs_as_it_was_kept(limit, answer):
    assert_pytorchs(clip_by_value(golden_gradients(), limit).gradients, answer)


def test_golden_limits_cut_all_some_and_nothing():
    given = np.concatenate([values.ravel() for values in golden_gradients().values()])
    changed = [
        np.mean(np.concatenate([np.ravel(values) for values in answer.values()]) != given)
        for answer in GOLDEN["by value"]
    ]
    assert changed[0] == 1
    assert 0 < changed[1] < 1
    assert changed[-1] == 0
    assert GOLDEN["by norm"][0]["gradients"] != GOLDEN["gradients"] == GOLDEN["by norm"][-1]["gradients"]


def test_entries_whose_squares_overflow_keep_their_direction_where_pytorch_kept_nothing():
    clipped = clip_by_norm(one([1e20] * 100, np.float32), 1.0)
    assert clipped.norm_before == pytest.approx(1e21, rel=1e-7)
    assert clipped.norm_after == pytest.approx(1, rel=1e-6)
    np.testing.assert_allclose(clipped.gradients["w"], 0.1, rtol=1e-6)
    assert GOLDEN["overflowing"] == {"norm": "inf", "largest entry left": "0.0"}


@pytest.fixture(scope="module")
def make_clipping():
    pytest.importorskip("torch", reason="PyTorch isn't installed: only its golden file is compared with")
    from golden import make_clipping

    return make_clipping


ENTRY_SIZES = [1e-6, 1e-3, 1.0, 1e3, 1e100]


@pytest.mark.parametrize("size", ENTRY_SIZES)
@pytest.mark.parametrize("limit", [1e-6, 0.01, 1.0, 1e6])
def test_clipping_gradients_of_all_sizes_is_pytorchs(make_clipping, size, limit):
    rng = np.random.default_rng(12)
    grads = {name: size * rng.standard_normal(shape) for name, shape in SHAPES.items()}
    theirs = make_clipping.by_norm(grads, limit)
    assert global_norm(grads) == pytest.approx(theirs["norm"], rel=1e-14)
    if not limit - 1e-6 <= theirs["norm"] <= limit:  # there PyTorch cuts already
        assert_pytorchs(by_pytorchs_norm(grads, limit), theirs["gradients"])
    assert_pytorchs(clip_by_value(grads, limit).gradients, make_clipping.by_value(grads, limit))


def test_pytorch_itself_makes_an_update_of_zero_of_squares_that_overflow(make_clipping):
    assert make_clipping.overflowing() == GOLDEN["overflowing"]


def test_the_golden_file_is_what_its_script_writes(make_clipping):
    assert make_clipping.draw() == GOLDEN["gradients"]
    assert GOLDEN["limits"] == make_clipping.LIMITS
    again = make_clipping.answers(GOLDEN["gradients"])
    for now, kept in zip(again["by norm"], GOLDEN["by norm"], strict=True):
        assert_pytorchs(now["gradients"], kept["gradients"])
    for now, kept in zip(again["by value"], GOLDEN["by value"], strict=True):
        assert_pytorchs(now, kept)


@pytest.mark.parametrize(
    ("gradient", "weights", "ratio"),
    [
        pytest.param([[1.7e308] * 4], [[1.0] * 4], 0.01, id="norm-of-gradient-past-float64"),
        pytest.param([[1.0] * 4], [[1.7e308] * 4], 0.01, id="norm-of-weights-past-float64"),
        pytest.param([[5e-324] * 2], [[0.0] * 2], 0.01, id="denormals-left"),
        pytest.param([[1e300, -1e300]], [[0.0, 0.0]], 1e-300, id="factor-underflows"),
        pytest.param([[1e300, -1e300]], [[0.0, 0.0]], 1e-10, id="factor-is-denormal"),
        pytest.param([[1.0, 1.0]], [[1e200, 0.0]], 1e200, id="allowed-past-float64"),
        pytest.param([[1e-300, 1e-300]], [[1e200, 0.0]], 1e100, id="quotient-not-needed-overflows"),
    ],
)
def test_rows_of_extreme_sizes_are_cut_exactly_and_without_a_warning(gradient, weights, ratio):
    gradient, weights = np.array(gradient), np.array(weights)
    found = clip_adaptive({"w": gradient}, {"w": weights}, ratio).gradients["w"]
    wanted = np.array([[float(g) for g in row] for row in cut_by_rows(gradient, weights, ratio)])
    np.testing.assert_allclose(found, wanted, rtol=1e-15, atol=0)


def test_an_array_without_entries_stays_as_it_is():
    gradients = {"w": np.zeros((0, 3)), "b": np.ones(2)}
    assert clip_adaptive(gradients, gradients, 0.1).gradients["w"].shape == (0, 3)


@pytest.mark.parametrize("bad", [np.inf, np.nan])
def test_rows_by_weights_that_are_not_finite_are_refused(bad):
    with pytest.raises(ValueError, match=r"^parameters must hold finite numbers"):
        clip_adaptive({"w": np.ones((2, 2))}, {"w": np.array([[bad, 1], [1, 1]])}, 0.1)


def test_a_limit_past_float32_cuts_nothing_of_float32():
    assert clip_by_value({"w": np.array([1, 2], np.float32)}, 1e300).gradients["w"].tolist() == [1, 2]


def test_a_single_number_stays_an_array():
    assert isinstance(clip_by_value({"w": np.array(3.0)}, 1.0).gradients["w"], np.ndarray)


@given(arrays(np.float64, 5, elements=st.floats(-99, 99)))
def test_the_cosine_is_exactly_1_where_nothing_is_cut(entries):
    gradients = {"w": entries}
    assert clip_by_value(gradients, 100.0).cosine == 1
    assert clip_adaptive(gradients, gradients, 1e6).cosine == 1 or not entries.any()
