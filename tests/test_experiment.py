"""The batched engine beside core's, Ω beside slow loops and differences, and results that survive a stop."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest

from core.bptt import backpropagate, unroll
from core.cells import RNN
from core.clipping import clip_by_norm as clip_one
from core.linear import spectral_radius
from core.tasks import TemporalOrder
from core.training import Model, cross_entropy
from experiments import batched, pascanu2013
from experiments.batched import Criterion, Network, Recipe, Room
from experiments.pascanu2013 import Point, load_results, main, run_all, save_results

LENGTH, SIZE, RUNS = 12, 7, 3
SMALL = Network(hidden=9)
CLIPPED = Recipe(0.3, 1.0)
QUICK = Criterion(every=20, tested=300, share=0.3)


def rngs(runs=RUNS, use=0):
    return [np.random.default_rng([run, use]) for run in range(runs)]


def random_parameters(network, dtype=np.float64, runs=RUNS, size=0.4):
    """Every parameter away from 0, biases too, so that a wrong gradient of one can't hide."""
    return np.stack([rng.normal(0, size, network.size) for rng in rngs(runs)]).astype(dtype)


def first_batch(dtype=np.float64, runs=RUNS, length=LENGTH):
    x, target = batched.draw(TemporalOrder(length), 1, SIZE, rngs(runs, 1), dtype)
    return x[0], target[0]


def walked(network, parameters, x, target):
    """(E, gradients, the room) of one pass forward and back."""
    room = Room.create(network, len(parameters), x.shape[1], x.shape[2], parameters.dtype)
    losses, d_outputs = batched.cross_entropy(batched.forward(network, parameters, x, room), target)
    return losses, batched.backward(network, parameters, x, d_outputs, room), room


def core_model(network, parameters, run):
    """The same network as a Model of core: its one bias is bias_ih, and bias_hh is 0."""
    weights = {name: view[run] for name, view in network.views(parameters).items()}
    cell = RNN(
        {
            "weight_ih": weights["weight_in"][:, :-1].copy(),
            "weight_hh": weights["weight_rec"].copy(),
            "bias_ih": weights["weight_in"][:, -1].copy(),
            "bias_hh": np.zeros_like(weights["weight_in"][:, -1]),
        },
        network.activation,
    )
    return Model(cell, weights["weight_out"].copy(), weights["bias_out"].copy())


def core_gradients(model, x, target):
    """(E, its gradients under the names of the engine), by core's unroll and backpropagate."""
    trace = unroll(model.cell, x)
    loss = cross_entropy(model.outputs(trace.hidden[-1]), target)
    d_hidden = np.zeros((len(x), *trace.hidden[-1].shape), x.dtype)
    d_hidden[-1] = loss.d_outputs @ model.weight_out
    by = backpropagate(model.cell, trace, d_hidden).parameters
    return loss.value, {
        "weight_rec": by["weight_hh"],
        "weight_in": np.column_stack([by["weight_ih"], by["bias_ih"]]),
        "weight_out": loss.d_outputs.T @ trace.hidden[-1],
        "bias_out": loss.d_outputs.sum(axis=0),
    }


def differences(function, point, step=1e-3):
    """Central differences of 4th order of a function of one row: (8(f₁ − f₋₁) − (f₂ − f₋₂))/12h."""
    gradient = np.empty_like(point)
    for i in range(point.size):
        f = []
        for k in (-2, -1, 1, 2):
            moved = point.copy()
            moved.flat[i] += k * step
            f.append(function(moved))
        gradient.flat[i] = (8 * (f[2] - f[1]) - (f[3] - f[0])) / (12 * step)
    return gradient


def matches(found, wanted, relative=1e-6):
    return np.allclose(found, wanted, rtol=0, atol=relative * np.abs(wanted).max())


# The engine beside core


