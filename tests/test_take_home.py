"""What is taken home of each page: data, notebook, settings and pictures, and settings taken back."""

from __future__ import annotations

import ast
import csv
import io
import json
import math
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import nbformat
import numpy as np
import pytest
import streamlit as st
from PIL import Image
from playwright.sync_api import Page
from streamlit.testing.v1 import AppTest
from test_pages import linked, open_page, settled, warnings

from core import cliff
from core.attribution import opening
from core.linear import log10_bounds, log10_gradient_norms, make_gradient, make_matrix
from core.reviews import load
from core.tokens import tokenize
from pages.shared import take_home
from pages.shared.language import languages
from pages.shared.settings_file import LARGEST_KB, SETTINGS, BadSettings, from_file, in_link, to_file
from pages.shared.words import Words, read_words
from tests.conftest import ROOT, settle

Files = dict[str, Callable[[], str]]
Visit = Callable[..., Page]

PAGES = ("explosion", "vanishing", "clipping", "gating")
HOSTILE = 'Good " \'\'\' """ \\n \\ {text} \n=1+1 @you 好！👨‍👩‍👧 \u202eevil :) #\r\nnot bad'


@pytest.fixture
def files(monkeypatch: pytest.MonkeyPatch) -> Files:
    """What each download button of the page that is opened next makes when it is pressed, by its file."""
    made: Files = {}
    button = st.download_button

    def recorded(label: str, data: Callable[[], str], name: str, *args: Any, **options: Any) -> bool:
        made[name] = data
        return button(label, data, name, *args, **options)

    monkeypatch.setattr(st, "download_button", recorded)
    return made


def table(text: str) -> dict[str, list[str]]:
    """The columns of a CSV by their heads, read as a spreadsheet does."""
    assert text.startswith("\ufeff")
    head, *rows = csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline=""))
    assert {len(row) for row in rows} == {len(head)}
    return {name: [row[k] for row in rows] for k, name in enumerate(head)}


def numbers(column: list[str]) -> np.ndarray[Any, Any]:
    """A column's numbers; where a cell is empty, that of something that is exactly 0: its log10."""
    return np.array([float(cell) if cell else -math.inf for cell in column])


def code_cells(text: str) -> list[str]:
    notebook = nbformat.reads(text, as_version=4)
    nbformat.validate(notebook)
    assert (notebook.nbformat, notebook.nbformat_minor) == (4, 5)
    assert [cell.cell_type for cell in notebook.cells] == ["markdown", "markdown", "code", "code"]
    return [cell.source for cell in notebook.cells if cell.cell_type == "code"]


