"""Temporal order by SGD, by clipped SGD, and with Ω: Pascanu, Mikolov & Bengio 2013, section 4.1.

    python -m experiments.pascanu2013 --setting paper --minutes 20
    python -m experiments.pascanu2013 --setting ours --updates 6500
    python -m experiments.pascanu2013 --speed

How often does a plain RNN learn to say in which order two symbols came (`core.tasks.TemporalOrder`),
the longer the sequence? Fig. 7 of the paper, on its task, with its three starts and 50 hidden units, by
"sgd" (SGD alone), "clip" (the norm of the gradient clipped) and "clip+omega" (the regulariser Ω of its
eq. 9 and 10 as well). A run has succeeded when it gets fewer than 1 % of 10,000 fresh sequences wrong.

The setting "paper": rate 0.01, threshold 1, batches of 20, five seeds. The setting "ours": rate 0.1 and
20 seeds, where a few thousand updates are enough to see a difference. What is *not* the paper's:

- **The budget.** The paper allows 5 million updates; a point here has as many as `updates` says, and what
  isn't solved by then counts as not solved. Nothing is extrapolated.
- **α = 4**, fixed. It is what we take the paper to use; the authors' published code has 2 as its default.
- **Ω** is the sum over k of eq. 9, and a mean over the batch. The authors' code takes squared norms and
  divides by the number of terms; like it, we leave out a k where ‖∂E/∂x_{k+1}‖² is below 10⁻²⁰.
- A run whose parameters are no longer finite is over; a gradient that isn't finite is never repaired.
- h_0 = 0, also for the sigmoid, and biases start at 0, as in the authors' code.

Each point is one process with all its seeds in one batch (`experiments.batched`). The results file is
replaced as a whole after each point: starting again does what is missing, and loses only what was under
way. After `--minutes`, too, points under way are given up and not written, never cut short.
"""

import os

if __name__ == "__main__":
    os.environ["OPENBLAS_NUM_THREADS"] = "1"  # read when numpy is imported

import argparse
import hashlib
import json
import multiprocessing
import signal
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import product
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from core.tasks import TemporalOrder
from experiments import batched
from experiments.batched import INITIALISATIONS, Criterion, Network, Recipe

METHODS = ("sgd", "clip", "clip+omega")
HIDDEN, BATCH = 50, 20
CRITERION = Criterion()
RESULTS = Path("experiments/results/pascanu2013.json")
SECONDS_BETWEEN_LINES = 30.0


Ends: TypeAlias = tuple[int | None, ...]


class Setting(NamedTuple):
    """What all points of a setting share, and what they are unless the command line says otherwise."""

    rate: float
    max_norm: float
    alpha: float
    initialisations: tuple[str, ...]
    lengths: tuple[int, ...]
    seeds: int
    updates: int


SETTINGS = {
    "paper": Setting(0.01, 1.0, 4.0, INITIALISATIONS, (10, 20, 30, 50), 5, 200_000),
    "ours": Setting(0.1, 1.0, 4.0, ("basic tanh", "smart tanh"), (10, 20, 30, 50, 70), 20, 6_500),
}


class Point(NamedTuple):
    """What is run: a place on a curve, for all its seeds."""

    setting: str
    method: str
    initialisation: str
    length: int
    seeds: tuple[int, ...]
    updates: int  # allowed

    @property
    def recipe(self) -> Recipe:
        setting = SETTINGS[self.setting]
        max_norm = None if self.method == "sgd" else setting.max_norm
        return Recipe(setting.rate, max_norm, setting.alpha if self.method == "clip+omega" else 0.0, BATCH)

    @property
    def network(self) -> Network:
        return Network(hidden=HIDDEN, activation="sigmoid" if self.initialisation == "sigmoid" else "tanh")

    def __str__(self) -> str:
        return f"{self.setting}: {self.method}, {self.initialisation}, T = {self.length}"


class Result(NamedTuple):
    """What became of a point."""

    point: Point
    rate: float
    max_norm: float | None
    alpha: float
    check_every: int
    tested: int
    successes: int
    solved_at: Ends  # the check at which each seed had succeeded
    died_at: Ends  # the check that found inf or NaN in its parameters
    seconds: float
    numpy: str

    def __str__(self) -> str:
        solved = [at for at in self.solved_at if at is not None]
        when = f", median at update {median(solved):,.0f}" if solved else ""
        died = sum(at is not None for at in self.died_at)
        return (
            f"{self.point}: {self.successes} of {len(self.point.seeds)} solved by {self.point.updates:,}"
            f"{when}{f', {died} died' if died else ''}; {self.seconds:.0f} s"
        )


