"""SGD and Adam against PyTorch's, kept as golden paths and live where it is installed, and by hand."""

import json
import math
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from core.optimizers import SGD, Adam

GOLDEN = json.loads(Path(__file__).with_name("golden").joinpath("optimizers.json").read_text())
OURS = {
    "sgd": SGD(0.1),
    "sgd-momentum": SGD(0.05, momentum=0.9),
    "adam": Adam(),
    "adam-other-betas": Adam(0.03, beta1=0.5, beta2=0.75, epsilon=0.125),
}
BOTH = pytest.mark.parametrize("optimizer", [SGD(0.1, 0.5), Adam(0.1)], ids=["sgd", "adam"])


def arrays_of(lists, dtype=np.float64):
    return {name: np.array(values, dtype) for name, values in lists.items()}


def follow(optimizer, parameters, gradients):
    """The parameters after each update."""
    moments, path = optimizer.begin(parameters), []
    for each in gradients:
        parameters, moments = optimizer.update(parameters, each, moments)
        path.append(parameters)
    return path


def assert_same(path, wanted, **tolerance):
    assert len(path) == len(wanted)
    for found, true in zip(path, wanted, strict=True):
        assert set(found) == set(true)
        for name in true:
            np.testing.assert_allclose(found[name], true[name], **tolerance)


def moved(optimizer, w, *gradients):
    """Where one number ends up after these gradients."""
    path = follow(optimizer, {"w": np.array([w])}, [{"w": np.array([g])} for g in gradients])
    return float(path[-1]["w"][0])


# Beside PyTorch


@pytest.mark.parametrize("case", OURS)
def test_parameters_take_pytorchs_path_as_it_was_kept(case):
    given = GOLDEN["given"]
    path = follow(OURS[case], arrays_of(given["parameters"]), [arrays_of(g) for g in given["gradients"]])
    assert_same(path, GOLDEN["paths"][case], rtol=1e-12, atol=1e-14)


def test_golden_paths_tell_the_optimisers_apart():
    ends = [np.array(path[-1]["bias"]) for path in GOLDEN["paths"].values()]
    assert len(ends) == len(OURS)
    assert all(np.abs(a - b).min() > 1e-3 for i, a in enumerate(ends) for b in ends[:i])


@pytest.mark.parametrize("case", OURS)
def test_parameters_take_pytorchs_path_under_gradients_of_all_sizes(case):
    torch = pytest.importorskip("torch", reason="torch isn't installed: the golden paths were compared alone")
    options = {
        "sgd": (torch.optim.SGD, {"lr": 0.1}),
        "sgd-momentum": (torch.optim.SGD, {"lr": 0.05, "momentum": 0.9}),
        "adam": (torch.optim.Adam, {}),
        "adam-other-betas": (torch.optim.Adam, {"lr": 0.03, "betas": (0.5, 0.75), "eps": 0.125}),
    }
    rng = np.random.default_rng(1)
    sizes = 10 ** rng.uniform(-6, 3, (50, 1, 1))
    start, gradients = rng.standard_normal((3, 4)), sizes * rng.standard_normal((50, 3, 4))
    theirs = torch.tensor(start.copy())
    make, given = options[case]
    optimizer = make([theirs], **given)
    wanted = []
    for gradient in gradients:
        theirs.grad = torch.tensor(gradient)
        optimizer.step()
        wanted.append({"w": theirs.numpy().copy()})
    path = follow(OURS[case], {"w": start}, [{"w": gradient} for gradient in gradients])
    assert_same(path, wanted, rtol=1e-12, atol=1e-12)


