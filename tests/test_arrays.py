"""Norms and slopes that must stay right where the naive form overflows, and what arguments are refused."""

import math

import numpy as np
import pytest
import strategies as some
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from oracles import log10_norm, mp, over_power_of_two

from core import arrays as core_arrays
from core.arrays import (
    CACHE_LINE,
    UNSATURATED,
    Sigmoid,
    aligned_empty,
    check_finite,
    log10_norms,
    sigmoid,
    sigmoid_parts,
    sigmoid_slope,
    tanh_slope,
    tanh_slope_from,
)

FAR = math.acosh(UNSATURATED**-0.5)

SLOPES = {
    "sigmoid": (sigmoid_slope, lambda x: mp.exp(-abs(x)) / (1 + mp.exp(-abs(x))) ** 2),
    "tanh": (tanh_slope, lambda x: 1 / mp.cosh(x) ** 2),
}


def relative_error(found, true):
    return float(abs(mp.mpf(float(found)) - true) / abs(true))


# aligned_empty


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(1,), (3, 5), (7, 0, 2), (2, 3, 4)])
def test_aligned_arrays_are_whole_writable_and_begin_on_a_cache_line(shape, dtype):
    array = aligned_empty(shape, dtype)
    array[:] = 1
    assert (array.shape, array.dtype, array.sum()) == (shape, dtype, math.prod(shape))
    assert array.flags.c_contiguous
    assert array.__array_interface__["data"][0] % CACHE_LINE == 0 or not array.size


# log10_norms


@given(some.vectors(some.finite_float64))
def test_norms_are_right_over_the_whole_range_of_float64(vector):
    true = log10_norm(*over_power_of_two(vector.tolist()))
    found = log10_norms(vector)
    if true == -mp.inf:
        assert np.isneginf(found)
    else:
        assert abs(found - float(true)) <= 1e-15 * max(1, abs(float(true)))


@pytest.mark.parametrize(
    ("vector", "norm"),
    [
        pytest.param([3e200, 4e200], math.log10(5) + 200, id="squares-overflow"),
        pytest.param([3e-200, 4e-200], math.log10(5) - 200, id="squares-underflow"),
        pytest.param([0.0, 5e-324], math.log10(5e-324), id="smallest-subnormal"),
        pytest.param([0.0, -0.0], -math.inf, id="zero"),
        pytest.param([1.0, -math.inf], math.inf, id="inf"),
        pytest.param([math.inf, 1e200], math.inf, id="inf-beside-a-number-whose-square-overflows"),
        pytest.param([1e200, math.nan], math.nan, id="nan-beside-a-number-whose-square-overflows"),
        pytest.param([math.nan, math.inf], math.nan, id="nan-and-inf"),
    ],
)
def test_norms_at_the_edges_of_float64(vector, norm):
    np.testing.assert_allclose(log10_norms(np.array(vector)), norm, rtol=1e-15)


@given(arrays(np.float64, (3, 2, 4), elements=some.plain_entries))
def test_norms_are_taken_along_the_last_axis_alone(vectors):
    each = [[log10_norms(vector) for vector in row] for row in vectors]
    np.testing.assert_array_equal(log10_norms(vectors), each)


# Sigmoid and the slopes


@given(st.floats(-1e4, 1e4))
def test_sigmoid_is_right_to_the_last_digit_of_1(x):
    true = 1 / (1 + mp.exp(-mp.mpf(x)))
    assert abs(float(sigmoid(np.float64(x)) - true)) <= np.finfo(float).eps


@pytest.mark.parametrize(("x", "value"), [(1e308, 1.0), (-1e308, 0.0), (math.inf, 1.0), (-math.inf, 0.0)])
def test_sigmoid_does_not_overflow(x, value):
    assert sigmoid(np.array([x]))[0] == value


@given(st.floats(-700, 700))
def test_sigmoid_is_right_to_its_own_last_digits(x):
    assert relative_error(sigmoid(np.float64(x)), 1 / (1 + mp.exp(-mp.mpf(x)))) <= 1e-15


