"""The linear RNN against exact rationals, whole-number arithmetic and mpmath (see oracles.py)."""

import math
from fractions import Fraction
from itertools import islice, pairwise

import numpy as np
import pytest
import strategies as some
from hypothesis import given
from hypothesis import strategies as st
from oracles import exact_path, log10_path, log10_power_norm, matrix_powers, mp, rational, two_norm

from core.linear import (
    GRADIENT_KINDS,
    MATRIX_KINDS,
    STEPS_BETWEEN_RESCALES,
    gradient_modes,
    gradient_path,
    log10_bounds,
    log10_gradient_norms,
    log10_norms_through_modes,
    log10_power_norms,
    log10_uncertainty,
    make_gradient,
    make_matrix,
    mode_shares,
    scaled_power,
    spectral_radius,
    spectrum,
)

ACCURACY = 1e-11  # of log10 ‖·‖, relative where that is above 1


def rng(seed=0):
    return np.random.default_rng(seed)


def system(kind, n, radius, *, gradient="random", seed=0):
    generator = rng(seed)
    W = make_matrix(kind, n, radius, rng=generator)
    return W, make_gradient(gradient, W, rng=generator)


def errors(found, true):
    """|found − true| / max(1, |true|), 0 where both are −inf; mpmath on the right."""
    return np.array(
        [
            0.0 if f == t else float(abs(mp.mpf(float(f)) - t) / max(1, abs(t)))
            for f, t in zip(found, true, strict=True)
        ]
    )


def path_errors(W, gradient, at):
    return errors(log10_gradient_norms(W, gradient, at[-1])[at], log10_path(W, gradient, at))


def rotated_jordan(n, radius, seed=0):
    """A defective matrix up to its rounding, which float64 cannot tell from its neighbours."""
    Q = make_matrix("orthogonal", n, 1.0, rng=rng(seed))
    return Q @ make_matrix("jordan", n, radius, rng=rng()) @ Q.T


# The figures of the book's example and of the matrices beside it


def test_ten_thousand_steps_of_nine_tenths():
    end = log10_gradient_norms([[0.9]], [1.0], 10_000)[-1]
    assert end == pytest.approx(-457.574905607, abs=1e-9)
    assert end == pytest.approx(float(10_000 * mp.log10(mp.mpf(0.9))), rel=1e-15)
    assert end == pytest.approx(float(10_000 * mp.log10(mp.mpf(9) / 10)), abs=1e-9)


def test_the_worked_examples_thirtieth_power():
    W = make_matrix("worked-example", 2, 0.9, rng=rng())
    rows = []
    for unit in np.eye(2):  # row i of W^30 is (Wᵀ)^30 e_i
        path = gradient_path(W, unit, 30)
        rows.append(np.ldexp(path.mantissas[30], path.exponents[30]))
    printed = [[0.0152608, 0.0203478], [0.0203478, 0.0271303]]
    exact = next(islice(matrix_powers(rational([["0.58", "0.24"], ["0.24", "0.72"]])), 30, None))
    np.testing.assert_allclose(rows, printed, atol=5e-8)
    np.testing.assert_allclose(rows, np.array(exact, dtype=float), rtol=1e-13)


def jordan_rows(n):
    return [["0.9" if j == i else str(int(j == i + 1)) for j in range(n)] for i in range(n)]


RADIUS_BELOW_1 = [["0.5", "10"], ["0", "0.6"]]
PEAKS = {  # rows, the largest ‖W^t‖ to its digits, its t
    "radius-0.6": (RADIUS_BELOW_1, "11.01", 2),
    "jordan-2": (jordan_rows(2), "3.91", 9),
    "jordan-3": (jordan_rows(3), "28.8", 19),
    "jordan-5": (jordan_rows(5), "2.08e+03", 39),
}


def exact_norms(rows, steps):
    return [two_norm(power) for power in islice(matrix_powers(rational(rows)), steps + 1)]


@pytest.mark.parametrize("name", PEAKS)
def test_powers_grow_before_they_vanish(name):
    rows, peak, t = PEAKS[name]
    norms = log10_power_norms([[float(entry) for entry in row] for row in rows], 100)
    exact = exact_norms(rows, 100)
    assert max(range(101), key=exact.__getitem__) == np.argmax(norms) == t
    digits = 4 if peak == "11.01" else 3
    assert f"{float(exact[t]):.{digits}g}" == f"{10 ** norms[t]:.{digits}g}" == peak
    assert errors(norms, [mp.log10(norm) for norm in exact]).max() <= 1e-13


def test_a_radius_of_six_tenths_with_a_norm_of_ten():
    W = [[0.5, 10], [0, 0.6]]
    norms, exact = log10_power_norms(W, 30), exact_norms(RADIUS_BELOW_1, 30)
    assert spectrum(W).radius == pytest.approx(0.6, rel=1e-15)
    assert spectrum(W).singular_values[0] == pytest.approx(float(exact[1]), rel=1e-15)
    assert f"{float(exact[1]):.2f}" == "10.03"
    assert next(t for t in range(31) if norms[t] < 0) == 9
    assert next(t for t in range(31) if exact[t] < 1) == 9


# Accuracy

# All early steps, the ends of the blocks between rescalings, and every fiftieth step to the last.
STEPS_CHECKED = sorted({*range(201), *range(250, 10_001, 50), 255, 256, 257, 9_999})