def test_a_decay_makes_it_pytorchs_adamw():
    torch = pytest.importorskip("torch", reason="torch isn't installed: AdamW was worked by hand alone")
    rng = np.random.default_rng(2)
    start, gradients = rng.standard_normal((3, 4)), rng.standard_normal((40, 3, 4))
    theirs = torch.tensor(start.copy())
    optimizer = torch.optim.AdamW([theirs], lr=0.03, betas=(0.9, 0.98), weight_decay=0.25)
    wanted = []
    for gradient in gradients:
        theirs.grad = torch.tensor(gradient)
        optimizer.step()
        wanted.append({"w": theirs.numpy().copy()})
    ours = Adam(0.03, beta1=0.9, beta2=0.98, decay=0.25)
    assert_same(follow(ours, {"w": start}, [{"w": g} for g in gradients]), wanted, rtol=1e-12, atol=1e-13)


# By hand


def test_sgd_goes_rate_times_gradient_downhill():
    assert moved(SGD(0.25), 1.0, 2.0) == 0.5
    assert moved(SGD(0.25), 1.0, 2.0, -4.0) == 1.5


def test_sgd_with_momentum_adds_half_of_the_last_step_to_the_next():
    # v: 2, then 0.5·2 + 4 = 5, then 0.5·5 + 0 = 2.5; w: 1 − 0.25·(2 + 5 + 2.5)
    assert moved(SGD(0.25, momentum=0.5), 1.0, 2.0, 4.0, 0.0) == 1 - 0.25 * 9.5


@pytest.mark.parametrize("gradient", [1e-3, -2.0, 1e150])
def test_adams_first_step_is_the_rate_whatever_the_size_of_the_gradient(gradient):
    step = moved(Adam(0.1, epsilon=1e-30), 0.0, gradient)
    assert step == pytest.approx(-math.copysign(0.1, gradient), rel=1e-13)


def test_adams_epsilon_is_added_to_the_root_after_its_correction():
    # m̂ = 2, √v̂ = 2: 0.1 · 2/(2 + 2)
    assert moved(Adam(0.1, epsilon=2.0), 0.0, 2.0) == pytest.approx(-0.05, rel=1e-14)


def test_adams_second_step_by_hand():
    # β₁ = ½, β₂ = ¾. g = 1, then −3. m: ½, then ¼ − 3/2 = −5/4, m̂ = −5/4 / ¾ = −5/3.
    # v: ¼, then 3/16 + 9/4 = 39/16, v̂ = 39/16 / (7/16) = 39/7.
    optimizer = Adam(0.1, beta1=0.5, beta2=0.75, epsilon=1e-30)
    wanted = -0.1 + 0.1 * (5 / 3) / math.sqrt(39 / 7)
    assert moved(optimizer, 0.0, 1.0, -3.0) == pytest.approx(wanted, rel=1e-14)


def test_adams_decay_by_hand():
    # Each update takes rate · decay = 1/8 of w itself; the gradient moves it by the rate, 1/4, at first.
    optimizer = Adam(0.25, decay=0.5, epsilon=1e-30)
    assert moved(optimizer, 1.0, 2.0) == pytest.approx(7 / 8 - 1 / 4, rel=1e-14)
    assert moved(optimizer, -8.0, 2.0) == pytest.approx(-7 - 1 / 4, rel=1e-14)
    assert moved(optimizer, 1.5, 0.0, 0.0) == 1.5 * (7 / 8) ** 2


def test_a_decay_is_kept_out_of_the_moments():
    parameters, gradients = {"w": np.array([100.0])}, {"w": np.array([2.0])}
    plain, decaying = (Adam(0.1, decay=decay) for decay in (0.0, 0.9))
    found = [
        optimizer.update(parameters, gradients, optimizer.begin(parameters))[1]
        for optimizer in (plain, decaying)
    ]
    assert_same([found[0].first, found[0].second], [found[1].first, found[1].second], rtol=0)


@BOTH
def test_a_gradient_of_zero_moves_nothing(optimizer):
    assert moved(optimizer, 1.5, 0.0, 0.0) == 1.5


def test_adam_counts_its_updates():
    parameters = {"w": np.ones(2)}
    moments = Adam().begin(parameters)
    counts = [moments.updates]
    for _ in range(3):
        parameters, moments = Adam().update(parameters, {"w": np.ones(2)}, moments)
        counts.append(moments.updates)
    assert counts == [0, 1, 2, 3]


