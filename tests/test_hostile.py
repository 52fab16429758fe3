"""Hostile input: whatever a link, a box, a table or a file holds, the page stands and says one sentence."""

from __future__ import annotations

import ast
import functools
import gc
import json
import re
import tracemalloc
import uuid
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import streamlit as st
from hypothesis import given, settings
from hypothesis import strategies as hs
from streamlit.testing.v1 import AppTest

from pages.shared import cliff_lab, language, own_matrix, reading_lab
from pages.shared.frame import SCRIPTS
from pages.shared.words import Words
from tests import strategies
from tests.conftest import ROOT
from tests.hostile import (
    BAD_FILES,
    CALL,
    LONG,
    NASTIES,
    TEXTS,
    crawl,
    header,
    sentences,
    visit,
)
from tests.npy import npy

INPUTS = {  # where free input comes in: what is new here wants its own tests below
    ("own_matrix_panel", "file_uploader"),
    ("own_matrix_panel", "data_editor"),
    ("controls", "text_area"),
    ("settings_file", "file_uploader"),  # whose tests are in test_take_home.py
}
FREE = (
    "text_area",
    "text_input",
    "chat_input",
    "data_editor",
    "file_uploader",
    "camera_input",
    "audio_input",
)
MEBIBYTE = 2**20
SPARE = 64 * MEBIBYTE  # of memory, for any file


@pytest.fixture(autouse=True, scope="module")
def _empty_caches() -> Iterator[None]:
    yield
    st.cache_data.clear()


def stands(at: AppTest, lang: str = "en", *, most: int = 2) -> None:
    """No error of Python's, the page is drawn, and what it says are a few of its own sentences."""
    assert not at.exception, [element.message for element in at.exception]
    assert len(at.title) <= 1
    assert at.get("vega_lite_chart") or at.get("bidi_component")  # a picture, or a question's card
    said = [element.value for element in (*at.warning, *at.error)]
    assert len(said) <= most
    known = sentences(lang)
    for sentence in said:
        assert any(pattern.fullmatch(sentence) for pattern in known), sentence


# Links.


def test_every_parameter_of_the_code_is_found() -> None:
    """A control that a crawl over sections and choices doesn't reach would go untested."""
    found = {key for _, key in crawl().places}
    for path in sorted((ROOT / "pages").rglob("*.py")):
        for pattern in _keys(path.read_text(encoding="utf-8")):
            assert any(re.fullmatch(pattern, key) for key in found), (path.name, pattern)
    assert {"lang", "tab", "rho", "matrix", "text", "word", "out", "unit", "kind", "review"} <= found


def _keys(source: str) -> Iterator[str]:
    """A pattern for each query parameter that some code names."""
    for node in ast.walk(ast.parse(source)):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
            continue
        owner = ast.unparse(node.func.value)
        place = {"controls": 1, "st.query_params": 0}.get(owner)
        if place is None or node.func.attr in ("write_link", "forget", "section", "radius"):
            continue
        for key in node.args[place : place + 1]:
            if isinstance(key, ast.Constant) and isinstance(key.value, str):
                yield re.escape(key.value)
            elif isinstance(key, ast.JoinedStr):
                yield "".join(re.escape(p.value) if isinstance(p, ast.Constant) else ".*" for p in key.values)


def test_free_input_comes_in_where_it_is_tested() -> None:
    found = set()
    for path in [ROOT / "dashboard.py", *(ROOT / "pages").rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute) and node.attr in FREE:
                found.add((path.stem, node.attr))
    assert found == INPUTS


@pytest.mark.parametrize("name", list(SCRIPTS))
def test_any_parameter_may_hold_anything(name: str) -> None:
    """Each parameter of a page meets one or two of the nasties alone."""
    places = sorted((key, query) for (page, key), query in crawl().places.items() if page == name)
    first = list(SCRIPTS).index(name)
    for place, (key, query) in enumerate(places):
        lang = "zh" if place % 2 and key != "lang" else "en"
        for nasty in NASTIES[(place * 7 + first) % 60 :: 60]:
            stands(visit(name, query | {"lang": lang} | {key: nasty}), lang)


