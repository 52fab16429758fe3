"""What the tests of `deploy/` share: its files, and the app as the container has it."""

from __future__ import annotations

import shlex
import shutil
from pathlib import Path

from tests.conftest import ROOT

DEPLOY = ROOT / "deploy"
RENDERS = {"STREAMLIT_SERVER_SCRIPT_HEALTH_CHECK_ENABLED": "true"}  # as the container has it


def instructions() -> list[list[str]]:
    """The Containerfile's lines as words, the instruction first."""
    text = (DEPLOY / "Containerfile").read_text(encoding="utf-8").replace("\\\n", " ")
    return [shlex.split(line) for line in text.splitlines() if line and not line.startswith("#")]


def copied() -> list[tuple[str, str]]:
    """What the container copies, from where and to where."""
    return [(source, target) for name, *rest in instructions() if name == "COPY" for source, target in [rest]]


def lay_out(folder: Path) -> Path:
    """Copy into `folder` what the container has of the repository, and nothing else."""
    for source, target in copied():
        path = folder / target
        if (ROOT / source).is_dir():
            shutil.copytree(ROOT / source, path, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / source, path / Path(source).name)
    return folder
