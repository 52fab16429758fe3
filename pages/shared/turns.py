"""Drawing one after the other.

Threads of Python compute one at a time anyway, but hand the interpreter to each other every 5 ms. With many
readers at once all reruns then end late, and the handing over makes each of them dearer, until the server
can't keep up. Where each waits for its turn, most end early.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from typing import ParamSpec, TypeVar

Given = ParamSpec("Given")
Drawn = TypeVar("Drawn")

_turn = threading.Lock()  # held by the session that draws, of all sessions in the process


def one_at_a_time(draw: Callable[Given, Drawn]) -> Callable[Given, Drawn]:
    """`draw`, which is a matter of milliseconds, in turns with all other sessions that draw so."""

    @functools.wraps(draw)
    def in_turn(*given: Given.args, **named: Given.kwargs) -> Drawn:
        with _turn:
            return draw(*given, **named)

    return in_turn
