"""The words of every language: the keys and {names} of English, bold that renders; no prose in the code."""

from __future__ import annotations

import ast
import re
import string
import tomllib
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pages.shared.words import FOLDER
from tests.conftest import ROOT

SOURCES = [ROOT / "dashboard.py", *(ROOT / "pages").rglob("*.py")]

BOLD = "**"
PROSE = re.compile(r"[^\W\d_]+ [^\W\d_]+")  # two words, a space between
MARKUP = {"HTML"}  # constants that hold no words
TASK_NAMES = {"smart tanh", "basic tanh"}  # the paper's own, as its results file has them
EVALUATION_KEYS = {
    *("auc, middling words", "opening with deletion", "contribution with deletion"),
    *("r within", "later half", "VADER engine"),
}
COMMANDS = (  # what a reader types, and the code of notebooks
    *("python -m ", "import numpy as np\n", "import altair as alt\n"),
)
REVIEWS = {f"gating.texts.{name}" for name in ("book", "sour", "negation", "contrast", "long")}
SAME_IN_CHINESE = {
    *REVIEWS,
    *("gating.texts.hotel", "gating.texts.novel", "common.review.hotel", "common.review.novel"),
    *("gating.fails." + text for text in ("bad", "not_bad", "good", "not_good")),
    *("gating.fails.disappointed", "gating.fails.never_disappointed", "gating.figures.code"),
    *(f"overview.equations.{number}" for number in ("2.17", "2.18", "2.20–2.22", "2.23")),
    *(f"overview.equations.{number}" for number in ("2.24", "2.25", "2.26")),
    *(f"common.{table}.{cell}" for table in ("cell", "learner", "gates") for cell in ("rnn", "lstm", "gru")),
    *("common.network.lstm", "common.network.gru", "common.cells.rnn"),
    *(f"gating.lesson.widest.options.{word}" for word in ("amazing", "cereal", "breakfast", "buying")),
    *("vanishing.gates.left.rnn", "vanishing.gates.left.lstm", "vanishing.gates.left.gru"),
    *("common.start.chrono", "common.activation.tanh", "common.method_names.sgd"),
    *(f"common.axis.{norm}_norm" for norm in ("gradient", "weight_gradient", "error_gradient")),
    *("common.axis.log10_norm", "common.axis.power_norm"),
    *("common.axis.w", "common.axis.b", "gating.short.gradient"),
    *("explosion.powers.equation", "explosion.powers.W", "explosion.powers.transpose"),
    *("explosion.training.cause.inf·0", "explosion.training.cause.inf−inf"),
    *("vanishing.transient.powers", "vanishing.transient.rate"),
    *("vanishing.saturation.tanh", "vanishing.saturation.sigmoid"),
}


def read(language: str) -> dict[str, str]:
    """Every word of a language by its dotted key."""
    return dict(flat(tomllib.loads((FOLDER / f"{language}.toml").read_text(encoding="utf-8"))))


def flat(table: dict[str, Any], above: tuple[str, ...] = ()) -> Iterator[tuple[str, str]]:
    for key, value in table.items():
        if isinstance(value, dict):
            yield from flat(value, (*above, key))
        else:
            yield ".".join((*above, key)), value


def names(text: str) -> set[str]:
    """The {names} in a text; none where it is no format (LaTeX has braces of its own)."""
    try:
        return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}
    except ValueError:
        return set()


LANGUAGES = sorted(file.stem for file in FOLDER.glob("*.toml"))
WORDS = {language: read(language) for language in LANGUAGES}
ENGLISH = WORDS["en"]


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_has_the_keys_of_english(language: str) -> None:
    missing, extra = ENGLISH.keys() - WORDS[language].keys(), WORDS[language].keys() - ENGLISH.keys()
    assert not missing, f"{language}.toml lacks {sorted(missing)}"
    assert not extra, f"{language}.toml has keys that en.toml hasn't: {sorted(extra)}"


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_fills_in_the_same_names(language: str) -> None:
    differing = {
        key: f"{sorted(names(ENGLISH[key]))} in English, {sorted(names(text))} in {language}"
        for key, text in WORDS[language].items()
        if key in ENGLISH and names(text) != names(ENGLISH[key])
    }
    assert not differing


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_text_is_empty(language: str) -> None:
    assert not [key for key, text in WORDS[language].items() if not text.strip()]


