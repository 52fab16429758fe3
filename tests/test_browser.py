"""What only a browser shows: first visits, dragging, links, the back button, phones."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Page, expect

from tests.conftest import ROOT, settle, start_server

pytestmark = pytest.mark.browser

PAGES = {
    "": "Why recurrent networks forget",
    "explosion": "Explosion",
    "clipping": "Clipping",
    "vanishing": "Vanishing",
    "gating": "Gating",
}
MENU = ["Overview", "Explosion", "Clipping", "Vanishing", "Gating"]
Visit = Callable[..., Page]

LONGEST_LINE = """() => [...document.querySelectorAll('.vega-embed svg path')]
    .map(path => path.getAttribute('d') ?? '')
    .reduce((longest, d) => d.length > longest.length ? d : longest, '')"""


def drawn_path(page: Page) -> list[tuple[float, float]]:
    """The points, in pixels, of the gradient's path as it is on the screen; y grows downwards."""
    page.evaluate("() => new Promise(r => requestAnimationFrame(() => requestAnimationFrame(r)))")
    points = page.evaluate(LONGEST_LINE).replace("M", "").split("L")
    return [(float(x), float(y)) for x, y in (point.split(",") for point in points)]


def rise(page: Page) -> float:
    """How many pixels the path's end lies above its start."""
    path = drawn_path(page)
    return path[0][1] - path[-1][1]


def drag_radius(page: Page, position: float) -> None:
    """Move the radius slider's pressed thumb to a share of its width."""
    box = page.get_by_role("slider", name="Spectral radius").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + position * box["width"], box["y"] + box["height"] / 2, steps=5)


def shown_radius(page: Page) -> str:
    return page.locator("output").inner_text()


@pytest.mark.parametrize("path", list(PAGES))
def test_the_first_visit_to_a_fresh_server_shows_the_whole_frame(
    fresh_server: str, visit: Visit, path: str
) -> None:
    page = visit(f"{fresh_server}/{path}")
    assert page.get_by_test_id("stPageLink-NavLink").all_inner_texts()[: len(MENU)] == MENU
    assert page.get_by_role("heading", level=1).inner_text() == PAGES[path]
    assert page.get_by_role("dialog").count() == 0
    assert page.get_by_test_id("stSidebarNav").count() == 0
    assert page.title().startswith(PAGES[path])


def test_dragging_the_radius_across_1_turns_the_path_without_the_server(server: str, visit: Visit) -> None:
    page = visit(f"{server}/explosion?rho=0.9")
    sent: list[str] = []
    page.on("websocket", lambda socket: socket.on("framesent", lambda _: sent.append("frame")))
    page.reload()
    page.locator(".vega-embed svg").first.wait_for()
    settle(page)
    assert shown_radius(page) == "ρ = 0.9"
    assert rise(page) < -50
    before = len(sent)
    box = page.get_by_role("slider", name="Spectral radius").bounding_box()
    assert box is not None
    drag_radius(page, 0.14)
    page.mouse.down()
    rises = []
    for position in (0.3, 0.4, 0.5, 0.6):
        drag_radius(page, position)
        rises.append(rise(page))
        page.wait_for_timeout(250)  # a reader who pauses has not let go
    assert rises == sorted(rises)
    assert rises[0] < 0 < rises[-1]
    assert len(sent) == before
    page.mouse.up()
    page.wait_for_function("location.search !== '?rho=0.9'")
    settle(page)
    assert len(sent) == before + 1
    assert f"ρ = {page.url.split('rho=')[1]}" == shown_radius(page)
    assert rise(page) == pytest.approx(rises[-1], abs=1)
    assert "times as large" in page.get_by_test_id("stMain").inner_text()


def test_the_radius_is_set_by_keyboard(server: str, visit: Visit) -> None:
    page = visit(f"{server}/explosion")
    slider = page.get_by_role("slider", name="Spectral radius")
    slider.press("ArrowLeft")
    page.wait_for_function("location.search === '?rho=1.09'")
    assert slider.get_attribute("aria-valuetext") == "ρ = 1.09"


def test_new_data_is_drawn_in_place(server: str, visit: Visit) -> None:
    page = visit(f"{server}/explosion")
    page.evaluate("document.querySelector('.vega-embed svg').dataset.kept = 'yes'")
    before = drawn_path(page)
    page.get_by_role("spinbutton", name="Steps back").fill("300")
    page.get_by_role("spinbutton", name="Steps back").press("Enter")
    page.wait_for_function("location.search === '?steps=300'")
    settle(page)
    assert drawn_path(page) != before
    assert page.locator(".vega-embed svg[data-kept=yes]").count() == 1


LINK = "explosion?kind=own&matrix=1.2,1;0,0.7&steps=200&rho=1.05&gradient=dominant&seed=3&tab=plane"


