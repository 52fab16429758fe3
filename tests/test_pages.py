"""The pages without a browser: every control, every tab, every bad input."""

from __future__ import annotations

import io
import json
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from core.bptt import log10_forget_path, log10_hidden_gradient_norms, unroll
from core.cells import LSTM
from core.linear import GRADIENT_KINDS, MATRIX_KINDS, log10_gradient_norms, make_gradient, make_matrix
from pages.shared import recall_run
from pages.shared.thinning import MOST_POINTS
from pages.shared.words import read_words
from tests.conftest import ROOT
from tests.npy import npy

TABS = {
    "explosion": ["look", "plane", "powers", "training", "tariffs", "code"],
    "vanishing": [
        *("look", "update", "transient", "one", "saturation", "gates", "learn"),
        *("computed", "grain", "code"),
    ],
}


@pytest.fixture(autouse=True)
def _empty_caches() -> Iterator[None]:
    yield
    st.cache_data.clear()


def open_page(name: str, **query: str) -> AppTest:
    """A page as a link opens it."""
    at = AppTest.from_file(str(ROOT / "dashboard.py"), default_timeout=60).run()
    for key, value in query.items():
        at.query_params[key] = value
    if name != "overview":
        at.switch_page(f"pages/{name}.py")
    return settled(at.run())


def settled(at: AppTest) -> AppTest:
    assert not at.exception, at.exception[0].message
    return at


def chart(at: AppTest, number: int = 0) -> Any:
    return at.get("vega_lite_chart")[number].proto


def rows(at: AppTest, number: int = 0, name: str = "rows") -> pd.DataFrame:
    """The data of a chart as the browser gets it, one of its two datasets."""
    (found,) = [part.data.data for part in chart(at, number).datasets if part.name == name]
    return pa.ipc.open_stream(io.BytesIO(found)).read_all().to_pandas()


def now(at: AppTest, number: int = 0) -> str:
    """What a chart says to a screen reader that it shows."""
    (sentence,) = rows(at, number, "now")["sentence"]
    return str(sentence)


def path_end(at: AppTest) -> float:
    """log10 of the gradient's norm at the last step that the main picture draws."""
    frame = rows(at)
    last = frame[frame["layer"] == "path"].iloc[-1]
    return float(last["base"] + last["k"] * math.log10(last["radius"]))


def warnings(at: AppTest) -> list[str]:
    return [warning.value for warning in at.warning]


def linked(at: AppTest, parameter: str) -> str | None:
    """What a link to the present state says."""
    value = at.query_params.get(parameter)
    return value[-1] if isinstance(value, list) else value


def words(page: str) -> dict[str, Any]:
    return read_words("en")[page]


def test_the_overview_has_four_cards_with_pictures_and_the_equations() -> None:
    at = open_page("overview")
    assert len(at.get("vega_lite_chart")) == 4
    assert len(at.get("latex") or at.latex) == len(words("overview")["equations"]) == 8
    assert [link.proto.label for link in at.get("page_link")][:5] == [
        *("Overview", "Explosion", "Clipping", "Vanishing", "Gating")
    ]


@pytest.mark.parametrize(("page", "tab"), [(page, tab) for page in TABS for tab in TABS[page]])
@pytest.mark.parametrize("kind", ["gaussian", "jordan"])
def test_every_tab_opens_by_its_link(page: str, tab: str, kind: str) -> None:
    at = open_page(page, tab=tab, kind=kind, steps="60", n="5")
    assert at.session_state[f"{page}-tab"] == tab
    assert warnings(at) == []


@pytest.mark.parametrize("page", list(TABS))
@pytest.mark.parametrize("kind", MATRIX_KINDS)
@pytest.mark.parametrize("n", [1, 2, 64])
def test_every_kind_of_matrix_is_drawn_as_the_core_has_it(page: str, kind: str, n: int) -> None:
    at = open_page(page, kind=kind, n=str(n), rho="1.05", steps="40", seed="3")
    rng = np.random.default_rng(3)
    W = make_matrix(kind, n, 1.05, rng=rng)
    gradient = make_gradient("random", W, rng=rng)
    assert path_end(at) == pytest.approx(log10_gradient_norms(W, gradient, 40)[-1], abs=1e-9)


