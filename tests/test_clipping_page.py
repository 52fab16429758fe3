"""The clipping page without a browser: the cliff, direction, the pair of runs, what clipping can't do."""

from __future__ import annotations

import json
import math
import re
import shlex
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest
from test_pages import chart, linked, open_page, rows, said, settled, warnings, words

from core import cliff
from core.linear import log10_gradient_norms
from core.tasks import Recall
from experiments import pascanu2013
from experiments.pascanu2013 import METHODS, load_results
from pages.shared import cliff_lab, compute, order_run, published

TABS = ["look", "direction", "training", "paper", "cannot", "cap", "code"]
SURFACE, NORMS, BELOW = 0, 1, 2  # the charts, from the top


def path(at: AppTest, layer: str) -> pd.DataFrame:
    frame = rows(at, SURFACE)
    return frame[frame["layer"] == layer].reset_index(drop=True)


def mentions(at: AppTest, text: str) -> bool:
    return any(text in markdown.value for markdown in at.markdown)


def as_python(number: str) -> str:
    """6.3e-8 for 6.3·10⁻⁸, -36 for ⁻³⁶."""
    return number.replace("·10", "e").translate(str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789"))


def number_after(at: AppTest, pattern: str) -> float:
    """The number that the first markdown to match has in its group."""
    for markdown in at.markdown:
        found = re.search(pattern, markdown.value)
        if found:
            return float(as_python(found[1]))
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
    before = norms[norms["name"] == words("common")["cut"]["before"]]
    drawn = clipped.norms_before[clipped.norms_before > 10**cliff_lab.LEAST_DRAWN]
    np.testing.assert_allclose(10 ** before["y"], drawn, rtol=1e-12)


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
    landing = 1 + int(np.argmax(lengths))
    assert number_after(at, r"There the error is \*\*([\d.]+)\*\*") == pytest.approx(free.errors[landing])
    exponent = math.floor(math.log10(free.norms_before[landing]))
    assert exponent == number_after(at, r"norm of its gradient \*\*[\d.]+·10([⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+)\*\*") == -36


@pytest.mark.parametrize("method", ["norm", "value"])
def test_the_lowest_errors_and_the_wall_s_crossings_are_the_core_s(method: str) -> None:
    at = open_page("clipping", method=method)
    for name, used in (("Not clipped", "none"), (f"Clipped by {method}", method)):
        found = cliff.descend(4.75, -2.75, rate=0.1, updates=cliff_lab.UPDATES, method=used)
        lowest = rf"\*\*{name}\*\*.*lowest error in 120 updates is \*\*(\S+)\*\*"
        assert number_after(at, lowest) == pytest.approx(found.errors.min(), rel=0.02)
        best = rf"\*\*{name}\*\*.*lowest error .* after update (\d+)"
        assert number_after(at, best) == np.argmin(found.errors)
    foot = [cliff_lab.fixed_point(w) for w in found.w]
    crossed = sum(
        (b > at_b) != (next_b > next_at_b)
        for b, at_b, next_b, next_at_b in zip(found.b, foot, found.b[1:], foot[1:], strict=False)
    )
    assert found.w.min() > cliff_lab.WALL_FROM
    assert number_after(at, r"\*\*Clipped.* to and fro, (\d+) times") == crossed > 2
    after, before = found.norms_after, found.norms_before
    assert number_after(at, r"was cut in \*\*(\d+)\*\* of 120 updates") == np.sum(after < before)


def test_the_wall_starts_where_the_fixed_point_repels() -> None:
    def two_steps(w: float, x: float) -> float:
        b = cliff_lab.fixed_point(w)
        return w / (1 + math.exp(-x)) + b

    for w, grows in ((cliff_lab.WALL_FROM - 0.01, False), (cliff_lab.WALL_FROM + 0.01, True)):
        assert two_steps(w, 0.5) == pytest.approx(0.5, abs=1e-15)
        assert (abs(two_steps(w, 0.5 + 1e-4) - 0.5) > 1e-4) == grows


def test_a_start_without_a_wall_on_its_way_says_so() -> None:
    at = open_page("clipping", w="4", b="-1.5")
    free = cliff.descend(4, -1.5, rate=0.1, updates=cliff_lab.UPDATES, method="none")
    longest = np.hypot(np.diff(free.w), np.diff(free.b)).max()
    told = number_after(at, r"\*\*Not clipped\*\*, no step is longer than \*\*([\d.]+)")
    assert told == pytest.approx(longest, rel=1e-2)
    assert not mentions(at, "to and fro")


def test_converging_just_outside_of_the_picture_is_no_flight() -> None:
    """Its longest step, the first, starts at the edge and ends a little beyond it."""
    at = open_page("clipping", w="2", b="-0.25")
    free = cliff.descend(2, -0.25, rate=0.1, updates=cliff_lab.UPDATES, method="none")
    assert free.w[1] < cliff_lab.VIEW_W[0]
    assert cliff_lab.leap(free).update == 1
    assert said(at, "**Not clipped**, no step is longer than")


def test_too_high_a_threshold_lets_the_clipped_run_fly_and_is_told() -> None:
    at = open_page("clipping", threshold="10", method="value", pace="0.3")
    clipped = cliff.descend(*(4.75, -2.75), rate=0.3, updates=cliff_lab.UPDATES, method="value", threshold=10)
    longest = np.hypot(np.diff(clipped.w), np.diff(clipped.b))
    told = number_after(at, r"Clipped by value.* still takes a step of length \*\*([\d.]+)")
    assert told == pytest.approx(longest.max(), rel=1e-2)
    assert mentions(at, "a threshold of 10 is too high")


@pytest.mark.parametrize(("w", "b"), cliff_lab.FLIGHTS)
def test_the_starts_that_are_said_to_fly_do_and_survive_when_clipped(w: float, b: float) -> None:
    free, clipped = (
        cliff.descend(w, b, rate=0.1, updates=cliff_lab.UPDATES, method=method) for method in ("none", "norm")
    )
    assert cliff_lab.leap(free).away
    assert cliff_lab.leap(free).update < 60
    assert free.norms_before[-1] < 1e-20
    assert not cliff_lab.leap(clipped).away
    assert clipped.errors.min() < free.errors.min()
    at = open_page("clipping")
    assert f"w={w:g}&b={b:g}" in {link.proto.query_string for link in at.get("page_link")}
    assert mentions(open_page("clipping", w=f"{w:g}", b=f"{b:g}"), "out of the picture")


def test_the_surface_s_contours_are_labelled_with_their_error() -> None:
    specification = json.loads(chart(open_page("clipping"), SURFACE).spec)
    (labels,) = [
        layer["data"]["values"]
        for layer in specification["layer"]
        if layer["mark"]["type"] == "text" and "values" in layer["data"]
    ]
    labels = pd.DataFrame(json.loads(labels))
    assert len(labels) == 6
    for label in labels.to_dict("records"):
        assert float(label["text"]) == pytest.approx(
            float(cliff.error(label["w"], label["b"]).value), rel=0.03
        )


def test_an_emptied_box_gets_its_last_number_back() -> None:
    at = open_page("clipping", w="5.875")
    before = rows(at, SURFACE)
    settled(at.number_input(key="clipping-w").set_value(None).run())
    assert at.number_input(key="clipping-w").value == 5.875
    assert linked(at, "w") == "5.875"
    assert rows(at, SURFACE).equals(before)


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
    told = number_after(at, r"There ∂E/∂b is −(\d+) at w = 5,")
    assert told == pytest.approx(-cliff.error(5, foot).d_b, abs=0.5)
    assert any("x_{50}" in markdown.value for markdown in at.markdown)


@pytest.mark.parametrize(("degrees", "turned"), [(0, 0), (20, 25), (45, 0), (90, 0)])
def test_clipping_by_value_turns_towards_the_diagonal(degrees: int, turned: float) -> None:
    at = open_page("clipping", tab="direction", degrees=str(degrees), longer="4")
    assert number_after(at, r"turned through \*\*([\d.]+)°") == pytest.approx(turned, abs=0.01)
    frame = rows(at, BELOW)
    tip = frame[(frame["line"] == "norm") & (frame["order"] == 1)].iloc[0]
    assert math.degrees(math.atan2(tip["y"], tip["x"])) == pytest.approx(degrees, abs=1e-9)
    assert math.hypot(tip["x"], tip["y"]) == pytest.approx(1)


def test_the_direction_is_drawn_true_to_its_angle() -> None:
    at = open_page("clipping", tab="direction", degrees="30", longer="3")
    specification = json.loads(chart(at, BELOW).spec)
    assert specification["autosize"]["type"] == "pad"  # the plot, not the whole picture, is square
    assert specification["width"] == specification["height"]
    (scale,) = {
        json.dumps(layer["encoding"][axis]["scale"])
        for layer in specification["layer"]
        if "data" not in layer  # but for the sentence, which has no place
        for axis in "xy"
    }
    assert json.loads(scale)["domain"] == [-0.2, 5.2]
    frame = rows(at, BELOW)
    arc = frame[frame["line"] == "angle"].iloc[-1]
    assert math.degrees(math.atan2(arc["y"], arc["x"])) == pytest.approx(30)


def test_a_vanishing_run_is_the_same_clipped_or_not() -> None:
    at = open_page("clipping", tab="cannot")
    assert number_after(at, r"updates \*\*(\d+)\*\* of") == 0
    assert number_after(at, r"at most \*\*([\d.]+)\*\*") < 1
    assert number_after(at, r"where guessing gives ([\d.]+) %") == 100 / Recall(40).symbols
    found = compute.vanishing_pair(40, 60, 1.0)
    assert found.largest_norm < 1.0  # so that nothing is clipped, as the page says
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
    assert (frame[frame["name"] == words("common")["cap"]["limit"]]["y"] == 1).all()


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


@pytest.mark.parametrize("draw", ["smart tanh", "basic tanh"])
@pytest.mark.parametrize(("setting", "ordered"), [("ours", True), ("paper", False)])
def test_the_paper_s_order_is_claimed_only_where_it_is_plain(setting: str, draw: str, ordered: bool) -> None:
    at = open_page("clipping", tab="paper", setting=setting, draw=draw)
    totals = dict.fromkeys(METHODS, 0)
    for result in load_results(published.RESULTS):
        if (result.point.setting, result.point.initialisation) == (setting, draw):
            totals[result.point.method] += result.successes
    pattern = r"Of (\d+) runs each, \*\*{sgd}\*\* .* \*\*{clip}\*\* .* \*\*{clip+omega}\*\*".format(**totals)
    assert number_after(at, pattern) == (100 if setting == "ours" else 20)
    assert mentions(at, "As in the paper") == ordered


@pytest.mark.parametrize("setting", ["ours", "paper"])
def test_the_command_computes_the_setting_anew_and_leaves_the_published_results(setting: str) -> None:
    at = open_page("clipping", tab="paper", setting=setting)
    (command,) = [code.value for code in at.code]
    parsed = pascanu2013.parse(shlex.split(command)[3:])
    assert parsed.setting == setting
    assert parsed.out.name != published.RESULTS.name


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


def test_only_starts_with_results_are_offered() -> None:
    at = open_page("clipping", tab="paper", setting="paper", draw="sigmoid")
    assert warnings(at) == []
    assert at.selectbox(key="clipping-draw").value == "sigmoid"
    settled(at.selectbox(key="clipping-setting").set_value("ours").run())
    assert at.selectbox(key="clipping-draw").options == ["smart tanh", "basic tanh"]
    assert at.selectbox(key="clipping-draw").value == "smart tanh"
    assert linked(at, "draw") is None
    assert warnings(at) == []


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


def test_a_run_that_dies_at_once_is_drawn_until_then() -> None:
    at = open_page("clipping", tab="training", activation="identity", span="50", rate="1")
    train(at)
    for _ in range(20):
        settled(at.run())
        if at.button(key="clipping-train").label == "Train both":
            break
    pair, names = at.session_state["clipping-pair"], words("common")["cut"]
    for number, key in ((BELOW, "free"), (BELOW + 1, "free"), (BELOW + 1, "clipped")):
        drawn = rows(at, number)
        assert drawn[drawn["name"] == names[key]]["k"].max() >= len(pair[key].losses) - 1


def test_a_pair_ends_at_its_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(order_run, "BOUND", 0.1)
    at = open_page("clipping", tab="training", span="60")
    train(at)
    for _ in range(20):
        settled(at.run())
        if at.button(key="clipping-train").label == "Train both":
            break
    assert at.button(key="clipping-train").label == "Train both"
    assert said(at, "**Not clipped**, time was up after 0.1 s of computing")
    free = at.session_state["clipping-pair"]["free"]
    longest = 0.1 * max(free.norms_before)
    assert number_after(at, r"longest step was ([\d.]+) long") == pytest.approx(longest, rel=1e-2)


def test_a_pair_that_used_its_updates_up_has_not_learned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(order_run, "ENOUGH", 3)
    at = open_page("clipping", tab="training", span="60")
    train(at)
    settled(at.run())
    assert said(at, "**Not clipped, it has not learned**")
    assert said(at, "**Clipped, it has not learned**")


def test_time_out_of_sight_is_no_time_of_training() -> None:
    at = open_page("clipping", tab="training", span="60")
    train(at)
    settled(at.segmented_control(key="clipping-tab").set_value("cap").run())
    pair = at.session_state["clipping-pair"]
    before = {name: (run.spent, len(run.losses)) for name, run in pair.items()}
    time.sleep(0.5)
    settled(at.run())
    assert {name: (run.spent, len(run.losses)) for name, run in pair.items()} == before
    settled(at.segmented_control(key="clipping-tab").set_value("training").run())
    for name, run in pair.items():
        assert run.ended is None
        assert len(run.losses) > before[name][1]
        assert before[name][0] < run.spent < before[name][0] + 0.4


def test_other_settings_stop_the_pair_which_stays_and_is_told() -> None:
    at = open_page("clipping", tab="training")
    train(at)
    settled(at.run())
    settled(at.selectbox(key="clipping-cut").set_value("10").run())
    assert at.button(key="clipping-train").label == "Train both"
    assert mentions(
        at, "made with other settings: length 20, 50 hidden units, learning rate 0.1, threshold 1, tanh"
    )
    assert said(at, "**Clipped**, stopped")
    assert len(rows(at, BELOW)) > 2
    updates = len(at.session_state["clipping-pair"]["free"].losses)
    settled(at.run())
    assert len(at.session_state["clipping-pair"]["free"].losses) == updates
    train(at)
    assert not mentions(at, "made with other settings")
    assert at.session_state["clipping-pair"]["clipped"].settings.threshold == 10


def test_the_papers_band_is_told_and_drawn_around_the_clipped_run_s_mean() -> None:
    at = open_page("clipping", tab="training", cut="3")
    train(at)
    train(at)
    mean = np.mean(at.session_state["clipping-pair"]["clipped"].norms_before)
    band = rows(at, BELOW)
    band = band[band["k"] == 0]
    np.testing.assert_allclose(10 ** band["y"], [0.5 * mean, 10 * mean])
    assert number_after(at, r"here ([\d.]+)–[\d.]+; this run's is 3\.") == pytest.approx(0.5 * mean, rel=1e-2)
    assert number_after(at, r"here [\d.]+–([\d.]+);") == pytest.approx(10 * mean, rel=1e-2)
