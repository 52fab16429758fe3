"""The least that a Streamlit app with a chart can be: what the lab's speed is held against."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from tests.conftest import ROOT, start_server

SCRIPT = """
import numpy as np, pandas as pd, altair as alt, streamlit as st
a = st.slider("a", 0, 1000, 500, key="a")
k = np.tile(np.arange(200), 4)
frame = pd.DataFrame({"k": k, "y": np.sin(k / 20 + a / 50) * np.repeat(range(1, 5), 200),
                      "name": np.repeat(list("abcd"), 200)})
st.altair_chart(alt.Chart(frame).mark_line().encode(x="k:Q", y="y:Q", color="name:N"), key="chart")
"""


def start_minimal(folder: Path) -> tuple[subprocess.Popen[bytes], str]:
    """Start one slider and one chart of 4 lines × 200 points in an empty folder, configured as the lab."""
    (folder / "minimal.py").write_text(SCRIPT)
    shutil.copytree(ROOT / ".streamlit", folder / ".streamlit")
    return start_server(folder / "minimal.py", folder)
