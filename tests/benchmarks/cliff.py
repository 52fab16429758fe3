"""How long the error surface of the cliff and its gradient take beside PyTorch's autograd.

    pip install torch==2.13.0        # the CPU build will do; nothing else here needs it
    python tests/benchmarks/cliff.py

Both sides are given a grid of SIDE × SIDE pairs of w and b, and return E, ∂E/∂w and ∂E/∂b at each.
PyTorch runs the 50 steps on tensors that require a gradient, then back from the sum of E. Both work
in float64 on one thread, in one process, one run of the one and then of the other, so that both meet
the same machine; printed are the medians and their ratio. First, the two must agree. Run it on an
idle machine. It exits with 1 where ours takes longer.
"""

import os

os.environ["OPENBLAS_NUM_THREADS"] = os.environ["OMP_NUM_THREADS"] = "1"  # read when numpy is imported

import sys
from pathlib import Path
from statistics import median
from time import perf_counter

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parents[2]))
from core.cliff import START, STEPS, TARGET, error

SIDE = 200
SECONDS = 12.0
FEWEST_RUNS = 9


def grid() -> tuple[np.ndarray, np.ndarray]:
    """The part of the surface that figure 6 shows, with the wall across it."""
    return np.meshgrid(np.linspace(2, 7, SIDE), np.linspace(-3.5, -1, SIDE))


def by_autograd(w: torch.Tensor, b: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    w, b = (values.detach().requires_grad_() for values in (w, b))
    x = torch.full_like(w, START)
    for _ in range(STEPS):
        x = w * torch.sigmoid(x) + b
    value = (torch.sigmoid(x) - TARGET) ** 2
    value.sum().backward()
    return value.detach(), w.grad, b.grad


def check_agreement(w: np.ndarray, b: np.ndarray) -> None:
    """The same to 8 digits: on the wall each rounding error grows 10⁶-fold, in the one as in the other."""
    theirs = by_autograd(torch.from_numpy(w), torch.from_numpy(b))
    for found, wanted in zip(error(w, b), theirs, strict=True):
        wanted = wanted.numpy()
        np.testing.assert_allclose(found, wanted, rtol=1e-8)


def main() -> int:
    torch.set_num_threads(1)
    w, b = grid()
    check_agreement(w, b)
    tensors = torch.from_numpy(w), torch.from_numpy(b)
    sides = {"theirs": lambda: by_autograd(*tensors), "ours": lambda: error(w, b)}
    seconds: dict[str, list[float]] = {side: [] for side in sides}
    end = perf_counter() + SECONDS
    while len(seconds["ours"]) < FEWEST_RUNS or perf_counter() < end:
        for side, run in sides.items():
            begin = perf_counter()
            run()
            seconds[side].append(perf_counter() - begin)
    theirs, ours = (median(seconds[side]) for side in ("theirs", "ours"))
    print(f"autograd {theirs * 1e3:8.2f} ms    core {ours * 1e3:8.2f} ms    ratio {theirs / ours:5.2f}")
    print(f"{SIDE} × {SIDE} pairs, {STEPS} steps, medians of {len(seconds['ours'])} runs each")
    return int(ours > theirs)


if __name__ == "__main__":
    sys.exit(main())
