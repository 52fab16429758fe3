"""Write clipping.json: what PyTorch's two ways of clipping leave, for test_clipping.py to compare with.

    pip install torch==2.13.0 "numpy>=2.0"       # the CPU build will do
    python tests/golden/make_clipping.py

The gradients are drawn with numpy and rounded to 64ths, which the file holds exactly; their norm is
about 2.5. The norm, and the gradients that are left, are PyTorch's, in float64 and to the last digit.
Last, what PyTorch makes of 100 float32 entries of 10²⁰, whose squares are past float32.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn.utils import clip_grad_norm_, clip_grad_value_

FILE = Path(__file__).with_name("clipping.json")
SHAPES = {"weight": (3, 4), "bias": (3,)}
LIMITS = [0.001, 0.3, 1.0, 2.5, 100.0]


def draw() -> dict[str, Any]:
    """Gradients: lists of 64ths."""
    rng = np.random.default_rng(2013)
    return {name: (np.round(64 * rng.standard_normal(shape)) / 64).tolist() for name, shape in SHAPES.items()}


def with_gradients(gradients: dict[str, Any], dtype: torch.dtype = torch.float64) -> list[torch.Tensor]:
    """A parameter of zeros for each of the gradients, which it has as its own."""
    parameters = []
    for values in gradients.values():
        gradient = torch.tensor(values, dtype=dtype)
        parameter = torch.zeros_like(gradient, requires_grad=True)
        parameter.grad = gradient
        parameters.append(parameter)
    return parameters


def by_norm(gradients: dict[str, Any], max_norm: float) -> dict[str, Any]:
    """The norm before, and the gradients after clip_grad_norm_."""
    parameters = with_gradients(gradients)
    norm = clip_grad_norm_(parameters, max_norm).item()
    return {"norm": norm, "gradients": left(gradients, parameters)}


def by_value(gradients: dict[str, Any], limit: float) -> dict[str, Any]:
    """The gradients after clip_grad_value_."""
    parameters = with_gradients(gradients)
    clip_grad_value_(parameters, limit)
    return left(gradients, parameters)


def left(gradients: dict[str, Any], parameters: list[torch.Tensor]) -> dict[str, Any]:
    return {
        name: p.grad.tolist() for name, p in zip(gradients, parameters, strict=True) if p.grad is not None
    }


def overflowing() -> dict[str, str]:
    """The norm and the largest entry that clip_grad_norm_ leaves of 100 float32 entries of 10²⁰."""
    (parameter,) = with_gradients({"w": [1e20] * 100}, torch.float32)
    norm = clip_grad_norm_([parameter], 1.0)
    assert parameter.grad is not None
    return {"norm": str(norm.item()), "largest entry left": str(parameter.grad.abs().max().item())}


def answers(gradients: dict[str, Any]) -> dict[str, Any]:
    return {
        "by norm": [by_norm(gradients, limit) for limit in LIMITS],
        "by value": [by_value(gradients, limit) for limit in LIMITS],
        "overflowing": overflowing(),
    }


def main() -> None:
    gradients = draw()
    whole = {"torch": torch.__version__, "limits": LIMITS, "gradients": gradients} | answers(gradients)
    FILE.write_text(json.dumps(whole) + "\n")


if __name__ == "__main__":
    main()