def test_the_numbers_are_right_at_step_10000() -> None:
    at = open_page("vanishing", kind="rotation", rho="0.9", steps="10000")
    assert path_end(at) == pytest.approx(10_000 * math.log10(0.9), abs=1e-8)


@pytest.mark.parametrize(
    ("widget", "key", "value", "parameter"),
    [
        ("number_input", "explosion-steps", 300, "steps"),
        ("number_input", "explosion-n", 8, "n"),
        ("number_input", "explosion-seed", 11, "seed"),
        ("selectbox", "explosion-kind", "symmetric", "kind"),
        ("selectbox", "explosion-gradient", "dominant", "gradient"),
    ],
)
def test_every_control_moves_the_picture_and_not_its_specification(
    widget: str, key: str, value: object, parameter: str
) -> None:
    at = open_page("explosion")
    before, specification, alt = rows(at), chart(at).spec, chart(at).alt
    settled(getattr(at, widget)(key=key).set_value(value).run())
    assert not before.equals(rows(at))
    assert (chart(at).spec, chart(at).alt) == (specification, alt)
    assert linked(at, parameter) == str(value)


SECTION_CONTROLS = [
    ("explosion", "powers", "slider", "at", 60),
    ("explosion", "training", "slider", "unroll", 10),
    ("explosion", "training", "selectbox", "rate", "0.1"),
    ("explosion", "tariffs", "slider", "borders", 10),
    ("vanishing", "update", "selectbox", "rate", "1"),
    ("vanishing", "saturation", "selectbox", "scale", "10"),
    ("vanishing", "gates", "selectbox", "cell", "lstm"),
    ("vanishing", "gates", "selectbox", "start", "chrono"),
    ("vanishing", "gates", "number_input", "span", 50),
    ("vanishing", "gates", "number_input", "units", 8),
    ("vanishing", "gates", "number_input", "bias", 3),
    ("vanishing", "computed", "selectbox", "type", "float16"),
    ("vanishing", "grain", "slider", "stages", 10),
]


@pytest.mark.parametrize(("page", "tab", "widget", "key", "value"), SECTION_CONTROLS)
def test_every_control_of_a_section_moves_its_picture(
    page: str, tab: str, widget: str, key: str, value: Any
) -> None:
    at = open_page(page, tab=tab)
    before = rows(at, 1)
    settled(getattr(at, widget)(key=f"{page}-{key}").set_value(value).run())
    assert not before.equals(rows(at, 1))
    assert linked(at, key) == str(value)
    again = open_page(page, tab=tab, **{key: str(value)})
    assert rows(again, 1).equals(rows(at, 1))


@pytest.mark.parametrize(
    ("page", "tab", "key"), [(page, tab, key) for page, tab, _, key, _ in SECTION_CONTROLS]
)
def test_a_wrong_link_to_a_section_gives_its_default_and_one_sentence(page: str, tab: str, key: str) -> None:
    at = open_page(page, tab=tab, **{key: "-1e309"})
    assert len(warnings(at)) == 1
    assert rows(at, 1).equals(rows(open_page(page, tab=tab), 1))


@pytest.mark.parametrize(("key", "value"), [("learner", "x"), ("delay", "101"), ("open", "")])
def test_a_wrong_link_to_the_experiment_gives_its_default_and_one_sentence(key: str, value: str) -> None:
    at = open_page("vanishing", tab="learn", **{key: value})
    assert len(warnings(at)) == 1
    assert at.selectbox(key="vanishing-learner").value == "rnn"
    assert at.slider(key="vanishing-delay").value == 40


def test_gates_are_drawn_as_the_core_has_them() -> None:
    at = open_page("vanishing", tab="gates", units="5", span="30", bias="2", seed="3", start="orthogonal")
    rng = np.random.default_rng(3)
    x, d_last = rng.standard_normal((30, 1, 8)), rng.standard_normal((1, 5))
    d_last /= np.linalg.norm(d_last)
    cell = LSTM.create(8, 5, rng=np.random.default_rng(3), recurrence="orthogonal", forget_bias=2)
    trace = unroll(cell, x)
    drawn = rows(at, 1).groupby("name")["y"].last()
    assert drawn["LSTM"] == pytest.approx(log10_hidden_gradient_norms(cell, trace, d_last)[0, 0], abs=1e-9)
    memory = words("common")["gates"]["memory"]
    assert drawn[memory] == pytest.approx(log10_forget_path(cell, trace, d_last)[0, 0], abs=1e-9)
    assert set(drawn.index) == {"RNN", "LSTM", "GRU", memory}


