"""Who learns to add two numbers across 100 steps: the RNN, the LSTM or the GRU.

    python tests/benchmarks/adding.py

The adding problem (`core.tasks.Adding`): of 100 values in [0, 1] two are marked, one in each half, and
at the end their sum is asked for. Always saying 1 costs 1/6 = 0.1667. Each cell is given the same
number of updates by the same Adam, on batches of the same size, clipped to the same norm, and every
seed draws the same batches for all three; LSTM and GRU have chrono biases (`longest`), the tanh RNN
has no gate to set. Each is then tested on 1,000 sequences that it hasn't seen.

It exits with 1 unless every LSTM and GRU ends below 0.01 and every RNN above 0.1.
"""

import os

os.environ["OPENBLAS_NUM_THREADS"] = "1"  # read when numpy is imported

import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from time import perf_counter

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))
from core.cells import GRU, LSTM, RNN, Cell
from core.optimizers import Adam
from core.tasks import Adding
from core.training import Model, evaluate, train

TASK = Adding(100)
HIDDEN = 32
UPDATES, SIZE, RATE, MAX_NORM = 700, 32, 0.02, 1.0
SEEDS = (0, 1, 2)
TESTED = 1000  # sequences
CELLS: dict[str, Callable[..., Cell]] = {
    "RNN": RNN.create,
    "LSTM": partial(LSTM.create, longest=TASK.length),
    "GRU": partial(GRU.create, longest=TASK.length),
}
LEARNED, NOT_LEARNED = 0.01, 0.1


def cost(name: str, seed: int) -> tuple[float, float]:
    """(mean square error on fresh sequences, seconds of training)."""
    parameters, batches, fresh = (np.random.default_rng([seed, use]) for use in range(3))
    model = Model.create(CELLS[name](TASK.inputs, HIDDEN, rng=parameters), TASK.outputs, rng=parameters)
    begin = perf_counter()
    run = train(
        *(model, TASK), rng=batches, updates=UPDATES, optimizer=Adam(RATE), size=SIZE, max_norm=MAX_NORM
    )
    for progress in run:
        model = progress.model
    seconds = perf_counter() - begin
    return evaluate(model, TASK.draw(TESTED, rng=fresh)).value, seconds


def main() -> int:
    print(f"cell   seed   updates   mean square error   seconds      (T = {TASK.length}; saying 1: 0.1667)")
    misses = 0
    for name in CELLS:
        for seed in SEEDS:
            error, seconds = cost(name, seed)
            hit = error > NOT_LEARNED if name == "RNN" else error < LEARNED
            misses += not hit
            row = f"{name:4} {seed:6} {UPDATES:9} {error:19.4f} {seconds:9.1f}"
            print(row + ("" if hit else "   missed"), flush=True)
    return int(misses > 0)


if __name__ == "__main__":
    sys.exit(main())