@pytest.mark.parametrize("name", [name for name in SCRIPTS if name != "overview"])
def test_all_parameters_may_hold_anything_at_once(name: str) -> None:
    keys = sorted({key for page, key in crawl().places if page == name} - {"tab", "lang"})
    for turn, tab in enumerate(crawl().sections[name]):
        query = {key: NASTIES[(turn * 5 + k * 3) % len(NASTIES)] for k, key in enumerate(keys)}
        stands(visit(name, query | {"tab": tab}), most=len(keys))


def every_control() -> None:
    """A page with one control of each kind, and nothing else."""
    import streamlit as st

    from pages.shared import controls
    from pages.shared.frame import Page
    from pages.shared.words import Words

    page = Page("gating", Words("en", "gating"), None, st.container(), st.container())
    controls.number(page, "n", 1, 256, 16)
    controls.decimal(page, "w", 2.0, 7.0, 4.75, step=0.125)
    controls.slider(page, "keep", 10, 100, 30)
    controls.choice(page, "network", ("lstm", "gru"), "lstm")
    controls.text(page, "text", 3000, "good")
    controls.index(page, "word", 20)
    controls.indices(page, "out", 20)
    controls.section(page, ("look", "gates"))
    controls.radius(page, 1.1, of="made")


KINDS = ("n", "w", "keep", "network", "text", "word", "out", "tab", "rho")
LONGEST_LINKED = 15_000  # characters: of a link with more in each of KINDS, escaped, the server reads nothing


@pytest.mark.parametrize("nasty", [pytest.param(nasty, id=ascii(nasty)[:30]) for nasty in NASTIES])
def test_every_kind_of_control_takes_or_refuses_anything(nasty: str) -> None:
    controls_stand(dict.fromkeys(KINDS, nasty[:LONGEST_LINKED]))


@settings(max_examples=15)
@given(hs.fixed_dictionaries(dict.fromkeys(KINDS, hs.text(max_size=40) | hs.floats().map(str))))
def test_every_kind_of_control_takes_or_refuses_any_text(query: dict[str, str]) -> None:
    controls_stand({key: value.encode(errors="replace").decode() for key, value in query.items()})


def controls_stand(query: dict[str, str]) -> None:
    """Each wrong entry is one sentence; what is right, or made right, stands in the link and stays there."""
    at = AppTest.from_function(every_control)
    for key, value in query.items():
        at.query_params[key] = value
    at.run()
    assert not at.exception, [element.message for element in at.exception]
    refused = len(at.warning)
    assert refused <= len(KINDS)
    assert all(CALL not in warning.value for warning in at.warning)
    kept = said(at)
    assert all(len(value) <= 3000 for value in kept.values())
    again = AppTest.from_function(every_control)
    for key, value in kept.items():
        again.query_params[key] = value
    again.run()
    assert not again.exception
    assert not again.warning
    assert said(again) == kept


def said(at: AppTest) -> dict[str, str]:
    """What the link says: AppTest has lists where the page hasn't written since."""
    return {key: value if isinstance(value, str) else value[-1] for key, value in at.query_params.items()}


def test_the_last_of_a_repeated_parameter_counts() -> None:
    at = visit("explosion", {"n": ["3", "5"], "kind": ["<b>", "gaussian"]})
    stands(at, most=0)
    assert at.number_input(key="explosion-n").value == 5
    at = visit("explosion", {"n": ["5", "NaN"]})
    stands(at, most=1)
    assert at.number_input(key="explosion-n").value == 16


