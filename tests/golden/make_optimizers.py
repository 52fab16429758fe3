"""Write optimizers.json: where PyTorch's optimisers take two arrays, for test_optimizers.py to compare with.

    pip install torch==2.13.0 "numpy>=2.0"       # the CPU build will do
    python tests/golden/make_optimizers.py

The parameters and a gradient for each update are drawn with numpy and rounded to 64ths, which the
file holds exactly; one entry of the gradients is 0 throughout. The parameters after each update are
PyTorch's, in float64 and to the last digit.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch

FILE = Path(__file__).with_name("optimizers.json")
UPDATES = 12
SHAPES = {"weight": (2, 3), "bias": (2,)}
CASES: dict[str, tuple[type[torch.optim.Optimizer], dict[str, Any]]] = {
    "sgd": (torch.optim.SGD, {"lr": 0.1}),
    "sgd-momentum": (torch.optim.SGD, {"lr": 0.05, "momentum": 0.9}),
    "adam": (torch.optim.Adam, {}),
    "adam-other-betas": (torch.optim.Adam, {"lr": 0.03, "betas": (0.5, 0.75), "eps": 0.125}),
}


def draw() -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Parameters, and the gradients of each update: lists of 64ths."""
    rng = np.random.default_rng(2015)

    def some() -> dict[str, Any]:
        return {name: np.round(64 * rng.standard_normal(shape)) / 64 for name, shape in SHAPES.items()}

    parameters, gradients = some(), [some() for _ in range(UPDATES)]
    for each in gradients:
        each["weight"][1, 2] = 0
    return as_lists(parameters), [as_lists(each) for each in gradients]


def follow(case: str, parameters: dict[str, Any], gradients: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The parameters after each update."""
    tensors = {name: torch.tensor(values, dtype=torch.float64) for name, values in parameters.items()}
    make, options = CASES[case]
    optimizer = make(list(tensors.values()), **options)
    path = []
    for each in gradients:
        for name, tensor in tensors.items():
            tensor.grad = torch.tensor(each[name], dtype=torch.float64)
        optimizer.step()
        path.append(as_lists(tensors))
    return path


def as_lists(arrays: dict[str, Any]) -> dict[str, Any]:
    return {name: values.tolist() for name, values in arrays.items()}


def main() -> None:
    parameters, gradients = draw()
    paths = {case: follow(case, parameters, gradients) for case in CASES}
    given = {"parameters": parameters, "gradients": gradients}
    FILE.write_text(json.dumps({"torch": torch.__version__, "given": given, "paths": paths}) + "\n")


if __name__ == "__main__":
    main()
