"""The error surface of the cliff beside mpmath, its wall, and descents that leap off it or are clipped."""

import math

import numpy as np
import pytest
import strategies as some
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import TINY, central_difference, exactly, logistic, mp

from core.arrays import sigmoid_parts
from core.cliff import METHODS, descend, error

SIGMA = logistic(mp.mpf(0.5), mp)  # σ(x_0)
EACH_METHOD = pytest.mark.parametrize("method", METHODS)


def surface(w, b):
    """E, ∂E/∂w and ∂E/∂b at two numbers, in mpmath and from the last step back to the first."""
    w, b = mp.mpf(w), mp.mpf(b)
    states = [mp.mpf(0.5)]
    for _ in range(50):
        states.append(w * logistic(states[-1], mp) + b)
    off = logistic(states.pop(), mp) - mp.mpf(0.7)
    d_x, d_w, d_b = 2 * off * logistic_slope(w * logistic(states[-1], mp) + b), mp.mpf(0), mp.mpf(0)
    for x in reversed(states):
        d_w += d_x * logistic(x, mp)
        d_b += d_x
        d_x *= w * logistic_slope(x)
    return off**2, d_w, d_b


def logistic_slope(x):
    """σ(x)·σ(−x), with all its digits however large x is."""
    return logistic(x, mp) * logistic(-x, mp)


def assert_right(found, wanted, rtol):
    """Each of E and its slopes to rtol, or to the last denormal."""
    for name, value, true in zip(("E", "d_w", "d_b"), found, wanted, strict=True):
        assert abs(mp.mpf(float(value)) - true) <= rtol * abs(true) + 1e-323, (name, value, mp.nstr(true, 20))


# The fixed point: x_0 = 0.5 stays where it is on b = 0.5 − σ(0.5)·w, and that line is the wall


def wall(w):
    """b of the wall, exactly."""
    return mp.mpf(0.5) - SIGMA * w


def slope_on_the_wall(w):
    """∂E/∂b there: 2(σ − 0.7)·σ′·(1 + m + … + m⁴⁹), with m = w·σ′."""
    slope = SIGMA * (1 - SIGMA)
    m = w * slope
    return 2 * (SIGMA - mp.mpf(0.7)) * slope * (m**50 - 1) / (m - 1)


@pytest.mark.parametrize(("w", "slope"), [(5, -661.683), (6, -2.5711e6)])
def test_mpmath_finds_the_slope_that_the_geometric_series_has_on_the_wall(w, slope):
    value, d_w, d_b = surface(w, wall(w))
    assert abs(value - (SIGMA - mp.mpf(0.7)) ** 2) < mp.mpf(10) ** -45
    assert abs(d_b / slope_on_the_wall(w) - 1) < mp.mpf(10) ** -40
    assert abs(d_w / d_b - SIGMA) < mp.mpf(10) ** -40
    assert float(d_b) == pytest.approx(slope, rel=2e-5)


# The wall's own b isn't a float64. What the nearest one costs grows as m⁵⁰ does, and so does each rounding.
@pytest.mark.parametrize(("w", "rtol"), [(4, 1e-12), (5, 1e-10), (6, 1e-6)])
def test_slopes_on_the_wall_are_those_of_the_float64_that_is_used(w, rtol):
    b = float(wall(w))
    assert_right(error(w, b), surface(w, b), rtol)
    assert float(error(w, b).d_b) == pytest.approx(float(slope_on_the_wall(w)), rel=rtol)


@pytest.mark.parametrize(("w", "slope"), [(5, -661.626), (6, -1.79125e6)])
def test_nine_digits_of_the_wall_are_not_enough_for_its_slope(w, slope):
    b = 0.5 - 0.622459331 * w
    assert abs(b - wall(w)) < 2e-9
    assert float(error(w, b).d_b) == pytest.approx(slope, rel=1e-5)
    assert_right(error(w, b), surface(w, b), 1e-6)