def test_the_radius_scales_the_cells_that_start_at_it() -> None:
    ends = {}
    for rho in ("0.5", "0.9"):
        at = open_page("vanishing", tab="gates", start="scaled", cell="rnn", rho=rho)
        ends[rho] = rows(at, 1)["y"].iloc[-1]
    assert ends["0.5"] < ends["0.9"] - 10


def said(at: AppTest, start: str) -> bool:
    return any(markdown.value.startswith(start) for markdown in at.markdown)


def updates(at: AppTest) -> int:
    """The last update whose accuracy is drawn."""
    frame = rows(at, 1)
    return int(frame[frame["name"] != words("common")["learn"]["guess"]]["k"].max())


def test_a_run_moves_on_by_itself_stops_when_told_and_starts_anew() -> None:
    at = open_page("vanishing", tab="learn")
    train = at.button(key="vanishing-train")
    assert train.label == "Train"
    settled(train.click().run())
    before = updates(at)
    settled(at.run())
    assert updates(at) > before > 0
    assert at.button(key="vanishing-train").label == "Stop"
    settled(at.button(key="vanishing-train").click().run())
    stopped = updates(at)
    settled(at.run())
    assert updates(at) == stopped
    assert said(at, "Stopped")
    (run,) = at.session_state["vanishing-runs"].values()
    settled(at.button(key="vanishing-train").click().run())
    (anew,) = at.session_state["vanishing-runs"].values()
    assert anew is not run
    assert anew.ended is None
    assert anew.losses[0] == run.losses[0]
    assert anew.losses is not run.losses


def test_a_gru_learns_what_comes_after_a_short_delay() -> None:
    at = open_page("vanishing", tab="learn", learner="gru", delay="5")
    settled(at.button(key="vanishing-train").click().run())
    for _ in range(100):
        settled(at.run())
        if at.button(key="vanishing-train").label == "Train":
            break
    assert said(at, "**The GRU has learned it**")


@pytest.mark.parametrize(
    ("bound", "most", "told"),
    [("ENOUGH", 3, "**The RNN has not learned it**"), ("BOUND", 0.05, "**Time was up** after 0.05 s")],
)
def test_a_run_ends_at_its_bound_and_says_which(
    bound: str, most: float, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recall_run, bound, most)
    at = open_page("vanishing", tab="learn", learner="rnn", delay="60")
    settled(at.button(key="vanishing-train").click().run())
    for _ in range(20):
        settled(at.run())
        if at.button(key="vanishing-train").label == "Train":
            break
    assert at.button(key="vanishing-train").label == "Train"
    assert said(at, told)


def test_another_setting_stops_a_run_and_another_cell_is_drawn_beside_it() -> None:
    at = open_page("vanishing", tab="learn")
    settled(at.button(key="vanishing-train").click().run())
    settled(at.selectbox(key="vanishing-learner").set_value("lstm").run())
    assert at.button(key="vanishing-train").label == "Train"
    settled(at.button(key="vanishing-train").click().run())
    assert set(rows(at, 1)["name"]) == {"RNN", "LSTM", "guessing"}
    settled(at.slider(key="vanishing-delay").set_value(10).run())
    assert set(rows(at, 1)["name"]) == {"guessing"}


def test_the_page_can_be_used_while_a_run_goes_on() -> None:
    at = open_page("vanishing", tab="learn")
    settled(at.button(key="vanishing-train").click().run())
    before = updates(at)
    at.session_state["vanishing-radius-made"] = {"radius": 0.8}
    settled(at.run())
    assert linked(at, "rho") == "0.8"
    assert updates(at) > before
    assert at.button(key="vanishing-train").label == "Stop"


def test_a_step_beyond_a_shortened_path_is_its_last() -> None:
    at = open_page("explosion", tab="powers", at="60")
    settled(at.number_input(key="explosion-steps").set_value(20).run())
    assert at.slider(key="explosion-at").value == 20