@pytest.mark.parametrize("activation", ["tanh", "sigmoid"])
@pytest.mark.parametrize(("dtype", "digits"), [(np.float32, 2e-5), (np.float64, 1e-12)])
def test_loss_and_gradients_are_those_of_core_run_by_run(activation, dtype, digits):
    network = replace(SMALL, activation=activation)
    parameters = random_parameters(network, dtype)
    x, target = first_batch(dtype)
    losses, gradients, _ = walked(network, parameters, x, target)
    assert gradients.dtype == losses.dtype == dtype
    for run in range(RUNS):
        sequences = np.ascontiguousarray(x[run, :, :, :-1])
        wanted_loss, wanted = core_gradients(core_model(network, parameters, run), sequences, target[run])
        assert losses[run] == pytest.approx(wanted_loss, rel=digits)
        for name, found in network.views(gradients).items():
            assert matches(found[run], wanted[name], digits), name


@pytest.mark.parametrize("activation", ["tanh", "sigmoid"])
def test_gradients_are_the_differences_of_the_loss(activation):
    network = Network(hidden=5, activation=activation)
    parameters = random_parameters(network, runs=1)
    x, target = first_batch(runs=1)
    _, gradients, _ = walked(network, parameters, x, target)
    wanted = differences(lambda row: walked(network, row, x, target)[0][0], parameters)
    assert matches(gradients, wanted, 1e-8)


@pytest.mark.parametrize("activation", ["tanh", "sigmoid"])
def test_states_and_loss_follow_the_equations(activation):
    """x_t = W_rec σ(x_{t−1}) + W_in u_t + b with σ(x_0) = 0, one run and one sequence at a time."""
    network = replace(SMALL, activation=activation)
    parameters = random_parameters(network)
    x, target = first_batch()
    losses, _, room = walked(network, parameters, x, target)
    weights = network.views(parameters)
    for run in range(RUNS):
        total = 0.0
        W_rec, W_in, W_out, b_out = (weights[name][run] for name in network.shapes)
        for place in range(SIZE):
            h = np.zeros(network.hidden)
            for t in range(LENGTH):
                a = W_rec @ h + W_in[:, :-1] @ x[run, t, place, :-1] + W_in[:, -1]
                h = np.tanh(a) if activation == "tanh" else 1 / (1 + np.exp(-a))
                np.testing.assert_allclose(room.hidden[run, t + 1, place], h, rtol=1e-12)
            y = W_out @ h + b_out
            total += np.log(np.exp(y).sum()) - y[target[run, place]]
        assert losses[run] == pytest.approx(total / SIZE, rel=1e-12)


def test_a_wrong_gradient_is_rejected():
    network = Network(hidden=5)
    parameters = random_parameters(network, runs=1)
    x, target = first_batch(runs=1)
    _, gradients, _ = walked(network, parameters, x, target)
    wanted = differences(lambda row: walked(network, row, x, target)[0][0], parameters)
    for name, values in network.views(gradients).items():
        values *= 1.001
        assert not matches(gradients, wanted, 1e-8), name
        values /= 1.001
    assert matches(gradients, wanted, 1e-8)


# Ω


def slow_omega(network, W, hidden, delta):
    """(Ω, ∂⁺Ω/∂W) of one run by loops, δ_{k+1} and x_k held fixed; hidden (T + 1, B, H), delta (T, B, H)."""
    value, gradient = 0.0, np.zeros_like(W)
    T, B, _ = delta.shape
    for b in range(B):
        for k in range(1, T):
            h, after = hidden[k, b], delta[k, b]  # x_k, and δ_{k+1}: delta[0] is δ_1
            slope = np.diag(1 - h**2 if network.activation == "tanh" else h * (1 - h))
            v, norm = after @ W @ slope, np.linalg.norm(after)
            if norm**2 < batched.SMALLEST_SQUARE:
                continue
            ratio = np.linalg.norm(v) / norm
            value += (ratio - 1) ** 2 / B
            gradient += 2 * (ratio - 1) * np.outer(after, slope @ v) / (np.linalg.norm(v) * norm) / B
    return value, gradient