@given(st.floats(-600, 600))
def test_parts_of_sigmoid_are_right_to_their_last_digits(x):
    """1 − σ at 600 is 10⁻²⁶⁰, and as right as σ; x is twice what is given, exactly."""
    e = mp.exp(-mp.mpf(x))
    true = 1 / (1 + e), e / (1 + e), e / (1 + e) ** 2
    for found, part in zip(sigmoid_parts(np.array([x / 2])), true, strict=True):
        assert relative_error(found[0], part) <= 1e-15


@given(st.floats(-80, 80, width=32))
def test_parts_of_sigmoid_in_float32_are_float32_and_right_to_its_last_digits(x):
    e = mp.exp(-mp.mpf(x))
    true = 1 / (1 + e), e / (1 + e), e / (1 + e) ** 2
    for found, part in zip(sigmoid_parts(np.array([x], np.float32) / 2), true, strict=True):
        assert found.dtype == np.float32
        assert relative_error(found[0], part) <= 8e-7


@pytest.mark.parametrize(("dtype", "digits"), [(np.float32, 8e-7), (np.float64, 1e-15)])
@pytest.mark.parametrize("largest", [0.5, FAR, np.nextafter(FAR, 2), 2.0, 20.0])
def test_parts_of_sigmoid_are_right_on_both_sides_of_where_their_form_changes(largest, dtype, digits):
    half = np.linspace(-largest, largest, 401).astype(dtype)
    e = [mp.exp(-2 * mp.mpf(float(x))) for x in half]
    for k, found in enumerate(sigmoid_parts(half)):
        true = ((1 / (1 + y), y / (1 + y), y / (1 + y) ** 2)[k] for y in e)
        assert max(map(relative_error, found, true)) <= digits


@pytest.mark.parametrize(("dtype", "digits"), [(np.float32, 1e-6), (np.float64, 1.5e-15)])
@pytest.mark.parametrize("largest", [0.5, FAR, np.nextafter(FAR, 2), 2.0, 20.0])
def test_slope_of_tanh_from_its_value_is_right_on_both_sides_of_where_its_form_changes(
    largest, dtype, digits
):
    a = np.linspace(-largest, largest, 401).astype(dtype)
    t = np.tanh(a)
    found = tanh_slope_from(t, a)
    assert found is t
    assert max(map(relative_error, found, (1 / mp.cosh(float(x)) ** 2 for x in a))) <= digits


def test_slope_of_tanh_from_its_value_passes_nan_on_and_is_0_at_infinity():
    a = np.array([np.nan, np.inf, 0.0])
    np.testing.assert_array_equal(tanh_slope_from(np.tanh(a), a), [np.nan, 0, 1])


@pytest.mark.parametrize("far", [30.0, -30.0, -500.0])
def test_one_saturated_unit_keeps_its_digits_among_others_that_are_not(far):
    e = mp.exp(-2 * mp.mpf(far))
    value, complement, slope = sigmoid_parts(np.array([0.1, far, -0.2]))
    for found, true in ((value, 1 / (1 + e)), (complement, e / (1 + e)), (slope, e / (1 + e) ** 2)):
        if true > 1e-300:
            assert relative_error(found[1], true) <= 1e-15


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("x", [1e30, math.inf])
def test_parts_of_sigmoid_far_out_are_those_of_a_step_without_a_warning(x, dtype):
    parts = sigmoid_parts(np.array([-x, x], dtype))
    for found, true in zip(parts, ([0, 1], [1, 0], [0, 0]), strict=True):
        np.testing.assert_allclose(found, true, atol=np.finfo(dtype).tiny, rtol=1e-6)


def test_parts_of_sigmoid_leave_their_argument_alone():
    half = np.array([-1e4, 0.5, 3.0])
    copy = half.copy()
    sigmoid_parts(half)
    np.testing.assert_array_equal(half, copy)


@pytest.mark.parametrize("far", [0.5, 20.0, 400.0])  # tanh, e^−a, and e^−|a|
def test_sigmoid_parts_into_given_arrays_are_those_into_new_ones(far):
    half = np.array([-far, -0.3, 0.0, 0.7, far])
    fresh = sigmoid_parts(half)
    value, slope = np.full((2, 5), np.nan)
    found = sigmoid_parts(half, Sigmoid(value, slope, slope))
    assert found.value is value
    assert found.slope is slope
    np.testing.assert_array_equal(value, fresh.value)
    np.testing.assert_array_equal(slope, fresh.slope)