@pytest.mark.parametrize("w", [5, 5.5, 6])
def test_the_wall_stands_between_two_flat_plains_of_different_height(w):
    below, on, above = (error(w, float(wall(w)) + shift) for shift in (-0.3, 0, 0.3))
    assert below.value - above.value > 0.25
    assert abs(on.d_b) > 500 * max(abs(below.d_b), abs(above.d_b))


# The error and its slopes, anywhere


POINTS = {
    "nothing": (0, 0),
    "tiny": (1e-300, 1e-300),
    "plain": (4, -2),
    "beyond-the-wall": (6, -2.8),
    "before-the-wall": (6, -3.3),
    "just-beyond-the-wall": (5, -2.5),
    "just-before-the-wall": (5, -2.7),
    "steep": (-8, 4),
    "oscillating": (-20, 10),
    "saturated-high": (40, -20),
    "saturated-higher": (100, -50),
    "saturated-low": (3, -50),
    "constant-low": (0, -100),
    "slope-of-w-underflows": (0, -700),
    "slopes-are-denormal": (0, -744),
    "slopes-underflow": (0, 800),
    "both-huge": (1e6, 1e6),
    "both-hugely-negative": (-1e6, -1e6),
    "huge-and-opposite": (1e6, -1e6),
    "huge-and-cancelling": (1e6, -5e5),
    "huge-and-back-to-zero": (-1e6, 1e6),
    "huge-w": (1e6, 0),
    "huge-b": (0, -1e6),
    "close-to-the-largest": (9e299, -9e299),
}
EACH_POINT = pytest.mark.parametrize(("w", "b"), POINTS.values(), ids=POINTS.keys())


@EACH_POINT
def test_error_and_slopes_are_those_of_mpmath(w, b):
    assert_right(error(w, b), surface(w, b), 2e-14)


# Where |w| is below 4 the map contracts, and nothing that rounding does can grow.
@settings(max_examples=60)
@given(st.floats(-3.9, 3.9), st.floats(-30, 30))
def test_error_and_slopes_are_those_of_mpmath_wherever_the_map_contracts(w, b):
    for found, wanted in zip(error(w, b), surface(w, b), strict=True):
        assert abs(float(found) - wanted) <= 1e-13 * abs(wanted) + 1e-15


def check_slopes(slopes, w, b, rtol=1e-6):
    """AssertionError unless both are those by differences of E."""

    def value(at):
        return surface(*at)[0]

    wanted = central_difference(value, exactly(np.array([w, b])), step=TINY)
    np.testing.assert_allclose(np.array(slopes, float), wanted.astype(float), rtol=rtol, atol=0)


STEEP = pytest.mark.parametrize(
    ("w", "b"), [(5.0, -2.5), (5.0, float(wall(5))), (5.0, -2.7), (6.0, float(wall(6))), (-8.0, 4.0)]
)


@STEEP
def test_slopes_are_those_by_differences_of_the_error(w, b):
    check_slopes(error(w, b)[1:], w, b)


WRONG = {
    "a-factor": lambda d_w, d_b: (d_w * 1.00001, d_b),
    "a-sign": lambda d_w, d_b: (d_w, -d_b),
    "swapped": lambda d_w, d_b: (d_b, d_w),
    "no-slope": lambda d_w, d_b: (d_w, 0 * d_b),
    "nan": lambda d_w, d_b: (d_w * math.nan, d_b),
}


@STEEP
@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG.keys())
def test_the_check_of_slopes_rejects_a_wrong_one(w, b, wrong):
    with pytest.raises(AssertionError):
        check_slopes(wrong(*error(w, b)[1:]), w, b)


def start_that_rounding_keeps_on_the_wall():
    """w and b with w·σ(0.5) + b = 0.5 in float64, too, and m⁵⁰ past it."""
    w, s = 1e7, float(sigmoid_parts(np.array([0.25])).value[0])
    assert w * s + (0.5 - w * s) == 0.5
    return w, 0.5 - w * s