@pytest.mark.parametrize("activation", ["tanh", "sigmoid"])
@pytest.mark.parametrize("size", [0.4, 1.5])
def test_omega_and_its_immediate_derivative(activation, size):
    network = Network(hidden=5, activation=activation)
    parameters = random_parameters(network, size=size)
    _, _, room = walked(network, parameters, *first_batch())
    found = batched.omega(network, room)
    for run in range(RUNS):
        W = network.views(parameters)["weight_rec"][run]
        fixed = room.hidden[run], room.delta[run]
        value, gradient = slow_omega(network, W, *fixed)
        assert found.value[run] == pytest.approx(value, rel=1e-10)
        assert matches(found.gradient[run], gradient, 1e-10)
        by_differences = differences(lambda moved, f=fixed: slow_omega(network, moved, *f)[0], W, 1e-4)
        assert matches(found.gradient[run], by_differences, 1e-7)
        assert not matches(found.gradient[run] * 1.001, by_differences, 1e-7)


def test_omega_leaves_out_what_has_vanished_or_overflowed():
    network = Network(hidden=5, activation="sigmoid")
    parameters = random_parameters(network, np.float32, size=0.01)
    x, target = first_batch(np.float32, length=40)
    _, _, room = walked(network, parameters, x, target)
    assert np.abs(room.delta[:, 0]).max() < 1e-30
    found = batched.omega(network, room)
    wanted = [
        slow_omega(network, W, room.hidden[run].astype(float), room.delta[run].astype(float))
        for run, W in enumerate(network.views(parameters.astype(float))["weight_rec"])
    ]
    for run, (value, gradient) in enumerate(wanted):
        assert found.value[run] == pytest.approx(value, rel=1e-4)
        assert matches(found.gradient[run], gradient, 1e-4)
    room.delta[0, 3] = 1e30  # its square is past float32
    with np.errstate(over="ignore"):
        found = batched.omega(network, room)
    assert np.isfinite(found.value).all()
    assert np.isfinite(found.gradient).all()


def test_omega_counts_from_a_square_of_1e_20_on():
    network = Network(hidden=5)
    for norm, counts in ((0.9e-10, False), (1.1e-10, True)):
        room = Room.create(network, 1, 2, 1, float)
        room.delta[:] = 0
        room.delta[0, :, 0, 0] = 3 * norm, norm  # ‖v_1‖ = 3 ‖δ_2‖
        assert batched.omega(network, room).value[0] == pytest.approx(4 if counts else 0)


def test_an_update_is_sgd_on_the_clipped_sum_of_both():
    recipe = Recipe(0.3, max_norm=0.2, alpha=4.0, batch=SIZE)
    parameters = random_parameters(SMALL)
    x, target = first_batch()
    losses, gradients, room = walked(SMALL, parameters, x, target)
    SMALL.views(gradients)["weight_rec"][:] += 4 * batched.omega(SMALL, room).gradient
    wanted = [
        p - 0.3 * clip_one({"all": g}, 0.2).gradients["all"]
        for p, g in zip(parameters, gradients, strict=True)
    ]
    found = parameters.copy()
    again = batched.update(SMALL, found, x, target, recipe, Room.create(SMALL, RUNS, LENGTH, SIZE, float))
    np.testing.assert_array_equal(again, losses)
    np.testing.assert_allclose(found, wanted, rtol=1e-12, atol=1e-15)
    assert np.linalg.norm(parameters - found, axis=1) == pytest.approx(0.3 * 0.2)


# Runs, each for itself


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_each_run_is_clipped_as_core_does(dtype):
    scales = [0, 1e-30, 0.01, 1, 1e20, math.inf, math.nan]
    rows = np.random.default_rng(0).normal(size=(len(scales), SMALL.size)).astype(dtype)
    with np.errstate(invalid="ignore"):
        rows *= np.array(scales, dtype)[:, None]
    rows[-2] = np.where(np.arange(SMALL.size) == 3, math.inf, 1)
    wanted = [clip_one({"all": row.copy()}, 0.7) for row in rows]
    norms = batched.clip_by_norm(rows, 0.7)
    for row, norm, one in zip(rows, norms, wanted, strict=True):
        assert norm == pytest.approx(one.norm_before, rel=1e-12, nan_ok=True)
        np.testing.assert_allclose(row, one.gradients["all"], rtol=4 * np.finfo(dtype).eps)