def test_the_radius_moves_every_number_when_it_is_released() -> None:
    at = open_page("explosion")
    grown, specification, alt = path_end(at), chart(at).spec, chart(at).alt
    at.session_state["explosion-radius-made"] = {"radius": 0.9}
    settled(at.run())
    assert path_end(at) == pytest.approx(grown + 1000 * math.log10(0.9 / 1.1), abs=1e-9)
    assert linked(at, "rho") == "0.9"
    assert (chart(at).spec, chart(at).alt) == (specification, alt)


@pytest.mark.parametrize("gradient", GRADIENT_KINDS)
def test_every_gradient_is_drawn(gradient: str) -> None:
    at = open_page("explosion", gradient=gradient, steps="50")
    assert rows(at)["layer"].eq("path").sum() == 51


def test_nothing_orthogonal_to_a_single_mode_is_said_in_one_sentence() -> None:
    at = open_page("explosion", n="1", gradient="orthogonal")
    assert warnings(at) == [words("common")["gradient_impossible"]]


def test_a_doubtful_path_says_by_how_much() -> None:
    at = open_page("vanishing", gradient="orthogonal", kind="worked-example", n="2", steps="300")
    assert any("Float64 itself knows this path only to" in warning for warning in warnings(at))
    assert not warnings(open_page("vanishing", steps="300"))


@pytest.mark.parametrize("page", list(TABS))
@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("n", "abc"),
        ("n", "257"),
        ("n", "1e309"),
        ("steps", "0"),
        ("steps", "10001"),
        ("steps", "nan"),
        ("seed", "-1"),
        ("kind", "<script>alert(1)</script>"),
        ("kind", "__import__('os')"),
        ("gradient", ""),
        ("tab", "javascript:alert(1)"),
        ("rho", "inf"),
        ("rho", "2.1"),
        ("rho", "0,9"),
    ],
)
def test_a_wrong_link_gives_the_default_and_one_sentence(page: str, key: str, value: str) -> None:
    at = open_page(page, **{key: value})
    assert len(warnings(at)) == 1
    assert "<" not in warnings(at)[0]
    assert rows(at).equals(rows(open_page(page)))


def test_a_series_has_at_most_200_points_and_the_download_all() -> None:
    at = open_page("explosion", steps="10000", tab="code")
    assert rows(at).groupby("layer").size().max() <= MOST_POINTS
    namespace: dict[str, Any] = {}
    exec(at.code[0].value.replace("print", "str"), namespace)
    assert len(namespace["log10_norms"]) == 10_001


@pytest.mark.parametrize("page", list(TABS))
@pytest.mark.parametrize(
    "query",
    [
        {"steps": "30"},
        {"steps": "30", "kind": "non-normal", "rho": "0.995", "gradient": "dominant"},
        {"steps": "30", "kind": "own", "matrix": "1,2;3,4"},
        {"steps": "30", "kind": "own"},
    ],
    ids=["default", "non-normal", "own", "own-default"],
)
def test_the_code_shown_makes_the_picture(page: str, query: dict[str, str]) -> None:
    at = open_page(page, tab="code", **query)
    namespace: dict[str, Any] = {}
    exec(at.code[0].value.replace("print", "str"), namespace)
    frame = rows(at)
    path = frame[frame["layer"] == "path"]
    drawn = path["base"] + path["k"] * np.log10(path["radius"])
    assert namespace["log10_norms"] == pytest.approx(drawn.to_numpy(), abs=1e-9)


# The reader's own matrix.


def own_state(at: AppTest) -> np.ndarray[Any, Any]:
    return np.asarray(at.session_state["explosion-own-matrix"])


def bad(key: str) -> str:
    return str(words("common")["own"]["bad"][key]).split("{")[0]


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("", "missing"),
        ("1,2", "square"),
        ("1,2;3", "ragged"),
        ("1,x;3,4", "number"),
        ("1,nan;3,4", "finite"),
        ("1,1e301;3,4", "huge"),
        ("1,inf;3,4", "finite"),
        (";".join(",".join("1" * 13) for _ in range(13)), "large"),
    ],
)
def test_a_bad_matrix_in_a_link_is_one_sentence_and_the_example(text: str, key: str) -> None:
    at = open_page("explosion", kind="own", matrix=text)
    assert len(warnings(at)) == 1
    assert warnings(at)[0].startswith(bad(key))
    assert own_state(at).tolist() == [[0.5, 10], [0, 0.6]]


