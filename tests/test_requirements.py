"""What the app imports is what requirements.txt asks for, and what is installed is within its ranges."""

from __future__ import annotations

import re
import sys
from importlib.metadata import version

from packaging.requirements import Requirement

from tests.conftest import ROOT
from tests.test_core_imports import imported

OWN = {"core", "pages", "experiments"}
ASKED = [
    Requirement(line)
    for line in (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    if line and not line.startswith("#")
]


def test_what_is_imported_is_what_is_asked_for() -> None:
    scripts = [path for folder in OWN for path in (ROOT / folder).rglob("*.py")]
    found = set()
    for path in [ROOT / "dashboard.py", *scripts]:
        found |= imported(path.read_text(encoding="utf-8"))
    assert found - OWN - sys.stdlib_module_names == {requirement.name for requirement in ASKED}


def test_every_range_is_closed_and_holds_what_is_installed() -> None:
    for requirement in ASKED:
        assert re.fullmatch(r"<\d+,>=[\d.]+", str(requirement.specifier)), requirement
        assert version(requirement.name) in requirement.specifier