@pytest.mark.parametrize(
    "recipe", [Recipe(0.1), Recipe(0.1, 1.0), Recipe(0.1, 1.0, 4.0)], ids=["sgd", "clip", "omega"]
)
def test_a_run_does_not_depend_on_those_beside_it(recipe):
    """To the last bit: in float32 a difference of one would grow until the curves part."""
    parameters = {}
    for seeds in ((0, 1, 2, 3, 4), (3,), (4, 3)):
        starts = [
            batched.initial_parameters("smart tanh", Network(), rng=np.random.default_rng([seed, 0]))
            for seed in seeds
        ]
        rows, own = np.array(starts, np.float32), [np.random.default_rng([seed, 1]) for seed in seeds]
        room = Room.create(Network(), len(seeds), 20, 20, np.float32)
        for x, target in zip(*batched.draw(TemporalOrder(20), 20, 20, own, np.float32), strict=True):
            batched.update(Network(), rows, x, target, recipe, room)
        parameters[seeds] = rows[seeds.index(3)]
    alone, *others = parameters.values()
    for other in others:
        np.testing.assert_array_equal(other, alone)


def outcomes(seeds, recipe=CLIPPED, criterion=QUICK, updates=300):
    """(solved_at, died_at) of each seed after training."""
    progress = list(
        batched.train(
            *(Network(hidden=20), TemporalOrder(10), "basic tanh", recipe),
            seeds=seeds,
            updates=updates,
            criterion=criterion,
        )
    )
    return {seed: (progress[-1].solved_at[i], progress[-1].died_at[i]) for i, seed in enumerate(seeds)}


def test_a_seed_ends_alike_whoever_it_trains_with():
    together = outcomes(range(6))
    solved = {at for at, _ in together.values() if at}
    assert len(solved) > 1  # so that some train on after others have stopped
    for seed in (1, 4):
        assert outcomes([seed])[seed] == together[seed]


def test_a_run_whose_parameters_are_not_finite_is_over():
    ends = outcomes([0, 1], Recipe(1e38))
    assert ends == {0: (None, QUICK.every), 1: (None, QUICK.every)}


def test_fresh_sequences_are_counted_exactly():
    network, task = Network(hidden=8), TemporalOrder(10)
    parameters = random_parameters(network, size=0.5)
    fresh, tested = rngs(use=2), 2 * batched.BLOCK + 100
    errors = np.zeros(RUNS)
    for size in (batched.BLOCK, batched.BLOCK, 100):
        x, target = batched.draw(task, 1, size, fresh, float)
        for run in range(RUNS):
            model = core_model(network, parameters, run)
            h = unroll(model.cell, np.ascontiguousarray(x[0, run, :, :, :-1])).hidden[-1]
            errors[run] += np.sum(model.outputs(h).argmax(axis=1) != target[0, run])
    for limit in errors:
        for share in (limit / tested, (limit + 1) / tested):
            found = batched.passes(network, parameters, task, rngs(use=2), tested, share)
            np.testing.assert_array_equal(found, errors < share * tested)


def test_checks_come_after_whole_draws():
    with pytest.raises(ValueError, match="every must be a multiple of 20"):
        outcomes([0], criterion=Criterion(every=30))


# Starts


@pytest.mark.parametrize(
    ("name", "deviation"), [("sigmoid", 0.01), ("basic tanh", 0.1), ("smart tanh", 0.01)]
)
def test_starts_are_the_papers(name, deviation):
    network = Network()
    rows = np.stack([batched.initial_parameters(name, network, rng=rng) for rng in rngs(20)])
    views = network.views(rows)
    normal = [views["weight_in"][..., :-1], views["weight_out"]]
    if name == "smart tanh":
        W = views["weight_rec"]
        np.testing.assert_array_equal(np.count_nonzero(W, axis=2), 15)
        np.testing.assert_allclose([spectral_radius(one) for one in W], 0.95, rtol=1e-10)
        assert len({tuple(np.flatnonzero(row)) for row in W[0]}) > 40  # not the same inputs for all units
    else:
        normal.append(views["weight_rec"])
    for weights in normal:
        draws = weights.ravel()
        assert draws.std() == pytest.approx(deviation, rel=4 / math.sqrt(2 * draws.size))
        assert abs(draws.mean()) < 4 * deviation / math.sqrt(draws.size)
    assert not views["weight_in"][..., -1].any()
    assert not views["bias_out"].any()


