"""Train and test all review models, and write their weights, their figures and their card.

    python -m core.make_weights

About four minutes on two cores. The texts are fetched by pip (see `core.review_data`) into `--texts`, the
rest goes into `--out`. It writes the same bytes each time, on any machine with AVX2 and the same numpy.
"""

import os

if __name__ == "__main__":  # read when numpy is imported: one order of summing, whatever the machine offers
    os.environ |= {"OPENBLAS_NUM_THREADS": "1", "OPENBLAS_CORETYPE": "Haswell"}

import argparse
import hashlib
import json
import multiprocessing
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from core import review_evaluation as ev
from core.arrays import Array
from core.model_card import card
from core.review_data import SOURCES, Rated, Split, chinese, english, lexicon, split
from core.review_training import Recipe, train, vocabulary_of
from core.reviews import WEIGHTS, ReviewModel, packed, unpacked
from core.tokens import tokenize

Figures: TypeAlias = dict[str, Any]

RECIPES = {
    "lstm": Recipe("lstm", economy=True),
    "gru": Recipe("gru", economy=True),
    "lstm-plain": Recipe("lstm", economy=False),
    "gru-plain": Recipe("gru", economy=False),
    "rnn": Recipe("rnn", economy=False),
    "zh-gru": Recipe(
        "gru",
        True,
        price=2 / 3,
        logistic=True,
        pairs=True,
        buckets=8192,
        longest=120,
        epochs=4,
        drop_words=0.3,
    ),
}
SHUFFLED = ("lstm", "gru")  # those that are trained on shuffled ratings as well
SEEDS = (0, 1, 2)  # the first is the one whose weights are kept
CURVES = ("opening", "contribution", "share")


class Job(NamedTuple):
    """One model to train and test."""

    name: str
    seed: int
    shuffled: bool
    texts: Path


class Done(NamedTuple):
    """What came of a job; `content` is the file of weights."""

    job: Job
    content: bytes
    figures: Figures


def run(job: Job) -> Done:
    """Train a model, write it down, and test what was written."""
    recipe, data = RECIPES[job.name], _data(job)
    training = _shuffled(data.training, job.seed) if job.shuffled else data.training
    content = packed(train(job.name, recipe, training, seed=job.seed), recipe.kind)
    return Done(job, content, figures_of(unpacked(job.name, content), data, job))


def figures_of(model: ReviewModel, data: Split, job: Job) -> Figures:
    """All that is measured of a model, on the test fold alone."""
    texts = [text for text in data.test if tokenize(text.text)]
    reads = ev.read_all(model, texts)
    predictions = np.array([read.prediction for read in reads])
    found: Figures = _accuracies(predictions, reads, texts)
    found["agreement"] = {
        f"{a}, {b}": ev.agreement(reads, a, b) for a, b in combinations(_measured(reads), 2)
    }
    found["contribution with deletion"] = ev.agreement(reads, "contribution", "deletion", signed=True)
    found["kept, random"] = ev.kept_correlation(model, reads, _random, ev.KEPT_IN_TABLE)
    if not model.cell.gates:
        return found
    found["later half"] = ev.later_half(model, texts)
    found["opening with deletion"] = ev.agreement(reads, "opening", "deletion")
    found["kept, opening"] = ev.kept_correlation(model, reads, _opening, ev.KEPT_IN_TABLE)
    found["mean opening"] = float(np.mean(np.concatenate([_opening(read) for read in reads])))
    found["largest opening by the median"] = float(
        np.median([_opening(read).max() / np.median(_opening(read)) for read in reads])
    )
    if not model.vocabulary.pairs:
        found |= _aucs(reads, data.training, set(lexicon(job.texts)))
    if job.seed == SEEDS[0] and not job.shuffled:
        found["curves"] = _curves(model, reads)
    return found


def baselines(data: Split, texts: Path) -> Figures:
    """What is reached without a trained network."""
    test = [text for text in data.test if tokenize(text.text)]
    ratings = np.array([text.rating for text in test])
    words = set(lexicon(texts))
    counts = _counts(data.training)
    reads = [ev.Read([token.form for token in tokenize(text.text)], 0.0, {}) for text in test]
    engine = ev.engine_predictions(test, texts)
    tweets = np.array([text.source == "tweets" for text in test])
    bag = ev.bag_of_words(data.training, test, vocabulary_of(data.training, RECIPES["lstm"]))
    scores = {
        "rarity": lambda read: -np.array([counts[form] for form in read.forms], float),
        "word length": lambda read: np.array([len(form) for form in read.forms], float),
        "position": lambda read: np.arange(len(read.forms), dtype=float),
    }
    return {
        "VADER engine": ev.accuracy(engine, ratings)._asdict()
        | {"tweets": float(np.corrcoef(engine[tweets], ratings[tweets])[0, 1])},
        "bag of words": ev.accuracy(bag, ratings)._asdict(),
        **{
            name: {
                "auc": ev.lexicon_auc(reads, score, words),
                "auc, middling words": ev.lexicon_auc(reads, score, words, counts),
            }
            for name, score in scores.items()
        },
    }


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m core.make_weights", description=__doc__)
    parser.add_argument("--texts", type=Path, default=Path(tempfile.gettempdir()) / "rnn-gradient-lab")
    parser.add_argument("--out", type=Path, default=WEIGHTS)
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    asked = parser.parse_args(arguments)
    data = split(english(asked.texts))
    chinese(asked.texts)
    jobs = [Job(name, seed, False, asked.texts) for seed in SEEDS for name in RECIPES]
    jobs += [Job(name, seed, True, asked.texts) for seed in SEEDS for name in SHUFFLED]
    done: list[Done] = []
    _show(done, len(jobs))
    with multiprocessing.get_context("spawn").Pool(asked.processes) as pool:
        for one in pool.imap_unordered(run, jobs):
            done.append(one)
            _show(done, len(jobs))
    evaluation = _rounded(_evaluation(done, data, baselines(data, asked.texts)))
    _write(asked.out, done, evaluation)
    print(card(evaluation))
    return 0


