"""Where numbers leave a floating-point type, against numpy's own types and exact rationals."""

import math
from fractions import Fraction

import numpy as np
import pytest
import strategies as some
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from oracles import FORMATS, mp, nearest

from core.linear import log10_gradient_norms
from core.precision import (
    PRECISIONS,
    Milestones,
    bit_identical,
    log10_computed_norms,
    milestones,
    round_to,
    unchanged,
)

NUMPY = {"float16": np.float16, "float32": np.float32, "float64": np.float64}
NO_VALUE = (math.inf, -math.inf, math.nan)


def numpy_cast(values, dtype):
    with np.errstate(over="ignore"):
        return np.asarray(values).astype(NUMPY[dtype]).astype(np.float64)


def assert_same_bits(found, wanted):
    """Equal, −0 and +0 told apart; every NaN is the same."""
    np.testing.assert_array_equal(found, wanted)
    numbers = ~np.isnan(wanted)
    np.testing.assert_array_equal(np.signbit(found)[numbers], np.signbit(wanted)[numbers])


# The types


@pytest.mark.parametrize("dtype", NUMPY)
@pytest.mark.parametrize(
    ("ours", "of_numpy"),
    [
        ("largest", lambda info: info.max),
        ("smallest_normal", lambda info: info.smallest_normal),
        ("smallest_subnormal", lambda info: info.smallest_subnormal),
        ("half_ulp", lambda info: info.eps / 2),
        ("smallest_exponent", lambda info: info.minexp),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_limits_are_numpys(dtype, ours, of_numpy):
    assert getattr(PRECISIONS[dtype], ours) == of_numpy(np.finfo(dtype))


def test_bfloat16_is_the_upper_half_of_float32():
    bfloat16 = PRECISIONS["bfloat16"]
    patterns = np.array([0x7F7F, 0x0080, 0x0001, 0x3F81], dtype=np.uint32) << 16
    largest, normal, subnormal, after_1 = patterns.view(np.float32).tolist()
    assert bfloat16.largest == largest
    assert bfloat16.smallest_normal == normal
    assert bfloat16.smallest_subnormal == subnormal
    assert bfloat16.half_ulp == (after_1 - 1) / 2


@pytest.mark.parametrize("dtype", PRECISIONS)
def test_thresholds_in_log10_are_right_to_the_last_digits(dtype):
    bits, smallest, largest = FORMATS[dtype]
    two, precision = mp.mpf(2), PRECISIONS[dtype]
    overflow = two**largest * (2 - two ** (1 - bits)) + two ** (largest - bits)
    assert precision.log10_overflow == pytest.approx(float(mp.log10(overflow)), rel=4e-16)
    assert precision.log10_smallest_normal == pytest.approx(float(mp.log10(two**smallest)), rel=4e-16)
    assert precision.log10_zero == pytest.approx(float(mp.log10(two ** (smallest - bits))), rel=4e-16)


# Rounding


@pytest.mark.parametrize("dtype", NUMPY)
@given(arrays(np.float64, array_shapes(max_dims=2, max_side=5), elements=some.any_float64))
def test_rounding_is_numpys_cast(dtype, values):
    assert_same_bits(round_to(values, dtype), numpy_cast(values, dtype))


@pytest.mark.parametrize("dtype", ["float16", "float32"])
@given(mantissa=st.integers(1, 2**26), shift=st.integers(-30, 30))
def test_rounding_near_the_smallest_and_largest_values_is_numpys_cast(dtype, mantissa, shift):
    """Few of all float64s lie in the range of float16, and fewer are subnormal or a tie: aim at them."""
    bits, smallest, largest = FORMATS[dtype]
    values = [math.ldexp(mantissa, near - bits + shift) for near in (smallest, 0, largest - 12)]
    assert_same_bits(round_to(values, dtype), numpy_cast(values, dtype))


@pytest.mark.parametrize("dtype", PRECISIONS)
@given(value=some.finite_float64, scale=st.sampled_from([1.0, 2.0**-900, 2.0**-140, 2.0**-20]))
def test_rounding_is_the_nearest_exact_rational(dtype, value, scale):
    value *= scale
    assert round_to(value, dtype) == nearest(Fraction(value), dtype)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
@given(steps=st.integers(0, 2**12), half=st.sampled_from([0.5, 0.5 - 2**-30, 0.5 + 2**-30]))
def test_ties_go_to_the_even_neighbour(dtype, steps, half):
    """Between two subnormals, whose multiples of the smallest one are steps and steps + 1."""
    bits, quantum = FORMATS[dtype][0], PRECISIONS[dtype].smallest_subnormal
    assume(steps < 2 ** (bits - 1))
    up = half > 0.5 or (half == 0.5 and steps % 2 == 1)
    assert round_to((steps + half) * quantum, dtype) == (steps + up) * quantum


@pytest.mark.parametrize("dtype", PRECISIONS)
def test_what_is_no_finite_number_stays_what_it_is(dtype):
    assert_same_bits(round_to([*NO_VALUE, 0.0, -0.0], dtype), np.array([*NO_VALUE, 0.0, -0.0]))


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
def test_overflow_starts_at_the_largest_value_and_half_its_ulp(dtype):
    bits, _, exponent = FORMATS[dtype]
    largest = PRECISIONS[dtype].largest
    limit = largest + 2.0 ** (exponent - bits)
    values = [limit, np.nextafter(limit, 0), -limit, np.nextafter(-limit, 0)]
    assert_same_bits(round_to(values, dtype), np.array([math.inf, largest, -math.inf, -largest]))


@pytest.mark.parametrize("dtype", PRECISIONS)
def test_half_the_smallest_subnormal_rounds_to_a_zero_with_its_sign(dtype):
    subnormal = PRECISIONS[dtype].smallest_subnormal
    half = subnormal / 2
    if dtype != "float64":  # where the half is 0 already
        assert round_to(np.nextafter(half, 1), dtype) == subnormal
    assert_same_bits(round_to([half, -half], dtype), np.array([0.0, -0.0]))


# What an update leaves as it is


def numpy_unchanged(weights, update, dtype):
    with np.errstate(all="ignore"):
        before = np.asarray(weights).astype(dtype)
        after = before - np.asarray(update).astype(dtype)
    unsigned = f"u{before.itemsize}"
    return int(np.sum(before.view(unsigned) == after.view(unsigned)))


@pytest.mark.parametrize("dtype", NUMPY)
@given(st.data())
def test_unchanged_counts_as_numpys_arithmetic_does(dtype, data):
    shape = data.draw(array_shapes(max_dims=2, max_side=4))
    entries = some.finite_float64 | some.any_float16.filter(math.isfinite)
    weights, update = (data.draw(arrays(np.float64, shape, elements=entries)) for _ in range(2))
    update = weights * 2.0 ** -data.draw(st.integers(0, 60)) if data.draw(st.booleans()) else update
    assert unchanged(weights, update, dtype) == numpy_unchanged(weights, update, dtype)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_a_quarter_ulp_changes_nothing_and_three_quarters_change_all(dtype):
    weights, half_ulp = np.full(5, 1.5), PRECISIONS[dtype].half_ulp
    assert unchanged(weights, np.full(5, 0.5 * half_ulp), dtype) == 5
    assert unchanged(weights, np.full(5, 1.5 * half_ulp), dtype) == 0


@pytest.mark.parametrize("dtype", PRECISIONS)
def test_an_update_past_the_largest_value_changes_a_weight_without_a_warning(dtype):
    largest = PRECISIONS[dtype].largest
    assert unchanged([largest, math.inf], [-largest, -largest], dtype) == 1


def test_unchanged_counts_entry_by_entry():
    assert unchanged([[1.0, 1.0], [0.0, 1.0]], [[1e-9, 1e-3], [1e-9, 0.0]], "float32") == 2


def test_a_stack_of_updates_is_told_apart_weight_by_weight():
    weights, sizes = [[1.0, 1e-3], [0.0, 1e3]], np.array([1e-9, 1e-5, 1e-1])
    found = bit_identical(weights, sizes[:, None, None] * np.ones((2, 2)), "float32")
    assert found.tolist() == [
        [[True, False], [False, True]],
        [[False, False], [False, True]],
        [[False, False], [False, False]],
    ]


@pytest.mark.parametrize("dtype", NUMPY)
@given(weight=some.any_float32, update=some.any_float32)
def test_bit_identical_is_numpys_arithmetic_for_inf_and_zeros_too(dtype, weight, update):
    assume(not math.isnan(weight))
    assert bit_identical(weight, update, dtype) == numpy_unchanged([weight], [update], dtype)


# The ladder

LADDER = {  # steps at which a pure λ^t from 1 is there: float16, bfloat16, float32, float64
    ("1.1", "overflow"): (117, 931, 931, 7448),
    ("1.1", "squared_overflow"): (59, 466, 466, 3724),
    ("0.9", "subnormal"): (93, 829, 829, 6724),
    ("0.9", "zero"): (165, 882, 987, 7073),
}
RUNGS = [
    pytest.param(factor, limit, dtype, step, id=f"{factor}-{limit}-{dtype}")
    for (factor, limit), steps in LADDER.items()
    for dtype, step in zip(FORMATS, steps, strict=True)
]

REACHED = {
    "overflow": lambda value, dtype: nearest(value, dtype) == math.inf,
    "squared_overflow": lambda value, dtype: nearest(value**2, dtype) == math.inf,
    "subnormal": lambda value, dtype: value < Fraction(2) ** FORMATS[dtype][1],
    "zero": lambda value, dtype: nearest(value, dtype) == 0,
}


def power_path(factor, steps):
    return log10_gradient_norms([[factor]], [1.0], steps)


def first_reached(factor, limit, dtype, step):
    """Whether λ^step, exactly, is the first past the limit: it is, and the power before is not."""
    reached = REACHED[limit]
    return reached(factor**step, dtype) and not reached(factor ** (step - 1), dtype)


@pytest.mark.parametrize(("factor", "limit", "dtype", "step"), RUNGS)
def test_the_ladder(factor, limit, dtype, step):
    assert getattr(milestones(power_path(float(factor), 8000), dtype), limit) == step


@pytest.mark.parametrize(("factor", "limit", "dtype", "step"), RUNGS)
def test_the_ladder_is_that_of_exact_powers(factor, limit, dtype, step):
    """For the decimal fraction as well as for the float64 nearest to it."""
    assert first_reached(Fraction(factor), limit, dtype, step)
    assert first_reached(Fraction(float(factor)), limit, dtype, step)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
@given(factor=st.floats(0.3, 0.95) | st.floats(1.05, 3))
def test_milestones_are_those_of_exact_powers(dtype, factor):
    found = milestones(power_path(factor, 3000), dtype)
    for limit in ("overflow", "squared_overflow") if factor > 1 else ("subnormal", "zero"):
        assert first_reached(Fraction(factor), limit, dtype, getattr(found, limit))


@pytest.mark.parametrize("dtype", PRECISIONS)
@pytest.mark.parametrize("stride", [1, 2, 3])
def test_milestones_of_powers_of_two_fall_on_the_limits_themselves(dtype, stride):
    """Where one digit lost in a logarithm would move a step."""
    bits, smallest, largest = FORMATS[dtype]

    def steps(exponent):
        return math.ceil(exponent / stride)

    grows = Milestones(steps(largest + 1), steps((largest + 1) / 2), None, None)
    shrinks = Milestones(None, None, steps(1 - smallest), steps(bits - smallest))
    assert milestones(power_path(2.0**stride, 1100), dtype) == grows
    assert milestones(power_path(2.0**-stride, 1100), dtype) == shrinks


def test_milestones_of_a_path_that_stays_are_none():
    assert milestones(np.zeros(10), "float16") == Milestones(None, None, None, None)


def test_milestones_of_inf_and_zero():
    path = np.array([0.0, np.inf, -np.inf])
    assert milestones(path, "float64") == Milestones(overflow=1, squared_overflow=1, subnormal=2, zero=2)


# What a machine computes


def test_stepping_sticks_at_five_subnormals_where_the_exact_power_is_zero():
    """0.9 · 5 quanta is 4.5, and the float64 nearest 0.9 lies above it: back to 5 for ever."""
    assert nearest(Fraction(0.9) * Fraction(2.5e-323), "float64") == 2.5e-323
    path = log10_computed_norms([[0.9]], [1.0], 10_000, "float64")
    assert path[-1] == path[7200] == math.log10(2.5e-323)
    assert nearest(Fraction(0.9) ** 10_000, "float64") == 0


@pytest.mark.parametrize("dtype", PRECISIONS)
@pytest.mark.parametrize("factor", [0.8, 1.3])
def test_computed_norms_round_every_product(dtype, factor):
    steps = 3500
    path = log10_computed_norms([[factor]], [1.0], steps, dtype)
    weight, value = Fraction(nearest(Fraction(factor), dtype)), 1.0
    for k in range(steps + 1):
        expected = math.log10(value) if value else -math.inf
        assert path[k] == pytest.approx(expected, rel=1e-15, abs=1e-15)
        value = nearest(weight * Fraction(value), dtype) if math.isfinite(value) else value


def test_computed_norms_in_float32_are_numpys_own():
    W = np.array([[0.6, 0.3], [-0.2, 0.7]])
    state, expected = np.array([1.0, -2.0], dtype=np.float32), []
    for _ in range(40):
        expected.append(math.log10(math.hypot(*state.tolist())))
        exact = state.astype(np.float64) @ W.astype(np.float32).astype(np.float64)
        state = exact.astype(np.float32)
    np.testing.assert_allclose(log10_computed_norms(W, [1.0, -2.0], 39, "float32"), expected, rtol=1e-14)


def test_computed_norms_meet_inf_then_nan():
    """inf · 0 in the off-diagonal zeros, two steps after the largest float16 is passed."""
    path = log10_computed_norms([[300.0, 0.0], [0.0, 1.0]], [1.0, 1.0], 4, "float16")
    assert np.isfinite(path[:2]).all()
    assert path[2] == math.inf
    assert np.isnan(path[3:]).all()


# What is refused

ONE = [[1.0]]
REFUSED = {
    "milestones-dtype": (lambda: milestones(np.zeros(3), "float8"), "dtype must be one of float16, "),
    "round_to-dtype": (lambda: round_to(1.0, "double"), "dtype must be one of float16, "),
    "unchanged-dtype": (lambda: unchanged(ONE, ONE, "f4"), "dtype must be one of float16, "),
    "unchanged-shape": (lambda: unchanged(ONE, [1.0], "float32"), "update must have the shape of weights, "),
    "bit_identical-dtype": (lambda: bit_identical(ONE, ONE, "f4"), "dtype must be one of float16, "),
    "bit_identical-shape": (lambda: bit_identical(ONE, [1.0], "float32"), "updates must end in the shape of"),
    "computed-W": (lambda: log10_computed_norms([1.0], [1.0], 3, "float32"), "W must be a square matrix"),
    "computed-gradient": (lambda: log10_computed_norms(ONE, 1.0, 3, "float32"), "gradient must have"),
    "computed-steps": (lambda: log10_computed_norms(ONE, [1.0], -1, "float32"), "steps must be a whole"),
    "computed-dtype": (lambda: log10_computed_norms(ONE, [1.0], 3, "float33"), "dtype must be one of"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name):
    call, message = REFUSED[name]
    with pytest.raises(ValueError, match=f"^{message}"):
        call()