# What every optimiser keeps


@BOTH
def test_nothing_handed_in_is_written_to(optimizer):
    given = [{"w": np.array([1.0, -2.0])}, {"w": np.array([0.5, 3.0])}]
    _, moments = optimizer.update(*given, optimizer.begin(given[0]))
    everything = [*given, moments.first, moments.second]
    before = [{name: values.copy() for name, values in each.items()} for each in everything]
    for each in everything:
        for values in each.values():
            values.setflags(write=False)
    optimizer.update(*given, moments)
    for found, true in zip(everything, before, strict=True):
        assert_same([found], [true], rtol=0)


@BOTH
def test_calling_twice_gives_the_same(optimizer):
    parameters, gradients = {"w": np.array([1.0, -2.0])}, {"w": np.array([0.5, 3.0])}
    moments = optimizer.update(parameters, gradients, optimizer.begin(parameters))[1]
    twice = [optimizer.update(parameters, gradients, moments)[0] for _ in range(2)]
    assert_same(twice[:1], twice[1:], rtol=0)


@BOTH
def test_the_next_parameters_share_no_memory_with_the_last(optimizer):
    parameters = {"w": np.zeros(2)}
    path = [parameters, *follow(optimizer, parameters, [{"w": np.zeros(2)}] * 2)]
    assert not any(np.shares_memory(a["w"], b["w"]) for a, b in pairwise(path))


@BOTH
def test_float32_is_kept(optimizer):
    parameters = arrays_of({"w": [1.0, -2.0]}, np.float32)
    moments = optimizer.begin(parameters)
    for _ in range(3):
        parameters, moments = optimizer.update(parameters, arrays_of({"w": [0.5, 3.0]}, np.float32), moments)
        kept = [parameters, moments.first, moments.second]
        assert {values.dtype for each in kept for values in each.values()} == {np.dtype(np.float32)}


@BOTH
def test_the_order_of_the_gradients_does_not_matter(optimizer):
    parameters = {"a": np.array([1.0]), "b": np.array([2.0])}
    gradients = {"a": np.array([3.0]), "b": np.array([-4.0])}
    turned = dict(reversed(gradients.items()))
    assert_same(follow(optimizer, parameters, [gradients]), follow(optimizer, parameters, [turned]), rtol=0)


# What is refused

ABOVE_ZERO = [0, 0.0, -1e-3, math.nan, math.inf, "1", None, True, 1j]
SHARES = [1, 1.0, -1e-9, 2.0, math.nan, math.inf, "0.9", None, True, 1j]


@pytest.mark.parametrize("value", ABOVE_ZERO, ids=repr)
@pytest.mark.parametrize(("make", "name"), [(SGD, "rate"), (Adam, "rate"), (Adam, "epsilon")])
def test_a_rate_or_an_epsilon_must_be_above_0(make, name, value):
    with pytest.raises(ValueError, match=f"^{name} must be a finite number above 0, not "):
        make(**{"rate": 0.1, name: value})


@pytest.mark.parametrize("value", SHARES, ids=repr)
@pytest.mark.parametrize(
    ("make", "name"), [(SGD, "momentum"), (Adam, "beta1"), (Adam, "beta2"), (Adam, "decay")]
)
def test_a_momentum_a_beta_or_a_decay_must_be_below_1(make, name, value):
    with pytest.raises(ValueError, match=f"^{name} must be a number from 0 to below 1, not "):
        make(**{"rate": 0.1, name: value})


@BOTH
@pytest.mark.parametrize("gradients", [{}, {"w": np.ones(1)}, {"w": np.ones(1), "u": np.ones(1)}], ids=list)
def test_gradients_must_be_those_of_the_parameters(optimizer, gradients):
    parameters = {"w": np.ones(1), "b": np.ones(1)}
    with pytest.raises(ValueError, match=r"^gradients must be those of w, b, not "):
        optimizer.update(parameters, gradients, optimizer.begin(parameters))