def run(point: Point, deadline: float = float("inf")) -> Result | None:
    """Train all seeds of a point; None where the deadline (seconds of `time.time`) passes first."""
    begin = told = time.time()
    solved_at: Ends = (None,) * len(point.seeds)
    died_at = solved_at
    for progress in batched.train(
        *(point.network, TemporalOrder(point.length), point.initialisation, point.recipe),
        seeds=point.seeds,
        updates=point.updates,
        criterion=CRITERION,
    ):
        _, solved_at, died_at = progress
        now = time.time()
        if now > deadline:
            return None
        if now > told + SECONDS_BETWEEN_LINES:
            told = now
            solved = sum(at is not None for at in solved_at)
            print(f"  {point}: {solved} of {len(solved_at)} solved by {progress.update:,} …", flush=True)
    recipe, successes = point.recipe, sum(at is not None for at in solved_at)
    return Result(
        *(point, recipe.rate, recipe.max_norm, recipe.alpha, CRITERION.every, CRITERION.tested),
        *(successes, solved_at, died_at, round(time.time() - begin, 1), np.__version__),
    )


def run_all(
    points: Iterable[Point], path: Path, *, processes: int = 1, deadline: float = float("inf")
) -> list[Result]:
    """Run the points that `path` doesn't hold yet, adding each to it as soon as it is done."""
    points = list(points)
    results = _stored(path)
    known = {result.point for result in results}
    missing = [point for point in points if point not in known]
    print(f"{len(points) - len(missing)} of {len(points)} points are in {path}", flush=True)
    for result in _finished(missing, processes, deadline):
        if result is None:
            continue
        results = [*_stored(path), result]  # read again: the other setting may have written meanwhile
        save_results(path, results)
        print(result, flush=True)
    return results


def _stored(path: Path) -> list[Result]:
    return load_results(path) if path.exists() else []


def _finished(points: Sequence[Point], processes: int, deadline: float) -> Iterator[Result | None]:
    """The result of each point, as they come; a process takes the next when it is done with one."""
    if processes == 1:
        yield from (run(point, deadline) for point in points if time.time() < deadline)
        return
    ignore_stops = (signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all: this process ends the others
    with multiprocessing.get_context("spawn").Pool(processes, signal.signal, ignore_stops) as pool:
        yield from pool.imap_unordered(_run_in_time, [(point, deadline) for point in points])


def _run_in_time(job: tuple[Point, float]) -> Result | None:
    point, deadline = job
    return run(point, deadline) if time.time() < deadline else None


def save_results(path: Path, results: Iterable[Result]) -> None:
    """Replace the file: a point a line, in the order of the points, under a checksum of them all."""
    rows = [_row(result) for result in sorted(results, key=lambda result: result.point)]
    lines = ",\n".join(json.dumps(row) for row in rows)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".new")
    temporary.write_text(f'{{"sha256": "{_checksum(rows)}", "points": [\n{lines}\n]}}\n', encoding="utf-8")
    temporary.replace(path)