def test_bad_names_and_sizes_are_refused():
    with pytest.raises(ValueError, match="initialisation must be one of"):
        batched.initial_parameters("xavier", Network(), rng=np.random.default_rng(0))
    with pytest.raises(ValueError, match="hidden must be 15 or more"):
        batched.initial_parameters("smart tanh", Network(hidden=14), rng=np.random.default_rng(0))
    with pytest.raises(ValueError, match="activation must be one of"):
        Network(activation="relu")


# Results


POINTS = [Point("ours", method, "basic tanh", 10, (0, 1), 200) for method in ("sgd", "clip", "clip+omega")]


@pytest.fixture
def trained(monkeypatch):
    """The points that are trained, in their order; training itself is that of a small, easy criterion."""
    monkeypatch.setattr(pascanu2013, "CRITERION", QUICK)
    seen, run = [], pascanu2013.run

    def spy(point, deadline):
        seen.append(point)
        return run(point, deadline)

    monkeypatch.setattr(pascanu2013, "run", spy)
    return seen


def without_seconds(path):
    return [result._replace(seconds=0.0) for result in load_results(path)]


def test_a_stopped_experiment_goes_on_where_it_was(tmp_path, trained, monkeypatch):
    whole, stopped = tmp_path / "whole.json", tmp_path / "new folder" / "stopped.json"
    run_all(POINTS, whole)
    assert trained == POINTS
    trained.clear()
    save = pascanu2013.save_results

    def save_and_stop(path, results):
        save(path, results)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(pascanu2013, "save_results", save_and_stop)
        with pytest.raises(KeyboardInterrupt):
            run_all(POINTS, stopped)
    assert len(load_results(stopped)) == 1
    run_all(POINTS, stopped)
    assert trained == POINTS  # none of them twice
    assert without_seconds(stopped) == without_seconds(whole)
    before = stopped.read_bytes()
    run_all(POINTS, stopped)
    assert trained == POINTS
    assert stopped.read_bytes() == before
    assert [path.name for path in stopped.parent.iterdir()] == ["stopped.json"]


@pytest.mark.usefixtures("trained")
def test_results_say_what_was_run(tmp_path):
    path = tmp_path / "results.json"
    found = run_all(POINTS, path)
    assert sorted(load_results(path)) == sorted(found)
    by_method = {result.point.method: result for result in found}
    assert by_method["sgd"].max_norm is None
    assert by_method["clip"].alpha == 0
    assert (by_method["clip+omega"].max_norm, by_method["clip+omega"].alpha) == (1.0, 4.0)
    for result in found:
        assert (result.rate, result.check_every, result.tested) == (0.1, QUICK.every, QUICK.tested)
        assert result.numpy == np.__version__
        assert result.successes == sum(at is not None for at in result.solved_at)


@pytest.mark.usefixtures("trained")
def test_points_that_time_ran_out_for_are_not_in_the_file(tmp_path):
    path = tmp_path / "results.json"
    assert run_all(POINTS, path, deadline=0) == []
    assert not path.exists()
    assert pascanu2013.run(POINTS[0], 0.0) is None


@pytest.mark.usefixtures("trained")
@pytest.mark.parametrize("keep", [0, 1, 0.3, 0.9, 0.999])
def test_a_file_cut_short_is_refused(tmp_path, capsys, keep):
    path = tmp_path / "results.json"
    run_all(POINTS[:1], path)
    whole = path.read_bytes()
    path.write_bytes(whole[: keep if keep == 1 else int(keep * (len(whole) - 2))])
    with pytest.raises(ValueError, match=r"results\.json is damaged, cut short or no results file"):
        load_results(path)
    damaged = path.read_bytes()
    assert main(["--setting", "ours", "--out", str(path)]) == 1
    assert "is damaged" in capsys.readouterr().err
    assert path.read_bytes() == damaged


