"""Write bptt.json: what PyTorch's own cells give, forward and by autograd, for test_bptt.py to compare with.

    pip install torch==2.13.0 "numpy>=2.0"       # the CPU build will do
    python tests/golden/make_bptt.py

Parameters, inputs, starts and ∂L/∂h_t are drawn with numpy and rounded to 64ths, which the file holds
exactly; all else in it is PyTorch's, in float64 and to the last digit. PyTorch shows no gates, so
these follow from its hidden states and the equations of its documentation, and the script stops
unless they lead to its next hidden state.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

FILE = Path(__file__).with_name("bptt.json")
T, B, X, H = 5, 2, 2, 3
CELLS = {
    "rnn-tanh": (nn.RNNCell, 1, {"nonlinearity": "tanh"}),
    "rnn-relu": (nn.RNNCell, 1, {"nonlinearity": "relu"}),
    "gru": (nn.GRUCell, 3, {}),
    "lstm": (nn.LSTMCell, 4, {}),
}


def draw(name: str) -> dict[str, Any]:
    """The given side of a case: lists of 64ths."""
    rng = np.random.default_rng([ord(letter) for letter in name])
    blocks, remembers = CELLS[name][1], name == "lstm"

    def some(*shape: int) -> list[Any]:
        return (np.round(64 * rng.standard_normal(shape)) / 64).tolist()

    rows = blocks * H
    parameters = {
        "weight_ih": some(rows, X),
        "weight_hh": some(rows, H),
        "bias_ih": some(rows),
        "bias_hh": some(rows),
    }
    start = {"hidden": some(B, H)} | ({"memory": some(B, H)} if remembers else {})
    return {"parameters": parameters, "x": some(T, B, X), "start": start, "d_hidden": some(T, B, H)}


def answer(name: str, given: dict[str, Any]) -> dict[str, Any]:
    """PyTorch's side of a case."""
    make, _, options = CELLS[name]
    cell = make(X, H, dtype=torch.float64, **options)
    cell.load_state_dict({key: tensor(values) for key, values in given["parameters"].items()})
    x = tensor(given["x"]).requires_grad_()
    states = [tuple(tensor(values).requires_grad_() for values in given["start"].values())]
    gates: dict[str, list[Tensor]] = {}
    for x_t in x:
        before = states[-1]
        after = cell(x_t, before if name == "lstm" else before[0])
        states.append(after if name == "lstm" else (after,))
        for state in states[-1]:
            state.retain_grad()
        found = GATES[name](cell, x_t, before) if name in GATES else {}
        assert not found or torch.allclose(found.pop("leads to"), states[-1][0], rtol=1e-13, atol=1e-15)
        for gate, values in found.items():
            gates.setdefault(gate, []).append(values)
    hidden = torch.stack([state[0] for state in states[1:]])
    (tensor(given["d_hidden"]) * hidden).sum().backward()
    result = {
        "hidden": [state[0].tolist() for state in states],
        "gates": {gate: torch.stack(values).tolist() for gate, values in gates.items()},
        "gradients": {
            "parameters": {key: parameter.grad.tolist() for key, parameter in cell.named_parameters()},
            "inputs": x.grad.tolist(),
            "hidden": [state[0].grad.tolist() for state in states],
        },
    }
    if name == "lstm":
        result["memory"] = [state[1].tolist() for state in states]
        result["gradients"]["memory"] = [state[1].grad.tolist() for state in states]
    return result


def tensor(values: list[Any]) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def lstm_gates(cell: nn.LSTMCell, x: Tensor, state: tuple[Tensor, ...]) -> dict[str, Tensor]:
    h, c = state
    a = x @ cell.weight_ih.T + cell.bias_ih + h @ cell.weight_hh.T + cell.bias_hh
    a_i, a_f, a_g, a_o = a.chunk(4, dim=1)
    i, f, g, o = torch.sigmoid(a_i), torch.sigmoid(a_f), torch.tanh(a_g), torch.sigmoid(a_o)
    h = o * torch.tanh(f * c + i * g)
    return {"input": i, "forget": f, "candidate": g, "output": o, "leads to": h}


def gru_gates(cell: nn.GRUCell, x: Tensor, state: tuple[Tensor, ...]) -> dict[str, Tensor]:
    (h,) = state
    x_r, x_z, x_n = (x @ cell.weight_ih.T + cell.bias_ih).chunk(3, dim=1)
    h_r, h_z, h_n = (h @ cell.weight_hh.T + cell.bias_hh).chunk(3, dim=1)
    r, z = torch.sigmoid(x_r + h_r), torch.sigmoid(x_z + h_z)
    n = torch.tanh(x_n + r * h_n)
    return {"reset": r, "update": z, "candidate": n, "leads to": (1 - z) * n + z * h}


GATES = {"lstm": lstm_gates, "gru": gru_gates}


def main() -> None:
    cases = {}
    for name in CELLS:
        given = draw(name)
        cases[name] = {"given": given, "answer": answer(name, given)}
    FILE.write_text(json.dumps({"torch": torch.__version__, "cases": cases}, indent=None) + "\n")


if __name__ == "__main__":
    main()