@pytest.mark.parametrize("function", [sigmoid, sigmoid_slope, tanh_slope])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_sigmoid_and_slopes_keep_shape_and_type(function, dtype):
    found = function(np.linspace(-3, 3, 6, dtype=dtype).reshape(1, 2, 3))
    assert (found.shape, found.dtype) == ((1, 2, 3), dtype)


@pytest.mark.parametrize("name", SLOPES)
@given(x=st.floats(-80, 80, width=32).map(lambda x: x / 2))
def test_slopes_in_float32_keep_its_digits(name, x):
    slope, true = SLOPES[name]
    assert relative_error(slope(np.array([x], np.float32))[0], true(mp.mpf(x))) <= 8e-7


@pytest.mark.parametrize("name", SLOPES)
@given(x=st.floats(-300, 300))
def test_slopes_keep_their_digits_to_300(name, x):
    slope, true = SLOPES[name]
    assert relative_error(slope(np.array([x]))[0], true(mp.mpf(x))) <= 1e-15


@pytest.mark.parametrize("x", [0.0, 1e-9, 0.5, 1.0, 19.0, 20.0, 36.0, 37.0, 300.0])
@pytest.mark.parametrize("name", SLOPES)
def test_slopes_at_the_places_where_1_minus_the_value_runs_out_of_digits(name, x):
    slope, true = SLOPES[name]
    both = slope(np.array([x, -x]))
    assert both[0] == both[1]
    assert relative_error(both[0], true(mp.mpf(x))) <= 1e-15


@pytest.mark.parametrize("name", SLOPES)
def test_slopes_far_out_are_zero_without_a_warning(name):
    np.testing.assert_array_equal(SLOPES[name][0](np.array([-1e300, 1e300, np.inf])), 0.0)


# What is refused

NUMBERS = r"must hold real numbers"
FINITE = r"must hold finite numbers smaller than 1e\+300"


@pytest.mark.parametrize(
    ("values", "message"),
    [
        pytest.param([["1", "2"], ["3", "4"]], NUMBERS, id="text"),
        pytest.param([[1, 2], [3]], NUMBERS, id="ragged"),
        pytest.param([[1j]], NUMBERS, id="complex"),
        pytest.param([[None]], NUMBERS, id="none"),
        pytest.param([[math.nan]], FINITE, id="nan"),
        pytest.param([[-math.inf]], FINITE, id="inf"),
        pytest.param([[1e300]], FINITE, id="too-large"),
        pytest.param(1.0, r"must be a square matrix, not an array of shape \(\)", id="scalar"),
        pytest.param([1.0], r"must be a square matrix, not an array of shape \(1,\)", id="vector"),
        pytest.param([], "must be a square matrix", id="empty-list"),
        pytest.param(np.zeros((0, 0)), "must be a square matrix", id="0x0"),
        pytest.param(np.ones((2, 3)), r"must be a square matrix, .* \(2, 3\)", id="2x3"),
        pytest.param(np.ones((1, 2, 2)), "must be a square matrix", id="three-axes"),
    ],
)
def test_as_matrix_refuses(values, message):
    with pytest.raises(ValueError, match=f"^Jacobian {message}"):
        core_arrays.as_matrix("Jacobian", values)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        pytest.param([1.0], r"must have the shape \(2,\), not \(1,\)", id="short"),
        pytest.param([[1.0, 2.0]], r"must have the shape \(2,\), not \(1, 2\)", id="row"),
        pytest.param(1.0, r"must have the shape \(2,\), not \(\)", id="scalar"),
        pytest.param([1.0, math.nan], FINITE, id="nan"),
        pytest.param(["a", "b"], NUMBERS, id="text"),
    ],
)
def test_as_vector_refuses(values, message):
    with pytest.raises(ValueError, match=f"^slope {message}"):
        core_arrays.as_vector("slope", values, 2)


@pytest.mark.parametrize("values", [[[1, 2], [3, 4]], np.array([[1, 2], [3, 4]], dtype=np.float32)])
def test_as_matrix_takes_lists_and_other_types_as_float64(values):
    matrix = core_arrays.as_matrix("W", values)
    assert matrix.dtype == np.float64
    assert matrix.tolist() == [[1, 2], [3, 4]]