def test_an_own_matrix_is_shown_as_it_is_and_travels_in_the_link() -> None:
    at = open_page("explosion", kind="own", matrix="1,2;3,4", steps="10")
    W = np.array([[1.0, 2.0], [3.0, 4.0]])
    gradient = make_gradient("random", W, rng=np.random.default_rng(7))
    assert path_end(at) == pytest.approx(log10_gradient_norms(W, gradient, 10)[-1], abs=1e-9)
    assert linked(at, "matrix") == "1,2;3,4"


def edit(at: AppTest, change: dict[str, Any]) -> AppTest:
    version = at.session_state["explosion-own-version"]
    edits = {"edited_rows": {}, "added_rows": [], "deleted_rows": []} | change
    at.session_state[f"explosion-own-editor-{version}"] = edits
    return settled(at.run())


def test_the_table_edits_the_matrix() -> None:
    at = edit(open_page("explosion", kind="own"), {"edited_rows": {0: {"2": "5"}}})
    assert own_state(at).tolist() == [[0.5, 5], [0, 0.6]]
    assert linked(at, "matrix") == "0.5,5;0,0.6"


@pytest.mark.parametrize(
    ("change", "key"),
    [
        ({"edited_rows": {0: {"2": None}}}, "missing"),
        ({"edited_rows": {0: {"2": "text"}}}, "number"),
        ({"edited_rows": {1: {"1": "NaN"}}}, "finite"),
        ({"added_rows": [{"1": "1", "2": "2"}]}, "square"),
        ({"added_rows": [{"1": "1"}]}, "square"),
        ({"deleted_rows": [1]}, "square"),
        ({"deleted_rows": [0, 1]}, "empty"),
    ],
    ids=["missing-cell", "text", "nan", "extra-row", "half-row", "row-less", "nothing"],
)
def test_a_bad_table_is_one_sentence_and_the_last_good_picture_stays(
    change: dict[str, Any], key: str
) -> None:
    at = edit(open_page("explosion", kind="own"), {"edited_rows": {0: {"2": "5"}}})
    good = rows(at)
    at = edit(at, change)
    assert [error.value.startswith(bad(key)) for error in at.error] == [True]
    assert rows(at).equals(good)


def csv(rows: int, columns: int) -> bytes:
    return "\n".join(",".join(["0.5"] * columns) for _ in range(rows)).encode()


def claiming(rows: int) -> bytes:
    """An NPY file whose header claims more than it holds."""
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        header, {"descr": "<f8", "fortran_order": False, "shape": (rows, rows)}
    )
    return header.getvalue()


def upload(at: AppTest, name: str, content: bytes) -> AppTest:
    return settled(at.file_uploader[0].upload(name, content).run())


