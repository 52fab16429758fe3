"""Write reviews.json: what PyTorch's own cells make of a review, from the weights that core.reviews loads.

    pip install torch==2.13.0 "numpy>=2.0"       # the CPU build will do
    python tests/golden/make_reviews.py

The words stand here as the forms in which a model reads them, and are turned into vectors by the slow
hash of tests/oracles.py; nothing of core is used but its files of weights. States, the prediction and its
gradients are PyTorch's, in float64 and to the last digit. PyTorch shows no gates, so these follow from its
hidden states and the equations of its documentation, and the script stops unless they lead to its next
hidden state. The numbers hold for these weights alone, whose SHA-256 the file has.
"""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

FILE = Path(__file__).with_name("reviews.json")
WEIGHTS = Path(__file__).parents[2] / "core" / "weights"
sys.path.insert(0, str(Path(__file__).parents[1]))

from oracles import crc32, runs_of_three_and_four  # noqa: E402

CELLS = {"rnn": nn.RNNCell, "lstm": nn.LSTMCell, "gru": nn.GRUCell}
TEXTS = {
    "en": (
        "Amazing, but I won't be buying qwyjibo again!!!",
        "amazing but i won't be buying qwyjibo again !!",
    ),
    "zh": ("房间很不错，OK！", "房 间 很 不 错 ok !"),
}
NAMES = {"lstm": "en", "gru": "en", "rnn": "en", "zh-gru": "zh"}


def stored(name: str) -> dict[str, Any]:
    """The arrays of a file of weights, floats in float64."""
    with np.load(WEIGHTS / f"{name}.npz", allow_pickle=False) as file:
        arrays = dict(file)
    texts = {key: arrays[key].tobytes().decode() for key in ("kind", "words")}
    return {
        key: values.astype(np.float64) if values.dtype.kind == "f" else values
        for key, values in arrays.items()
    } | texts


def vectors(arrays: dict[str, Any], forms: list[str]) -> np.ndarray:
    """x, word by word: its row of E, and the mean of the rows of G that its parts fall into."""
    rows = {word: k + 1 for k, word in enumerate(arrays["words"].split("\n"))}
    E, G = arrays["embedding"], arrays["grams"]
    found = []
    for before, form in zip(["<", *forms], forms, strict=False):
        parts = [f"{before} {form}"] if arrays["pairs"] else runs_of_three_and_four(form)
        picked = [G[crc32(part.encode()) % len(G)] for part in parts]
        found.append(E[rows.get(form, 0)] + sum(picked) / len(picked))
    return np.array(found)


def answer(name: str, forms: list[str]) -> dict[str, Any]:
    """Hidden states, gates, prediction, and its gradients by h_1 … h_T, x_1 … x_T and c_1 … c_T."""
    arrays = stored(name)
    cell = CELLS[arrays["kind"]](arrays["embedding"].shape[1], len(arrays["weight_out"]), dtype=torch.float64)
    cell.load_state_dict({key: torch.tensor(arrays[key]) for key in cell.state_dict()})
    x = torch.tensor(vectors(arrays, forms)).requires_grad_()
    zero = torch.zeros(1, len(arrays["weight_out"]), dtype=torch.float64)
    states: list[tuple[Tensor, ...]] = [(zero, zero) if arrays["kind"] == "lstm" else (zero,)]
    gates: dict[str, list[Tensor]] = {}
    for x_t in x[:, None]:
        before = states[-1]
        after = cell(x_t, before if len(before) == 2 else before[0])
        states.append(after if len(before) == 2 else (after,))
        for state in states[-1]:
            state.retain_grad()
        for gate, values in gates_of(arrays["kind"], cell, x_t, before, states[-1][0]).items():
            gates.setdefault(gate, []).append(values[0])
    prediction = states[-1][0][0] @ torch.tensor(arrays["weight_out"]) + float(arrays["bias_out"])
    prediction.backward()
    memory = {"d_memory": [state[1].grad[0].tolist() for state in states[1:]]} if len(states[0]) == 2 else {}
    return memory | {
        "prediction": prediction.item(),
        "hidden": [state[0][0].tolist() for state in states],
        "gates": {gate: torch.stack(values).tolist() for gate, values in gates.items()},
        "d_hidden": [state[0].grad[0].tolist() for state in states[1:]],
        "d_inputs": x.grad.tolist(),
    }


def gates_of(
    kind: str, cell: nn.RNNCellBase, x: Tensor, state: tuple[Tensor, ...], after: Tensor
) -> dict[str, Tensor]:
    h = state[0]
    from_x, from_h = x @ cell.weight_ih.T + cell.bias_ih, h @ cell.weight_hh.T + cell.bias_hh
    if kind == "rnn":
        return {}
    if kind == "lstm":
        a_i, a_f, a_g, a_o = (from_x + from_h).chunk(4, dim=1)
        i, f, g, o = torch.sigmoid(a_i), torch.sigmoid(a_f), torch.tanh(a_g), torch.sigmoid(a_o)
        leads_to, gates = (
            o * torch.tanh(f * state[1] + i * g),
            {"input": i, "forget": f, "candidate": g, "output": o},
        )
    else:
        (x_r, x_z, x_n), (h_r, h_z, h_n) = from_x.chunk(3, dim=1), from_h.chunk(3, dim=1)
        r, z = torch.sigmoid(x_r + h_r), torch.sigmoid(x_z + h_z)
        n = torch.tanh(x_n + r * h_n)
        leads_to, gates = (1 - z) * n + z * h, {"reset": r, "update": z, "candidate": n}
    assert torch.allclose(leads_to, after, rtol=1e-12, atol=1e-14)
    return gates


def main() -> None:
    cases = {}
    for name, language in NAMES.items():
        text, forms = TEXTS[language]
        cases[name] = {
            "sha256": hashlib.sha256((WEIGHTS / f"{name}.npz").read_bytes()).hexdigest(),
            "given": {"text": text, "forms": forms.split()},
            "answer": answer(name, forms.split()),
        }
    written = json.dumps({"torch": torch.__version__, "cases": cases}, ensure_ascii=False)
    FILE.write_text(written + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