def load_results(path: Path) -> list[Result]:
    """The results in a file; ValueError where it has been cut short or changed, or isn't one of ours."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        rows = content["points"]
        whole = content["sha256"] == _checksum(rows)
        results = [_result(row) for row in rows] if whole else []
        _check(results)
    except (ValueError, KeyError, TypeError):  # a JSONDecodeError is a ValueError
        whole = False
    if not whole:
        raise ValueError(f"{path} is damaged, cut short or no results file: restore it or move it away")
    return results


def _row(result: Result) -> dict[str, Any]:
    return result.point._asdict() | {
        name: value for name, value in result._asdict().items() if name != "point"
    }


def _result(row: dict[str, Any]) -> Result:
    if set(row) != {*Point._fields, *Result._fields} - {"point"}:
        raise ValueError("a row must have the names of Point and Result")
    values: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in row.items()
    }
    point = Point(*(values[name] for name in Point._fields))
    return Result(point, *(values[name] for name in Result._fields[1:]))


def _check(results: Sequence[Result]) -> None:
    """ValueError unless the numbers of each result fit each other, and no point is there twice."""
    for result in results:
        point, ends = result.point, list(zip(result.solved_at, result.died_at, strict=True))
        fits = (
            point.setting in SETTINGS
            and point.method in METHODS
            and point.initialisation in INITIALISATIONS
            and len(ends) == len(point.seeds)
            and result.successes == sum(solved is not None for solved, _ in ends)
            and all(None in pair for pair in ends)
            and all(at is None or 0 < at <= point.updates for pair in ends for at in pair)
        )
        if not fits:
            raise ValueError(f"{point} has numbers that don't fit")
    if len({result.point for result in results}) < len(results):
        raise ValueError("a point is there twice")


def _checksum(rows: Any) -> str:
    return hashlib.sha256(json.dumps(rows, sort_keys=True).encode()).hexdigest()


def speed(turns: int = 20) -> None:
    """Print updates × runs a second on one core, and the time beside that of the matrix products alone."""
    print("   T   runs   method       updates × runs a second   times its products alone (medians)")
    for length, runs, method in product((20, 50), (5, 20), ("clip", "clip+omega")):
        point = Point("ours", method, "smart tanh", length, tuple(range(runs)), batched.DRAWN)
        update, products = _update(point), _products(point)
        ours, theirs = [], []
        for _ in range(turns):  # a turn of the one, then of the other: both meet the same machine
            ours.append(_seconds(update))
            theirs.append(_seconds(products))
        each, ratio = median(ours) / batched.DRAWN, median(ours) / median(theirs)
        print(f"{length:4} {runs:6}   {method:10} {runs / each:25,.0f} {ratio:23.2f}", flush=True)


def _update(point: Point) -> Callable[[], None]:
    """DRAWN updates of all runs, the drawing of their batches counted."""
    rngs = [np.random.default_rng(seed) for seed in point.seeds]
    starts = [batched.initial_parameters(point.initialisation, point.network, rng=rng) for rng in rngs]
    parameters = np.array(starts, np.float32)
    room = batched.Room.create(point.network, len(rngs), point.length, BATCH, np.float32)

    def updates() -> None:
        batches = batched.draw(TemporalOrder(point.length), batched.DRAWN, BATCH, rngs, np.float32)
        for x, target in zip(*batches, strict=True):
            batched.update(point.network, parameters, x, target, point.recipe, room)

    return updates


def _products(point: Point) -> Callable[[], None]:
    """The matrix products of DRAWN updates, and nothing else."""
    R, T, X, H, with_omega = len(point.seeds), point.length, 7, HIDDEN, point.method == "clip+omega"
    h, delta = (np.full((R, T, BATCH, H), 0.1, np.float32) for _ in range(2))
    W, step = np.full((R, H, H), 0.01, np.float32), np.empty((R, BATCH, H), np.float32)
    x, W_in = np.ones((R, T * BATCH, X), np.float32), np.ones((R, X, H), np.float32)
    rows, columns = h.reshape(R, T * BATCH, H), delta.reshape(R, T * BATCH, H).swapaxes(1, 2)

    gradient, of_inputs = np.empty((R, H, H), np.float32), np.empty((R, H, X), np.float32)

    def products() -> None:
        for _ in range(batched.DRAWN):
            np.matmul(x, W_in, out=rows)
            for t in range(T):
                np.matmul(h[:, t], W, out=step)
            for t in range(T - 1):
                np.matmul(delta[:, t], W, out=step)
            np.matmul(columns, x, out=of_inputs)
            for _ in range(1 + with_omega):
                np.matmul(columns, rows, out=gradient)

    return products


def _seconds(call: Callable[[], None]) -> float:
    begin = time.perf_counter()
    call()
    return time.perf_counter() - begin


def grid(arguments: argparse.Namespace) -> list[Point]:
    """The points that are asked for, short sequences first."""
    name, setting = arguments.setting, SETTINGS[arguments.setting]
    seeds = tuple(range(arguments.seeds or setting.seeds))
    lengths = sorted(arguments.lengths or setting.lengths)
    starts = arguments.initialisations or setting.initialisations
    updates = arguments.updates or setting.updates
    return [
        Point(name, method, start, length, seeds, updates)
        for length, start, method in product(lengths, starts, arguments.methods)
    ]


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m experiments.pascanu2013",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--setting", choices=SETTINGS, default="paper")
    parser.add_argument("--updates", type=_count, help="allowed a run, a multiple of 100")
    parser.add_argument("--minutes", type=float, help="after which points under way are given up")
    parser.add_argument("--lengths", type=_count, nargs="+")
    parser.add_argument("--methods", choices=METHODS, nargs="+", default=METHODS)
    parser.add_argument("--initialisations", choices=INITIALISATIONS, nargs="+")
    parser.add_argument("--seeds", type=_count, help="how many: 0, 1, …")
    parser.add_argument("--processes", type=_count, default=os.cpu_count() or 1)
    parser.add_argument("--out", type=Path, default=RESULTS)
    parser.add_argument(
        "--speed", action="store_true", help="print how fast an update is, and do nothing else"
    )
    found = parser.parse_args(arguments)
    if found.updates and found.updates % CRITERION.every:
        parser.error(f"--updates must be a multiple of {CRITERION.every}")
    return found


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"must be a whole number above 0, not {text!r}")
    return int(text)


def main(arguments: Sequence[str] | None = None) -> int:
    found = parse(arguments)
    if found.speed:
        speed()
        return 0
    deadline = float("inf") if found.minutes is None else time.time() + 60 * found.minutes
    points = grid(found)
    try:
        results = run_all(points, found.out, processes=found.processes, deadline=deadline)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("stopped: start again for the rest", file=sys.stderr)
        return 130
    done = {result.point for result in results}
    missing = sum(point not in done for point in points)
    print(
        f"{len(points) - missing} of {len(points)} points done"
        + (": start again for the rest" if missing else "")
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