@pytest.mark.parametrize(
    ("name", "content", "key"),
    [
        ("w.csv", b"", "empty"),
        ("w.csv", b"a,b\n1,2", "number"),
        ("w.csv", b"1,2\n3", "ragged"),
        ("w.csv", csv(2, 3), "square"),
        ("w.csv", csv(300, 300), "large"),
        ("w.csv", b"\xff\xfe\x00\x01", "text"),
        ("w.csv", b"0" * 10_000_000, "file"),
        ("w.csv", b"1,nan\n3,4", "finite"),
        ("w.npy", b"not an array", "npy"),
        ("w.npy", npy(np.array([[{}]], dtype=object)), "npy_type"),
        ("w.npy", npy(np.eye(3) * 1j), "npy_type"),
        ("w.npy", npy(np.zeros((2, 3))), "npy_shape"),
        ("w.npy", npy(np.zeros((0, 0))), "npy_shape"),
        ("w.npy", npy(np.eye(300)), "large"),
        ("w.npy", npy(np.eye(4))[:-8], "truncated"),
        ("w.npy", claiming(10**12), "large"),
        ("w.npy", claiming(200), "truncated"),
        ("w.npy", npy(np.array([[np.inf]])), "finite"),
    ],
)
def test_a_bad_file_is_one_sentence_and_the_last_good_picture_stays(
    name: str, content: bytes, key: str
) -> None:
    at = open_page("explosion", kind="own")
    good = rows(at)
    at = upload(at, name, content)
    assert [error.value.startswith(bad(key)) for error in at.error] == [True]
    assert rows(at).equals(good)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("w.csv", b"0,1\n0.25,0\n"),
        ("w.csv", b"\xef\xbb\xbf0;1\r\n0.25;0\r\n"),
        ("w.csv", b"0\t1\n0.25\t0"),
        ("w.npy", npy(np.array([[0, 1], [0.25, 0]]))),
        ("W.NPY", npy(np.array([[0, 1], [0.25, 0]], dtype=np.float32))),
    ],
    ids=["csv", "csv-semicolons", "csv-tabs", "npy", "npy-float32"],
)
def test_a_file_replaces_the_matrix_and_the_table_can_edit_it(name: str, content: bytes) -> None:
    at = upload(open_page("explosion", kind="own"), name, content)
    assert own_state(at).tolist() == [[0, 1], [0.25, 0]]
    at = edit(at, {"edited_rows": {0: {"1": "0.5"}}})
    assert own_state(at).tolist() == [[0.5, 1], [0.25, 0]]


def test_a_file_of_another_size_is_taken_whole_with_every_digit() -> None:
    W = np.random.default_rng(0).standard_normal((3, 3))
    at = upload(open_page("explosion", kind="own"), "w.npy", npy(W))
    assert own_state(at).tolist() == W.tolist()
    assert own_state(settled(at.run())).tolist() == W.tolist()
    again = open_page("explosion", kind="own", matrix=str(linked(at, "matrix")))
    assert own_state(again).tolist() == W.tolist()


def test_a_file_too_large_for_a_link_is_shown_and_says_so() -> None:
    at = upload(open_page("explosion", kind="own"), "w.npy", npy(np.eye(20) * 1.2))
    assert len(own_state(at)) == 20
    assert linked(at, "matrix") is None
    assert words("common")["own_too_long"] in [text.value for text in at.markdown]


def test_a_matrix_without_eigenvalues_is_shown_as_it_is() -> None:
    at = open_page("explosion", kind="own", matrix="0,1;0,0", steps="5")
    assert warnings(at) == [words("common")["own"]["nilpotent"]]
    assert rows(at)["layer"].eq("path").sum() == 2
    assert any("exactly zero from step" in text.value for text in at.markdown)


@pytest.mark.parametrize("page", list(TABS))
@pytest.mark.parametrize(
    "matrix", ["0,1;0,0", "1e50,0;0,1", "1e-20,1e299;0,1e-20", "1e-300", "0,0;0,0", "3,0;0,1"]
)
def test_no_own_matrix_breaks_any_section(page: str, matrix: str) -> None:
    for tab in TABS[page]:
        open_page(page, kind="own", matrix=matrix, tab=tab, steps="40")


def test_the_radius_of_one_kind_does_not_scale_the_readers_own_matrix() -> None:
    at = open_page("explosion", rho="0.92")
    settled(at.selectbox(key="explosion-kind").set_value("own").run())
    assert rows(at)["radius"].iloc[0] == pytest.approx(0.6)
    assert linked(at, "rho") is None
    scaled = open_page("explosion", kind="own", rho="0.92")
    assert rows(scaled)["radius"].iloc[0] == 0.92
    assert any("has ρ = **0.6**; it is shown scaled to **0.92**" in text.value for text in scaled.markdown)


def test_the_table_grows_with_its_size_and_keeps_its_entries() -> None:
    at = open_page("explosion", kind="own")
    settled(at.number_input(key="explosion-own-size").set_value(3).run())
    assert own_state(at).tolist() == [[0.5, 10, 0], [0, 0.6, 0], [0, 0, 0]]


def test_the_specification_names_no_number_of_the_data() -> None:
    specification = json.loads(chart(open_page("explosion")).spec)
    assert "datasets" not in specification
    assert "title" not in specification
