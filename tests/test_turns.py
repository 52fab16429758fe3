"""Sessions draw one after the other, and none keeps the turn."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from pages.shared.turns import one_at_a_time


def test_two_sessions_never_draw_at_once() -> None:
    drawing: list[int] = []
    most: list[int] = []

    @one_at_a_time
    def draw(reader: int) -> int:
        drawing.append(reader)
        time.sleep(0.005)  # which would let another in
        most.append(len(drawing))
        drawing.remove(reader)
        return reader

    with ThreadPoolExecutor(4) as readers:
        assert list(readers.map(draw, range(12))) == list(range(12))
    assert most == [1] * 12


def test_a_session_that_is_interrupted_gives_its_turn_away() -> None:
    @one_at_a_time
    def draw(*, fails: bool) -> str:
        if fails:
            raise RuntimeError("a new rerun was asked for")
        return "drawn"

    with pytest.raises(RuntimeError, match="a new rerun"):
        draw(fails=True)
    with ThreadPoolExecutor(1) as another:
        assert another.submit(draw, fails=False).result(timeout=60) == "drawn"
