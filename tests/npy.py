"""An array as a file, for what reads such files."""

from __future__ import annotations

import io
from typing import Any

import numpy as np


def npy(array: Any) -> bytes:
    """`array` as NPY, pickled where it holds objects: what must be refused has to be made first."""
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()
