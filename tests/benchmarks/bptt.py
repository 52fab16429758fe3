"""How fast a cell's forward and backward pass is beside PyTorch's torch.nn.RNN, GRU and LSTM.

    pip install torch==2.13.0        # the CPU build will do; nothing else here needs it
    python tests/benchmarks/bptt.py

Both sides are given the same parameters, inputs and ∂L/∂h_t, and return the gradients of the
parameters and of the inputs; first, these must agree. One thread each, in one process, RUNS_A_TURN
runs of the one and then of the other, so that both meet the same machine; ours use their arrays
again, as training does. A cell of the table is our time as a share of PyTorch's (medians), and in
brackets the share of our time that its matrix products alone take, run in the same turn. Run it on
an idle machine. It exits with 1 where a ratio is above what is required.
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
from core import bptt
from core.cells import GRU, LSTM, RNN, Cell, product_with, write_product

CELLS = {"RNN": RNN, "GRU": GRU, "LSTM": LSTM}
SMALL, MIDDLE, LARGE = (0.15, 0.15, 0.15), (0.48, 0.60, 0.55), (0.75, 0.85, 0.75)
SMALL32, MIDDLE32, LARGE32 = (0.15, 0.15, 1.35), (0.45, 0.55, 1.2), (0.8, 1.0, 1.2)
REQUIRED = {  # (T, B, X, H): float64, float32
    (50, 1, 16, 16): (SMALL, SMALL32),
    (100, 1, 32, 64): (SMALL, SMALL32),
    (100, 32, 32, 64): (MIDDLE, MIDDLE32),
    (200, 32, 64, 128): (LARGE, LARGE32),
    (400, 64, 64, 256): (LARGE, LARGE32),
}
SECONDS_A_CELL = 6.0
RUNS_A_TURN = 5  # fewer, and each side would mostly meet the caches that the other has filled
FEWEST_RUNS, MOST_RUNS = 6, 400


def their_run(name: str, X: int, H: int, dtype: torch.dtype, x: np.ndarray, d_hidden: np.ndarray):
    """(module, x as a tensor, a function that runs it forward and back)."""
    torch.manual_seed(0)
    module = getattr(torch.nn, name)(X, H).to(dtype)
    tensor = torch.from_numpy(x).requires_grad_()
    direct = torch.from_numpy(d_hidden)

    def run() -> None:
        module.zero_grad()
        tensor.grad = None
        module(tensor)[0].backward(direct)

    return module, tensor, run


def check_agreement(cell: Cell, x: np.ndarray, d_hidden: np.ndarray, module, tensor) -> None:
    gradients = bptt.backpropagate(cell, bptt.unroll(cell, x), d_hidden)
    theirs = {name[:-3]: weights.grad.numpy() for name, weights in module.named_parameters()}
    digits = 1e-10 if x.dtype == np.float64 else 1e-3
    for name, found in (gradients.parameters | {"x": gradients.inputs}).items():
        wanted = tensor.grad.numpy() if name == "x" else theirs[name]
        np.testing.assert_allclose(found, wanted, rtol=0, atol=digits * np.abs(wanted).max())


def products_alone(cell: Cell, T: int, B: int, X: int, H: int, dtype: np.dtype) -> Callable[[], None]:
    """The matrix products of a pass, taken as the pass takes them, and nothing else."""
    at_once = min(T, max(1, bptt.BYTES_AT_ONCE // (6 * H * B * dtype.itemsize)))
    rows = len(cell.parameters["weight_hh"])
    K = X + 1 + H
    if isinstance(cell, GRU):
        each = [(2 * H, K, B), (H, 1 + H, B), (H, rows, B)]
        summed = [(rows, at_once * B, X + 1), (rows, at_once * B, 1 + H)]
        if B > 1:
            each.append((H, X + 1, B))
        else:
            summed.append((T, X + 1, H))
    else:
        each = [(rows, K, B), (H, rows, B)]
        summed = [(rows, at_once * B, K)]
    if B > 1:
        each.append((X, rows, B))
    else:
        summed.append((at_once, rows, X))
    rng = np.random.default_rng(0)

    def operands(m: int, k: int, n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        return (
            rng.standard_normal((m, k)).astype(dtype),
            rng.standard_normal((k, n)).astype(dtype),
            np.empty((m, n), dtype),
        )

    per_step = [(product_with(a, b), b, out) for a, b, out in (operands(*shape) for shape in each)]
    per_chunk = [operands(*shape) for shape in summed]

    def run() -> None:
        for _ in range(T):
            for product, b, out in per_step:
                product(b, out)
        for _ in range(-(-T // at_once)):
            for a, b, out in per_chunk:
                write_product(a, b, out)

    return run


def measure(name: str, T: int, B: int, X: int, H: int, dtype: torch.dtype) -> tuple[float, float]:
    """(our time by theirs, the products' time by ours), medians of runs in turn."""
    kind = np.dtype(str(dtype).removeprefix("torch."))
    rng = np.random.default_rng(0)
    x, d_hidden = (rng.standard_normal((T, B, size)).astype(kind) for size in (X, H))
    module, tensor, theirs = their_run(name, X, H, dtype, x, d_hidden)
    cell = CELLS[name]({key[:-3]: w.detach().numpy().copy() for key, w in module.named_parameters()})
    theirs()
    check_agreement(cell, x, d_hidden, module, tensor)
    trace = bptt.unroll(cell, x)
    gradients = bptt.backpropagate(cell, trace, d_hidden)

    def ours() -> None:
        bptt.backpropagate(cell, bptt.unroll(cell, x, out=trace), d_hidden, out=gradients)

    runs = {"theirs": theirs, "ours": ours, "products": products_alone(cell, T, B, X, H, kind)}
    seconds: dict[str, list[float]] = {side: [] for side in runs}
    end = perf_counter() + SECONDS_A_CELL
    while len(seconds["ours"]) < FEWEST_RUNS or (perf_counter() < end and len(seconds["ours"]) < MOST_RUNS):
        for side, run in runs.items():
            for _ in range(RUNS_A_TURN):
                begin = perf_counter()
                run()
                seconds[side].append(perf_counter() - begin)
    middle = {side: median(taken) for side, taken in seconds.items()}
    return middle["ours"] / middle["theirs"], middle["products"] / middle["ours"]


def main() -> int:
    torch.set_num_threads(1)
    print("    T    B    X    H  type      " + "".join(f"{name:>21}" for name in CELLS))
    misses = 0
    for (T, B, X, H), required in REQUIRED.items():
        for dtype, limits in zip((torch.float64, torch.float32), required, strict=True):
            row = f"{T:5}{B:5}{X:5}{H:5}  {str(dtype)[6:]:10}"
            for name, limit in zip(CELLS, limits, strict=True):
                ratio, share = measure(name, T, B, X, H, dtype)
                misses += ratio > limit
                verdict = ">" if ratio > limit else "≤"
                row += f"{ratio:8.2f} {verdict} {limit:4.2f} ({share:3.0%})"
            print(row, flush=True)
    return int(misses > 0)


if __name__ == "__main__":
    sys.exit(main())