@pytest.mark.parametrize(
    ("page", "query", "refused"),
    [
        ("explosion", {"kind": "own", "n": "64", "matrix": "1,2;3,4"}, 0),
        ("explosion", {"kind": "gaussian", "matrix": "1,x"}, 0),
        ("explosion", {"kind": "own", "rho": "1e309"}, 1),
        ("vanishing", {"kind": "own", "matrix": "5e-324,-0;1e99,-5e-324", "tab": "update"}, 1),
        ("gating", {"word": "501"}, 1),
        ("gating", {"review": "novel", "colour": "gradient", "network": "gru"}, 0),
        ("gating", {"review": "../../etc/passwd", "text": "good"}, 1),
        ("gating", {"tab": "hold", "out": ",".join(["1"] * 50_000)}, 1),
        ("gating", {"tab": "hold", "out": ",".join(map(str, range(1, 50_000)))}, 1),
        ("gating", {"tab": "hold", "out": "1,1,1"}, 0),
        ("gating", {"tab": "along", "until": "3000"}, 1),
    ],
)
def test_parameters_may_contradict_each_other(page: str, query: dict[str, str], refused: int) -> None:
    at = visit(page, query)
    stands(at, most=refused)
    assert len(at.warning) == refused
    assert all(len(value) < 100 for value in said(at).values())


def test_a_lone_surrogate_in_a_link_is_three_unknown_characters() -> None:
    at = visit("gating", {"review": "own", "text": "good"})
    at.query_params["text"] = b"good %\xed\xa0\x80 \xff"  # type: ignore[assignment]
    stands(at.run(), most=0)
    assert at.text_area(key="gating-text").value == "good %��� �"


def test_a_link_longer_than_the_server_reads_is_the_page_without_it() -> None:
    at = visit("gating", {"review": "own", "text": "good " * 200_000})
    stands(at, most=0)
    assert at.selectbox(key="gating-review").value == "book"


@pytest.mark.parametrize("unit", ["![x](https://evil.example/x.png)", ":red[x]", "17", "0", "-1", "1e0"])
def test_the_unit_in_a_link_is_not_a_label(unit: str) -> None:
    at = visit("gating", {"unit": unit})
    stands(at, most=1)
    (popover,) = at.get("popover")
    assert popover.proto.popover.label == Words("en", "gating")("unit.one")


# The reader's own text.


def strip_of(at: AppTest) -> str:
    component = at.get("bidi_component")[0].proto
    return "".join(piece["text"] for piece in json.loads(component.json)["pieces"])


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS.keys())
def test_any_text_is_read_or_refused_in_one_sentence(text: str) -> None:
    sections = crawl().sections["gating"]
    tab = sections[len(text) % len(sections)]
    at = visit("gating", {"review": "own", "tab": tab})
    at.text_area(key="gating-text").set_value(text)
    stands(at.run(), most=2)


@pytest.mark.parametrize("tab", ["look", "survival", "along", "claim", "hold", "convoy"])
def test_markup_is_read_in_every_section(tab: str) -> None:
    every = " ".join([*TEXTS.values()][: -len(LONG)])[:3000]
    stands(visit("gating", {"review": "own", "text": every, "tab": tab, "colour": "deletion"}), most=0)


@settings(max_examples=15)
@given(strategies.texts())
def test_whatever_is_typed_the_page_stands(text: str) -> None:
    at = visit("gating", {"review": "own"})
    at.text_area(key="gating-text").set_value(text.encode(errors="replace").decode())
    stands(at.run(), most=1)


def test_a_megabyte_of_text_is_cut_before_anything_reads_it(monkeypatch: pytest.MonkeyPatch) -> None:
    lengths = []

    def measured(text: str) -> Any:
        lengths.append(len(text))
        return tokenize(text)

    tokenize = reading_lab.tokenize
    monkeypatch.setattr(reading_lab, "tokenize", measured)
    at = visit("gating", {"review": "own"})
    at.text_area(key="gating-text").set_value("<b>good " * 125_000)
    stands(at.run(), most=1)
    assert max(lengths) == reading_lab.MOST_CHARACTERS


AUTOMATIC = (r"https?://", r"www\.", r"[\w.+-]@[\w-]", r":[\w+-]+:", r":material[/_]", r":streamlit:")
UNSEEN = re.compile("[\u2060\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")


