"""No answer waits until the one before has been acknowledged."""

from __future__ import annotations

import subprocess
import sys

from tests.conftest import ROOT

# As Streamlit's server has them: a socket that doesn't name its protocol, and a reader who came before.
SERVER = """
import socket
def waits(end):
    return not end.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
listening = socket.socket(socket.AF_INET)
listening.bind(("127.0.0.1", 0))
listening.listen()
def reader():
    here = socket.create_connection(listening.getsockname())
    there, _ = listening.accept()
    return here, there
first = reader()
before = waits(first[1])
import pages.shared
second = reader()
second[1].sendall(b"still open")
print(before, waits(first[1]), waits(second[1]), second[0].recv(10).decode())
"""


def test_the_pages_let_every_connection_answer_at_once() -> None:
    done = subprocess.run(
        [sys.executable, "-c", SERVER], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "True False False still open"