@pytest.mark.parametrize("radius", [10**-0.5, 1.0, 10**0.5], ids=["to-1e-5000", "radius-1", "to-1e5000"])
@pytest.mark.parametrize("n", [1, 2, 3, 8, 16])
@pytest.mark.parametrize("kind", MATRIX_KINDS)
def test_path_is_exact_to_11_digits(kind, n, radius):
    """10,000 steps of a random gradient, followed exactly in whole numbers, compared at STEPS_CHECKED.

    Only non-normal matrices of n = 16 at radius 1 come near the limit, for a last digit of theirs is
    worth as much: 1e-14 to 9.5e-12 here, by the order in which OpenBLAS's kernels sum a product.
    """
    W, gradient = system(kind, n, radius)
    worth_a_digit = log10_uncertainty(W, gradient, 10_000, rng=rng()).max()
    assert worth_a_digit < 1e-10
    assert path_errors(W, gradient, STEPS_CHECKED).max() <= ACCURACY


@pytest.mark.parametrize("radius", [10**-0.5, 0.9, 10**0.5])
def test_path_goes_where_its_radius_takes_it(radius):
    end = log10_gradient_norms(*system("symmetric", 8, radius), 10_000)[-1]
    assert end == pytest.approx(10_000 * math.log10(radius), abs=2)


@given(some.systems())
def test_path_of_any_small_system(system):
    """Singular, nilpotent and defective ones among them: no worse than what float64 knows of them."""
    W, gradient = system
    at = range(41)
    found, true = log10_gradient_norms(W, gradient, 40), log10_path(W, gradient, at)
    known = ~np.isneginf(found) & np.array([t != -mp.inf for t in true])
    uncertainty = np.max([log10_uncertainty(W, gradient, 40, rng=rng(seed)) for seed in range(3)], axis=0)
    assert (errors(found, true)[known] <= ACCURACY + 100 * uncertainty[known]).all()


# Where float64 itself can't know

UNKNOWABLE = {  # errors seen: from 10⁻² decades to more than one
    "rotated-jordan": (lambda: (rotated_jordan(8, 0.9), rng(1).standard_normal(8)), 2000),
    "minor-eigenvector": (lambda: minor_eigenvector("symmetric", 4), 200),
    "minor-eigenvector-non-normal": (lambda: minor_eigenvector("non-normal", 16), 2000),
    "orthogonal-to-the-dominant-mode": (lambda: system("gaussian", 8, 1.0, gradient="orthogonal"), 500),
}


def minor_eigenvector(kind, n):
    W = make_matrix(kind, n, 1.0, rng=rng())
    eigenvalues, vectors = np.linalg.eig(W.T)
    return W, vectors[:, np.argmin(np.abs(eigenvalues))].real


@pytest.mark.parametrize("name", UNKNOWABLE)
def test_uncertainty_flags_what_float64_cannot_know(name):
    """Errors that show, all within an order of size of what log10_uncertainty says."""
    make, steps = UNKNOWABLE[name]
    W, gradient = make()
    at = range(steps + 1)
    found, true = log10_gradient_norms(W, gradient, steps), log10_path(W, gradient, at)
    worst = max(abs(float(f - t)) for f, t in zip(found, true, strict=True))
    flagged = log10_uncertainty(W, gradient, steps, rng=rng()).max()
    assert worst > 1e-3
    assert worst / 10 < flagged < 1000 * worst


@pytest.mark.parametrize("kind", [kind for kind in MATRIX_KINDS if kind != "non-normal"])
@pytest.mark.parametrize("n", [1, 2, 16])
def test_uncertainty_is_tiny_for_well_behaved_matrices(kind, n):
    assert log10_uncertainty(*system(kind, n, 1.0), 10_000, rng=rng()).max() < 1e-11


def test_uncertainty_of_a_path_that_ends_is_zero():
    uncertainty = log10_uncertainty(np.eye(3, k=1), np.ones(3), 5, rng=rng())
    assert (uncertainty < 1e-15).all()


def test_uncertainty_is_infinite_where_zero_hangs_on_the_last_digit():
    uncertainty = log10_uncertainty([[1, 1], [1, 1]], [1, -1], 3, rng=rng())
    assert uncertainty[0] < 1e-15
    np.testing.assert_array_equal(uncertainty[1:], np.inf)


# Zero, and the ends of float64


def test_nilpotent_matrix_ends_the_path_at_step_n():
    path = log10_gradient_norms(np.eye(5, k=1), np.ones(5), 200)
    np.testing.assert_allclose(path[:5], [0.5 * math.log10(5 - k) for k in range(5)], atol=1e-15)
    assert np.isneginf(path[5:]).all()
    assert np.isneginf(log10_power_norms(np.eye(5, k=1), 200)[5:]).all()


@pytest.mark.parametrize(
    ("W", "gradient"),
    [
        pytest.param([[0.0]], [1.0], id="zero-matrix"),
        pytest.param([[1, 1], [1, 1]], [1, -1], id="in-the-null-space"),
        pytest.param([[1, 2], [2, 4]], [2, -1], id="in-the-null-space-of-a-rounded-svd"),
    ],
)
def test_singular_matrix_stops_the_path_at_once(W, gradient):
    path = log10_gradient_norms(W, gradient, 100)
    assert np.isfinite(path[0])
    assert np.isneginf(path[1:]).all()


def test_zero_gradient_stays_zero():
    assert np.isneginf(log10_gradient_norms(np.eye(2), [0.0, 0.0], 100)).all()