@given(strategies.texts())
def test_a_quoted_word_joins_nothing_that_the_browser_makes_a_link_or_a_picture_of(text: str) -> None:
    """What Streamlit's front end looks for in a text, once Markdown has taken the backslashes away."""
    shown = re.sub(r"\\([!-/:-@\[-`{-~])", r"\1", reading_lab.isolated(reading_lab.escaped(text)))
    for automatic in AUTOMATIC:
        assert not re.search(automatic, shown, re.IGNORECASE)
    assert not re.search("[\u202a-\u202e]", shown)
    assert UNSEEN.sub("", shown) == UNSEEN.sub("", text)


# The reader's own matrix.


def own() -> AppTest:
    return visit("explosion", {"kind": "own", "matrix": "1,2;3,4", "steps": "20"})


def matrix(at: AppTest) -> list[list[float]]:
    return np.asarray(at.session_state["explosion-own-matrix"]).tolist()


def edit(at: AppTest, changes: dict[str, Any]) -> AppTest:
    version = at.session_state["explosion-own-version"]
    edits = {"edited_rows": {}, "added_rows": [], "deleted_rows": []} | changes
    at.session_state[f"explosion-own-editor-{version}"] = edits
    return at.run()


def test_any_cell_is_a_number_or_refused_in_one_sentence() -> None:
    at = own()
    for nasty in NASTIES:
        if len(nasty) < 20_000:  # a cell travels back to the browser
            stands(edit(at, {"edited_rows": {0: {"1": nasty}}}), most=1)
            (a, b), (c, d) = matrix(at)
            assert [b, c, d] == [2, 3, 4]
            assert abs(a) < own_matrix.LARGEST_CELL


@settings(max_examples=25)
@given(hs.lists(hs.lists(hs.text(max_size=8) | hs.floats().map(str) | hs.none(), max_size=4), max_size=4))
def test_any_rows_are_a_matrix_or_refused(rows: list[list[str | None]]) -> None:
    try:
        W = own_matrix.from_rows(rows)
    except own_matrix.BadMatrix:
        return
    assert np.isfinite(W).all()
    assert W.shape[0] == W.shape[1] == len(rows)


@pytest.mark.parametrize("entry", [10**400, -(10**400), 1j, b"1", [], {}, object(), "\ud800", "9" * 10**6])
def test_what_is_no_number_is_no_cell(entry: object) -> None:
    with pytest.raises(own_matrix.BadMatrix):
        own_matrix.from_rows([[entry]])


@pytest.mark.filterwarnings("ignore:Reading `.npy`:UserWarning")
@pytest.mark.parametrize("name", BAD_FILES)
def test_a_bad_file_is_refused_within_bounds(name: str) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(own_matrix.BadMatrix) as refused:
            own_matrix.from_file(name, BAD_FILES[name])
        assert tracemalloc.get_traced_memory()[1] < SPARE
    finally:
        tracemalloc.stop()
    for lang in language.languages():
        assert len(Words(lang, "explosion")(f"own.bad.{refused.value.key}", **refused.value.values)) < 200


def test_a_bad_file_is_one_sentence_and_the_last_good_matrix_stays() -> None:
    for name in ("brackets.npy", "pickle.npy", "keys.npy", "line.csv", "script.csv", "quote.csv"):
        at = own()
        stands(at.file_uploader[0].upload(f"../../{CALL}-{name}", BAD_FILES[name]).run(), most=1)
        assert len(at.error) == 1
        assert matrix(at) == [[1, 2], [3, 4]]


def test_a_matrix_in_fortran_s_order_is_read_as_it_is() -> None:
    W = np.asfortranarray([[1.0, 2.0], [3.0, 4.0]])
    assert own_matrix.from_file("w.npy", npy(W)).tolist() == [[1, 2], [3, 4]]


