"""The app over Streamlit's websocket, without a browser: what several readers at once get from one server."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import numpy as np
import pytest

from pages.shared import live
from pages.shared.radius_slider import RADII
from tests.benchmarks.load import PAGES, TRAININGS_AT, App
from tests.benchmarks.soak import any_value
from tests.client import Failure, Session, session
from tests.conftest import start_server

READERS = 3
LAB = [page for page in PAGES if page]
LINKED = {"explosion": "rho", "vanishing": "rho", "clipping": "w", "gating": "word"}


def run(work: Coroutine[None, None, Any]) -> Any:
    """What `work` comes to, on a thread of its own: Playwright may have an event loop on this one."""
    with ThreadPoolExecutor(1) as threads:
        return threads.submit(asyncio.run, work).result()


async def moved(address: str, page: str, reader: int) -> tuple[Session, str]:
    """A reader's tab after one change, and what the link says of it."""
    query, change = PAGES[page]
    async with session(address, page, query(reader)) as tab:
        done = await change(tab, np.random.default_rng(reader))
        assert done.drew
        return tab, parse_qs(tab.query)[LINKED[page]][0]


@pytest.mark.parametrize("page", LAB)
def test_each_of_three_readers_gets_their_own_picture(server: str, page: str) -> None:
    async def all_of_them() -> list[tuple[Session, str]]:
        return await asyncio.gather(*(moved(server, page, reader) for reader in range(READERS)))

    found = run(all_of_them())
    drawn = [np.random.default_rng(reader) for reader in range(READERS)]
    assert len({tab.page_hash for tab, _ in found}) == 1
    if page == "clipping":
        own = [f"{round(rng.uniform(2, 7), 4):g}" for rng in drawn]
    elif page == "gating":
        own = [str(int(rng.integers(5)) + 1) for rng in drawn]
    else:
        own = [f"{rng.choice(RADII):g}" for rng in drawn]
    assert len(set(own)) > 1
    assert [said for _, said in found] == own


def test_a_change_of_the_radius_runs_one_fragment(server: str) -> None:
    async def change() -> tuple[int, int]:
        async with session(server, "explosion") as tab:
            whole = await tab.rerun()
            part = await tab.set("explosion-radius-made", json_value={"radius": 1.3})
            assert parse_qs(tab.query) == {"rho": ["1.3"]}
            return whole.messages, part.messages

    whole, part = run(change())
    assert part < whole / 2


def test_a_menu_leads_to_every_page_and_back(server: str) -> None:
    async def walk() -> list[str]:
        titles = []
        async with session(server) as tab:
            for page in [*LAB, ""]:
                done = await tab.visit(page)
                assert done.drew
                titles.append(tab.page_hash)
        return titles

    assert len(set(run(walk()))) == len(LAB) + 1


@pytest.mark.parametrize(("page", "tab"), TRAININGS_AT)
def test_a_training_is_run_again_and_again_until_it_is_stopped(server: str, page: str, tab: str) -> None:
    """The browser would go on asking for a drawing four times a second, for as long as the page is open."""

    async def watch() -> None:
        async with session(server, page, tab) as reader:
            assert not reader.ticking
            await reader.press(f"{page}-train")
            assert list(reader.ticking.values()) == [live.TICK]
            for _ in range(3):
                assert (await reader.tick()).drew
            await reader.press(f"{page}-train")
            assert not reader.ticking

    run(watch())


def test_every_control_of_every_page_takes_a_value_that_it_offers(server: str) -> None:
    async def shake(page: str) -> int:
        rng, moved = np.random.default_rng(0), 0
        async with session(server, page) as tab:
            for widget in sorted(tab.widgets):
                value = any_value(tab.widgets[widget], rng) if widget in tab.widgets else None
                if value is not None:
                    await tab.set(widget, **value)
                    moved += 1
        return moved

    for page in LAB:
        assert run(shake(page)) >= 4


def test_an_exception_on_a_page_is_a_failure(tmp_path: Path) -> None:
    (tmp_path / "wrong.py").write_text('import streamlit as st\nst.slider("a", key="a")\n1 / 0\n')
    process, address = start_server(tmp_path / "wrong.py", tmp_path)

    async def visit() -> None:
        async with session(address):
            pass

    try:
        with pytest.raises(Failure, match="ZeroDivisionError"):
            run(visit())
    finally:
        process.terminate()
        process.wait()


def test_a_lost_server_is_a_failure(tmp_path: Path) -> None:
    (tmp_path / "plain.py").write_text('import streamlit as st\nst.slider("a", key="a")\n')
    process, address = start_server(tmp_path / "plain.py", tmp_path)

    async def lose() -> None:
        async with session(address) as tab:
            process.kill()
            await tab.set("a", double_array_value=[3.0])

    with pytest.raises(Failure):
        run(lose())
    process.wait()


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_load_counts_its_changes(server: str) -> None:
    async def bear() -> App:
        app = App(server, (os.getpid(),), "explosion")
        async with contextlib.AsyncExitStack() as stack:
            await app.open(2, stack)
            await app.stretch(0.1, [np.random.default_rng(i) for i in range(2)])
        return app

    app = run(bear())
    assert (len(app.seconds), app.failures) == (1, 0)  # the other's time would come a second later
    assert app.bytes > 10_000
