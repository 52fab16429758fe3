"""What a reader takes home of a page: its data, picture, notebook and settings; and settings taken back."""

from __future__ import annotations

import csv
import functools
import io
import json
import math
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, TypeAlias

import numpy as np
import streamlit as st

from core.arrays import Array
from pages.shared import settings_file
from pages.shared.frame import Page
from pages.shared.save_picture import save_picture
from pages.shared.words import Words

FORMULA = ("=", "+", "-", "@", "\t", "\r")  # what makes a spreadsheet compute a text
MOST_SHOWN = 20_000  # characters of code: a matrix of 256 × 256 has a million

Column: TypeAlias = Array | Sequence[int] | Sequence[str]


class Notebook(NamedTuple):
    """A picture's own notebook: what is computed, in words, and the code that computes and draws it."""

    text: str
    numbers: str
    picture: str


class Parcel(NamedTuple):
    """What a page gives away of its picture: the numbers by what they are, and a notebook."""

    table: Callable[[], Mapping[str, Column]]
    notebook: Notebook


def section(page: Page, parcel: Parcel) -> None:
    """The buttons, the code behind the numbers, and the way back for settings.

    The table and the files are made when a button asks for them, of what the page shows now.
    """
    words, name = page.words, page.name
    settings = settings_file.in_link(name)
    files: dict[str, tuple[str, Callable[[], str]]] = {
        "csv": ("text/csv", lambda: as_csv(parcel.table())),
        "ipynb": ("application/x-ipynb+json", functools.partial(as_ipynb, words, parcel.notebook)),
        "json": ("application/json", functools.partial(settings_file.to_file, name, settings)),
    }
    with st.container(horizontal=True):
        labels = {kind: words(f"take.{kind}") for kind in ("png", "svg")}
        save_picture(labels, name=name)
        for kind, (mime, make) in files.items():
            st.download_button(words(f"take.{kind}"), make, f"{name}.{kind}", mime, on_click="ignore")
    st.markdown(words("take.text"))
    if len(parcel.notebook.numbers) <= MOST_SHOWN:
        st.code(parcel.notebook.numbers, language=None, wrap_lines=True)
    else:
        st.markdown(words("take.long"))
    with st.expander(words("take.back"), key=f"{name}-take-back"):
        settings_file.take_back(page)


def as_csv(table: Mapping[str, Column]) -> str:
    """A table as CSV, a column a name, with the mark by which a spreadsheet knows UTF-8."""
    stream = io.StringIO()
    columns = (values.tolist() if isinstance(values, np.ndarray) else values for values in table.values())
    rows = zip(*(map(_cell, column) for column in columns), strict=True)
    csv.writer(stream).writerows([list(table), *rows])
    return "\ufeff" + stream.getvalue()


def _cell(value: str | float) -> str:
    """A number with every digit, and nothing where it isn't finite; a text that is no formula."""
    if isinstance(value, str):
        return f"'{value}" if value.startswith(FORMULA) else value
    return repr(value) if math.isfinite(value) else ""


def as_ipynb(words: Words, notebook: Notebook) -> str:
    """A notebook in the format 4.5: the page's title and claim, what is computed, the code, the picture."""
    cells = [
        ("markdown", f"# {words('title')}\n\n{claim(words)}"),
        ("markdown", f"{notebook.text.strip()}\n\n{words('notebook.where')}"),
        ("code", notebook.numbers),
        ("code", notebook.picture),
    ]
    return json.dumps(
        {
            "cells": [_notebook_cell(k, kind, source.strip("\n")) for k, (kind, source) in enumerate(cells)],
            "metadata": {
                "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
                "language_info": {"name": "python"},
            },
            "nbformat": 4,
            "nbformat_minor": 5,
        },
        ensure_ascii=False,
        indent=1,
    )


def claim(words: Words) -> str:
    """The page's claim without what it ends with, the bold call to move something on the screen."""
    told = words("claim")
    return told[: told.rindex("**", 0, told.rindex("**"))].rstrip()


def _notebook_cell(number: int, kind: str, source: str) -> dict[str, object]:
    cell = {"id": f"cell-{number}", "cell_type": kind, "metadata": {}, "source": source.splitlines(True)}
    return cell | ({"execution_count": None, "outputs": []} if kind == "code" else {})
