"""core runs anywhere numpy does: it imports numpy, the standard library and itself, and nothing more."""

import ast
import sys
from pathlib import Path

import pytest

CORE = Path(__file__).parents[1] / "core"
MODULES = sorted(CORE.rglob("*.py"))
ALLOWED = {"numpy", "core"} | sys.stdlib_module_names


def imported(source: str) -> set[str]:
    """The top-level packages that `source` imports, in functions and behind conditions too."""
    names = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add("core" if node.level else str(node.module).split(".")[0])
    return names


@pytest.mark.parametrize("module", MODULES, ids=lambda path: path.relative_to(CORE).as_posix())
def test_core_imports_numpy_the_standard_library_and_itself(module):
    assert imported(module.read_text(encoding="utf-8")) <= ALLOWED


def test_every_module_of_core_is_looked_at():
    names = {path.stem for path in MODULES}
    assert {"arrays", "linear", "precision", "descent", "cells", "bptt"} <= names


@pytest.mark.parametrize(
    ("source", "found"),
    [
        pytest.param("import pandas as pd", {"pandas"}, id="import"),
        pytest.param("import numpy.linalg, altair", {"numpy", "altair"}, id="two"),
        pytest.param("from streamlit.testing import v1", {"streamlit"}, id="from"),
        pytest.param("from . import arrays", {"core"}, id="relative"),
        pytest.param("def f():\n    if True:\n        import torch", {"torch"}, id="inside-a-function"),
    ],
)
def test_the_reader_of_imports_finds(source, found):
    assert imported(source) == found