@pytest.mark.parametrize(
    ("diagonal", "gradient", "slope"),
    [
        pytest.param([1, 1e-200], [0, 1], -200, id="1e-200-alone"),
        pytest.param([1, 1e-200], [1, 1], 0, id="1e-200-beside-1"),
        pytest.param([1e200, 1e-200], [1, 1], 200, id="1e200-beside-1e-200"),
        pytest.param([1e299, 1], [1, 0], 299, id="1e299"),
        pytest.param([1e-300, 0], [1, 1], -300, id="1e-300"),
    ],
)
def test_diagonal_matrices_over_the_range_of_float64(diagonal, gradient, slope):
    path = log10_gradient_norms(np.diag(diagonal), gradient, 500)
    np.testing.assert_allclose(path[1:], slope * np.arange(1, 501), rtol=1e-14, atol=1e-14)


@pytest.mark.parametrize("gradient", [5e-324, 1e-310, 9e299])
@pytest.mark.parametrize("factor", [1e-290, 0.5, 300.0, 9e299])
def test_extreme_numbers_on_both_sides(factor, gradient):
    assert path_errors(np.array([[factor]]), np.array([gradient]), range(101)).max() <= 1e-14


@pytest.mark.parametrize("factor", [2.0**8, 300.0, 1e20, 1e-8, 1e-100])
def test_blocks_are_halved_until_they_stay_in_range(factor):
    """A growth that 64 plain products don't survive: the exponents show shorter blocks."""
    W, gradient = factor * np.array([[0.6, -0.8], [0.8, 0.6]]), np.array([1.0, 0.5])
    exponents = gradient_path(W, gradient, 200).exponents
    assert len(np.unique(exponents[1:65])) > 1
    assert path_errors(W, gradient, range(201)).max() <= 1e-14


def test_digits_hold_at_every_rate_of_growth():
    """Whatever size a block ends at, the square of its norm must not have lost digits."""
    W, gradient = np.array([[0.6, -0.8], [0.8, 0.6]]), np.array([1.0, 0.5])
    for factor in np.logspace(-9, 9, 721, base=2):
        assert path_errors(factor * W, gradient, [1, 64, 128, 255, 256, 300]).max() <= 1e-14


def test_blocks_are_whole_where_they_can_be():
    """Few steps rescale: that is where the speed comes from."""
    exponents = gradient_path(*system("gaussian", 4, 1.2), 5 * STEPS_BETWEEN_RESCALES).exponents
    starts = 1 + np.flatnonzero(np.diff(exponents))
    assert set(np.diff(starts)) == {STEPS_BETWEEN_RESCALES}


@pytest.mark.parametrize("steps", [0, 1, 2, 63, 64, 65, 127, 128, 129])
@pytest.mark.parametrize("factor", [1.01, 300.0])
def test_a_shorter_path_is_the_start_of_a_longer_one(factor, steps):
    W, gradient = system("gaussian", 3, factor)
    short, long = log10_gradient_norms(W, gradient, steps), log10_gradient_norms(W, gradient, 400)
    assert short.shape == (steps + 1,)
    np.testing.assert_allclose(short, long[: steps + 1], rtol=1e-14, atol=1e-14)


