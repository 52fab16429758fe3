"""How fast log10_gradient_norms is beside the same norms by PyTorch's autograd.

    pip install torch==2.13.0        # the CPU build will do; nothing else here needs it
    python tests/benchmarks/linear.py

Both sides are given W, a gradient and T. PyTorch runs the loop h = W h forward from an h_0 that
requires a gradient, then back from the gradient, and a hook on every h_t takes its norm. Both
work in float64 on one thread, in one process, RUNS_A_TURN runs of the one and then of the other,
so that both meet the same machine; a cell is the ratio of the medians. First, the norms must
agree wherever float64 reaches.

W is orthogonal, of spectral radius 1, so that no norm overflows and none turns subnormal, which
would slow PyTorch down. Run it on an idle machine. It exits with 1 where a ratio is below what
is required: 4 everywhere, 15 for n ≤ 16 with T ≥ 1,000.
"""

import os

os.environ["OPENBLAS_NUM_THREADS"] = os.environ["OMP_NUM_THREADS"] = "1"  # read when numpy is imported

import sys
from collections.abc import Callable
from pathlib import Path
from statistics import median
from time import perf_counter

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parents[2]))
from core.linear import log10_gradient_norms, make_matrix

SIZES = (2, 16, 64, 256)
STEPS = (50, 1000, 10_000)
SECONDS_A_CELL = 6.0
RUNS_A_TURN = 3
FEWEST_RUNS, MOST_RUNS = 9, 300


def norms_by_autograd(W: torch.Tensor, start: torch.Tensor, gradient: torch.Tensor, steps: int) -> np.ndarray:
    """‖∂L/∂h_{T−k}‖ for k = 0 … steps."""
    norms: list[torch.Tensor] = []

    def keep_norm(gradient: torch.Tensor) -> None:
        norms.append(torch.linalg.vector_norm(gradient))

    h = start.detach().requires_grad_()
    h.register_hook(keep_norm)
    for _ in range(steps):
        h = W @ h
        h.register_hook(keep_norm)
    h.backward(gradient)
    return torch.stack(norms).numpy()


def check_agreement(n: int, radius: float, steps: int) -> None:
    """The two sides give the same norms until PyTorch's squares leave the range of float64."""
    W, start, gradient = problem(n, radius)
    theirs = norms_by_autograd(*map(torch.from_numpy, (W, start, gradient)), steps)
    ours = log10_gradient_norms(W, gradient, steps)
    reached = np.abs(ours) < 150
    np.testing.assert_allclose(np.log10(theirs[reached]), ours[reached], rtol=1e-11, atol=1e-11)


def problem(n: int, radius: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(n)
    W = make_matrix("orthogonal", n, radius, rng=rng)
    return W, rng.standard_normal(n), rng.standard_normal(n)


def seconds(n: int, steps: int) -> tuple[float, float, int]:
    """(theirs, ours, runs): the median seconds of each side, run in turn."""
    W, start, gradient = problem(n, 1.0)
    tensors = [torch.from_numpy(array) for array in (W, start, gradient)]
    theirs: list[float] = []
    ours: list[float] = []
    end = perf_counter() + SECONDS_A_CELL
    while len(ours) < FEWEST_RUNS or (perf_counter() < end and len(ours) < MOST_RUNS):
        theirs += turn(lambda: norms_by_autograd(*tensors, steps))
        ours += turn(lambda: log10_gradient_norms(W, gradient, steps))
    return median(theirs), median(ours), len(ours)


def turn(run: Callable[[], np.ndarray]) -> list[float]:
    seconds = []
    for _ in range(RUNS_A_TURN):
        begin = perf_counter()
        run()
        seconds.append(perf_counter() - begin)
    return seconds


def required(n: int, steps: int) -> int:
    return 15 if n <= 16 and steps >= 1000 else 4


def main() -> int:
    torch.set_num_threads(1)
    for n in SIZES:
        for radius in (0.9, 1.0, 1.1):
            check_agreement(n, radius, max(STEPS))
    print("    n      T   autograd ms    core ms   ratio   required   runs")
    misses = 0
    for n in SIZES:
        for steps in STEPS:
            theirs, ours, runs = seconds(n, steps)
            ratio, least = theirs / ours, required(n, steps)
            misses += ratio < least
            milliseconds = f"{theirs * 1e3:13.3f} {ours * 1e3:10.3f}"
            verdict = "" if ratio >= least else "   missed"
            print(f"{n:5} {steps:6} {milliseconds} {ratio:7.1f} {least:10} {runs:6}{verdict}", flush=True)
    return int(misses > 0)


if __name__ == "__main__":
    sys.exit(main())