def test_chinese_differs_from_english_but_for_names_notation_and_what_english_models_read() -> None:
    same = {key for key, text in WORDS["zh"].items() if text == ENGLISH.get(key)}
    assert not same - SAME_IN_CHINESE, "not translated"
    assert not SAME_IN_CHINESE - same, "listed as the same, but they aren't"


@pytest.mark.parametrize("key", sorted(REVIEWS))
def test_what_english_models_read_stays_english(key: str) -> None:
    assert {words[key] for words in WORDS.values()} == {ENGLISH[key]}


def is_punctuation(character: str) -> bool:
    """Punctuation or a symbol, as CommonMark has it; so is the brace of a {name}, whose value may be one."""
    return unicodedata.category(character)[0] in "PS"


def flanks(before: str, after: str) -> bool:
    """Whether `**` can open bold between two characters; they swap places where it closes."""
    if after.isspace():
        return False
    return not is_punctuation(after) or before.isspace() or is_punctuation(before)


def broken_bold(text: str) -> str | None:
    """What is wrong with the bold of a text, the first that is; None if all of it renders."""
    marks = [found.start() for found in re.finditer(re.escape(BOLD), text)]
    if len(marks) % 2:
        return f"an odd number of {BOLD}"
    padded = f" {text} "
    for k, at in enumerate(marks):
        before, after = padded[at], padded[at + 1 + len(BOLD)]
        opens = k % 2 == 0
        if not (flanks(before, after) if opens else flanks(after, before)):
            return f"{BOLD} doesn't {'open' if opens else 'close'} at …{text[max(0, at - 9) : at + 9]}…"
    crossed = [text[start:end] for start, end in zip(marks[::2], marks[1::2], strict=True)]
    return next((f"a paragraph ends within {part}" for part in crossed if "\n\n" in part), None)


@pytest.mark.parametrize(
    ("text", "fine"),
    [
        ("**字**，字**字**字", True),
        ("**字。** 字", True),
        ("**字。**字", False),
        ("字**“字”**，字", False),
        ("字 **{x}** 字", True),
        ("字**{x}**字", False),
        ("**{x}%**字", False),
        ("（**{x}**）", True),
        ("** 字**", False),
        ("**字", False),
        ("**字\n\n字**", False),
    ],
)
def test_bold_that_markdown_would_not_render_is_found(text: str, fine: bool) -> None:
    assert (broken_bold(text) is None) == fine


@pytest.mark.parametrize("language", LANGUAGES)
def test_all_bold_renders(language: str) -> None:
    assert not {key: wrong for key, text in WORDS[language].items() if (wrong := broken_bold(text))}


def strings(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """The strings of a module, and on which lines: no docstrings, messages of errors, markup or patterns."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.lineno, node.value
        elif isinstance(node, ast.JoinedStr):
            parts = [part.value if isinstance(part, ast.Constant) else "0" for part in node.values]
            yield node.lineno, "".join(map(str, parts))
            for part in node.values:
                if isinstance(part, ast.FormattedValue):
                    yield from strings(part)
        elif not is_beside_the_pages(node):
            yield from strings(node)


def is_beside_the_pages(node: ast.AST) -> bool:
    """A docstring, an error's message, markup or a pattern: not on a page, or no words."""
    match node:
        case ast.Raise() | ast.Expr(value=ast.Constant()):
            return True
        case ast.Assign(targets=[ast.Name(id=name)]):
            return name in MARKUP
        case ast.Call(func=ast.Attribute(value=ast.Name(id="re"))):
            return True
    return False


def prose(source: str) -> list[str]:
    """The strings with two words or more that are neither allowed nor code."""
    return [
        f"line {line}: {text!r}"
        for line, text in strings(ast.parse(source))
        if PROSE.search(text)
        and text not in TASK_NAMES | EVALUATION_KEYS
        and not text.startswith(COMMANDS)
        and not ("datum." in text and "=" in text)  # a Vega expression
    ]


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.name)
def test_no_prose_lives_in_the_code(source: Path) -> None:
    assert not prose(source.read_text(encoding="utf-8"))


def test_prose_in_the_code_is_found() -> None:
    module = '"""A docstring."""\nHTML = "<p>some words</p>"\nraise ValueError("must be one")\nprint({})\n'
    assert not prose(module.format('"word"'))
    assert prose(module.format('"two words"')) == ["line 4: 'two words'"]
    assert prose(module.format('f"{x} of them"')) == ["line 4: '0 of them'"]
    assert prose(module.format("f\"{say('two words')}\"")) == ["line 4: 'two words'"]
