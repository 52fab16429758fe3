"""The clipping page without a browser: the cliff, direction, the pair of runs, what clipping can't do."""

from __future__ import annotations

import math
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest
from test_pages import chart, linked, open_page, rows, said, settled, warnings, words

from core import cliff
from core.linear import log10_gradient_norms
from experiments.pascanu2013 import METHODS, load_results
from pages.shared import cliff_lab, order_run, published

TABS = ["look", "direction", "training", "paper", "cannot", "cap"]
SURFACE, NORMS, BELOW = 0, 1, 2  # the charts, from the top


def path(at: AppTest, layer: str) -> pd.DataFrame:
    frame = rows(at, SURFACE)
    return frame[frame["layer"] == layer].reset_index(drop=True)


def number_after(at: AppTest, pattern: str) -> float:
    """The number that the first markdown to match has in its group."""
    for markdown in at.markdown:
        found = re.search(pattern, markdown.value)
        if found:
            return float(found[1])
    raise AssertionError(f"nothing says {pattern}")


@pytest.mark.parametrize("tab", TABS)
def test_every_section_opens_by_its_link(tab: str) -> None:
    at = open_page("clipping", tab=tab)
    assert at.session_state["clipping-tab"] == tab
    assert warnings(at) == []


@pytest.mark.parametrize("method", ["norm", "value"])
def test_the_descents_are_drawn_as_the_core_has_them(method: str) -> None:
    at = open_page("clipping", w="5", b="-2.5", pace="0.1", threshold="0.3", method=method)
    options = {"rate": 0.1, "updates": cliff_lab.UPDATES, "threshold": 0.3}
    clipped = cliff.descend(5, -2.5, method=method, **options)
    drawn = path(at, "clipped")
    np.testing.assert_allclose(drawn["w"], clipped.w, rtol=1e-12)
    np.testing.assert_allclose(drawn["b"], clipped.b, rtol=1e-12)
    assert path(at, "start")[["w", "b"]].to_numpy().tolist() == [[5.0, -2.5]]
    norms = rows(at, NORMS)
    before = norms[norms["name"] == words("common")["cliff"]["before"]]
    np.testing.assert_allclose(10 ** before["y"], clipped.norms_before, rtol=1e-12)


def test_a_path_that_leaves_the_picture_is_drawn_to_its_edge_and_told_to_its_end() -> None:
    at = open_page("clipping")
    free = cliff.descend(4.75, -2.75, rate=0.1, updates=cliff_lab.UPDATES, method="none")
    lengths = np.hypot(np.diff(free.w), np.diff(free.b))
    drawn = path(at, "free")
    inside = len(drawn) - 1
    np.testing.assert_allclose(drawn["w"][:inside], free.w[:inside], rtol=1e-12)
    edge = drawn.iloc[-1]
    assert edge["b"] == pytest.approx(cliff_lab.VIEW_B[1])
    slope = (free.b[inside] - free.b[inside - 1]) / (free.w[inside] - free.w[inside - 1])
    assert (edge["b"] - free.b[inside - 1]) / (edge["w"] - free.w[inside - 1]) == pytest.approx(slope)
    assert number_after(at, r"update \*\*(\d+)\*\*") == 1 + np.argmax(lengths)
    assert number_after(at, r"step of length \*\*([\d.]+)\*\*") == pytest.approx(lengths.max(), rel=1e-2)


def test_a_start_without_a_wall_on_its_way_says_so() -> None:
    at = open_page("clipping", w="4", b="-1.5")
    assert said(at, "**Not clipped**, the longest of 60 steps")


@pytest.mark.parametrize(
    ("widget", "key", "value"),
    [
        ("number_input", "w", 5.5),
        ("number_input", "b", -3.0),
        ("selectbox", "pace", "0.3"),
        ("selectbox", "threshold", "0.1"),
        ("selectbox", "method", "value"),
    ],
)
def test_every_control_moves_the_descents_and_not_the_surface(widget: str, key: str, value: object) -> None:
    at = open_page("clipping")
    before, specification = rows(at, SURFACE), chart(at, SURFACE).spec
    settled(getattr(at, widget)(key=f"clipping-{key}").set_value(value).run())
    assert not before.equals(rows(at, SURFACE))
    assert chart(at, SURFACE).spec == specification
    assert linked(at, key) == (f"{value:g}" if isinstance(value, float) else value)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        *[("w", "8"), ("w", "nan"), ("w", "<b>"), ("b", "1e309"), ("b", "0.1"), ("pace", "0")],
        *[("threshold", "-1"), ("threshold", "inf"), ("method", "__import__('os')"), ("tab", "x")],
    ],
)
def test_a_wrong_link_gives_the_default_and_one_sentence(key: str, value: str) -> None:
    at = open_page("clipping", **{key: value})
    assert len(warnings(at)) == 1
    assert "<" not in warnings(at)[0]
    assert rows(at, SURFACE).equals(rows(open_page("clipping"), SURFACE))


def test_the_slopes_along_the_wall_are_the_cores() -> None:
    at = open_page("clipping")
    foot = 0.5 - 5 / (1 + math.exp(-0.5))
    assert number_after(at, r"At w = 5 .* is −(\d+),") == pytest.approx(-cliff.error(5, foot).d_b, abs=0.5)
    assert any("x_{50}" in markdown.value for markdown in at.markdown)