def test_slopes_past_float64_are_inf():
    w, b = start_that_rounding_keeps_on_the_wall()
    found = error([w, -w], [b, 1 - b])
    np.testing.assert_array_equal(found.d_w, [-math.inf, math.inf])
    np.testing.assert_array_equal(found.d_b, [-math.inf, math.inf])
    np.testing.assert_allclose(found.value, float((SIGMA - mp.mpf(0.7)) ** 2), rtol=1e-14)


# Shapes


@pytest.mark.parametrize(
    ("w_shape", "b_shape"),
    [((), ()), ((3,), ()), ((), (3,)), ((3,), (3,)), ((3, 1), (4,)), ((2, 1, 3), (4, 1)), ((1, 1), (1,))],
    ids=str,
)
def test_each_pair_has_the_error_and_slopes_that_it_has_alone(w_shape, b_shape):
    rng = np.random.default_rng(6)
    w, b = rng.uniform(-8, 8, w_shape), rng.uniform(-8, 8, b_shape)
    pairs = np.broadcast(w, b)
    found = error(w, b)
    assert {part.shape for part in found} == {pairs.shape}
    alone = np.array([error(*pair) for pair in pairs])
    np.testing.assert_allclose([part.ravel() for part in found], alone.T, rtol=1e-12)


def test_numbers_of_any_kind_may_be_handed_in():
    wanted = error(np.array([1.0, 2.0]), -1.5)
    for w in ([1, 2], (1.0, 2.0), np.array([1, 2]), np.array([1, 2], np.float32)):
        np.testing.assert_array_equal(error(w, np.float32(-1.5)), wanted)


def test_one_saturated_pair_does_not_change_the_others():
    plain, beside = error([2.0, 5.0], [-1.0, -2.5]), error([2.0, 5.0, 1e6], [-1.0, -2.5, -1e6])
    np.testing.assert_allclose(np.array(beside)[:, :2], np.array(plain), rtol=1e-12)


