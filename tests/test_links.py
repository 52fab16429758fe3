"""A link made in one session opens the same view in another: the same data, to the byte."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import parse_qsl, urlsplit

import pytest
import streamlit as st
from playwright.sync_api import Page, WebSocket
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.proto.VegaLiteChart_pb2 import VegaLiteChart
from test_pages import open_page

from tests.conftest import settle

pytestmark = pytest.mark.browser

Visit = Callable[..., Page]


def move_explosion(page: Page) -> None:
    page.get_by_role("slider").press("ArrowLeft")
    page.get_by_role("spinbutton").first.press("ArrowUp")


def move_clipping(page: Page) -> None:
    page.get_by_role("spinbutton").first.press("ArrowUp")
    page.get_by_role("spinbutton").nth(1).press("ArrowDown")


def move_gating(page: Page) -> None:
    page.locator(".word").nth(5).press("Enter")


MOVES = {
    "explosion": move_explosion,
    "vanishing": move_explosion,
    "clipping": move_clipping,
    "gating": move_gating,
}


def numbers(chart: VegaLiteChart) -> tuple[bytes, ...]:
    """All that a chart draws, and what a screen reader is told of it."""
    return tuple(dataset.data.data for dataset in chart.datasets)


def listen(page: Page, charts: dict[str, tuple[bytes, ...]]) -> None:
    """Keep the newest data of each chart that reaches the browser, by the chart's description."""

    def keep(payload: str | bytes) -> None:
        message = ForwardMsg()
        message.ParseFromString(payload if isinstance(payload, bytes) else payload.encode())
        element = message.delta.new_element
        if element.HasField("vega_lite_chart"):
            charts[element.vega_lite_chart.alt] = numbers(element.vega_lite_chart)

    def follow(socket: WebSocket) -> None:
        socket.on("framereceived", keep)

    page.on("websocket", follow)


@pytest.mark.parametrize("name", list(MOVES))
def test_a_link_shows_the_same_data_to_the_byte(server: str, visit: Visit, name: str) -> None:
    mine: dict[str, tuple[bytes, ...]] = {}
    page = visit(f"{server}/{name}", before=lambda tab: listen(tab, mine))
    start = dict(mine)
    MOVES[name](page)
    page.wait_for_function("location.search.length > 1")
    settle(page)
    page.wait_for_timeout(300)
    settle(page)
    assert mine != start, "nothing has moved"
    theirs: dict[str, tuple[bytes, ...]] = {}
    visit(page.url, before=lambda tab: listen(tab, theirs))
    assert mine == theirs
    st.cache_data.clear()  # a third session, that has nothing of the first but the link
    at = open_page(name, **dict(parse_qsl(urlsplit(page.url).query)))
    assert {chart.proto.alt: numbers(chart.proto) for chart in at.get("vega_lite_chart")} == mine