@pytest.mark.parametrize(("degrees", "turned"), [(0, 0), (20, 25), (45, 0), (90, 0)])
def test_clipping_by_value_turns_towards_the_diagonal(degrees: int, turned: float) -> None:
    at = open_page("clipping", tab="direction", degrees=str(degrees), longer="4")
    assert number_after(at, r"turned through \*\*([\d.]+)°") == pytest.approx(turned, abs=0.01)
    frame = rows(at, BELOW)
    tip = frame[(frame["line"] == "norm") & (frame["order"] == 1)].iloc[0]
    assert math.degrees(math.atan2(tip["y"], tip["x"])) == pytest.approx(degrees, abs=1e-9)
    assert math.hypot(tip["x"], tip["y"]) == pytest.approx(1)


def test_a_vanishing_run_is_the_same_clipped_or_not() -> None:
    at = open_page("clipping", tab="cannot")
    assert number_after(at, r"updates \*\*(\d+)\*\* of") == 0
    assert number_after(at, r"at most \*\*([\d.]+)\*\*") < 1
    frame = rows(at, BELOW)
    curves = [part["y"].to_numpy() for _, part in frame.groupby("name")]
    assert len(curves) == 2
    np.testing.assert_array_equal(curves[0], curves[1])


def test_the_price_is_the_tariffs_until_the_cap() -> None:
    at = open_page("clipping", tab="cap", borders="50", limit="10")
    prices = log10_gradient_norms([[1.1]], [1.0], 50)
    frame = rows(at, BELOW)
    capped = frame[frame["name"] == words("common")["cap"]["capped"]]["y"].to_numpy()
    np.testing.assert_allclose(capped, np.minimum(prices, 1), atol=1e-12)
    assert number_after(at, r"at border (\d+)") == np.argmax(prices >= 1)


@pytest.mark.parametrize(
    ("setting", "draw"), [("ours", "smart tanh"), ("ours", "basic tanh"), ("paper", "smart tanh")]
)
def test_the_papers_experiment_is_drawn_and_told_as_it_is_stored(setting: str, draw: str) -> None:
    at = open_page("clipping", tab="paper", setting=setting, draw=draw)
    names = words("common")["method_names"]
    drawn = {(row["name"], row["k"]): row["y"] for _, row in rows(at, BELOW).iterrows()}
    told = "\n".join(markdown.value for markdown in at.markdown)
    stored = [
        result
        for result in load_results(published.RESULTS)
        if (result.point.setting, result.point.initialisation) == (setting, draw)
    ]
    assert {result.point.method for result in stored} == set(METHODS)
    assert len(drawn) == len(stored)
    for result in stored:
        seeds, length = len(result.point.seeds), result.point.length
        assert drawn[names[result.point.method], length] == result.successes / seeds
        assert f"**{result.successes}** of {seeds} at T = {length}" in told
        assert f"{result.point.updates:,}" in told
        assert f"{result.tested:,} new sequences" in told


def test_in_our_setting_sgd_fails_first_and_omega_last() -> None:
    """What the paper found, by the lengths at which half of the seeds no longer learn."""
    reach = dict.fromkeys(METHODS, 0)
    for result in load_results(published.RESULTS):
        if result.point.setting == "ours" and 2 * result.successes >= len(result.point.seeds):
            reach[result.point.method] = max(reach[result.point.method], result.point.length)
    assert reach["sgd"] < reach["clip"] <= reach["clip+omega"]


@pytest.mark.parametrize("content", [None, "", '{"sha256": "0", "points": []}', '{"sha256"'])
def test_results_that_cannot_be_read_are_told_in_one_sentence(
    content: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "results.json"
    if content is not None:
        file.write_text(content)
    monkeypatch.setattr(published, "RESULTS", file)
    at = open_page("clipping", tab="paper")
    assert warnings(at) == [words("clipping")["paper"]["unreadable"]]


def test_a_start_without_results_says_so() -> None:
    assert said(open_page("clipping", tab="paper", draw="sigmoid"), "There are no results for sigmoid")


def train(at: AppTest) -> None:
    settled(at.button(key="clipping-train").click().run())


def test_a_pair_runs_from_one_start_until_it_is_stopped() -> None:
    at = open_page("clipping", tab="training", span="30")
    train(at)
    settled(at.run())
    pair = at.session_state["clipping-pair"]
    assert pair["clipped"].losses[0] == pair["free"].losses[0]
    assert pair["clipped"].norms_before[0] == pair["free"].norms_before[0]
    assert at.button(key="clipping-train").label == "Stop"
    train(at)
    assert at.button(key="clipping-train").label == "Train both"
    assert said(at, "**Clipped**, stopped")
    assert max(pair["clipped"].norms_after) <= 1 + 1e-6
    assert pair["free"].norms_after == pair["free"].norms_before


def test_without_clipping_a_linear_network_dies_and_says_where() -> None:
    at = open_page("clipping", tab="training", activation="identity")
    train(at)
    for _ in range(20):
        settled(at.run())
        if at.session_state["clipping-pair"]["free"].ended:
            break
    assert said(at, "**Not clipped, it has died** at update")
    assert any("in the forward pass" in markdown.value for markdown in at.markdown)
    assert at.session_state["clipping-pair"]["clipped"].not_finite is None


def test_a_pair_ends_at_its_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(order_run, "BOUND", 0.3)
    at = open_page("clipping", tab="training", span="60")
    train(at)
    for _ in range(6):
        settled(at.run())
    assert at.button(key="clipping-train").label == "Train both"
    assert said(at, "**Not clipped, it has not learned**")
    free = at.session_state["clipping-pair"]["free"]
    longest = 0.1 * max(free.norms_before)
    assert number_after(at, r"longest step was ([\d.]+) long") == pytest.approx(longest, rel=1e-2)


def test_other_settings_put_the_pair_away() -> None:
    at = open_page("clipping", tab="training")
    train(at)
    settled(at.selectbox(key="clipping-cut").set_value("10").run())
    assert at.button(key="clipping-train").label == "Train both"
    assert not said(at, "**Clipped**:")