@pytest.mark.parametrize(
    ("w", "b", "message"),
    [
        ("steep", 0, "w must hold real numbers"),
        (0, "low", "b must hold real numbers"),
        (1j, 0, "w must hold real numbers"),
        (0, None, "b must hold real numbers"),
        ([[1], [1, 2]], 0, "w must hold real numbers"),
        (math.nan, 0, "w must hold finite numbers"),
        (0, [0, math.inf], "b must hold finite numbers"),
        (1e300, 0, "w must hold finite numbers"),
        ([1, 2], [1, 2, 3], r"b must have a shape that fits that of w, \(2,\), not \(3,\)"),
        (np.ones((2, 3)), np.ones((2, 1, 4)), r"b must have a shape that fits that of w, \(2, 3\)"),
    ],
)
def test_what_is_no_pair_of_numbers_is_named(w, b, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        error(w, b)


# Descent


LEAP = {"w": 6, "b": -2.8, "rate": 0.1}  # down the plain and into the wall from behind


def cut_by_hand(d_w, d_b, method, threshold):
    if method == "value":
        return max(-threshold, min(threshold, d_w)), max(-threshold, min(threshold, d_b))
    norm = math.hypot(d_w, d_b)
    share = threshold / norm if method == "norm" and norm > threshold else 1
    return share * d_w, share * d_b


def steps_of(path):
    return np.hypot(np.diff(path.w), np.diff(path.b))


@EACH_METHOD
@pytest.mark.parametrize("threshold", [1.0, 0.04])
def test_each_step_is_the_one_by_hand(method, threshold):
    path = descend(**LEAP, updates=230, method=method, threshold=threshold)
    rows = zip(path.w[:-1], path.b[:-1], strict=True)
    for k, (w, b) in enumerate(rows):
        value, *slopes = surface(w, b)
        d_w, d_b = (float(slope) for slope in slopes)
        left = cut_by_hand(d_w, d_b, method, threshold)
        assert path.errors[k] == pytest.approx(float(value), rel=1e-8)
        assert path.norms_before[k] == pytest.approx(math.hypot(d_w, d_b), rel=1e-6)
        assert path.norms_after[k] == pytest.approx(math.hypot(*left), rel=1e-6)
        assert path.w[k + 1] - w == pytest.approx(-0.1 * left[0], rel=1e-6, abs=1e-14)
        assert path.b[k + 1] - b == pytest.approx(-0.1 * left[1], rel=1e-6, abs=1e-14)


def test_an_unclipped_step_off_the_wall_leaves_the_picture_and_does_not_return():
    path = descend(**LEAP, updates=300, method="none")
    steps = steps_of(path)
    leap = int(np.argmax(steps))
    assert steps[leap] > 30
    assert max(steps[:leap]) < 0.1
    assert path.norms_before[leap] > 300
    assert path.errors[leap] < 0.01 < 0.48 < path.errors[leap + 1]
    assert max(steps[leap + 1 :]) < 1e-8
    np.testing.assert_array_equal(path.norms_before, path.norms_after)


@pytest.mark.parametrize(("method", "longest"), [("norm", 1), ("value", math.sqrt(2))])
@pytest.mark.parametrize("threshold", [0.05, 1.0])
def test_clipped_steps_are_never_longer_than_rate_times_threshold(method, longest, threshold):
    path = descend(**LEAP, updates=400, method=method, threshold=threshold)
    assert max(path.norms_before) > 100  # the wall was met
    assert max(path.norms_after) == pytest.approx(longest * threshold, rel=1e-12)
    assert max(steps_of(path)) == pytest.approx(0.1 * longest * threshold, rel=1e-12)


@pytest.mark.parametrize("method", ["norm", "value"])
def test_clipped_paths_stay_in_the_picture_and_get_down(method):
    path = descend(**LEAP, updates=400, method=method)
    assert np.all((path.w > 3) & (path.w <= 6) & (path.b > -4) & (path.b < -1))
    assert min(path.errors) < 0.001 < 0.05 < path.errors[0]


def test_methods_part_where_the_first_gradient_is_cut():
    paths = {method: descend(**LEAP, updates=230, method=method) for method in METHODS}
    first = int(np.argmax(paths["none"].norms_before > 1))
    assert 0 < first < 230
    for method in ("norm", "value"):
        np.testing.assert_array_equal(paths[method].w[: first + 1], paths["none"].w[: first + 1])
        assert paths[method].norms_after[first] < paths[method].norms_before[first]
    assert len({path.w[-1] for path in paths.values()}) == 3


@EACH_METHOD
@pytest.mark.parametrize("updates", [0, 1, 7])
def test_a_path_has_a_row_for_the_start_and_one_for_each_update(method, updates):
    path = descend(5, -2.5, rate=0.1, updates=updates, method=method)
    assert [len(column) for column in path] == [updates + 1] * 3 + [updates] * 2
    assert {column.dtype for column in path} == {np.dtype(float)}
    assert (path.w[0], path.b[0]) == (5, -2.5)
    np.testing.assert_allclose(path.errors, error(path.w, path.b).value, rtol=1e-9)


@EACH_METHOD
def test_a_path_ends_where_a_slope_is_no_longer_finite(method):
    w, b = start_that_rounding_keeps_on_the_wall()
    path = descend(w, b, rate=0.1, updates=5, method=method)
    assert [len(column) for column in path] == [1, 1, 1, 0, 0]
    assert (path.w[0], path.b[0]) == (w, b)


@EACH_METHOD
def test_a_path_ends_before_a_place_that_is_no_longer_finite(method):
    # From far down a step without d_w leads onto the wall, and the next would be of 10³⁰⁷ · 661.
    rate = float((wall(5) + 702) / -surface(5, -702)[2])
    assert 1e307 < rate < math.inf
    path = descend(5, -702, rate=rate, updates=5, method=method, threshold=1e6)
    assert [len(column) for column in path] == [2, 2, 2, 1, 1]
    assert path.w[1] == 5
    assert path.b[1] == pytest.approx(float(wall(5)), abs=1e-3)


PLAIN = {"w": 5, "b": -2.5, "rate": 0.1, "updates": 2, "method": "norm"}
NOT_ABOVE_0 = [0, -0.1, math.nan, math.inf, "1", None, True, 10**400]


@pytest.mark.parametrize(
    ("name", "value", "what"),
    [
        *(("rate", value, "a finite number above 0, not ") for value in NOT_ABOVE_0),
        *(("threshold", value, "a finite number above 0, not ") for value in NOT_ABOVE_0),
        *(("updates", value, "a whole number, 0 or more, not ") for value in (-1, 1.5, 2.0, "2", None, True)),
        *(("method", value, "one of none, norm, value, not ") for value in ("", "Norm", "adaptive", None, 1)),
    ],
)
@EACH_METHOD
def test_a_bad_argument_is_named_whatever_the_method(name, value, what, method):
    with pytest.raises(ValueError, match=f"^{name} must be {what}"):
        descend(**(PLAIN | {"method": method} | {name: value}))


@pytest.mark.parametrize("name", ["w", "b"])
@pytest.mark.parametrize(
    ("value", "what"),
    [
        ("5", "real numbers"),
        (None, "real numbers"),
        (1j, "real numbers"),
        (math.nan, "finite numbers"),
        (-math.inf, "finite numbers"),
        (1e300, "finite numbers"),
    ],
    ids=str,
)
def test_a_start_that_is_no_number_is_named(name, value, what):
    with pytest.raises(ValueError, match=f"^{name} must hold {what}"):
        descend(**(PLAIN | {name: value}))


@settings(max_examples=40)
@given(st.floats(-10, 10), st.floats(-10, 10), st.floats(1e-3, 10), st.floats(1e-3, 10), some.seeds)
def test_a_clipped_path_never_strays_further_than_its_steps_allow(w, b, rate, threshold, seed):
    method = ("norm", "value")[seed % 2]
    path = descend(w, b, rate=rate, updates=20, method=method, threshold=threshold)
    longest = threshold * (math.sqrt(2) if method == "value" else 1)
    assert max(path.norms_after) <= longest * (1 + 1e-12)
    np.testing.assert_array_less(steps_of(path), rate * longest * (1 + 1e-12) + 1e-13)
    assert np.all(path.norms_after <= path.norms_before * (1 + 1e-12))


@pytest.mark.parametrize("shape", [(0,), (0, 3)])
def test_the_error_of_no_numbers_is_refused(shape):
    with pytest.raises(ValueError, match=r"^w and b must hold at least one number"):
        error(np.zeros(shape), 1.0)


@pytest.mark.parametrize("start", [[1, 2], [5.0], [[5.0]], []], ids=str)
def test_a_start_that_is_several_numbers_is_named(start):
    with pytest.raises(ValueError, match=r"^w must be one number"):
        descend(**(PLAIN | {"w": start}))


def test_a_float32_rate_takes_the_same_path():
    paths = [descend(**(PLAIN | {"rate": rate})) for rate in (np.float32(0.1), float(np.float32(0.1)))]
    np.testing.assert_array_equal(paths[0].w, paths[1].w)


@pytest.mark.parametrize("rate", [np.float64(1e305), 1e306, 10**308], ids=str)
def test_a_rate_that_leads_past_float64_ends_the_path_without_a_warning(rate):
    path = descend(6, -3.2347559872111273, rate=rate, updates=5, method="none")
    assert len(path.w) < 6
    assert np.isfinite(path.w).all()
