"""The reader's own matrix: from a link, a table, or a file; never more than was asked for."""

from __future__ import annotations

import csv
import io
import math
import tokenize
import zipfile
from collections.abc import Sequence

import numpy as np

from core.arrays import Array
from core.linear import LARGEST_SIZE

EXAMPLE = np.array([[0.5, 10.0], [0.0, 0.6]])
LARGEST_FILE = 1_000_000  # bytes: the server would lay down on the disk what is larger than a MiB
LONGEST_HEADER = 256  # characters, of which numpy writes 118 for any matrix
LARGEST_IN_LINK = 12  # rows
LARGEST_IN_TABLE = 12
LARGEST_CELL = 1e100  # whose powers no section's own arithmetic has to fear


class BadMatrix(ValueError):
    """Why a matrix can't be used: a key of the words and the values for its sentence."""

    def __init__(self, key: str, **values: object) -> None:
        super().__init__(key)
        self.key = key
        self.values = values


def from_rows(rows: Sequence[Sequence[object]]) -> Array:
    """The matrix of rows of numbers or their text; BadMatrix says which cell is wrong."""
    if not rows or not rows[0]:
        raise BadMatrix("empty")
    lengths = {len(row) for row in rows}
    if len(lengths) > 1:
        raise BadMatrix("ragged", shortest=min(lengths), longest=max(lengths))
    if len(rows) != len(rows[0]):
        raise BadMatrix("square", rows=len(rows), columns=len(rows[0]))
    if len(rows) > LARGEST_SIZE:
        raise BadMatrix("large", rows=len(rows), most=LARGEST_SIZE)
    return np.array([[_cell(cell, i + 1, j + 1) for j, cell in enumerate(row)] for i, row in enumerate(rows)])


def from_csv(content: bytes) -> Array:
    """The matrix in a CSV file: numbers only, no header, separated by commas, semicolons or tabs."""
    _check_size(content)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise BadMatrix("text") from None
    separator = next((mark for mark in ";\t" if mark in text), ",")
    try:
        rows = [row for row in csv.reader(io.StringIO(text), delimiter=separator) if row]
    except csv.Error:
        raise BadMatrix("text") from None
    return from_rows(rows)


def from_npy(content: bytes) -> Array:
    """The matrix in an NPY file: the header is believed only after its size has been checked."""
    _check_size(content)
    stream = io.BytesIO(content)
    try:
        version = np.lib.format.read_magic(stream)
        read_header = {
            (1, 0): np.lib.format.read_array_header_1_0,
            (2, 0): np.lib.format.read_array_header_2_0,
        }[version]
        shape, _, dtype = read_header(stream, max_header_size=LONGEST_HEADER)
    except (ValueError, KeyError, EOFError, TypeError, SyntaxError, tokenize.TokenError):
        raise BadMatrix("npy") from None
    if dtype.kind not in "fiu":
        raise BadMatrix("npy_type")
    if len(shape) != 2 or shape[0] != shape[1] or shape[0] == 0:
        raise BadMatrix("npy_shape")
    if shape[0] > LARGEST_SIZE:
        raise BadMatrix("large", rows=shape[0], most=LARGEST_SIZE)
    try:
        values = np.lib.format.read_array(io.BytesIO(content), allow_pickle=False)
    except (ValueError, EOFError, zipfile.BadZipFile):
        raise BadMatrix("truncated") from None
    with np.errstate(over="ignore"):  # of a wider type: its inf is refused
        return from_rows(values.astype(np.float64).tolist())


def from_file(name: str, content: bytes) -> Array:
    """The matrix in an uploaded file, read by what its name ends in."""
    return from_npy(content) if name.lower().endswith(".npy") else from_csv(content)


def from_link(text: str) -> Array:
    """The matrix in a link, rows separated by semicolons: 0.5,10;0,0.6."""
    rows = [row.split(",") for row in text.split(";")]
    if len(rows) > LARGEST_IN_LINK:
        raise BadMatrix("large", rows=len(rows), most=LARGEST_IN_LINK)
    return from_rows(rows)


def to_link(W: Array) -> str | None:
    """`W` as a link's text, every digit of it, or None where it would be too long for one."""
    if len(W) > LARGEST_IN_LINK:
        return None
    return ";".join(",".join(cell_text(value) for value in row) for row in W.tolist())


def cell_text(value: float) -> str:
    """An entry with every digit and none too many: 0.1, 10, 1e-05."""
    return repr(float(value)).removesuffix(".0")


def _cell(cell: object, row: int, column: int) -> float:
    if cell is None or (isinstance(cell, str) and not cell.strip()):
        raise BadMatrix("missing", row=row, column=column)
    try:
        value = float(cell) if isinstance(cell, str | int | float) else math.nan
    except (ValueError, OverflowError):
        raise BadMatrix("number", row=row, column=column) from None
    if not math.isfinite(value):
        raise BadMatrix("finite", row=row, column=column)
    if abs(value) >= LARGEST_CELL:
        raise BadMatrix("huge", row=row, column=column)
    return value


def _check_size(content: bytes) -> None:
    if len(content) > LARGEST_FILE:
        raise BadMatrix("file", megabytes=LARGEST_FILE // 1_000_000)