@pytest.mark.parametrize("count", [0, 6, -1, 2.0, math.nan, True, "3", None, np.float64(3)], ids=repr)
def test_check_count_refuses(count):
    with pytest.raises(ValueError, match=r"^steps must be a whole number, 1 to 5, not "):
        core_arrays.check_count("steps", count, 1, 5)


def test_check_count_names_an_open_range():
    with pytest.raises(ValueError, match=r"^steps must be a whole number, 1 or more, not 0"):
        core_arrays.check_count("steps", 0, 1)


@pytest.mark.parametrize("count", [1, 5, np.int64(3), np.uint8(2)], ids=repr)
def test_check_count_takes(count):
    core_arrays.check_count("steps", count, 1, 5)


@pytest.mark.parametrize(
    "value",
    [0, -1, 0.0, math.nan, math.inf, -math.inf, "1", None, 1j, np.complex128(1), True, 10**400],
    ids=lambda value: repr(value)[:20],
)
def test_check_positive_refuses(value):
    with pytest.raises(ValueError, match=r"^rate must be a finite number above 0, not "):
        core_arrays.check_positive("rate", value)


@pytest.mark.parametrize("value", [5e-324, 1, 1e308, np.float32(0.5), np.int64(3)], ids=repr)
def test_check_positive_takes(value):
    core_arrays.check_positive("rate", value)


@pytest.mark.parametrize(
    "value",
    [math.nan, math.inf, -math.inf, np.float32(math.nan), "1", None, 1j, True, 10**400, [1.0], np.ones(1)],
    ids=lambda value: repr(value)[:20],
)
def test_check_finite_refuses(value):
    with pytest.raises(ValueError, match=r"^bias must be a finite number, not "):
        check_finite("bias", value)


@pytest.mark.parametrize("value", [0, -1.5, 5e-324, -1e308, np.float32(0.5), np.int64(-3), 10**20], ids=repr)
def test_check_finite_gives_the_value_as_a_float(value):
    found = check_finite("bias", value)
    assert type(found) is float
    assert found == value


@pytest.mark.parametrize("choice", ["c", "", "a, b", None, 0, ["a"]], ids=repr)
def test_check_choice_lists_what_there_is(choice):
    with pytest.raises(ValueError, match=r"^kind must be one of a, b, not "):
        core_arrays.check_choice("kind", choice, ("a", "b"))


@pytest.mark.parametrize("a", [-709.0, -720.0, -744.0, -1e4, 720.0])
def test_sigmoid_parts_go_on_where_e_to_the_minus_a_overflows(a):
    """Subnormal numbers have fewer digits: to within the smallest of them."""
    value, complement, slope = sigmoid_parts(np.array([a / 2, 0.0, -1.0]))
    true, rest = 1 / (1 + mp.exp(-mp.mpf(a))), 1 / (1 + mp.exp(mp.mpf(a)))
    smallest = 2.0**-1074
    for found, exact in ((value[0], true), (complement[0], rest), (slope[0], true * rest)):
        assert abs(found - float(exact)) <= max(1e-15 * float(exact), 2 * smallest)
    assert value[1] == complement[1] == 0.5
    assert value[2] == pytest.approx(1 / (1 + math.exp(2)), rel=1e-15)


def test_nan_among_saturated_units_stays_where_it_is():
    value, complement, slope = sigmoid_parts(np.array([np.nan, -400.0]))
    assert np.isnan([value[0], complement[0], slope[0]]).all()
    assert (value[1], complement[1], slope[1]) == (0.0, 1.0, 0.0)


def test_parts_and_slopes_of_a_single_number_are_those_of_an_array_of_one():
    for part, alone in zip(sigmoid_parts(np.array([0.3])), sigmoid_parts(np.array(0.3)), strict=True):
        assert alone.shape == ()
        assert alone == part[0]
    assert tanh_slope(np.array(0.3)) == tanh_slope(np.array([0.3]))[0]
    assert sigmoid_slope(np.array(0.3)) == sigmoid_slope(np.array([0.3]))[0]