def run(cells: list[str], wanted: str) -> tuple[Any, dict[str, Any]]:
    """The value of an expression after both cells ran in a new process in the repository; and the chart.

    The first cell alone must do without Streamlit and pandas, which Altair may ask for.
    """
    first, second = cells
    *before, last = ast.parse(second).body
    assert isinstance(last, ast.Expr)  # a notebook shows the value of a cell's last line
    second = "\n".join([*map(ast.unparse, before), f"chart = {ast.unparse(last)}"])
    program = "\n".join(
        [
            first,
            "import json, sys",
            'beside = [name for name in ("streamlit", "pandas", "pages") if name in sys.modules]',
            second,
            f"print(json.dumps([beside, {wanted}, chart.to_dict()]))",
        ]
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-"],
        input=program,
        cwd=ROOT,
        capture_output=True,
        encoding="utf-8",
        env=os.environ | {"PYTHONUTF8": "1"},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    beside, value, chart = json.loads(done.stdout.splitlines()[-1])
    assert beside == []
    return value, chart


def titles(chart: Any) -> set[str]:
    """All titles in a chart's specification."""
    if isinstance(chart, list):
        return set().union(*map(titles, chart))
    if not isinstance(chart, dict):
        return set()
    own = {chart["title"]} if isinstance(chart.get("title"), str) else set()
    return own.union(*(titles(part) for key, part in chart.items() if key not in ("values", "datasets")))


@pytest.mark.parametrize("language", list(languages()))
@pytest.mark.parametrize("page", PAGES)
def test_a_page_gives_data_and_notebook_and_settings_in_the_reader_s_language(
    files: Files, page: str, language: str
) -> None:
    at = open_page(page, tab="code", lang=language)
    words = Words(language, page)
    assert {*files} == {f"{page}.csv", f"{page}.ipynb", f"{page}.json"}
    assert [button.label for button in at.download_button] == [
        words(f"take.{kind}") for kind in ("csv", "ipynb", "json")
    ]
    heads = list(table(files[f"{page}.csv"]()))
    assert len(set(heads)) == len(heads) >= 4
    assert any("log₁₀" in head or "E" in head for head in heads)
    notebook = nbformat.reads(files[f"{page}.ipynb"](), as_version=4)
    title, text = (cell.source for cell in notebook.cells[:2])
    assert title.startswith(f"# {words('title')}\n")
    assert title.count("**") % 2 == 0
    assert take_home.claim(words) in words("claim")
    assert not title.endswith(("**", "**。"))
    assert words("notebook.where") in text
    assert at.code[0].value == code_cells(files[f"{page}.ipynb"]())[0]


LINEAR = [
    {"steps": "30"},
    {"steps": "300", "kind": "non-normal", "rho": "0.995", "gradient": "dominant", "seed": "3", "n": "5"},
    {"steps": "40", "gradient": "orthogonal"},
    {"steps": "30", "n": "1", "gradient": "orthogonal"},
    {"steps": "30", "kind": "own", "matrix": "1,2;3,4"},
    {"steps": "30", "kind": "own", "matrix": "1,2;3,4", "rho": "0.9"},
    {"steps": "30", "kind": "own"},
    {"steps": "5", "kind": "own", "matrix": "0,1;0,0"},
    {"steps": "10000", "rho": "2"},
]


@pytest.mark.parametrize("page", ["explosion", "vanishing"])
@pytest.mark.parametrize("query", LINEAR, ids=lambda query: "-".join(query.values()))
def test_the_path_s_data_and_notebook_have_the_numbers_of_the_picture(
    files: Files, page: str, query: dict[str, str]
) -> None:
    open_page(page, tab="code", **query)
    columns = table(files[f"{page}.csv"]())
    words = Words("en", page)
    k, norms = columns[words("axis.steps_back")], numbers(columns[words("column.norm")])
    assert [int(step) for step in k] == list(range(int(query["steps"]) + 1))
    value, chart = run(code_cells(files[f"{page}.ipynb"]()), "[log10_norms[-1], upper[-1]]")
    assert value[0] == pytest.approx(norms[-1], abs=1e-9)
    assert value[1] == pytest.approx(numbers(columns[words("column.upper")])[-1], abs=1e-9)
    assert {words("axis.steps_back"), words("axis.log10_norm")} <= titles(chart)


def test_the_path_s_data_are_the_core_s_at_every_step(files: Files) -> None:
    open_page("explosion", tab="code", kind="non-normal", rho="0.9", steps="400", seed="3", n="8")
    columns = table(files["explosion.csv"]())
    rng = np.random.default_rng(3)
    W = make_matrix("non-normal", 8, 0.9, rng=rng)
    gradient = make_gradient("random", W, rng=rng)
    words = Words("en", "explosion")
    lower, upper = log10_bounds(W, gradient, 400)
    for name, path in {
        "norm": log10_gradient_norms(W, gradient, 400),
        "lower": lower,
        "upper": upper,
    }.items():
        assert numbers(columns[words(f"column.{name}")]) == pytest.approx(path, abs=1e-9)


def test_what_is_exactly_zero_is_an_empty_cell_and_no_spreadsheet_s_formula(files: Files) -> None:
    open_page("explosion", tab="code", kind="own", matrix="0,1;0,0", steps="5")
    norm = table(files["explosion.csv"]())[Words("en", "explosion")("column.norm")]
    assert norm[2:] == [""] * 4
    assert "inf" not in files["explosion.csv"]()


def test_a_large_matrix_goes_into_the_notebook_whole(files: Files) -> None:
    W = np.random.default_rng(0).standard_normal((40, 40))
    content = io.BytesIO()
    np.save(content, W)
    at = open_page("explosion", kind="own", tab="code", steps="20")
    settled(at.file_uploader[0].upload("w.npy", content.getvalue()).run())
    assert not at.code
    assert Words("en", "explosion")("take.long") in [text.value for text in at.markdown]
    value, _ = run(code_cells(files["explosion.ipynb"]()), "[W.tolist(), log10_norms[-1]]")
    unit = W / abs(np.linalg.eigvals(W)).max()
    np.testing.assert_allclose(value[0], unit, rtol=1e-9)
    norms = table(files["explosion.csv"]())[Words("en", "explosion")("column.norm")]
    assert value[1] == pytest.approx(float(norms[-1]), abs=1e-9)


@pytest.mark.parametrize(
    "query",
    [{}, {"w": "5.125", "b": "-2.5", "pace": "0.3", "threshold": "0.3", "method": "value"}],
    ids=["start", "value"],
)
def test_the_cliff_s_data_and_notebook_have_both_descents(files: Files, query: dict[str, str]) -> None:
    open_page("clipping", tab="code", **query)
    start = float(query.get("w", 4.75)), float(query.get("b", -2.75))
    options: Any = {"rate": float(query.get("pace", 0.1)), "updates": 120}
    method, threshold = query.get("method", "norm"), float(query.get("threshold", 1))
    runs = [
        cliff.descend(*start, **options, method="none"),
        cliff.descend(*start, **options, method=method, threshold=threshold),
    ]
    words, columns = Words("en", "clipping"), table(files["clipping.csv"]())
    assert [columns[words("column.run")].count(words(f"cut.{name}")) for name in ("free", "clipped")] == [
        len(run.w) for run in runs
    ]
    for name, values in {
        "update": [np.arange(len(run.w)) for run in runs],
        "w": [run.w for run in runs],
        "b": [run.b for run in runs],
        "error": [run.errors for run in runs],
        "before": [np.append(run.norms_before, -np.inf) for run in runs],
        "after": [np.append(run.norms_after, -np.inf) for run in runs],
    }.items():
        np.testing.assert_array_equal(numbers(columns[words(f"column.{name}")]), np.concatenate(values))
    value, chart = run(
        code_cells(files["clipping.ipynb"]()), "[free.w[-1], clipped.w[-1], clipped.norms_after.max()]"
    )
    assert value == [runs[0].w[-1], runs[1].w[-1], runs[1].norms_after.max()]
    assert {words("axis.w"), words("axis.b"), words("axis.update")} <= titles(chart)
    assert any("log₁₀" in title for title in titles(chart))


@pytest.mark.parametrize(
    "query",
    [
        {},
        {"network": "gru", "trained": "plain"},
        {"review": "hotel"},
        {"review": "own", "text": HOSTILE},
        {"review": "own", "text": "好"},
        {"review": "own", "text": "good " * 510},
    ],
    ids=["book", "gru-plain", "chinese", "hostile", "one-word", "long"],
)
@pytest.mark.parametrize("language", list(languages()))
def test_the_review_s_data_and_notebook_are_what_the_models_read(
    files: Files, query: dict[str, str], language: str
) -> None:
    open_page("gating", tab="code", lang=language, **query)
    words, columns = Words(language, "gating"), table(files["gating.csv"]())
    text = query.get("text") or words(f"texts.{query.get('review', 'book')}").replace("[", "").replace(
        "]", ""
    )
    chinese = query.get("review") == "hotel" or text == "好"
    network = query.get("network", "lstm")
    model = load("zh-gru" if chinese else network + ("-plain" if "trained" in query else ""))
    reading = model.read(text)
    assert reading.trace is not None
    name = words(
        "cells.gru_chinese"
        if chinese
        else "cells." + "_".join([network, "plain" if "trained" in query else "economy"])
    )
    unit = words("column.log_odds" if chinese else "column.points")
    shown = [word.removeprefix("'") for word in columns[words("column.word")]]
    assert shown == [word.text for word in reading.words] == [token.text for token in tokenize(text)][:500]
    opened = opening(model.cell, reading.trace)[:, 0].mean(axis=1)
    np.testing.assert_array_equal(numbers(columns[words("column.opening", name=name)]), opened)
    gradients = numbers(columns[words("column.gradient", name=name, unit=unit)])
    np.testing.assert_array_equal(gradients, reading.log10_gradients)
    memories = [head for head in columns if "∂c" in head]
    assert len(memories) == (0 if chinese else 1)
    value, chart = run(
        code_cells(files["gating.ipynb"]()), "[text, reading.prediction, openings.tolist(), sorted(models)]"
    )
    assert value[:2] == [text, reading.prediction]
    np.testing.assert_array_equal(value[2], opened)
    assert sum("∂h" in head for head in columns) == len(value[3]) == (1 if chinese else 3)
    assert {words("axis.words"), words("axis.gate")} <= titles(chart)


@pytest.mark.parametrize("mark", ["=", "+", "-", "@", "\t", "\r"])
def test_a_reader_s_text_is_no_formula_in_a_spreadsheet(mark: str) -> None:
    text = take_home.as_csv({"n": np.array([-1.5]), "word": [f"{mark}1+1"]})
    assert table(text) == {"n": ["-1.5"], "word": [f"'{mark}1+1"]}


@pytest.mark.parametrize("word", ["=)", "@you"])
def test_words_that_begin_like_a_formula_are_read_and_marked(files: Files, word: str) -> None:
    open_page("gating", tab="code", review="own", text=f"good {word} good")
    assert table(files["gating.csv"]())[Words("en", "gating")("column.word")] == ["good", f"'{word}", "good"]


def test_the_files_are_made_only_when_they_are_asked_for(
    files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[object] = []
    made = take_home.as_csv
    monkeypatch.setattr(take_home, "as_csv", lambda columns: asked.append(columns) or made(columns))
    open_page("explosion")
    assert not files
    open_page("explosion", tab="code")
    assert not asked
    files["explosion.csv"]()
    assert len(asked) == 1


# Settings, and taking them back.

LINKS = {
    "explosion": {
        "kind": "own",
        "matrix": "1,2;3,4.5",
        "rho": "0.9",
        "steps": "70",
        "tab": "code",
        "seed": "3",
    },
    "vanishing": {"kind": "jordan", "n": "5", "rho": "0.99", "stages": "10", "tab": "code"},
    "clipping": {"w": "5.125", "b": "-2.5", "method": "value", "threshold": "0.3", "tab": "code"},
    "gating": {
        "review": "own",
        "text": HOSTILE,
        "network": "gru",
        "word": "2",
        "colour": "share",
        "tab": "code",
    },
}


def link(at: AppTest) -> dict[str, str]:
    """What the link says, without the language."""
    return {key: str(linked(at, key)) for key in at.query_params if key != "lang"}


def give(at: AppTest, page: str, content: bytes) -> AppTest:
    return settled(at.file_uploader(key=f"{page}-settings").upload("settings.json", content).run())


@pytest.mark.parametrize("page", PAGES)
def test_settings_are_taken_back_into_the_link_that_they_were_saved_from(files: Files, page: str) -> None:
    saved = open_page(page, **LINKS[page])
    assert link(saved) == LINKS[page]
    content = files[f"{page}.json"]().encode()
    assert json.loads(content) == {"page": page, "settings": LINKS[page]}
    other = {"steps": "20", "rho": "1.5", "pace": "0.3", "w": "3", "review": "sour", "word": "4"}
    at = open_page(
        page, tab="code", lang="zh", **{key: v for key, v in other.items() if key in SETTINGS[page]}
    )
    at = give(at, page, content)
    assert link(at) == LINKS[page]
    assert linked(at, "lang") == "zh"
    assert not at.error
    assert files[f"{page}.json"]().encode() == content
    assert Words("zh", page)("take.taken") in [text.value for text in at.markdown]


def test_what_is_changed_after_settings_were_taken_stays_changed() -> None:
    at = give(
        open_page("explosion", tab="code"), "explosion", to_file("explosion", LINKS["explosion"]).encode()
    )
    settled(at.number_input(key="explosion-steps").set_value(90).run())
    settled(at.run())
    assert linked(at, "steps") == "90"
    settled(at.selectbox(key="explosion-kind").set_value("jordan").run())
    settled(at.run())
    assert (linked(at, "kind"), linked(at, "steps")) == ("jordan", "90")


def test_settings_are_taken_after_a_matrix_was_uploaded_and_the_matrix_stays_away() -> None:
    at = open_page("explosion", kind="own", tab="code")
    settled(at.file_uploader[0].upload("w.csv", b"1,0\n0,3").run())
    assert linked(at, "matrix") == "1,0;0,3"
    at = give(at, "explosion", to_file("explosion", LINKS["explosion"]).encode())
    assert link(at) == LINKS["explosion"]
    assert link(settled(at.run())) == LINKS["explosion"]


def test_a_second_file_is_taken_too() -> None:
    at = open_page("vanishing", tab="code")
    for steps in ("40", "50"):
        content = to_file("vanishing", {"steps": steps, "tab": "code"}).encode()
        assert linked(give(at, "vanishing", content), "steps") == steps


BAD = {
    "empty": (b"", "json"),
    "text": (b"hello", "json"),
    "no-utf8": (b"\xff\xfe\x00", "json"),
    "list": (b"[]", "json"),
    "number": (b"1e999", "json"),
    "deep": (b"[" * 60_000, "json"),
    "digits": (b"9" * 60_000, "json"),
    "no-settings": (b'{"page": "explosion"}', "json"),
    "settings-list": (b'{"page": "explosion", "settings": []}', "json"),
    "page-list": (b'{"page": [], "settings": {}}', "json"),
    "page-unknown": (b'{"page": "<script>", "settings": {}}', "json"),
    "more": (b'{"page": "explosion", "settings": {}, "x": 1}', "json"),
    "other-page": (b'{"page": "gating", "settings": {}}', "page"),
    "key": (b'{"page": "explosion", "settings": {"`<b>` $x$": "1"}}', "key"),
    "language": (b'{"page": "explosion", "settings": {"lang": "zh"}}', "key"),
    "not-text": (b'{"page": "explosion", "settings": {"steps": 5}}', "value"),
    "nested": (b'{"page": "explosion", "settings": {"steps": {"a": []}}}', "value"),
    "surrogate": (b'{"page": "explosion", "settings": {"kind": "\\ud800"}}', "value"),
    "large": (b" " * (LARGEST_KB * 1024 + 1), "size"),
}


@pytest.mark.parametrize("language", list(languages()))
@pytest.mark.parametrize(("content", "key"), list(BAD.values()), ids=list(BAD))
def test_a_bad_file_is_one_sentence_and_nothing_is_lost(content: bytes, key: str, language: str) -> None:
    at = open_page("explosion", tab="code", lang=language, steps="70", kind="own", matrix="1,2;3,4")
    before = link(at)
    at = give(at, "explosion", content)
    (error,) = at.error
    start = read_words(language)["common"]["take"]["bad"][key].split("{")[0]
    assert error.value.startswith(start)
    assert "<" not in error.value
    assert "{" not in error.value
    if key == "page":
        assert Words(language, "gating")("menu") in error.value
    assert link(at) == before
    assert linked(at, "lang") == language
    assert warnings(at) == []


def test_a_value_that_a_control_does_not_have_is_said_as_of_any_link() -> None:
    at = open_page("explosion", tab="code", steps="70")
    at = give(at, "explosion", to_file("explosion", {"steps": "1e309", "tab": "code"}).encode())
    assert len(warnings(at)) == 1
    assert linked(at, "steps") is None


def test_what_was_saved_can_be_read_on_its_page_alone() -> None:
    for page in PAGES:
        assert from_file(page, to_file(page, LINKS[page]).encode()) == LINKS[page]
        for other in set(PAGES) - {page}:
            with pytest.raises(BadSettings) as found:
                from_file(other, to_file(page, LINKS[page]).encode())
            assert found.value.values == {"page": page}


CONTROLS = {"number", "decimal", "slider", "choice", "text", "index", "indices"}
SOURCES = {
    "explosion": ("explosion", "shared/linear_lab"),
    "vanishing": ("vanishing", "shared/linear_lab", "shared/gated_lab", "shared/recall_run"),
    "clipping": ("clipping", "shared/cliff_lab", "shared/order_run", "shared/published"),
    "gating": ("gating", "shared/reading_lab", "shared/claim_test"),
}
BY_OTHERS = {"rho", "tab", "matrix"}  # drawn by controls.radius, controls.section and the matrix's panel


def keys_of_controls(source: Path) -> set[str]:
    """The keys of the controls that a module draws; of `f"gate_of_{n}"`, all that there are words for."""
    found = set()
    for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and ast.unparse(node.func).removeprefix("controls.") in CONTROLS:
            match node.args:
                case [ast.Name(id="page"), ast.Constant(value=str(key)), *_]:
                    found.add(key)
                case [ast.Name(id="page"), ast.JoinedStr(values=[ast.Constant(value=start), *_]), *_]:
                    found |= {key for key in read_words("en")["common"]["controls"] if key.startswith(start)}
    return found


@pytest.mark.parametrize("page", PAGES)
def test_the_settings_of_a_page_are_its_controls(page: str) -> None:
    drawn = set().union(*(keys_of_controls(ROOT / f"pages/{source}.py") for source in SOURCES[page]))
    assert len(set(SETTINGS[page])) == len(SETTINGS[page])
    assert set(SETTINGS[page]) - BY_OTHERS == drawn


def test_the_settings_of_the_link_leave_out_what_is_not_the_page_s(monkeypatch: pytest.MonkeyPatch) -> None:
    at = open_page("explosion", tab="code", lang="zh", embed="true", steps="70")
    assert linked(at, "steps") == "70"
    monkeypatch.setattr(st, "query_params", _Link({"lang": "zh", "embed": "true", "steps": "70", "w": "3"}))
    assert in_link("explosion") == {"steps": "70"}


class _Link(dict[str, str]):
    def to_dict(self) -> dict[str, str]:
        return dict(self)


# In the browser.


def button_names(language: str, page: str) -> dict[str, str]:
    words = Words(language, page)
    return {kind: words(f"take.{kind}") for kind in ("png", "svg", "csv", "ipynb", "json")}


@pytest.mark.browser
@pytest.mark.parametrize(("language", "theme", "width"), [("en", "light", 1440), ("zh", "dark", 390)])
@pytest.mark.parametrize("name", PAGES)
def test_every_button_gives_what_it_says(
    server: str, visit: Visit, tmp_path: Path, name: str, language: str, theme: str, width: int
) -> None:
    page = visit(f"{server}/{name}?tab=code&lang={language}", theme=theme, width=width)
    for kind, label in button_names(language, name).items():
        with page.expect_download() as download:
            page.get_by_role("button", name=label, exact=True).click()
        assert download.value.suggested_filename == f"{name}.{kind}"
        download.value.save_as(tmp_path / kind)
    picture = ElementTree.parse(tmp_path / "svg").getroot()
    assert picture.tag == "{http://www.w3.org/2000/svg}svg"
    assert (tmp_path / "png").read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
    with Image.open(tmp_path / "png") as drawn:
        assert drawn.width > 600
        assert drawn.width == pytest.approx(2 * float(picture.attrib["width"]), abs=2)
        assert drawn.height == pytest.approx(2 * float(picture.attrib["height"]), abs=2)
        colours = drawn.convert("RGB").getcolors(drawn.width * drawn.height)
    assert colours is not None
    assert len(colours) > 50
    background = (255, 255, 255) if theme == "light" else (15, 20, 25)
    assert background in [colour for _, colour in colours]
    assert table((tmp_path / "csv").read_bytes().decode())
    code_cells((tmp_path / "ipynb").read_text(encoding="utf-8"))
    assert json.loads((tmp_path / "json").read_bytes())["page"] == name


@pytest.mark.browser
def test_the_png_has_the_fonts_of_the_screen(server: str, visit: Visit, tmp_path: Path) -> None:
    page = visit(f"{server}/explosion?tab=code")
    picture = page.locator(".st-key-explosion-picture svg.marks")
    picture.evaluate("svg => svg.style = 'position: fixed; left: 0; top: 90px; background: white'")
    width, height = picture.evaluate("svg => [svg.clientWidth, svg.clientHeight].map(Math.floor)")
    page.screenshot(
        path=tmp_path / "screen", type="png", clip={"x": 0, "y": 90, "width": width, "height": height}
    )
    away = []
    for without in (False, True):
        if without:  # what it would be without them: so the check can fail
            page.route("**/*.woff2", lambda route: route.fulfill(body=b""))
        with page.expect_download() as download:
            page.get_by_role("button", name=button_names("en", "explosion")["png"], exact=True).press("Enter")
        download.value.save_as(tmp_path / "saved.png")
        with Image.open(tmp_path / "saved.png") as saved, Image.open(tmp_path / "screen") as screen:
            drawn = saved.convert("L").crop((0, 0, 2 * width, 2 * height)).reduce(8)
            seen = screen.convert("L").reduce(4)  # not the edges of letters: how much there is of each
        away.append(float(np.abs(np.asarray(drawn, float) - np.asarray(seen, float)).mean()))
    assert 1.5 * away[0] < away[1], away


@pytest.mark.browser
def test_settings_are_taken_back_in_the_browser_and_can_be_changed_after_it(
    server: str, visit: Visit, tmp_path: Path
) -> None:
    content = {"page": "explosion", "settings": {"kind": "own", "matrix": "1,2;3,4", "tab": "code"}}
    (tmp_path / "good.json").write_text(json.dumps(content))
    (tmp_path / "bad.json").write_text("{}")
    page = visit(f"{server}/explosion?tab=code&steps=300&rho=1.5")
    page.get_by_text("Take settings back").click()
    chooser = page.locator("[class*=st-key-explosion-settings] input[type=file]")
    chooser.set_input_files(tmp_path / "bad.json")
    page.get_by_text("That file doesn't hold settings of this lab.").wait_for()
    assert "steps=300" in page.url
    assert "rho=1.5" in page.url
    chooser.set_input_files(tmp_path / "good.json")
    page.wait_for_function("location.search.includes('matrix=') && !location.search.includes('steps')")
    settle(page)
    page.get_by_text("The controls have followed the file.").wait_for()
    assert page.locator("output").inner_text().startswith("ρ = 5.37")
    page.get_by_role("spinbutton", name="Steps back").fill("400")
    page.keyboard.press("Enter")
    page.wait_for_function("location.search.includes('steps=400')")
    settle(page)
    assert "matrix=" in page.url
    page.get_by_role("slider", name="Spectral radius").press("ArrowLeft")
    page.wait_for_function("location.search.includes('rho=')")
    settle(page)
    assert "steps=400" in page.url