@pytest.mark.filterwarnings("ignore:Reading `.npy`:UserWarning")
@settings(max_examples=200)
@given(
    hs.binary(max_size=64)
    | hs.text(alphabet="{}()[]',:<>0123456789-+*\"\n truefalsdcpnogh_|O", max_size=200).map(header)
    | hs.builds(
        lambda text, at, new: text[:at] + new + text[at:],
        hs.just(header("{'descr': '<f8', 'fortran_order': False, 'shape': (2, 2)}\n")),
        hs.integers(0, 80),
        hs.binary(min_size=1, max_size=4),
    )
)
def test_any_bytes_are_a_matrix_or_refused(content: bytes) -> None:
    for name in ("w.npy", "w.csv"):
        try:
            W = own_matrix.from_file(name, content)
        except own_matrix.BadMatrix:
            continue
        assert np.isfinite(W).all()


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("server.enableXsrfProtection", True),
        ("server.enableCORS", True),
        ("client.showErrorDetails", "none"),
        ("browser.gatherUsageStats", False),
    ],
)
def test_the_settings_that_must_stay_have_stayed(option: str, value: object) -> None:
    assert st.get_option(option) == value


def test_uploads_stay_in_memory() -> None:
    """Starlette lays down on the disk what is larger than a MiB; the server must refuse that before."""
    from starlette.formparsers import MultiPartParser

    assert st.get_option("server.maxUploadSize") * MEBIBYTE <= MultiPartParser.spool_max_size
    assert st.get_option("server.maxUploadSize") * MEBIBYTE > own_matrix.LARGEST_FILE


# What a browser sends may be anything.

SENT = [
    *(None, "", "abc", "1e309", "\ud800", float("nan"), float("inf"), -5, 0, 10**400, True),
    *([], {}, [1], {"a": 1}),
]


@pytest.mark.parametrize("sent", SENT, ids=[ascii(sent)[:12] for sent in SENT])
def test_no_slider_is_needed_to_send_a_radius(sent: object) -> None:
    at = visit("explosion", {"steps": "20"})
    at.session_state["explosion-radius-made"] = {"radius": sent}
    stands(at.run(), most=0)


@pytest.mark.parametrize("sent", SENT, ids=[ascii(sent)[:12] for sent in SENT])
def test_no_click_is_needed_to_send_a_start(sent: Any) -> None:
    rows = (sent, {"w": sent, "b": sent}, {"w": 3, "b": sent})
    for state in (sent, {"selection": sent}, *({"selection": {"spot": [row]}} for row in rows)):
        at = visit("clipping", {})
        at.session_state[cliff_lab.key()] = state
        stands(at.run(), most=0)
        assert cliff_lab.VIEW_W[0] <= at.number_input(key="clipping-w").value <= cliff_lab.VIEW_W[1]
        assert cliff_lab.VIEW_B[0] <= at.number_input(key="clipping-b").value <= cliff_lab.VIEW_B[1]


# Nothing of one reader's is kept for another.


def test_no_cache_keeps_a_text_that_can_be_read() -> None:
    marker = f"word{uuid.uuid4().hex[:12]}"
    at = visit("gating", {"review": "own", "text": f"good {marker} bad", "tab": "look"})
    stands(at, most=0)
    assert marker in strip_of(at)
    wrappers = [found for found in gc.get_objects() if isinstance(found, functools._lru_cache_wrapper)]
    assert len(wrappers) > 20
    assert not [wrapper for wrapper in wrappers if marker in _held(wrapper)]


def test_a_text_in_a_cache_is_found() -> None:
    @functools.cache
    def kept(text: str) -> list[str]:
        return [text]

    kept("a text that is kept")
    assert "a text that is kept" in _held(kept)


def _held(wrapper: Any) -> str:
    """The strings that a functools cache holds in its keys and values, some levels deep."""
    strings, level = [], [wrapper]
    for _ in range(5):
        level = [held for found in level for held in gc.get_referents(found) if not isinstance(held, type)]
        level = [held for held in level if not callable(held) and not hasattr(held, "__spec__")][:5000]
        strings += [held for held in level if isinstance(held, str)]
    return "\n".join(strings)
