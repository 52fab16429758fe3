"""What nobody should type, and everybody can: texts, numbers and files for the tests of hostile input."""

from __future__ import annotations

import contextlib
import functools
import re
import struct
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple
from unittest import mock

import numpy as np
import streamlit as st
from streamlit.testing.v1 import AppTest

from pages.shared import controls
from pages.shared.asked import MODES
from pages.shared.frame import SCRIPTS
from pages.shared.words import read_words
from tests.conftest import ROOT
from tests.npy import npy

HANG = 30  # seconds: no run comes near
LEAST_OWN = 8  # characters of a sentence besides its values: what has fewer would fit anything
CALL = "window.hit=1;document.title='hit'"  # what a payload does where it runs

MARKUP = {
    "script": f"<script>{CALL}</script> good",
    "image": f'<img src=x onerror="{CALL}"> good',
    "drawing": f'<svg onload="{CALL}"><a href="javascript:{CALL}">good</a></svg>',
    "frame": f'<iframe srcdoc="<script>parent.{CALL}</script>"></iframe> good',
    "closing": f"\"'></textarea></style></script><script>{CALL}</script> good",
    "link": f"[good](javascript:{CALL}) <javascript:{CALL}> [bad](data:text/html,<script>{CALL}</script>)",
    "picture": "![good](https://evil.example/x.png) ![bad](x)",
    "headings": "# good\n\n## bad\n===\n* * *\n> well\n\n- fine\n\n1. one\n\n    code\n\n```\nfence\n```",
    "table": "| good | bad |\n|---|---|\n| a | b |",
    "formula": rf"$\href{{javascript:{CALL}}}{{good}}$ $$\htmlData{{x=y}}{{bad}}$$ \\(x^2\\) \\[y\\]",
    "long formula": "$" + r"\frac{1}{" * 300 + "1" + "}" * 300 + "$ good",
    "directives": ":red[good] :blue-background[bad] :material/home: :streamlit: :smile: :small[fine] -> <-",
    "addresses": "www.evil.example http://evil.example/a_b a@evil.example https://evil.example good bad",
    "only addresses": "http://evil.example www.evil.example me@evil.example",
    "addresses of markup": (
        "http://:smile: www.:streamlit:x http://:material/home: http://$x^2$ http://:red[x] http://<b>x</b> "
        "http://**b**`c` www.[x](//evil.example) http://a|b|c http://&lt;b&gt; http://![x](/x.png)"
    ),
    "entities": "&lt;b&gt; &#60;script&#62; &amp;lt; good",
    "placeholders": "{words} {0} {__class__} %s %(x)s ${x} good",
}
SCRIPTS_OF_THE_WORLD = {
    "right to left": "\u202egood\u202c \u2066bad\u2069 \u200f שלום עליכם مرحبا بكم 123 \u202e",
    "right to left in an address": "http://\u202e\u2066evil.example \u2067good",
    "zero-width": "go\u200bod\u200d\ufeff b\u2060ad\u00ad",
    "emoji": "👨‍👩‍👧‍👦 👍🏽 🏳️‍🌈 🇨🇳 ❤️ good",
    "zalgo": "g" + "\u0300\u0352\u0489" * 300 + "ood",
    "full-width": "＜ｓｃｒｉｐｔ＞ ｇｏｏｄ",
    "no characters": "\ufffe\uffff\ufdd0 good",
    "controls": "go\0od\x07\x1b[31m\x7f\x85\u2028\u2029 bad\r\n",
}
NUMBERS = [
    *("nan", "-nan", "inf", "-inf", "Infinity", "1e308", "1e309", "-1e309", "5e-324", "-0", "-0.0"),
    *("1" + "0" * 400, "9" * 5000, "0x10", "0b1", "1_000", "٣", "３", "½", "²", "1e", "1,5", "1 2"),
    *("--1", "1j", "", " ", "\t\n", "true", "None", "null", "[]", "{}", "0" * 10_000 + "3"),
]
CODE = [
    *(
        "__import__('os').system('touch hit')",
        "../../etc/passwd",
        "..\\..\\windows",
        "/dev/zero",
        "file:///etc",
    ),
    *("' OR 1=1 --", "=HYPERLINK(1)", "%s%n", "%00", "dashboard", "__class__", "constructor", "\\u0000"),
]
LONG = {
    "a long word": "a" * 30_000,
    "many words": "good " * 6_000,
    "many numbers": ",".join(map(str, range(1, 6_000))),
    "many commas": "," * 30_000,
    "many semicolons": "1;" * 15_000,
    "many brackets": "[" * 30_000,
    "many new lines": "\n" * 30_000 + "good",
}
TEXTS = MARKUP | SCRIPTS_OF_THE_WORLD | LONG
NASTIES: list[str] = [*TEXTS.values(), *NUMBERS, *CODE]


def header(text: str) -> bytes:
    """An NPY file with any text for its header, and a few bytes after it."""
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text.encode("latin-1") + b"\0" * 64


def shaped(shape: str, descr: str = "'<f8'") -> bytes:
    """An NPY file that claims a shape."""
    return header(f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}}}\n")


