"""Answers that leave at once.

Streamlit's server makes its socket without naming TCP as its protocol, so that asyncio, which looks for that
name, leaves Nagle's algorithm on in every connection: what the server sends second waits until the browser
has acknowledged what came first, and the browser puts that off by 40 ms.
"""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from pathlib import Path

OPEN_FILES = Path("/dev/fd")  # Linux and macOS have it


def send_at_once() -> None:
    """Switch Nagle's algorithm off for this process's TCP, and for what its sockets accept from now on."""
    for file in OPEN_FILES.iterdir() if OPEN_FILES.exists() else ():
        with suppress(OSError):  # it is no TCP, or it has been closed
            if file.is_socket():
                with socket.socket(fileno=os.dup(int(file.name))) as same:
                    same.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
