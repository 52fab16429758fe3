"""What the pages share: words, numbers, thinning, charts, and how they are put together."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pages.shared import charts, frames, order_run
from pages.shared.frames import Line
from pages.shared.numbers import from_log10, plain, power_of_ten
from pages.shared.own_matrix import from_link, to_link
from pages.shared.thinning import MOST_POINTS, thin
from pages.shared.words import Words
from tests.conftest import ROOT

WORDS = Words("en", "explosion")
PAIR = order_run.Settings(length=10, units=4, rate=0.1, threshold=1, activation="tanh", seed=0)
SOURCES = [ROOT / "dashboard.py", *(ROOT / "pages").rglob("*.py")]

rough_paths = arrays(np.float64, st.integers(1, 2000), elements=st.floats(-1e4, 1e4))


@given(rough_paths)
def test_thinning_keeps_the_ends_in_order_and_at_most_200_points(y: np.ndarray) -> None:
    kept = thin(y)
    assert len(kept) <= MOST_POINTS
    assert len(y) > MOST_POINTS or len(kept) == len(y)
    assert kept[0] == 0
    assert kept[-1] == len(y) - 1
    assert (np.diff(kept) > 0).all()


@given(st.integers(1, 1998), st.floats(-10, 10))
def test_thinning_keeps_a_lone_peak_whatever_line_is_added(peak: int, slope: float) -> None:
    y = slope * np.arange(2000.0)
    y[peak] += 50
    assert peak in thin(y)


def test_a_thinned_path_lies_on_the_whole_one() -> None:
    k = np.arange(10_001)
    path = 3 * np.log10(1 + k) - k * 0.0004 + 5 * np.exp(-(((k - 777) / 5) ** 2))
    kept = thin(path)
    assert np.abs(np.interp(k, kept, path[kept]) - path).max() < 0.05


@pytest.mark.parametrize(
    ("log10_value", "text"),
    [
        (41.4, "2.5·10⁴¹"),
        (-5000.0, "10⁻⁵⁰⁰⁰"),
        (0.0, "1"),
        (np.log10(0.125), "0.125"),
        (np.log10(3700), "3,700"),
        (-3.0, "10⁻³"),
        (4.9999, "10⁵"),
        (-np.inf, "0"),
        (np.inf, "∞"),
        (np.nan, "NaN"),
    ],
)
def test_numbers_read_as_powers_of_ten(log10_value: float, text: str) -> None:
    assert from_log10(log10_value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.9, "0.9"), (6.5788, "6.58"), (117.39, "117"), (0.0, "0"), (-2.5, "−2.5"), (1.001, "1")],
)
def test_plain_numbers_have_about_three_digits(value: float, text: str) -> None:
    assert plain(value) == text
    assert power_of_ten(-38) == "10⁻³⁸"


@given(arrays(np.float64, (3, 3), elements=st.floats(-1e6, 1e6)))
def test_a_matrix_survives_its_link(W: np.ndarray) -> None:
    assert (from_link(to_link(W) or "") == W).all()


FRAMES = {
    charts.gradient_path: None,
    charts.cliff: None,
    charts.cliff_norms: frames.lines([Line("a", "neutral", np.arange(5.0))]),
    charts.arrows: frames.arrows(Words("en", "clipping"), {"norm": [(0.0, 0.0), (1.0, 1.0)]}),
    charts.order_accuracy: frames.learning(WORDS, {"free": [0.2, 0.4]}, 0.25, "cut"),
    charts.order_losses: frames.learning(WORDS, {"free": [1.2, 1.4]}, 1.4, "cut"),
    charts.order_norms: frames.order_norms(WORDS, order_run.begin(PAIR), (0.5, 10)),
    charts.vanishing_losses: frames.curves({"a": [1.0, 2.0]}),
    charts.success: frames.points({"a": [(10.0, 0.5), (20.0, 0.1)]}),
    charts.capped: frames.curves({"a": [1.0, 2.0]}),
    charts.eigenvalue_plane: frames.eigenvalues(np.array([0.5 + 0.5j]), 1.1),
    charts.paths: frames.lines([Line("a", "neutral", np.arange(5.0))]),
    charts.gated: frames.lines([Line("RNN", "rnn", np.arange(5.0))]),
    charts.accuracy: frames.learning(WORDS, {"rnn": [0.2, 0.4]}, 0.25),
    charts.losses: frames.learning(WORDS, {"rnn": [1.4, 1.2]}, 1.4),
    charts.power_norms: frames.lines([Line("a", "neutral", np.arange(5.0))]),
    charts.training: frames.lines([Line("a", "neutral", np.arange(5.0))]),
    charts.unchanged: frames.lines([Line("float16", "float16", np.linspace(0, 1, 5))]),
    charts.prices: frames.counted(np.arange(5.0)),
    charts.grain: frames.counted(-np.arange(5.0)),
    charts.small_path: frames.small_path(np.arange(5.0)),
    charts.small_training: frames.small_path(np.arange(5.0)),
    charts.matrix_entries: frames.matrix_entries({"W": np.eye(3), "Wᵀ": np.eye(3)}),
    charts.mode_shares: frames.mode_shares(np.array([1.1 + 0j, 0.9]), np.array([0.7, 0.3])),
}


@pytest.mark.parametrize("draw", [draw for draw, frame in FRAMES.items() if frame is not None])
def test_every_chart_is_valid_vega_lite(draw: object) -> None:
    specification = draw(FRAMES[draw], WORDS).to_dict()  # type: ignore[operator, index]
    assert specification["$schema"].startswith("https://vega.github.io/schema/vega-lite/")


def test_every_chart_function_is_tested_here_or_on_its_page() -> None:
    tree = ast.parse((ROOT / "pages/shared/charts.py").read_text(encoding="utf-8"))
    drawing = {
        node.name
        for node in tree.body
        if isinstance(node, ast.FunctionDef) and [arg.arg for arg in node.args.args] == ["frame", "words"]
    }
    assert drawing == {draw.__name__ for draw in FRAMES}


def test_a_name_in_a_legend_has_the_colour_of_its_meaning() -> None:
    domain = charts.gated(FRAMES[charts.gated], WORDS).to_dict()["encoding"]["color"]["scale"]["domain"]
    assert len(set(domain)) == len(domain)
    means = {"RNN": "rnn", "LSTM": "lstm", "GRU": "gru", WORDS("gates.memory"): "lstm"}
    for name, meaning in means.items():
        assert domain.index(name) % len(charts.MEANINGS) == charts.MEANINGS.index(meaning)


@pytest.mark.parametrize("updates", [0, 1, 7, 99, 100, 101, 2000])
def test_a_learning_curve_is_means_of_equal_stretches_and_at_most_100_points(updates: int) -> None:
    values = np.random.default_rng(0).uniform(size=updates)
    drawn = frames.learning(WORDS, {"gru": values.tolist()}, 0.25)
    curve = drawn[drawn["name"] == "GRU"]
    assert len(curve) <= frames.POINTS_A_LINE
    stretch = max(1, -(-updates // frames.POINTS_A_LINE))
    for k, y in zip(curve["k"], curve["y"], strict=True):
        assert y == pytest.approx(values[k - stretch : k].mean())
    assert (drawn[drawn["name"] == "guessing"]["y"] == 0.25).all()


def used_keys(source: Path) -> set[str]:
    """The literal keys that a module asks the words for."""
    text = source.read_text(encoding="utf-8")
    return set(re.findall(r'(?<!\w)words\(\s*"([\w.]+)"', text))


@pytest.mark.parametrize("page", ["overview", "explosion", "clipping", "vanishing"])
def test_every_key_that_a_page_asks_for_has_words(page: str) -> None:
    source = ROOT / ("dashboard.py" if page == "overview" else f"pages/{page}.py")
    words = Words("en", page)
    for key in used_keys(source):
        assert words(key)


def test_every_key_that_both_linear_pages_ask_for_has_words() -> None:
    for source in ("linear_lab", "path_picture", "own_matrix_panel"):
        for key in used_keys(ROOT / f"pages/shared/{source}.py"):
            assert Words("en", "explosion")(key) == Words("en", "vanishing")(key)


@pytest.mark.parametrize("source", ["take_home", "settings_file", "notebooks"])
def test_every_key_that_all_pages_ask_for_has_words(source: str) -> None:
    for key in used_keys(ROOT / f"pages/shared/{source}.py"):
        assert all(Words("en", page)(key) for page in ("explosion", "clipping", "vanishing", "gating"))


@pytest.mark.parametrize(
    ("source", "page"),
    [
        ("published", "clipping"),
        ("cliff_lab", "clipping"),
        ("order_run", "clipping"),
        ("gated_lab", "vanishing"),
        ("recall_run", "vanishing"),
    ],
)
def test_every_key_that_a_part_of_a_page_asks_for_has_words(source: str, page: str) -> None:
    for key in used_keys(ROOT / f"pages/shared/{source}.py"):
        assert Words("en", page)(key)


def test_a_missing_key_is_named() -> None:
    with pytest.raises(KeyError, match=r"no words for explosion\.no\.such\.key in en"):
        WORDS("no.such.key")


def modules_imported(source: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.name)
def test_pages_never_import_each_other(source: Path) -> None:
    assert not [
        name
        for name in modules_imported(source)
        if name.startswith(("pages.", "dashboard")) and not name.startswith("pages.shared")
    ]


def bounds_of_caches(source: Path) -> Iterator[tuple[str, bool]]:
    """What each of Streamlit's caches in a file keeps, and whether it says how many of them."""
    for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef):
            for decorator in node.decorator_list:
                if "st.cache_" in ast.unparse(decorator):
                    yield f"{source.name}: {node.name}", "max_entries=" in ast.unparse(decorator)


def test_every_cache_that_readers_fill_has_a_bound() -> None:
    caches = dict(found for source in SOURCES for found in bounds_of_caches(source))
    assert len(caches) > 15
    assert [name for name, bounded in caches.items() if not bounded] == []


@pytest.mark.parametrize("first", ["numpy", "streamlit", "pages.shared"])
def test_numpy_has_one_blas_thread_in_the_app(first: str) -> None:
    """Whoever imports numpy first: its environment is read only then, and may say anything."""
    program = (
        f"import {first}, numpy, streamlit, pages.shared, threadpoolctl\n"
        "print([pool['num_threads'] for pool in threadpoolctl.threadpool_info()])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env=os.environ | {"OPENBLAS_NUM_THREADS": "2"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "[1]"


def test_the_readme_prints_what_it_says_it_prints(capsys: pytest.CaptureFixture[str]) -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    examples = re.findall(r"```python\n(.*?)```\n\n```\n(.*?)```", readme, re.DOTALL)
    assert len(examples) == readme.count("```python") == 2
    for example, printed in examples:
        exec(example, {})
        assert capsys.readouterr().out == printed