@pytest.mark.usefixtures("trained")
def test_a_changed_digit_is_refused(tmp_path):
    path = tmp_path / "results.json"
    run_all(POINTS[:1], path)
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace('"tested": 300', '"tested": 301'), encoding="utf-8")
    with pytest.raises(ValueError, match="is damaged"):
        load_results(path)


@pytest.mark.usefixtures("trained")
@pytest.mark.parametrize(
    "wrong",
    [
        {"successes": 3},
        {"setting": "theirs"},
        {"method": "adam"},
        {"solved_at": [20]},
        {"solved_at": [20, 20], "died_at": [40, None], "successes": 2},
        {"solved_at": [20, 1000], "successes": 2},
        {"solved_at": None},
        {"extra": 1},
    ],
    ids=str,
)
def test_rows_whose_numbers_do_not_fit_are_refused(tmp_path, wrong):
    """Also under a right checksum."""
    path = tmp_path / "results.json"
    run_all(POINTS[:1], path)
    rows = json.loads(path.read_text(encoding="utf-8"))["points"]
    for changed in ([rows[0] | wrong], rows * 2, rows[0]):
        content = {"sha256": pascanu2013._checksum(changed), "points": changed}
        path.write_text(json.dumps(content), encoding="utf-8")
        with pytest.raises(ValueError, match="is damaged"):
            load_results(path)


def test_saved_results_are_loaded_as_they_were(tmp_path):
    result = pascanu2013.Result(
        *(POINTS[1], 0.1, 1.0, 0.0, 100, 10_000, 1, (100, None), (None, 200), 1.5, "2.0.0")
    )
    save_results(tmp_path / "r.json", [result])
    assert load_results(tmp_path / "r.json") == [result]


def test_the_command_line_asks_for_the_settings_grid(capsys):
    points = pascanu2013.grid(pascanu2013.parse(["--setting", "paper"]))
    assert {point.initialisation for point in points} == set(batched.INITIALISATIONS)
    assert {point.method for point in points} == set(pascanu2013.METHODS)
    assert {point.seeds for point in points} == {(0, 1, 2, 3, 4)}
    assert [point.length for point in points] == sorted(point.length for point in points)
    ours = pascanu2013.grid(pascanu2013.parse(["--setting", "ours", "--updates", "200", "--lengths", "30"]))
    assert {(len(point.seeds), point.updates, point.length) for point in ours} == {(20, 200, 30)}
    for wrong in (["--updates", "150"], ["--lengths", "0"], ["--seeds", "-1"]):
        with pytest.raises(SystemExit):
            pascanu2013.parse(wrong)
    assert "must be a multiple of 100" in capsys.readouterr().err


@pytest.mark.usefixtures("trained")
def test_what_another_run_wrote_meanwhile_is_kept(tmp_path, monkeypatch):
    path, run = tmp_path / "results.json", pascanu2013.run

    def run_beside_another(point, deadline):
        save_results(path, [run(POINTS[2], deadline)])
        return run(point, deadline)

    monkeypatch.setattr(pascanu2013, "run", run_beside_another)
    run_all(POINTS[:1], path)
    assert {result.point for result in load_results(path)} == {POINTS[0], POINTS[2]}


def test_a_stop_is_said_in_a_line(tmp_path, monkeypatch, capsys):
    def stop(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(pascanu2013, "run", stop)
    assert main(["--processes", "1", "--out", str(tmp_path / "results.json")]) == 130
    assert "start again for the rest" in capsys.readouterr().err


def test_two_processes_give_what_one_does(tmp_path):
    points = [point._replace(updates=100, seeds=(0,)) for point in POINTS[:2]]
    run_all(points, tmp_path / "one.json")
    run_all(points, tmp_path / "two.json", processes=2)
    assert without_seconds(tmp_path / "one.json") == without_seconds(tmp_path / "two.json")