def test_a_link_shows_the_same_on_another_server_and_after_back_and_reload(
    server: str, fresh_server: str, visit: Visit
) -> None:
    sender, reader = visit(f"{server}/{LINK}"), visit(f"{fresh_server}/{LINK}")
    assert drawn_path(sender) == drawn_path(reader)
    assert sender.get_by_test_id("stMain").inner_text() == reader.get_by_test_id("stMain").inner_text()
    path = drawn_path(reader)
    reader.get_by_role("radio", name="Tariffs").click()
    reader.wait_for_function("location.search.includes('tab=tariffs')")
    reader.go_back()
    reader.get_by_role("radio", name="Eigenvalues", checked=True).wait_for()
    reader.reload()
    reader.locator(".vega-embed svg").first.wait_for()
    settle(reader)
    assert drawn_path(reader) == path


def test_back_returns_to_the_number_before(server: str, visit: Visit) -> None:
    page = visit(f"{server}/vanishing")
    page.get_by_role("spinbutton", name="Steps back").fill("250")
    page.get_by_role("spinbutton", name="Steps back").press("Enter")
    page.wait_for_function("location.search === '?steps=250'")
    page.go_back()
    page.wait_for_function("document.querySelector('input[aria-label=\"Steps back\"]').value === '1000'")


def test_each_page_keeps_its_own_settings(server: str, visit: Visit) -> None:
    page = visit(f"{server}/explosion?rho=1.5&steps=77&kind=symmetric")
    page.get_by_role("link", name="Vanishing").click()
    page.get_by_role("heading", name="Vanishing", level=1).wait_for()
    settle(page)
    assert page.evaluate("location.search") == ""
    assert shown_radius(page) == "ρ = 0.9"
    assert page.get_by_role("spinbutton", name="Steps back").input_value() == "1000"


def test_hovering_says_the_numbers_of_a_step(server: str, visit: Visit) -> None:
    page = visit(f"{server}/explosion?kind=rotation")
    box = page.locator(".vega-embed svg").first.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 3)
    tip = page.locator("#vg-tooltip-element.visible")
    tip.wait_for()
    assert "steps back from the loss" in tip.inner_text()


def test_nothing_is_asked_of_another_host(server: str, visit: Visit) -> None:
    page = visit(server)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    for path in (
        "explosion?tab=powers",
        "clipping?tab=paper",
        "vanishing?tab=update",
        "vanishing?tab=gates",
        "",
    ):
        page.goto(f"{server}/{path}")
        page.locator(".vega-embed svg").first.wait_for()
        settle(page)
    assert asked
    assert [url for url in asked if not url.startswith((server, "blob:", "data:"))] == []


@pytest.mark.parametrize("path", list(PAGES))
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_phone_shows_the_first_chart_on_its_first_two_screens(
    server: str, visit: Visit, path: str, theme: str
) -> None:
    page = visit(f"{server}/{path}", width=390, height=844, theme=theme)
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    box = page.locator(".vega-embed svg").first.bounding_box()
    assert box is not None
    assert box["y"] + box["height"] <= 2 * 844
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= 390


def test_a_run_trains_live_while_another_visitor_drags(server: str, visit: Visit) -> None:
    other = visit(f"{server}/explosion?rho=0.9")
    trainer = visit(f"{server}/vanishing?tab=learn&learner=gru&delay=100")
    trainer.get_by_role("button", name="Train", exact=True).click()
    progress = trainer.get_by_test_id("stProgress")
    progress.wait_for()
    seen = progress.inner_text()
    other.get_by_role("slider", name="Spectral radius").focus()
    other.keyboard.press("ArrowRight")
    other.wait_for_function("() => !location.href.endsWith('rho=0.9')")
    trainer.wait_for_function(
        "seen => document.querySelector('[data-testid=stProgress]').innerText !== seen", arg=seen
    )
    trainer.get_by_test_id("stMain").get_by_role("button", name="Stop", exact=True).click()
    trainer.get_by_text("Stopped:").wait_for()
    trainer.get_by_role("button", name="Train", exact=True).wait_for()


def start_on_the_cliff(page: Page) -> dict[str, float]:
    """Where the descent starts, by the link, which the boxes say as well."""
    linked = {key: float(value[0]) for key, value in parse_qs(urlsplit(page.url).query).items()}
    start = {"w": 4.75, "b": -2.75} | linked
    for key, name in (("w", "Start at w"), ("b", "and b")):
        expect(page.get_by_role("spinbutton", name=name)).to_have_value(f"{start[key]:g}", timeout=30_000)
    settle(page)
    return start


def click_on_the_cliff(page: Page, x: float, y: float) -> dict[str, float]:
    """The start after a click at a share of the picture's size."""
    box = page.locator(".vega-embed svg").first.bounding_box()
    assert box is not None
    before = page.url
    page.mouse.click(box["x"] + x * box["width"], box["y"] + y * box["height"])
    page.wait_for_function("before => location.href !== before", arg=before)
    return start_on_the_cliff(page)