class Bomb:
    """What runs where it is unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (exec, (f"raise SystemError({CALL!r})",))


BAD_FILES = {
    "rows-1e12.npy": shaped("(1000000000000, 1000000000000)"),
    "rows-negative.npy": shaped("(-3, -3)"),
    "rows-4000-digits.npy": shaped(f"({'9' * 4000}, {'9' * 4000})"),
    "rows-hex.npy": shaped(f"(0x{'f' * 4900}, 0x{'f' * 4900})"),
    "rows-open.npy": shaped("(2, 2"),
    "rows-float.npy": shaped("(2.0, 2.0)"),
    "rows-call.npy": shaped("(int(2), 2)"),
    "depth-1.npy": shaped("(1, 1, 1)"),
    "brackets.npy": shaped("(" * 3000),
    "minus.npy": header("-" * 5000 + "1"),
    "sum.npy": header("1+" * 3000 + "1"),
    "quotes.npy": header('"""'),
    "indent.npy": header("\n  a\n b"),
    "keys.npy": header("{(1,): 2, 3: 4, 'a': 5}"),
    "unhashable.npy": header("{[]: 1}"),
    "call.npy": header("__import__('os').system('touch hit')"),
    "sized-type.npy": shaped("(2, 2)", "('<f8', (1000000000,))"),
    "structured.npy": shaped("(2, 2)", "[('a', '<f8'), ('b', '<f8')]"),
    "object.npy": shaped("(2, 2)", "'|O'"),
    "text.npy": shaped("(2, 2)", "'<U100000'"),
    "dates.npy": shaped("(2, 2)", "'<M8[s]'"),
    "pickle.npy": npy(np.array([[Bomb()]], dtype=object)),
    "pickle-only.npy": b"\x80\x04cbuiltins\nexec\n",
    "wide.npy": npy(np.full((2, 2), np.longdouble("1e4000"))),
    "fortran-short.npy": npy(np.asfortranarray(np.eye(4)))[:-1],
    "version.npy": b"\x93NUMPY\x09\x09" + b"\xff" * 64,
    "claims-4-GB.npy": b"\x93NUMPY\x02\x00" + b"\xff" * 64,
    "magic.npy": b"\x93NUMPY",
    "zip.npy": b"PK\x03\x04" + b"\0" * 64,
    "line.csv": b"1" * 999_000,
    "commas.csv": b"," * 999_000,
    "columns.csv": b"1," * 100_000,
    "rows.csv": b"1\n" * 400_000,
    "quote.csv": b'"' + b"1," * 400_000,
    "quotes.csv": b'"' * 999_000,
    "too-large.csv": b"1" * 2_000_000,
    "nul.csv": b"1,\x002\n3,4",
    "surrogate.csv": b"\xed\xa0\x80",
    "utf-16.csv": "1,2\n3,4".encode("utf-16"),
    "formula.csv": b"=1+1,@a\n-b,+c",
    "infinite.csv": b"1e309,-inf\nnan,1",
    "return.csv": b"1\r2",
    "script.csv": b"<script>alert(1)</script>",
}


class Found(NamedTuple):
    """What a crawl over the pages found: where each query parameter is read, by (page, parameter)."""

    places: dict[tuple[str, str], dict[str, str]]
    sections: dict[str, list[str]]


def visit(page: str, query: dict[str, str | list[str]] | dict[str, str]) -> AppTest:
    """A page as a link opens it; a link's bytes that no UTF-8 has arrive as Streamlit decodes them."""
    at = AppTest.from_file(str(ROOT / "dashboard.py"), default_timeout=HANG)
    if page != "overview":
        at.switch_page(SCRIPTS[page])
    for key, value in query.items():
        at.query_params[key] = value
    return at.run()


@functools.cache
def crawl() -> Found:
    """Every page in every section and with every named option of its choices, one at a time.

    So a new control is found, also where another has to be set before it is drawn; of a choice that is
    itself not seen at first, the last option is tried.
    """
    read: set[str] = set()
    chosen: dict[str, Sequence[str]] = {}
    found = Found({}, {})
    waiting: list[tuple[str, dict[str, str]]] = [(page, {}) for page in SCRIPTS]
    waiting += [(page, {mode: "1"}) for page in SCRIPTS for mode in MODES if page != "overview"]
    done: set[tuple[str, str, str]] = set()
    with _recording(read, chosen):
        for page, query in waiting:
            read.clear()
            chosen.clear()
            at = visit(page, query)
            assert not at.exception, (page, query)
            for key in read:
                found.places.setdefault((page, key), query)
            for key, options in chosen.items():
                if key == "tab":
                    found.sections[page] = list(options)
                for option in options[-1:] if query else options:
                    if (page, key, option) not in done and not re.fullmatch(r"[\d.]+", option):
                        done.add((page, key, option))
                        waiting.append((page, query | {key: option}))
    return found


@contextlib.contextmanager
def _recording(read: set[str], chosen: dict[str, Sequence[str]]) -> Iterator[None]:
    """Write down which query parameters are read, and what there is to choose."""
    proxy = type(st.query_params)
    get, choice, section = proxy.__getitem__, controls.choice, controls.section

    def getting(self: Any, key: str) -> Any:
        read.add(key)
        return get(self, key)

    def choosing(page: Any, key: str, options: Sequence[str], *rest: Any, **named: Any) -> str:
        chosen[key] = options
        return choice(page, key, options, *rest, **named)

    def sectioning(page: Any, names: Sequence[str]) -> str:
        chosen["tab"] = names
        return section(page, names)

    with (
        mock.patch.object(proxy, "__getitem__", getting),
        mock.patch.multiple(controls, choice=choosing, section=sectioning),
    ):
        yield


@functools.cache
def sentences(language: str) -> list[re.Pattern[str]]:
    """What a page can say in a language: every one of its sentences, with short texts for its values."""
    value = r"[^<>\[\]]{0,40}"
    found = (re.split(r"\{.*?\}", text) for text in _strings(read_words(language)))
    return [
        re.compile(value.join(map(re.escape, parts)), re.DOTALL)
        for parts in found
        if sum(map(len, parts)) >= LEAST_OWN
    ]


def _strings(table: dict[str, Any]) -> Iterator[str]:
    for entry in table.values():
        if isinstance(entry, dict):
            yield from _strings(entry)
        else:
            yield str(entry)