def _data(job: Job) -> Split:
    return split(chinese(job.texts) if RECIPES[job.name].pairs else english(job.texts))


def _shuffled(texts: list[Rated], seed: int) -> list[Rated]:
    order = np.random.default_rng(seed).permutation(len(texts))
    return [text._replace(rating=texts[k].rating) for text, k in zip(texts, order, strict=True)]


def _accuracies(predictions: Array, reads: list[ev.Read], texts: list[Rated]) -> Figures:
    ratings = np.array([text.rating for text in texts])
    if {text.source for text in texts} == {"zh"}:
        return {"accuracy": float(np.mean((predictions > 0) == (ratings > 0.5)))}
    some = {source: np.array([text.source == source for text in texts]) for source in SOURCES}
    some["negation"] = np.array([ev.has_negation(read.forms) for read in reads])
    within = {name: float(np.corrcoef(predictions[k], ratings[k])[0, 1]) for name, k in some.items()}
    return {**ev.accuracy(predictions, ratings)._asdict(), "r within": within}


def _aucs(reads: list[ev.Read], training: list[Rated], words: set[str]) -> Figures:
    return {
        "auc": ev.lexicon_auc(reads, _opening, words),
        "auc, middling words": ev.lexicon_auc(reads, _opening, words, _counts(training)),
    }


def _curves(model: ReviewModel, reads: list[ev.Read]) -> Figures:
    """For each share of words kept, the correlation with the full prediction."""
    scores = {name: lambda read, name=name: np.abs(read.scores[name]) for name in CURVES} | {
        "random": _random
    }
    return {
        name: [ev.kept_correlation(model, reads, score, share) for share in ev.KEPT]
        for name, score in scores.items()
    }


def _measured(reads: list[ev.Read]) -> list[str]:
    return [name for name in ev.QUANTITIES if name in reads[0].scores]


def _opening(read: ev.Read) -> Array:
    return read.scores["opening"]


def _random(read: ev.Read) -> Array:
    seed = int.from_bytes(hashlib.sha1(" ".join(read.forms).encode()).digest()[:8], "big")
    return np.random.default_rng(seed).random(len(read.forms))


def _counts(texts: Iterable[Rated]) -> Counter[str]:
    return Counter(token.form for text in texts for token in tokenize(text.text))


def _evaluation(done: list[Done], data: Split, without_training: Figures) -> Figures:
    def of(name: str, shuffled: bool) -> Figures:
        seeds = sorted(
            (d for d in done if d.job[0] == name and d.job[2] == shuffled), key=lambda d: d.job.seed
        )
        return {"mean": _mean([d.figures for d in seeds]), "seeds": [d.figures for d in seeds]}

    return {
        "texts": {name: len(texts) for name, texts in data._asdict().items()},
        "seeds": list(SEEDS),
        "kept": list(ev.KEPT),
        "models": {name: of(name, shuffled=False) for name in RECIPES},
        "shuffled": {name: of(name, shuffled=True) for name in SHUFFLED},
        "baselines": without_training,
    }


def _mean(figures: list[Figures]) -> Figures:
    """The mean of every number that all have."""
    found: Figures = {}
    common = {name: value for name, value in figures[0].items() if all(name in one for one in figures)}
    for name, value in common.items():
        if isinstance(value, dict) and name != "curves":
            found[name] = _mean([one[name] for one in figures])
        elif isinstance(value, float):
            found[name] = float(np.mean([one[name] for one in figures]))
    return found


def _write(folder: Path, done: list[Done], evaluation: Figures) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    kept = {d.job.name: d.content for d in done if d.job.seed == SEEDS[0] and not d.job.shuffled}
    for name in RECIPES:
        (folder / f"{name}.npz").write_bytes(kept[name])
    sums = {f"{name}.npz": hashlib.sha256(kept[name]).hexdigest() for name in RECIPES}
    (folder / "index.json").write_text(json.dumps({"sha256": sums}, indent=1) + "\n")
    (folder / "evaluation.json").write_text(json.dumps(evaluation, indent=1) + "\n")
    (folder / "README.md").write_text(card(evaluation))


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _rounded(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_rounded(inner) for inner in value]
    return round(value, 4) if isinstance(value, float) else value


def _show(done: list[Done], total: int) -> None:
    bar = "█" * (30 * len(done) // total)
    last = f"{done[-1].job.name}, seed {done[-1].job.seed}" if done else ""
    print(
        f"\r{bar:░<30} {len(done)} of {total}  {last:20}", end="\n" if len(done) == total else "", flush=True
    )


if __name__ == "__main__":
    sys.exit(main())