@given(some.systems(), st.integers(-40, 40))
def test_scaling_W_adds_k_times_the_logarithm_of_the_scale(system, power):
    """By a power of two, which rounds nothing: otherwise W itself would be another."""
    W, gradient = system
    path = log10_gradient_norms(W, gradient, 150)
    scaled = log10_gradient_norms(W * 2.0**power, gradient, 150)
    np.testing.assert_allclose(scaled, path + np.arange(151) * power * math.log10(2), rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("kind", MATRIX_KINDS)
def test_the_path_at_one_radius_gives_that_at_another(kind):
    """What lets a page redraw the curve while the radius is dragged."""
    base, moved = (log10_gradient_norms(*system(kind, 4, radius), 1000) for radius in (1.0, 1.37))
    np.testing.assert_allclose(moved, base + np.arange(1001) * math.log10(1.37), rtol=1e-11, atol=1e-11)


@given(some.systems(), st.integers(-1000, 900))
def test_scaling_the_gradient_moves_the_whole_path(system, power):
    W, gradient = system
    path = log10_gradient_norms(W, gradient, 70)
    scaled = log10_gradient_norms(W, gradient * 2.0**power, 70)
    np.testing.assert_allclose(scaled, path + power * math.log10(2), rtol=1e-13, atol=1e-13)


@given(some.systems())
def test_the_path_itself_in_mantissas_and_exponents(system):
    W, gradient = system
    path = gradient_path(W, gradient, 12)
    vectors = np.ldexp(path.mantissas, path.exponents[:, None])
    np.testing.assert_array_equal(vectors[0], gradient)
    for before, after in pairwise(vectors):
        largest = np.abs(before).max()
        np.testing.assert_allclose(after, W.T @ before, rtol=1e-12, atol=1e-12 * largest + 1e-300)


def test_lists_and_whole_numbers_are_taken_and_left_alone():
    W, gradient = np.array([[2, 1], [0, 2]]), np.array([1, 3])
    found = log10_gradient_norms(W, gradient, 5)
    np.testing.assert_array_equal(found, log10_gradient_norms([[2.0, 1.0], [0.0, 2.0]], [1.0, 3.0], 5))
    assert (W.tolist(), gradient.tolist()) == ([[2, 1], [0, 2]], [1, 3])


# Powers and bounds


@given(some.well_conditioned_systems())
def test_power_norms_are_those_of_the_powers(system):
    W, _ = system
    direct = [math.log10(np.linalg.norm(np.linalg.matrix_power(W, k), 2)) for k in range(31)]
    np.testing.assert_allclose(log10_power_norms(W, 30), direct, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("radius", [0.1, 10.0])
@pytest.mark.parametrize("kind", MATRIX_KINDS)
def test_power_norms_far_beyond_float64(kind, radius):
    W = make_matrix(kind, 3, radius, rng=rng())
    assert errors(log10_power_norms(W, 2000)[-1:], [log10_power_norm(W, 2000)])[0] <= ACCURACY


@pytest.mark.parametrize("k", [0, 1, 2, 100, 700])
@pytest.mark.parametrize("kind", MATRIX_KINDS)
def test_scaled_power_is_the_power_entry_by_entry(kind, k):
    """W^k itself, not its transpose, and at k = 700 far below float64."""
    W = make_matrix(kind, 3, 0.2, rng=rng())
    P, s = scaled_power(W, k)
    assert 0.5 <= np.abs(P).max() <= 1
    for row, unit in zip(P, np.eye(3), strict=True):
        *_, (exact, e) = exact_path(W.tolist(), unit.tolist(), k)
        scale = mp.mpf(2) ** e / mp.mpf(10) ** mp.mpf(s)
        np.testing.assert_allclose(row, [float(entry * scale) for entry in exact], rtol=1e-9, atol=1e-11)


def test_scaled_power_of_a_nilpotent_matrix_is_zero():
    P, s = scaled_power(np.eye(3, k=1), 5)
    np.testing.assert_array_equal(P, np.zeros((3, 3)))
    assert math.isfinite(s)


@given(some.systems())
def test_no_path_grows_faster_than_the_powers(system):
    W, gradient = system
    start = log10_gradient_norms(W, gradient, 60)
    assert (start <= log10_power_norms(W, 60) + start[0] + 1e-9).all()


def test_power_norms_of_one_number_are_its_path():
    np.testing.assert_allclose(
        log10_power_norms([[-1.7]], 3000), log10_gradient_norms([[-1.7]], [1.0], 3000), rtol=1e-14, atol=1e-14
    )


@given(some.well_conditioned_systems())
def test_bounds_hold(system):
    path, (lower, upper) = log10_gradient_norms(*system, 300), log10_bounds(*system, 300)
    slack = 1e-13 * (1 + np.arange(301))
    assert (lower - slack <= path).all()
    assert (path <= upper + slack).all()


@given(some.systems())
def test_bounds_hold_for_singular_and_defective_matrices_too(system):
    """σ_min is known to about n·eps·σ_max: what is smaller promises nothing."""
    W, gradient = system
    path, (lower, upper) = log10_gradient_norms(W, gradient, 30), log10_bounds(W, gradient, 30)
    smallest, largest = np.linalg.svd(W, compute_uv=False)[[-1, 0]]
    doubt = np.arange(31) * (1e-14 * largest / smallest if smallest > 0 else 0.0)
    assert (path <= upper + 1e-12 * (1 + np.arange(31))).all()
    assert (lower - doubt - 1e-12 <= path).all()


@pytest.mark.parametrize(
    "W",
    [
        pytest.param(np.zeros((2, 2)), id="zero"),
        pytest.param(np.eye(3, k=1), id="nilpotent"),
        pytest.param([[1, 1], [1, 1]], id="ones"),
        pytest.param([[1, 2], [2, 4]], id="whose-computed-sigma-min-is-1e-16"),
    ],
)
def test_lower_bound_of_a_singular_matrix_is_zero(W):
    """Rounding taken for a singular value would be a bound that the path to zero breaks."""
    lower, _ = log10_bounds(W, np.ones(len(W)), 5)
    assert np.isfinite(lower[0])
    assert np.isneginf(lower[1:]).all()


@pytest.mark.parametrize("kind", ["orthogonal", "rotation"])
def test_bounds_meet_where_every_direction_is_alike(kind):
    W, gradient = system(kind, 6, 1.2)
    lower, upper = log10_bounds(W, gradient, 1000)
    np.testing.assert_allclose(lower, upper, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(log10_gradient_norms(W, gradient, 1000), upper, rtol=1e-12, atol=1e-12)


def test_bounds_are_lines_with_the_singular_values_as_slopes():
    lower, upper = log10_bounds(np.diag([2.0, -0.5]), [3.0, 4.0], 4)
    np.testing.assert_allclose(upper, math.log10(5) + np.arange(5) * math.log10(2), rtol=1e-14)
    np.testing.assert_allclose(lower, math.log10(5) - np.arange(5) * math.log10(2), rtol=1e-14)


# Matrices

SIZES = [1, 2, 3, 16, 65, 256]
RANDOM_KINDS = ("gaussian", "orthogonal", "symmetric", "rotation", "non-normal")


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("kind", MATRIX_KINDS)
def test_matrix_has_the_radius_asked_for(kind, n):
    W = make_matrix(kind, n, 1.25, rng=rng())
    assert W.shape == (n, n)
    assert W.dtype == np.float64
    assert spectral_radius(W) == pytest.approx(1.25, rel=1e-12)
    assert spectrum(W).radius == pytest.approx(1.25, rel=1e-12)


@pytest.mark.parametrize("kind", MATRIX_KINDS)
def test_radius_is_that_of_mpmaths_eigenvalues(kind):
    W = make_matrix(kind, 4, 0.8, rng=rng())
    eigenvalues = mp.eig(mp.matrix(W.tolist()), left=False, right=False)
    assert float(max(abs(eigenvalue) for eigenvalue in eigenvalues)) == pytest.approx(0.8, rel=1e-14)


@pytest.mark.parametrize("radius", [1e-100, 1e-3, 1, 2, 1e100], ids="{:g}".format)
def test_radius_may_be_of_any_size(radius):
    W = make_matrix("gaussian", 5, radius, rng=rng())
    assert spectral_radius(W) == pytest.approx(radius, rel=1e-13)


@pytest.mark.parametrize("kind", MATRIX_KINDS)
def test_the_same_generator_gives_the_same_matrix(kind):
    first, again = (make_matrix(kind, 6, 1.0, rng=rng(5)) for _ in range(2))
    np.testing.assert_array_equal(first, again)


@pytest.mark.parametrize("kind", MATRIX_KINDS)
def test_another_generator_gives_another_matrix_if_the_kind_is_random(kind):
    first, other = (make_matrix(kind, 6, 1.0, rng=rng(seed)) for seed in (5, 6))
    assert np.array_equal(first, other) == (kind not in RANDOM_KINDS)


def test_worked_example_is_the_books_and_repeats_itself():
    W = make_matrix("worked-example", 5, 0.9, rng=rng())
    expected = np.zeros((5, 5))
    expected[:2, :2] = expected[2:4, 2:4] = [[0.58, 0.24], [0.24, 0.72]]
    expected[4, 4] = 0.58
    np.testing.assert_allclose(W, expected, rtol=1e-14)
    np.testing.assert_allclose(np.linalg.eigvalsh(W[:2, :2]), [0.4, 0.9], rtol=1e-14)


def test_gaussian_fills_the_disc_of_the_circular_law():
    """Entries of variance 1/n before scaling put the radius near 1, so scaling moves them little."""
    W = make_matrix("gaussian", 256, 1.0, rng=rng())
    assert W.std() * 16 == pytest.approx(1, abs=0.1)
    assert abs(W.mean()) < 4 / 256 / 16


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("kind", ["orthogonal", "rotation"])
def test_orthogonal_kinds_turn_and_do_not_stretch(kind, n):
    W = make_matrix(kind, n, 1.5, rng=rng())
    np.testing.assert_allclose(W.T @ W, 2.25 * np.eye(n), atol=1e-13)


def test_orthogonal_matrices_come_in_both_signs():
    """QR alone gives a triangle with a free sign; without fixing it the draw is not uniform."""
    drawn = [make_matrix("orthogonal", 1, 1.0, rng=rng(seed)).item() for seed in range(20)]
    assert set(drawn) == {-1.0, 1.0}


def test_rotation_is_planes_each_turned_by_its_own_angle():
    W = make_matrix("rotation", 5, 1.0, rng=rng())
    planes = np.kron(np.eye(3), np.ones((2, 2)))[:5, :5]
    assert not W[planes == 0].any()
    assert W[4, 4] == pytest.approx(1)
    angles = np.abs(np.angle(np.linalg.eigvals(W)))
    assert len(np.unique(angles.round(9))) == 3  # two planes, and 0 for the odd axis


def test_symmetric_is_symmetric():
    W = make_matrix("symmetric", 16, 1.0, rng=rng())
    np.testing.assert_array_equal(W, W.T)
    assert (np.linalg.eigvalsh(W)[[0, -1]] * [-1, 1] > 0).all()  # of both signs


@pytest.mark.parametrize("n", [2, 3, 16])
def test_non_normal_is_triangular_with_eigenvalues_from_the_radius_to_minus_it(n):
    W = make_matrix("non-normal", n, 0.9, rng=rng())
    assert not np.tril(W, -1).any()
    np.testing.assert_allclose(np.diag(W), np.linspace(0.9, -0.9, n), rtol=1e-13, atol=1e-16)
    above = np.abs(W[np.triu_indices(n, k=1)])
    np.testing.assert_allclose(above, 0.9 * 5 / math.sqrt(n), rtol=1e-13)


def test_non_normal_grows_a_thousandfold_before_it_vanishes():
    norms = [log10_power_norms(make_matrix("non-normal", 16, 0.9, rng=rng(seed)), 400) for seed in range(9)]
    peaks, ends = np.max(norms, axis=1), np.array(norms)[:, -1]
    assert np.median(peaks) > 3
    assert peaks.min() > 2.5
    assert ends.max() < -10


def test_jordan_is_one_defective_block():
    W = make_matrix("jordan", 4, 0.45, rng=rng())
    np.testing.assert_array_equal(W, 0.45 * np.eye(4) + 0.5 * np.eye(4, k=1))


# Gradients


OF_ONE_MODULUS = ("orthogonal", "rotation")  # where no gradient is orthogonal to the dominant modes


@pytest.mark.parametrize(
    ("kind", "gradient"),
    [
        (kind, gradient)
        for kind in MATRIX_KINDS
        for gradient in GRADIENT_KINDS
        if not (gradient == "orthogonal" and kind in OF_ONE_MODULUS)
    ],
)
def test_gradients_have_norm_1_and_repeat_with_their_generator(kind, gradient):
    W = make_matrix(kind, 5, 1.1, rng=rng())
    first, again = (make_gradient(gradient, W, rng=rng(3)) for _ in range(2))
    assert np.linalg.norm(first) == pytest.approx(1, rel=1e-15)
    np.testing.assert_array_equal(first, again)


def test_unit_gradient_is_the_first_axis():
    assert make_gradient("unit", np.eye(3), rng=rng()).tolist() == [1, 0, 0]


def test_random_gradients_differ_and_favour_no_direction():
    generator = rng()
    mean = np.mean([make_gradient("random", np.eye(2), rng=generator) for _ in range(400)], axis=0)
    assert np.linalg.norm(mean) < 0.15
    assert np.linalg.norm(mean) > 0


@pytest.mark.parametrize("kind", ["worked-example", "symmetric", "non-normal"])
def test_dominant_gradient_grows_by_the_radius_at_every_step(kind):
    """Its path is a straight line as long as rounding has not brought in the other modes."""
    path = log10_gradient_norms(*system(kind, 4, 1.3, gradient="dominant"), 50)
    np.testing.assert_allclose(np.diff(path), math.log10(1.3), rtol=1e-11)


def dominant_pair(n):
    """A matrix whose dominant eigenvalues are a complex pair, and that pair's eigenvector in Wᵀ."""
    for seed in range(100):
        W = make_matrix("gaussian", n, 1.0, rng=rng(seed))
        eigenvalues, vectors = np.linalg.eig(W.T)
        i = np.argmax(np.abs(eigenvalues))
        if abs(eigenvalues[i].imag) > 0.1:
            return W, vectors[:, i]
    raise AssertionError("no complex pair in a hundred draws")


def test_dominant_gradient_lies_in_the_plane_of_a_complex_pair():
    W, q = dominant_pair(6)
    gradient = make_gradient("dominant", W, rng=rng())
    plane = np.linalg.qr(np.column_stack([q.real, q.imag]))[0]
    assert np.linalg.norm(gradient - plane @ (plane.T @ gradient)) < 1e-13


@pytest.mark.parametrize("kind", ["worked-example", "gaussian", "symmetric", "non-normal"])
def test_orthogonal_gradient_has_nothing_on_the_dominant_mode(kind):
    W, gradient = system(kind, 6, 1.0, gradient="orthogonal")
    modes = gradient_modes(W, gradient)
    sizes = np.linalg.norm(modes.vectors, axis=1)
    assert sizes[0] < 1e-13
    assert sizes.max() > 0.1


@pytest.mark.parametrize("kind", ["worked-example", "non-normal"])
def test_orthogonal_gradient_leaves_out_every_mode_of_the_largest_modulus(kind):
    W, gradient = system(kind, 8, 1.0, gradient="orthogonal")
    modes = gradient_modes(W, gradient)
    tied = np.abs(modes.eigenvalues) > 1 - 1e-9
    assert tied.sum() == (4 if kind == "worked-example" else 2)
    assert (np.linalg.norm(modes.vectors, axis=1)[tied] < 1e-12).all()


@pytest.mark.parametrize("kind", OF_ONE_MODULUS)
def test_make_gradient_refuses_orthogonal_where_every_modulus_is_the_same(kind):
    with pytest.raises(ValueError, match=r"^kind must not be 'orthogonal' here"):
        system(kind, 8, 1.0, gradient="orthogonal")


def test_orthogonal_gradient_leaves_out_both_halves_of_a_complex_pair():
    W, _ = dominant_pair(6)
    sizes = np.linalg.norm(gradient_modes(W, make_gradient("orthogonal", W, rng=rng())).vectors, axis=1)
    assert (sizes[:2] < 1e-13).all()


# The spectrum and the modes


@pytest.mark.parametrize("kind", [kind for kind in MATRIX_KINDS if kind != "jordan"])
def test_spectrum_decomposes_W(kind):
    W = make_matrix(kind, 8, 1.1, rng=rng())
    s = spectrum(W)
    residual = W @ s.eigenvectors - s.eigenvectors * s.eigenvalues
    assert np.abs(residual).max() < 1e-13
    np.testing.assert_allclose(np.linalg.norm(s.eigenvectors, axis=0), 1, rtol=1e-14)
    assert (np.diff(np.abs(s.eigenvalues)) <= 0).all()
    assert s.diagonalisable


def test_spectrum_of_a_matrix_worked_by_hand():
    """Eigenvectors (1, 0) and (100, 1)/√10001: cond(Q) = √((1 + c)/(1 − c)) with c their cosine."""
    s = spectrum([[0.5, 10], [0, 0.6]])
    cosine = 100 / mp.sqrt(10_001)
    np.testing.assert_allclose(s.eigenvalues, [0.6, 0.5], rtol=1e-15)
    assert s.condition == pytest.approx(float(mp.sqrt((1 + cosine) / (1 - cosine))), rel=1e-10)
    assert math.prod(s.singular_values) == pytest.approx(0.3, rel=1e-13)
    assert (s.singular_values**2).sum() == pytest.approx(0.25 + 100 + 0.36, rel=1e-14)


def test_eigenvectors_at_right_angles_have_condition_1():
    assert spectrum(make_matrix("symmetric", 12, 1.0, rng=rng())).condition == pytest.approx(1, rel=1e-12)


@pytest.mark.parametrize("n", [2, 3, 16, 256])
def test_jordan_blocks_are_not_diagonalisable(n):
    s = spectrum(make_matrix("jordan", n, 1.0, rng=rng()))
    assert s.condition > 1e14
    assert not s.diagonalisable


@pytest.mark.parametrize("n", [2, 3, 5])
def test_jordan_blocks_in_a_rotated_basis_are_not_diagonalisable(n):
    assert not spectrum(rotated_jordan(n, 1.0)).diagonalisable


@pytest.mark.parametrize("kind", ["worked-example", "gaussian", "orthogonal", "symmetric", "rotation"])
def test_modes_add_up_to_the_path(kind):
    W, gradient = system(kind, 6, 1.05)
    modes, path = gradient_modes(W, gradient), gradient_path(W, gradient, 100)
    for k in (0, 1, 2, 7, 30, 100):
        vector = (modes.eigenvalues[:, None] ** k * modes.vectors).sum(axis=0)
        np.testing.assert_allclose(vector, np.ldexp(path.mantissas[k], path.exponents[k]), atol=1e-11)


@pytest.mark.parametrize("kind", ["worked-example", "gaussian", "orthogonal", "symmetric", "rotation"])
def test_the_textbooks_formula_is_right_where_the_eigenvectors_are(kind):
    W, gradient = system(kind, 6, 0.3)
    found = log10_norms_through_modes(W, gradient, 2000)
    np.testing.assert_allclose(found, log10_gradient_norms(W, gradient, 2000), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(("n", "decades"), [(2, 2), (3, 4), (16, 30)])
def test_the_textbooks_formula_misses_by_decades_on_a_jordan_block(n, decades):
    W, gradient = system("jordan", n, 1.0)
    missed = np.abs(log10_norms_through_modes(W, gradient, 1000) - log10_gradient_norms(W, gradient, 1000))
    assert missed.max() > decades


def test_the_textbooks_formula_is_nan_where_no_inverse_is():
    assert np.isnan(log10_norms_through_modes(*system("jordan", 64, 1.0), 10)).all()


def test_the_textbooks_formula_of_a_zero_matrix_ends_at_once():
    norms = log10_norms_through_modes(np.zeros((2, 2)), [3.0, 4.0], 3)
    np.testing.assert_allclose(norms, [math.log10(5), -np.inf, -np.inf, -np.inf])


def test_modes_of_a_diagonal_matrix_are_the_axes():
    modes = gradient_modes(np.diag([0.5, -2.0]), [3.0, 4.0])
    assert modes.eigenvalues.tolist() == [-2.0, 0.5]
    np.testing.assert_array_equal(modes.vectors, [[0, 4], [3, 0]])


@given(some.seeds, st.integers(0, 10_000))
def test_mode_shares_sum_to_1(seed, step):
    W, gradient = system("gaussian", 5, 0.7, seed=seed)
    shares = mode_shares(gradient_modes(W, gradient), step)
    assert shares.sum() == pytest.approx(1, rel=1e-14)
    assert (shares >= 0).all()


@pytest.mark.parametrize("step", [0, 1, 3, 40])
def test_mode_shares_of_two_axes_are_exact(step):
    large, small = 3 * Fraction(0.9) ** step, 4 * Fraction(0.4) ** step
    shares = mode_shares(gradient_modes(np.diag([0.4, 0.9]), [4.0, 3.0]), step)
    exact = [float(size / (large + small)) for size in (large, small)]
    np.testing.assert_allclose(shares, exact, rtol=1e-13)


def test_mode_shares_where_every_power_is_beyond_float64():
    modes = gradient_modes(np.diag([1e-200, 1e-201, 0.0]), [1.0, 1.0, 1.0])
    np.testing.assert_allclose(mode_shares(modes, 2), [1 / 1.01, 0.01 / 1.01, 0], rtol=1e-13)
    np.testing.assert_allclose(mode_shares(modes, 9000), [1, 0, 0], atol=1e-15)


def test_mode_shares_are_zero_once_every_mode_is_gone():
    modes = gradient_modes(np.zeros((2, 2)), [1.0, 1.0])
    np.testing.assert_array_equal(mode_shares(modes, 0), [0.5, 0.5])
    np.testing.assert_array_equal(mode_shares(modes, 1), [0, 0])


# What is refused

BAD_MATRICES = {
    "2x3": np.ones((2, 3)),
    "0x0": np.zeros((0, 0)),
    "vector": np.ones(4),
    "nan": [[1.0, math.nan], [0.0, 1.0]],
    "inf": [[math.inf]],
    "too-large": [[1e300]],
    "text": [["a"]],
    "complex": [[1j]],
}
TAKE_A_MATRIX = {
    "log10_norms_through_modes": lambda W: log10_norms_through_modes(W, [1.0], 3),
    "scaled_power": lambda W: scaled_power(W, 3),
    "make_gradient": lambda W: make_gradient("random", W, rng=rng()),
    "spectral_radius": spectral_radius,
    "spectrum": spectrum,
    "gradient_modes": lambda W: gradient_modes(W, [1.0]),
    "gradient_path": lambda W: gradient_path(W, [1.0], 3),
    "log10_gradient_norms": lambda W: log10_gradient_norms(W, [1.0], 3),
    "log10_uncertainty": lambda W: log10_uncertainty(W, [1.0], 3, rng=rng()),
    "log10_power_norms": lambda W: log10_power_norms(W, 3),
    "log10_bounds": lambda W: log10_bounds(W, [1.0], 3),
}
TAKE_A_GRADIENT = {
    "log10_norms_through_modes": lambda gradient: log10_norms_through_modes(np.eye(2), gradient, 3),
    "gradient_modes": lambda gradient: gradient_modes(np.eye(2), gradient),
    "gradient_path": lambda gradient: gradient_path(np.eye(2), gradient, 3),
    "log10_gradient_norms": lambda gradient: log10_gradient_norms(np.eye(2), gradient, 3),
    "log10_uncertainty": lambda gradient: log10_uncertainty(np.eye(2), gradient, 3, rng=rng()),
    "log10_bounds": lambda gradient: log10_bounds(np.eye(2), gradient, 3),
}
TAKE_STEPS = {
    "log10_norms_through_modes": lambda steps: log10_norms_through_modes(np.eye(2), np.ones(2), steps),
    "gradient_path": lambda steps: gradient_path(np.eye(2), np.ones(2), steps),
    "log10_gradient_norms": lambda steps: log10_gradient_norms(np.eye(2), np.ones(2), steps),
    "log10_uncertainty": lambda steps: log10_uncertainty(np.eye(2), np.ones(2), steps, rng=rng()),
    "log10_power_norms": lambda steps: log10_power_norms(np.eye(2), steps),
    "log10_bounds": lambda steps: log10_bounds(np.eye(2), np.ones(2), steps),
}


@pytest.mark.parametrize("bad", BAD_MATRICES)
@pytest.mark.parametrize("function", TAKE_A_MATRIX)
def test_matrix_refused(function, bad):
    with pytest.raises(ValueError, match=r"^W must (be a square matrix|hold real|hold finite)"):
        TAKE_A_MATRIX[function](BAD_MATRICES[bad])


@pytest.mark.parametrize("gradient", [[1.0], [[1.0, 2.0]], [1.0, math.nan], [math.inf, 0.0], "ab"], ids=str)
@pytest.mark.parametrize("function", TAKE_A_GRADIENT)
def test_gradient_refused(function, gradient):
    with pytest.raises(ValueError, match=r"^gradient must (have the shape \(2,\)|hold)"):
        TAKE_A_GRADIENT[function](gradient)


@pytest.mark.parametrize("steps", [-1, 2.0, True, None, math.inf], ids=str)
@pytest.mark.parametrize("function", TAKE_STEPS)
def test_steps_refused(function, steps):
    with pytest.raises(ValueError, match=r"^steps must be a whole number, 0 or more, not "):
        TAKE_STEPS[function](steps)


@pytest.mark.parametrize(
    ("kind", "n", "radius", "message"),
    [
        pytest.param("toeplitz", 2, 1.0, "kind must be one of worked-example, gaussian, ", id="kind"),
        pytest.param("gaussian", 0, 1.0, "n must be a whole number, 1 to 256, not 0", id="n-0"),
        pytest.param("gaussian", 257, 1.0, "n must be a whole number, 1 to 256, not 257", id="n-257"),
        pytest.param("gaussian", 2.0, 1.0, "n must be a whole number", id="n-float"),
        pytest.param("gaussian", 2, 0.0, "radius must be a finite number above 0", id="radius-0"),
        pytest.param("gaussian", 2, -1.0, "radius must be a finite number above 0", id="radius-negative"),
        pytest.param("gaussian", 2, math.nan, "radius must be a finite number above 0", id="radius-nan"),
        pytest.param("gaussian", 2, 1.7e308, "radius must ", id="radius-of-infinite-entries"),
        pytest.param("non-normal", 2, 9e299, "radius must ", id="radius-of-entries-that-W-may-not-have"),
    ],
)
def test_make_matrix_refuses(kind, n, radius, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        make_matrix(kind, n, radius, rng=rng())


def test_make_gradient_refuses_an_unknown_kind():
    with pytest.raises(ValueError, match=r"^kind must be one of random, dominant, .*, not 'up'"):
        make_gradient("up", np.eye(2), rng=rng())


@pytest.mark.parametrize("W", [[[2.0]], [[0.6, -0.8], [0.8, 0.6]]], ids=["n-1", "one-complex-pair"])
def test_make_gradient_refuses_orthogonal_where_nothing_is(W):
    with pytest.raises(ValueError, match=r"^kind must not be 'orthogonal' here"):
        make_gradient("orthogonal", W, rng=rng())


@pytest.mark.parametrize("W", [[[1, 1], [0, 1]], rotated_jordan(4, 1.0)], ids=["jordan", "rotated-jordan"])
def test_gradient_modes_refuse_a_defective_matrix(W):
    with pytest.raises(ValueError, match=r"^W must be diagonalisable in float64, but cond\(Q\) is "):
        gradient_modes(W, np.ones(len(W)))


@pytest.mark.parametrize("k", [-1, 0.5, None], ids=str)
def test_scaled_power_refuses(k):
    with pytest.raises(ValueError, match=r"^k must be a whole number, 0 or more, not "):
        scaled_power(np.eye(2), k)


@pytest.mark.parametrize("step", [-1, 0.5, None], ids=str)
def test_mode_shares_refuse(step):
    modes = gradient_modes(np.eye(2), [1.0, 1.0])
    with pytest.raises(ValueError, match=r"^step must be a whole number, 0 or more, not "):
        mode_shares(modes, step)
