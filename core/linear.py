"""The linear RNN h_t = W h_{t−1} + U x_t: why its gradient is multiplied by a power of W.

Back through k steps, ∂L/∂h_{t−k} = (Wᵀ)^k ∂L/∂h_t: a power, not a transpose. Everything here
follows that product where float64 cannot, at 10⁻⁵⁰⁰⁰ as well as at 10⁺⁵⁰⁰⁰. Column vectors, as
in Goodfellow, Bengio & Courville 2016, section 10.7.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from core.arrays import (
    LARGEST_ENTRY,
    LOG10_2,
    Array,
    ComplexArray,
    aligned_empty,
    as_matrix,
    as_vector,
    check_choice,
    check_count,
    check_positive,
    log10_norms,
)

LARGEST_SIZE = 256
STEPS_BETWEEN_RESCALES = 256
ENTRIES_IN_A_BLOCK = 2**20  # 8 MiB: fewer steps where each is a whole matrix
SAFE_SQUARES = (2.0**-900, 2.0**900)  # of the norms in a block: half of float64's range, to be safe
UNCERTAINTY_DRAWS = 3
TIE = 1e-9  # moduli closer than this, relatively, count as one
DEFECTIVE_CONDITION = 1e7  # from here on Q costs seven of float64's sixteen digits, or more


class Spectrum(NamedTuple):
    """What W = Q Λ Q⁻¹ looks like, eigenvalues from the largest modulus down."""

    eigenvalues: ComplexArray  # (n,)
    eigenvectors: ComplexArray  # (n, n), the columns of Q, each of norm 1
    singular_values: Array  # (n,), from the largest down
    radius: float  # max |λ|
    condition: float  # cond(Q) = ‖Q‖‖Q⁻¹‖
    diagonalisable: bool  # in float64: cond(Q) is below DEFECTIVE_CONDITION


class Modes(NamedTuple):
    """A gradient as a sum of modes: (Wᵀ)^k g = Σ_i λ_i^k m_i."""

    eigenvalues: ComplexArray  # (n,)
    vectors: ComplexArray  # (n, n), row i is m_i = (q_iᵀ g) · row i of Q⁻¹


class Block(NamedTuple):
    """Some of the products (Wᵀ)^k · first, in order: products · 2**exponent."""

    products: Array  # (K, ...)
    exponent: int
    squares: Array  # (K,), the sum of the squares of each product's entries


class GradientPath(NamedTuple):
    """(Wᵀ)^k g for k = 0 … steps, row k being mantissas[k] · 2**exponents[k].

    Every mantissa but zero is of a size whose square float64 holds.
    """

    mantissas: Array  # (steps + 1, n)
    exponents: Array  # (steps + 1,), whole numbers


def _worked_example(n: int, _rng: np.random.Generator) -> Array:
    block = np.array([[0.58, 0.24], [0.24, 0.72]])  # eigenvalues 0.9 and 0.4
    return np.kron(np.eye((n + 1) // 2), block)[:n, :n]


def gaussian_matrix(n: int, rng: np.random.Generator) -> Array:
    """(n, n), entries N(0, 1/n): a spectral radius of about 1."""
    return rng.standard_normal((n, n)) / math.sqrt(n)


def orthogonal_matrix(n: int, rng: np.random.Generator) -> Array:
    """(n, n), uniform over the orthogonal group (Mezzadri 2007)."""
    q, r = np.linalg.qr(rng.standard_normal((n, n)))
    return q * np.sign(np.diag(r))  # the signs make it uniform over the orthogonal group


def _symmetric(n: int, rng: np.random.Generator) -> Array:
    a = rng.standard_normal((n, n))
    return (a + a.T) / math.sqrt(2 * n)


def _rotation(n: int, rng: np.random.Generator) -> Array:
    W = np.eye(n)
    for i in range(0, n - 1, 2):
        angle = rng.uniform(0, math.pi)
        c, s = math.cos(angle), math.sin(angle)
        W[i : i + 2, i : i + 2] = [[c, -s], [s, c]]
    return W


def _non_normal(n: int, rng: np.random.Generator) -> Array:
    above = np.triu(rng.choice([-1.0, 1.0], size=(n, n)), k=1)
    return np.diag(np.linspace(1, -1, n)) + 5 / math.sqrt(n) * above


def _jordan(n: int, _rng: np.random.Generator) -> Array:
    return 0.9 * np.eye(n) + np.eye(n, k=1)


_BUILDERS: dict[str, Callable[[int, np.random.Generator], Array]] = {
    "worked-example": _worked_example,
    "gaussian": gaussian_matrix,
    "orthogonal": orthogonal_matrix,
    "symmetric": _symmetric,
    "rotation": _rotation,
    "non-normal": _non_normal,
    "jordan": _jordan,
}
MATRIX_KINDS = tuple(_BUILDERS)
GRADIENT_KINDS = ("random", "dominant", "orthogonal", "unit")


def make_matrix(kind: str, n: int, radius: float, *, rng: np.random.Generator) -> Array:
    """An (n, n) matrix of a kind in MATRIX_KINDS, scaled so that its spectral radius is `radius`.

    worked-example  [[.58, .24], [.24, .72]], repeated along the diagonal beyond n = 2
    gaussian        entries N(0, 1/n)
    orthogonal      uniform over the orthogonal group
    symmetric       real eigenvalues, orthogonal eigenvectors
    rotation        2 × 2 rotations: complex pairs of one modulus
    non-normal      upper triangular, ±5/√n above a diagonal that runs evenly from 1 to −1
    jordan          one defective block: .9 on the diagonal, 1 above it, before scaling

    ValueError for an unknown kind, n outside 1 … 256, or a radius that isn't above 0.
    """
    check_choice("kind", kind, MATRIX_KINDS)
    check_count("n", n, 1, LARGEST_SIZE)
    check_positive("radius", radius)
    W = _BUILDERS[kind](n, rng)
    with np.errstate(over="ignore", invalid="ignore"):
        W = W * (radius / spectral_radius(W))
    if not np.all(np.abs(W) < LARGEST_ENTRY):
        raise ValueError(f"radius must leave every entry of W below {LARGEST_ENTRY:g}, not {radius!r}")
    return _on_a_cache_line(W)


def make_gradient(kind: str, W: ArrayLike, *, rng: np.random.Generator) -> Array:
    """A gradient ∂L/∂h_t of norm 1, shape (n,), of a kind in GRADIENT_KINDS.

    random      uniform in direction
    dominant    along an eigenvector of Wᵀ whose |λ| is the largest: the purest growth
    orthogonal  random, less what it has along the eigenvectors of W whose |λ| is the largest, so
                that no component lies on those modes
    unit        (1, 0, …, 0)

    ValueError for an unknown kind, a W that isn't a finite square matrix, or when nothing is
    orthogonal to the dominant modes (n = 1, or every |λ| the same).
    """
    check_choice("kind", kind, GRADIENT_KINDS)
    W = as_matrix("W", W)
    n = len(W)
    if kind == "unit":
        return _unit(np.eye(n)[0])
    if kind == "dominant":
        return _unit(_dominant_direction(W.T))
    random = rng.standard_normal(n)
    if kind == "random":
        return _unit(random)
    plane = _dominant_plane(W)
    if plane.shape[1] == n:
        raise ValueError("kind must not be 'orthogonal' here: the dominant mode fills the whole space")
    return _unit(random - plane @ (plane.T @ random))


def _dominant_direction(W: Array) -> Array:
    eigenvalues, vectors = np.linalg.eig(W)
    q = vectors[:, np.argmax(np.abs(eigenvalues))]
    return np.asarray(q.real if q.real.any() else q.imag)


def _dominant_plane(W: Array) -> Array:
    """An orthonormal basis (n, d) of the real span of the eigenvectors whose |λ| is the largest."""
    eigenvalues, vectors = np.linalg.eig(W)
    sizes = np.abs(eigenvalues)
    dominant = vectors[:, sizes >= (1 - TIE) * sizes.max()]
    left, singular_values, _ = np.linalg.svd(np.column_stack([dominant.real, dominant.imag]))
    return left[:, : int(np.sum(singular_values > TIE**0.5 * singular_values[0]))]


def _unit(vector: Array) -> Array:
    return vector / np.linalg.norm(vector)


def spectral_radius(W: ArrayLike) -> float:
    """max |λ| over the eigenvalues of W."""
    return float(np.max(np.abs(np.linalg.eigvals(as_matrix("W", W)))))


def spectrum(W: ArrayLike) -> Spectrum:
    """Eigenvalues, eigenvectors and singular values of W, for showing, never for computing powers.

    Raises ValueError unless W is square, not empty and finite.
    """
    W = as_matrix("W", W)
    eigenvalues, vectors = np.linalg.eig(W)
    order = np.argsort(-np.abs(eigenvalues), kind="stable")
    condition = float(np.linalg.cond(vectors))
    return Spectrum(
        eigenvalues=eigenvalues[order].astype(np.complex128),
        eigenvectors=vectors[:, order].astype(np.complex128),
        singular_values=np.linalg.svd(W, compute_uv=False),
        radius=float(np.max(np.abs(eigenvalues))),
        condition=condition,
        diagonalisable=condition < DEFECTIVE_CONDITION,
    )


def gradient_modes(W: ArrayLike, gradient: ArrayLike) -> Modes:
    """The modes of a gradient: (Wᵀ)^k g = Σ_i λ_i^k (q_iᵀ g) p_i, with p_i the rows of Q⁻¹.

    From W = Q Λ Q⁻¹ follows (Wᵀ)^k = Q⁻ᵀ Λ^k Qᵀ. ValueError where W is not diagonalisable in
    float64, for then the modes are larger than the gradient that they should add up to.
    """
    W = as_matrix("W", W)
    gradient = as_vector("gradient", gradient, len(W))
    s = spectrum(W)
    if not s.diagonalisable:
        raise ValueError(f"W must be diagonalisable in float64, but cond(Q) is {s.condition:.1e}")
    coefficients = s.eigenvectors.T @ gradient
    return Modes(s.eigenvalues, coefficients[:, None] * np.linalg.inv(s.eigenvectors))


def mode_shares(modes: Modes, step: int) -> Array:
    """Each mode's share |λ_i|^k ‖m_i‖ / Σ_j |λ_j|^k ‖m_j‖ of the gradient k steps back, (n,).

    The sizes are compared as logarithms, so that the shares are right when every λ^k is beyond
    float64. Their sum is 1 unless every mode is gone.
    """
    check_count("step", step, 0)
    with np.errstate(divide="ignore"):
        log_rates = np.log(np.abs(modes.eigenvalues))
        log_sizes = np.log(np.linalg.norm(modes.vectors, axis=1))
    log_sizes = log_sizes + step * log_rates if step else log_sizes
    if np.isneginf(log_sizes).all():
        return np.zeros(len(log_sizes))
    sizes: Array = np.exp(log_sizes - log_sizes.max())
    shares: Array = sizes / sizes.sum()
    return shares


def log10_norms_through_modes(W: ArrayLike, gradient: ArrayLike, steps: int) -> Array:
    """log10 ‖(Q Λ^k Q⁻¹)ᵀ g‖₂, k = 0 … steps: the textbook's formula taken at its word, (steps + 1,).

    Only for showing how far it misses where cond(Q) is large: by dozens of decades for a Jordan
    block. NaN throughout where Q has no inverse in float64. Raises as `gradient_path` does.
    """
    W = as_matrix("W", W)
    gradient = as_vector("gradient", gradient, len(W))
    check_count("steps", steps, 0)
    s = spectrum(W)
    try:
        modes = (s.eigenvectors.T @ gradient)[:, None] * np.linalg.inv(s.eigenvectors)
    except np.linalg.LinAlgError:
        return np.full(steps + 1, math.nan)
    relative = s.eigenvalues / s.radius if s.radius > 0 else s.eigenvalues
    k = np.arange(steps + 1)
    with np.errstate(divide="ignore", under="ignore"):
        sums = np.abs(relative[None, :] ** k[:, None] @ modes)
    return log10_norms(sums) + k * (math.log10(s.radius) if s.radius > 0 else 0.0)


def gradient_path(W: ArrayLike, gradient: ArrayLike, steps: int) -> GradientPath:
    """The vectors (Wᵀ)^k g for k = 0 … steps, as mantissas and powers of two.

    Raises ValueError for a W that isn't square and finite, a gradient of another length, or a
    negative number of steps.
    """
    W = as_matrix("W", W)
    gradient = as_vector("gradient", gradient, len(W))
    blocks = list(_scaled_products(gradient, W, steps))
    return GradientPath(
        np.concatenate([block.products for block in blocks]),
        np.concatenate([np.full(len(block.products), block.exponent) for block in blocks]),
    )


def log10_gradient_norms(W: ArrayLike, gradient: ArrayLike, steps: int) -> Array:
    """log10 ‖(Wᵀ)^k g‖₂ for k = 0 … steps, shape (steps + 1,); −inf for zero.

    Right where float64 has long overflowed or underflowed, and never through eigenvectors.
    Raises as `gradient_path` does.
    """
    W = as_matrix("W", W)
    gradient = as_vector("gradient", gradient, len(W))
    with np.errstate(divide="ignore"):
        return np.concatenate(
            [
                0.5 * np.log10(squares) + exponent * LOG10_2
                for _, exponent, squares in _scaled_products(gradient, W, steps)
            ]
        )


def log10_uncertainty(W: ArrayLike, gradient: ArrayLike, steps: int, *, rng: np.random.Generator) -> Array:
    """How far log10 ‖(Wᵀ)^k g‖ moves when each entry of W and g moves by its last digit, (steps + 1,).

    What float64 itself can't know about the path, however it is computed: next to nothing for
    most matrices, up to whole decades for a defective W in a rotated basis, or for a gradient
    with nothing on the dominant mode but its rounding; inf where only a last digit tells a path
    from zero. The largest of a few random draws, so an order of size. Raises as `gradient_path`
    does.
    """
    W = as_matrix("W", W)
    gradient = as_vector("gradient", gradient, len(W))
    norms = log10_gradient_norms(W, gradient, steps)
    largest = np.zeros(steps + 1)
    for _ in range(UNCERTAINTY_DRAWS):
        last_digit = np.finfo(np.float64).eps * rng.choice([-1.0, 1.0], size=(len(W) + 1, len(W)))
        moved = log10_gradient_norms(W * (1 + last_digit[:-1]), gradient * (1 + last_digit[-1]), steps)
        with np.errstate(invalid="ignore"):  # −inf − (−inf): zero stays zero
            largest = np.maximum(largest, np.nan_to_num(np.abs(moved - norms), posinf=np.inf))
    return largest


def log10_power_norms(W: ArrayLike, steps: int) -> Array:
    """log10 ‖W^k‖₂ (the largest singular value of the k-th power), k = 0 … steps, (steps + 1,).

    Raises ValueError for a W that isn't square and finite, or a negative number of steps.
    """
    W = as_matrix("W", W)
    with np.errstate(divide="ignore"):
        return np.concatenate(
            [
                np.log10(np.linalg.norm(powers, 2, axis=(1, 2))) + exponent * LOG10_2
                for powers, exponent, _ in _scaled_products(np.eye(len(W)), W, steps)
            ]
        )


def scaled_power(W: ArrayLike, k: int) -> tuple[Array, float]:
    """(P, s) with W^k = P · 10^s: P (n, n) has a largest entry from ½ to 1, or is zero.

    Multiplied out step by step, never through eigenvectors. Raises ValueError for a W that isn't
    square and finite, or a negative k.
    """
    W = as_matrix("W", W)
    check_count("k", k, 0)
    for powers, exponent, _ in _scaled_products(np.eye(len(W)), W.T, k):
        last, so_far = powers[-1], exponent
    P, shift = _normalised(last)
    return P, (so_far + shift) * LOG10_2


def log10_bounds(W: ArrayLike, gradient: ArrayLike, steps: int) -> tuple[Array, Array]:
    """(lower, upper), each (steps + 1,): k·log10 σ_min + log10 ‖g‖ and k·log10 σ_max + log10 ‖g‖.

    No path can leave them; ρ(W) < 1 alone promises no bound at any one step. Where the computed
    σ_min is no larger than its rounding, n·eps·σ_max, it promises nothing and counts as 0. Raises
    as `gradient_path` does.
    """
    W = as_matrix("W", W)
    gradient = as_vector("gradient", gradient, len(W))
    check_count("steps", steps, 0)
    singular_values = np.linalg.svd(W, compute_uv=False)
    largest, smallest = singular_values[0], singular_values[-1]
    known = smallest > len(W) * np.finfo(np.float64).eps * largest
    start = float(log10_norms(gradient))
    return _line(start, smallest if known else 0.0, steps), _line(start, largest, steps)


def _line(start: float, rate: float, steps: int) -> Array:
    with np.errstate(divide="ignore"):
        slope = np.log10(rate)
    line = np.full(steps + 1, start)
    line[1:] += np.arange(1, steps + 1) * slope
    return line


def _scaled_products(first: Array, W: Array, steps: int) -> Iterator[Block]:
    """Yield, block by block, (Wᵀ)^k · first for k = 0 … steps.

    A block begins with a product scaled to about 1 by a power of two, which is exact, and is
    multiplied out plainly from there. One that leaves SAFE_SQUARES on the way is done again at half
    the length, down to the first product alone. So every mantissa but zero is of a size whose
    square float64 holds.
    """
    check_count("steps", steps, 0)
    multiply = _on_a_cache_line(W).T.dot  # the method: np.dot costs twice as much where n is small
    start, exponent = _normalised(first)
    missing, longest = steps + 1, min(STEPS_BETWEEN_RESCALES, max(1, ENTRIES_IN_A_BLOCK // first.size))
    while True:
        products = np.empty((min(longest, missing), *first.shape))
        products[0] = latest = start
        with np.errstate(over="ignore", under="ignore", invalid="ignore"):
            for row in products[1:]:
                latest = multiply(latest, row)
            squares = _squares(products)
        if len(products) > 1 and not SAFE_SQUARES[0] < squares.min() <= squares.max() < SAFE_SQUARES[1]:
            longest = len(products) // 2
            continue
        yield Block(products, exponent, squares)
        missing -= len(products)
        if not missing:
            return
        latest, shift = _normalised(latest)  # or the next product might overflow
        start, next_shift = _normalised(multiply(latest))
        exponent += shift + next_shift


def _on_a_cache_line(W: Array) -> Array:
    """W, or a copy of it, that begins on half a cache line: a product takes a sixth less time at n = 256."""
    address = W.__array_interface__["data"][0]
    if W.flags.c_contiguous and address % 32 == 0:
        return W
    copy = aligned_empty(W.shape, W.dtype)
    copy[:] = W
    return copy


def _normalised(array: Array) -> tuple[Array, int]:
    """`array` scaled by a power of two so that its largest entry is from ½ to 1, and the exponent."""
    shift = math.frexp(float(np.max(np.abs(array))))[1]
    return np.ldexp(array, -shift), shift


def _squares(arrays: Array) -> Array:
    """The sum of the squares of the entries of arrays[k], for each k."""
    rows = arrays.reshape(len(arrays), -1)
    squares: Array = np.einsum("ki,ki->k", rows, rows)
    return squares