def test_a_click_on_the_surface_moves_the_start(server: str, visit: Visit) -> None:
    page = visit(f"{server}/clipping")
    right, left = click_on_the_cliff(page, 0.8, 0.7), click_on_the_cliff(page, 0.5, 0.3)
    assert 5 < right["w"] < 7
    assert -4 < right["b"] < -2.5
    assert left["w"] < right["w"] - 1
    assert left["b"] > right["b"] + 1
    page.go_back()
    page.wait_for_function("w => location.search.includes(`w=${w}&`)", arg=right["w"])
    assert start_on_the_cliff(page) == right
    page.go_back()
    page.wait_for_function("location.search === ''")
    assert start_on_the_cliff(page) == {"w": 4.75, "b": -2.75}


def test_the_same_spot_can_be_clicked_again_after_a_box_was_used(server: str, visit: Visit) -> None:
    page = visit(f"{server}/clipping")
    first = click_on_the_cliff(page, 0.8, 0.7)
    box = page.get_by_role("spinbutton", name="Start at w")
    box.fill("4.123")
    box.press("Enter")
    page.wait_for_function("location.search.includes('w=4.123')")
    assert start_on_the_cliff(page) == first | {"w": 4.123}
    assert click_on_the_cliff(page, 0.8, 0.7) == first


def test_boxes_on_the_cliff_keep_their_grid_and_their_last_number(server: str, visit: Visit) -> None:
    page = visit(f"{server}/clipping?w=5.75")
    box = page.get_by_role("spinbutton", name="Start at w")
    box.press("ArrowUp")
    page.wait_for_function("location.search.includes('w=5.875')")
    assert start_on_the_cliff(page)["w"] == 5.875
    box.press("ArrowUp")
    page.wait_for_function("location.search.includes('w=6')")
    assert start_on_the_cliff(page)["w"] == 6
    box.fill("")
    box.press("Enter")
    page.wait_for_function("document.querySelector('input[aria-label=\"Start at w\"]').value === '6'")
    assert start_on_the_cliff(page)["w"] == 6


def test_a_start_that_flies_is_one_click_away(server: str, visit: Visit) -> None:
    page = visit(f"{server}/clipping?pace=0.3")
    page.evaluate("window.kept = true")
    page.get_by_role("link", name="w = 5.125, b = −2.75").click()
    page.wait_for_function("location.search === '?w=5.125'")
    assert start_on_the_cliff(page) == {"w": 5.125, "b": -2.75}
    assert "out of the picture" in page.get_by_test_id("stMain").inner_text()
    assert page.evaluate("window.kept")


def test_a_matrix_is_uploaded_and_a_bad_one_leaves_the_picture(
    server: str, visit: Visit, tmp_path: Path
) -> None:
    good, pickle = tmp_path / "w.csv", tmp_path / "w.npy"
    good.write_text("1.5,0\n0,0.5\n")
    pickle.write_bytes(b"\x80\x04]\x94.")
    page = visit(f"{server}/explosion?kind=own")
    chooser = page.locator("input[type=file]")
    chooser.set_input_files(good)
    page.wait_for_function("location.search.includes('matrix=1.5')")
    settle(page)
    path = drawn_path(page)
    chooser.set_input_files(pickle)
    page.get_by_text("That is not an NPY file.").wait_for()
    assert drawn_path(page) == path


@pytest.fixture
def collections(tmp_path: Path) -> Path:
    """The file in which `recording_server` writes down every explicit garbage collection."""
    return tmp_path / "collections"


@pytest.fixture
def recording_server(tmp_path: Path, collections: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A server started from another folder, as from a service."""
    (tmp_path / "sitecustomize.py").write_text(
        "import gc\ncollect = gc.collect\n"
        f"def recorded(*args):\n    open({str(collections)!r}, 'a').write('x')\n    return collect(*args)\n"
        "gc.collect = recorded\n"
    )
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")]))
    process, address = start_server(ROOT / "dashboard.py", tmp_path)
    yield address
    process.terminate()
    process.wait()


def test_streamlit_collects_no_garbage_after_a_rerun(
    recording_server: str, visit: Visit, collections: Path
) -> None:
    page = visit(f"{recording_server}/explosion")
    before = collections.read_text() if collections.exists() else ""
    slider = page.get_by_role("slider", name="Spectral radius")
    for expected in ("1.09", "1.08", "1.07"):
        slider.press("ArrowLeft")
        page.wait_for_function(f"location.search === '?rho={expected}'")
    settle(page)
    assert (collections.read_text() if collections.exists() else "") == before


@pytest.mark.parametrize(
    ("page_name", "leads_to"),
    [("Explosion", "rho=0.9"), ("Clipping", "tab=training"), ("Vanishing", "tab=learn")],
)
def test_a_card_leads_to_what_to_try_first(server: str, visit: Visit, page_name: str, leads_to: str) -> None:
    page = visit(server)
    card = [*PAGES.values()].index(page_name) - 1
    page.get_by_role("link", name="Open the page").nth(card).click()
    page.get_by_role("heading", name=page_name, level=1).wait_for()
    settle(page)
    assert leads_to in page.url
