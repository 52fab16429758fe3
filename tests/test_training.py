"""Losses by hand and in mpmath, the model's gradients by differences, and what each update does and tells."""

import math
from dataclasses import dataclass, field, replace
from itertools import islice

import numpy as np
import pytest
from oracles import mp
from threadpoolctl import threadpool_limits

from core.cells import GRU, LSTM, RNN
from core.optimizers import SGD, Adam
from core.tasks import Adding, Batch, Recall, TemporalOrder
from core.training import Model, cross_entropy, evaluate, mean_square, train

CELLS = {"rnn": RNN.create, "gru": GRU.create, "lstm": LSTM.create}
TASKS = {"classes": Recall(3, 2), "numbers": Adding(5)}
EPS = np.finfo(float).eps


def rng(seed=0):
    return np.random.default_rng(seed)


def model_for(task, cell="lstm", hidden=4, seed=0, **options):
    """A model with biases that aren't 0, so that a wrong gradient of one can't hide."""
    model = Model.create(
        CELLS[cell](task.inputs, hidden, rng=rng(seed), **options), task.outputs, rng=rng(seed)
    )
    return replace(model, bias_out=np.linspace(-0.3, 0.4, task.outputs).astype(model.bias_out.dtype))


def scalar_model(w=0.5, u=1.0, out=1.0, bias=0.0, activation="identity"):
    """h_t = φ(w h_{t−1} + u x_t) with one unit, reading the value of Adding; y = out · h + bias."""
    parameters = {"weight_ih": [[u, 0.0]], "weight_hh": [[w]], "bias_ih": [0.0], "bias_hh": [0.0]}
    cell = RNN({name: np.array(values) for name, values in parameters.items()}, activation)
    return Model(cell, np.array([[out]]), np.array([bias]))


@dataclass(frozen=True)
class Same:
    """A task with one batch, that counts how often it is drawn."""

    batch: Batch
    inputs: int
    outputs: int
    draws: list = field(default_factory=list)

    @staticmethod
    def of(task, size=3, seed=0):
        return Same(task.draw(size, rng=rng(seed)), task.inputs, task.outputs)

    def draw(self, size, *, rng, dtype=np.float64):
        self.draws.append((size, rng, dtype))
        return self.batch


class Spy(SGD):
    """An SGD that keeps the gradients it is handed."""

    def begin(self, parameters):
        object.__setattr__(self, "seen", [])
        return super().begin(parameters)

    def update(self, parameters, gradients, moments):
        self.seen.append(gradients)
        return super().update(parameters, gradients, moments)


def last(progress):
    return list(progress)[-1]


def true_norm(arrays):
    return float(np.linalg.norm(np.concatenate([values.ravel() for values in arrays.values()])))


# Losses


def cross_entropy_in_mpmath(outputs, target):
    """(L, ∂L/∂y), with nothing subtracted."""
    exps = [[mp.exp(mp.mpf(y)) for y in row] for row in outputs.tolist()]
    soft = [[e / sum(row) for e in row] for row in exps]
    size = len(target)
    value = -sum(mp.log(row[k]) for row, k in zip(soft, target, strict=True)) / size
    slopes = [[(s - (j == k)) / size for j, s in enumerate(row)] for row, k in zip(soft, target, strict=True)]
    return float(value), np.array(slopes, dtype=float)


def differences(loss, outputs, step=1e-6):
    """∂L/∂y by central differences."""
    slopes = np.zeros_like(outputs)
    for at in np.ndindex(outputs.shape):
        nudge = np.zeros_like(outputs)
        nudge[at] = step
        slopes[at] = (loss(outputs + nudge) - loss(outputs - nudge)) / (2 * step)
    return slopes


def test_cross_entropy_of_equal_outputs_is_the_logarithm_of_their_number():
    loss = cross_entropy(np.full((2, 4), 7.0), np.array([0, 3]))
    assert loss.value == pytest.approx(math.log(4), rel=1e-15)
    np.testing.assert_allclose(loss.d_outputs, np.array([[-3, 1, 1, 1], [1, 1, 1, -3]]) / 8, rtol=1e-14)


def test_cross_entropy_by_hand():
    # softmax of (log 1, log 3) is (1/4, 3/4)
    loss = cross_entropy(np.log([[1.0, 3.0], [1.0, 3.0]]), np.array([0, 1]))
    assert loss.value == pytest.approx((math.log(4) + math.log(4 / 3)) / 2, rel=1e-15)
    assert loss.accuracy == 0.5
    np.testing.assert_allclose(loss.d_outputs, np.array([[-3, 3], [1, -1]]) / 8, rtol=1e-14)


@pytest.mark.parametrize(("target", "accuracy"), [([0, 2, 1], 1), ([0, 2, 0], 2 / 3), ([1, 0, 2], 0)])
def test_accuracy_is_the_share_of_largest_outputs_that_are_the_targets(target, accuracy):
    outputs = np.array([[5.0, 1.0, 2.0], [0.0, 1.0, 2.0], [-3.0, -1.0, -2.0]])
    assert cross_entropy(outputs, np.array(target)).accuracy == pytest.approx(accuracy)


@pytest.mark.parametrize("size", [1.0, 30.0, 700.0, 1e4, 1e300])
def test_cross_entropy_is_right_however_large_the_outputs(size):
    outputs, target = size * rng().standard_normal((5, 3)), np.array([0, 1, 2, 1, 0])
    loss = cross_entropy(outputs, target)
    value, slopes = cross_entropy_in_mpmath(outputs, target)
    assert loss.value == pytest.approx(value, rel=1e-14)
    np.testing.assert_allclose(loss.d_outputs, slopes, rtol=1e-12, atol=4 * EPS)


def test_mean_square_by_hand():
    loss = mean_square(np.array([[1.0, 2.0], [3.0, 5.0]]), np.array([[1.0, 0.0], [0.0, 4.0]]))
    assert loss.value == (0 + 4 + 9 + 1) / 4
    assert math.isnan(loss.accuracy)
    assert loss.d_outputs.tolist() == [[0, 1], [1.5, 0.5]]


@pytest.mark.parametrize(
    ("loss", "target"),
    [
        pytest.param(cross_entropy, np.array([2, 0, 1, 1]), id="cross-entropy"),
        pytest.param(mean_square, rng(1).standard_normal((4, 3)), id="mean-square"),
    ],
)
def test_slopes_of_the_losses_by_central_differences(loss, target):
    outputs = rng().standard_normal((4, 3))
    by_differences = differences(lambda y: loss(y, target).value, outputs)
    np.testing.assert_allclose(loss(outputs, target).d_outputs, by_differences, rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize(
    ("loss", "target"),
    [(cross_entropy, np.array([0, 1])), (mean_square, np.zeros((2, 2), np.float32))],
    ids=["cross-entropy", "mean-square"],
)
def test_losses_keep_float32_and_leave_what_they_are_given(loss, target):
    outputs, kept = np.ones((2, 2), np.float32), target.copy()
    assert loss(outputs, target).d_outputs.dtype == np.float32
    np.testing.assert_array_equal(outputs, 1)
    np.testing.assert_array_equal(target, kept)


@pytest.mark.parametrize(
    ("outputs", "value"),
    [
        ([[math.inf, 0.0]], math.nan),
        ([[math.nan, 0.0]], math.nan),
        ([[0.0, -math.inf]], 0.0),
        ([[-math.inf, 0.0]], math.inf),
    ],
    ids=str,
)
def test_cross_entropy_tells_what_is_not_finite_without_a_warning(outputs, value):
    np.testing.assert_equal(cross_entropy(np.array(outputs), np.array([0])).value, value)


@pytest.mark.parametrize(
    ("output", "value"), [(1e200, math.inf), (-math.inf, math.inf), (math.nan, math.nan)]
)
def test_mean_square_tells_what_is_not_finite_without_a_warning(output, value):
    np.testing.assert_equal(mean_square(np.array([[output]]), np.zeros((1, 1))).value, value)


@pytest.mark.parametrize(
    ("target", "message"),
    [
        pytest.param(np.array([0, 1]), r"must be whole numbers of the shape \(3,\), not \(2,\)", id="short"),
        pytest.param(np.array([[0], [1], [1]]), r"must be .* shape \(3,\), not \(3, 1\)", id="column"),
        pytest.param(np.array([0.0, 1.0, 1.0]), "must be whole numbers", id="floats"),
        pytest.param(np.array([True, False, True]), "must be whole numbers", id="truths"),
        pytest.param(np.array([0, -1, 1]), "must be from 0 to 1$", id="negative"),
        pytest.param(np.array([0, 2, 1]), "must be from 0 to 1$", id="too-large"),
    ],
)
def test_cross_entropy_refuses(target, message):
    with pytest.raises(ValueError, match=f"^target {message}"):
        cross_entropy(np.zeros((3, 2)), target)


@pytest.mark.parametrize("shape", [(3,), (1, 2), (2, 3), ()], ids=str)
def test_mean_square_refuses_what_would_be_broadcast(shape):
    with pytest.raises(ValueError, match=r"^target must have the shape \(3, 2\), not "):
        mean_square(np.zeros((3, 2)), np.zeros(shape))


# The model


@pytest.mark.parametrize("cell", CELLS)
def test_a_model_reads_the_last_hidden_state(cell):
    model = model_for(TASKS["classes"], cell)
    h = rng(1).standard_normal((3, 4))
    y = [[sum(w * v for w, v in zip(row, state, strict=True)) for row in model.weight_out] for state in h]
    np.testing.assert_allclose(model.outputs(h), np.array(y) + model.bias_out, rtol=1e-14)


def test_the_loss_of_a_scalar_model_by_hand():
    # h: ½·0 + 2·1 = 2, then ½·2 + 2·3 = 7; y = −7 + 4; (−3 − 1)² = 16
    x = np.array([[[1.0, 0.0]], [[3.0, 1.0]]])
    loss = evaluate(scalar_model(w=0.5, u=2.0, out=-1.0, bias=4.0), Batch(x, np.array([[1.0]])))
    assert loss.value == 16
    assert loss.d_outputs.tolist() == [[-8]]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("cell", CELLS)
def test_a_new_model_has_the_type_of_its_cell_and_weights_as_pytorchs(cell, dtype):
    model = Model.create(CELLS[cell](2, 100, rng=rng(), dtype=dtype), 30, rng=rng())
    assert model.weight_out.shape == (30, 100)
    assert model.bias_out.tolist() == [0] * 30
    assert {values.dtype for values in model.parameters.values()} == {np.dtype(dtype)}
    assert 0.099 < model.weight_out.max() <= 0.1  # 1/√100
    assert -0.1 <= model.weight_out.min() < -0.099


@pytest.mark.parametrize("cell", CELLS)
def test_other_parameters_make_another_model_and_leave_the_first(cell):
    model = model_for(TASKS["classes"], cell)
    before = {name: values.copy() for name, values in model.parameters.items()}
    doubled = model.with_parameters({name: 2 * values for name, values in model.parameters.items()})
    assert type(doubled.cell) is type(model.cell)
    assert set(before) == {"weight_ih", "weight_hh", "bias_ih", "bias_hh", "weight_out", "bias_out"}
    for name, values in before.items():
        np.testing.assert_array_equal(model.parameters[name], values)
        np.testing.assert_array_equal(doubled.parameters[name], 2 * values)


def test_other_parameters_keep_the_activation():
    model = scalar_model(activation="relu")
    assert model.with_parameters(model.parameters).cell.activation == "relu"


@pytest.mark.parametrize("outputs", [0, -1, 2.0, True, None], ids=repr)
def test_a_models_outputs_must_be_a_count(outputs):
    with pytest.raises(ValueError, match=r"^outputs must be a whole number, 1 or more, not "):
        Model.create(RNN.create(2, 3, rng=rng()), outputs, rng=rng())


# Gradients


def check_gradients(gradients, model, batch, step=1e-5):
    """Assert that these are ∂L by every entry of every parameter: central differences of fourth order."""
    assert set(gradients) == set(model.parameters)
    for name, values in model.parameters.items():
        for at in np.ndindex(values.shape):

            def loss(nudge, name=name, values=values, at=at):
                nudged = values.copy()
                nudged[at] += nudge
                return evaluate(model.with_parameters(model.parameters | {name: nudged}), batch).value

            near, far = loss(step) - loss(-step), loss(2 * step) - loss(-2 * step)
            assert gradients[name][at] == pytest.approx((8 * near - far) / (12 * step), rel=1e-6, abs=1e-9), (
                name
            )


def gradients_of(model, task):
    """Those that training hands to its optimiser."""
    spy = Spy(0.1)
    next(train(model, task, rng=rng(), optimizer=spy))
    return spy.seen[0]


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("cell", CELLS)
def test_gradients_of_every_parameter_by_central_differences(cell, task):
    task = Same.of(TASKS[task])
    model = model_for(task, cell)
    check_gradients(gradients_of(model, task), model, task.batch)


@pytest.mark.parametrize("cell", CELLS)
def test_gradients_of_a_later_update_by_central_differences(cell):
    # The second update overwrites the arrays of the first.
    task, spy = Same.of(TASKS["classes"]), Spy(0.1)
    first, _ = islice(train(model_for(task, cell), task, rng=rng(), optimizer=spy), 2)
    check_gradients(spy.seen[1], first.model, task.batch)


@pytest.mark.parametrize("name", ["weight_ih", "weight_hh", "bias_ih", "bias_hh", "weight_out", "bias_out"])
def test_the_check_rejects_a_gradient_with_one_wrong_entry(name):
    task = Same.of(TASKS["classes"])
    model = model_for(task, "gru")
    gradients = {key: values.copy() for key, values in gradients_of(model, task).items()}
    gradients[name].flat[-1] *= 1.001
    with pytest.raises(AssertionError, match=name):
        check_gradients(gradients, model, task.batch)


# What an update does


@pytest.mark.parametrize("max_norm", [None, 1e-3, 0.1, 1e3])
@pytest.mark.parametrize("cell", CELLS)
def test_sgd_goes_the_rate_times_the_clipped_gradient(cell, max_norm):
    task, rate = Same.of(TASKS["numbers"]), 0.125
    model = model_for(task, cell)
    raw = gradients_of(model, task)
    share = min(1, (max_norm or math.inf) / true_norm(raw))
    progress = next(train(model, task, rng=rng(), optimizer=SGD(rate), max_norm=max_norm))
    for name, before in model.parameters.items():
        moved = progress.model.parameters[name] - before
        np.testing.assert_allclose(moved, -rate * share * raw[name], rtol=1e-9, atol=1e-15)


@pytest.mark.parametrize("max_norm", [None, 0.1])
def test_progress_tells_the_norms_before_and_after_clipping(max_norm):
    task = Same.of(TASKS["numbers"])
    model, spy = model_for(task), Spy(0.1)
    progress = next(train(model, task, rng=rng(), optimizer=spy, max_norm=max_norm))
    raw = true_norm(gradients_of(model, task))
    assert raw > 0.1
    assert progress.norm_before == pytest.approx(raw, rel=1e-14)
    assert progress.norm_after == pytest.approx(max_norm or raw, rel=1e-14)
    assert true_norm(spy.seen[0]) == pytest.approx(progress.norm_after, rel=1e-14)


def test_no_norm_is_above_the_threshold_after_clipping():
    task, optimizer = Adding(20), Adam(0.05)
    run = list(train(model_for(task), task, rng=rng(), updates=60, optimizer=optimizer, max_norm=0.5))
    assert any(p.norm_before > 0.5 for p in run)
    assert any(p.norm_before < 0.5 for p in run)
    assert all(p.norm_after == pytest.approx(min(p.norm_before, 0.5), rel=1e-14) for p in run)


def test_progress_tells_the_loss_and_accuracy_of_its_batch_before_the_update():
    task = Same.of(Recall(2, 3), size=20)
    model = model_for(task)
    first, second = islice(train(model, task, rng=rng()), 2)
    for before, progress in ((model, first), (first.model, second)):
        loss = evaluate(before, task.batch)
        assert (progress.loss, progress.accuracy) == (loss.value, loss.accuracy)
    assert second.loss < first.loss


def test_adam_with_its_usual_rate_is_the_optimiser_unless_another_is_given():
    task = Recall(2)
    runs = [
        train(model_for(task), task, rng=rng(), updates=3, **options)
        for options in ({}, {"optimizer": Adam()})
    ]
    assert_same_models(*(last(run).model for run in runs))


def assert_same_models(a, b):
    for name, values in a.parameters.items():
        np.testing.assert_array_equal(b.parameters[name], values)


@pytest.mark.parametrize("optimizer", [SGD(0.1, 0.9), Adam(0.1)], ids=["sgd", "adam"])
def test_what_the_optimiser_remembers_is_handed_on(optimizer):
    task = Same.of(TASKS["numbers"])
    model = model_for(task)
    parameters, moments, path = model.parameters, optimizer.begin(model.parameters), []
    for progress in train(model, task, rng=rng(), optimizer=optimizer, updates=3):
        raw = gradients_of(model.with_parameters(parameters), task)
        parameters, moments = optimizer.update(parameters, raw, moments)
        path.append(progress.model)
    assert len(path) == 3
    assert_same_models(path[-1], model.with_parameters(parameters))


# The generator


def test_training_ends_after_the_updates_asked_for():
    run = list(train(model_for(Recall(2)), Recall(2), rng=rng(), updates=4))
    assert [p.step for p in run] == [1, 2, 3, 4]
    assert all(p.finite and p.not_finite is None for p in run)


def test_no_updates_are_none():
    task = Same.of(Recall(2))
    assert list(train(model_for(task), task, rng=rng(), updates=0)) == []
    assert task.draws == []


def test_nothing_runs_before_it_is_asked_nor_after():
    task = Same.of(Recall(2))
    run = train(model_for(task), task, rng=rng())
    assert len(task.draws) == 0
    for asked in (1, 2, 3):
        next(run)
        assert len(task.draws) == asked
    run.close()
    assert list(run) == []
    assert len(task.draws) == 3


def test_each_batch_is_drawn_anew_with_the_size_the_rng_and_the_type_of_the_model():
    task, source = Same.of(Recall(2)), rng()
    list(train(model_for(task, dtype=np.float32), task, rng=source, updates=2, size=7))
    assert task.draws == [(7, source, np.float32)] * 2


def test_models_handed_out_stay_as_they_were():
    run = train(model_for(Recall(2)), Recall(2), rng=rng())
    first = next(run)
    kept = {name: values.copy() for name, values in first.model.parameters.items()}
    later = last(islice(run, 3))
    for name, values in kept.items():
        np.testing.assert_array_equal(first.model.parameters[name], values)
        assert not np.array_equal(later.model.parameters[name], values)


def test_the_model_handed_in_stays_as_it_was():
    model, again = model_for(Recall(2)), model_for(Recall(2))
    list(train(model, Recall(2), rng=rng(), updates=3))
    assert_same_models(model, again)


@pytest.mark.parametrize("cell", CELLS)
def test_the_same_rng_trains_the_same_model(cell):
    task = TemporalOrder(10)
    runs = [list(train(model_for(task, cell), task, rng=rng(3), updates=5, max_norm=1)) for _ in range(2)]
    assert [p[:5] for p in runs[0]] == [p[:5] for p in runs[1]]
    assert_same_models(runs[0][-1].model, runs[1][-1].model)
    other = list(train(model_for(task, cell), task, rng=rng(4), updates=5, max_norm=1))
    assert [p.loss for p in other] != [p.loss for p in runs[0]]


def test_two_runs_in_turn_do_not_disturb_each_other():
    task = Recall(2)
    alone = [p.loss for p in train(model_for(task), task, rng=rng(), updates=4)]
    runs = [train(model_for(task), task, rng=rng(), updates=4) for _ in range(2)]
    in_turn = [(a.loss, b.loss) for a, b in zip(*runs, strict=True)]
    assert in_turn == [(loss, loss) for loss in alone]


@pytest.mark.parametrize("optimizer", [SGD(0.1, 0.9), Adam()], ids=["sgd", "adam"])
@pytest.mark.parametrize("task", [Recall(2), Adding(5)], ids=["classes", "numbers"])
@pytest.mark.parametrize("cell", CELLS)
def test_float32_is_kept_through_training(cell, task, optimizer):
    model = model_for(task, cell, dtype=np.float32)
    end = last(train(model, task, rng=rng(), updates=3, optimizer=optimizer, max_norm=0.1)).model
    assert {values.dtype for values in end.parameters.values()} == {np.dtype(np.float32)}


# The end of what isn't finite. Warnings are errors here, so each run is also free of them.

ENDS = [
    # |h| is about 1e200 · 1e200 at the second step.
    pytest.param("state", scalar_model(w=1e200, u=1e200), SGD(0.1), id="state"),
    # h is about 1, y about 1e200: its square overflows.
    pytest.param("loss", scalar_model(out=1e200), SGD(0.1), id="loss"),
    # h is about 1e200, and y overflows itself.
    pytest.param("loss", scalar_model(u=1e200, out=1e200), SGD(0.1), id="outputs"),
    # h is about 1e250, y about 1e140: the square is finite, and ∂L/∂y · h isn't.
    pytest.param("gradient", scalar_model(u=1e250, out=1e-110), SGD(0.1), id="gradient"),
    # The rate times a gradient of about 18.
    pytest.param("parameters", scalar_model(bias=9.0), SGD(1e308), id="parameters"),
]


@pytest.mark.parametrize(("culprit", "model", "optimizer"), ENDS)
def test_training_ends_after_the_first_number_that_is_not_finite_and_names_it(culprit, model, optimizer):
    run = list(train(model, Adding(2), rng=rng(), updates=5, optimizer=optimizer))
    assert [(p.step, p.not_finite, p.finite) for p in run] == [(1, culprit, False)]
    assert math.isfinite(run[0].loss) == (culprit in ("gradient", "parameters"))
    assert math.isfinite(run[0].norm_before) == (culprit == "parameters")


@pytest.mark.parametrize(("culprit", "model", "optimizer"), ENDS[:-1])
def test_clipping_does_not_hide_what_is_not_finite(culprit, model, optimizer):
    progress = next(train(model, Adding(2), rng=rng(), optimizer=optimizer, max_norm=1.0))
    assert progress.not_finite == culprit
    np.testing.assert_equal(progress.norm_after, progress.norm_before)


def test_training_may_end_later_than_at_once():
    # The first update makes w about −1e61, and the square of w³ overflows in the second.
    model = scalar_model(w=1.0, activation="identity")
    run = list(train(model, Adding(4), rng=rng(), optimizer=SGD(1e60)))
    assert run[-1].not_finite == "loss"
    assert len(run) > 1
    assert [p.finite for p in run] == [True] * (len(run) - 1) + [False]


def test_clipping_keeps_a_run_finite_that_explodes_without_it():
    model, task = scalar_model(w=1.3), Adding(60)
    free, clipped = (
        list(train(model, task, rng=rng(), updates=60, optimizer=SGD(0.01), max_norm=max_norm))
        for max_norm in (None, 1.0)
    )
    assert not free[-1].finite
    assert len(clipped) == 60
    assert all(p.finite for p in clipped)


@pytest.mark.parametrize("cell", CELLS)
def test_float32_far_out_ends_without_a_warning(cell):
    task = Recall(3)
    model = model_for(task, cell, dtype=np.float32)
    run = list(train(model, task, rng=rng(), updates=20, optimizer=SGD(1e38, momentum=0.9)))
    assert not run[-1].finite


# What is refused, when first asked


@pytest.mark.parametrize(
    ("model", "task", "options", "message"),
    [
        (Adding(5), Recall(3), {}, "model must have 8 inputs and 4 outputs for this task"),
        (Recall(3, 2), Recall(3, 3), {}, "model must have 6 inputs and 3 outputs for this task"),
        (Adding(5), Adding(5), {"size": 0}, "size must be a whole number, 1 or more, not 0"),
        (Adding(5), Adding(5), {"size": 1.5}, "size must be a whole number, 1 or more, not 1.5"),
        (Adding(5), Adding(5), {"updates": -1}, "updates must be a whole number, 0 or more, not -1"),
        (Adding(5), Adding(5), {"updates": 2.0}, "updates must be a whole number, 0 or more, not 2.0"),
        (Adding(5), Adding(5), {"max_norm": 0}, "max_norm must be a finite number above 0, not 0"),
        (Adding(5), Adding(5), {"max_norm": math.nan}, "max_norm must be a finite number above 0, not nan"),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else "",
)
def test_training_refuses(model, task, options, message):
    run = train(model_for(model), task, rng=rng(), **options)
    with pytest.raises(ValueError, match=f"^{message}$"):
        next(run)


# Learning


@pytest.mark.parametrize("cell", CELLS)
def test_a_tiny_recall_task_is_learned(cell):
    task = Recall(2, 2)
    run = list(train(model_for(task, cell, hidden=8), task, rng=rng(), updates=200, optimizer=Adam(0.02)))
    assert np.mean([p.loss for p in run[:5]]) > 0.6  # log 2 is 0.69
    assert np.mean([p.loss for p in run[-5:]]) < 0.05
    assert all(p.accuracy == 1 for p in run[-5:])


def cost_of_adding(name, seed, length=50, updates=400, **options):
    """The mean square error of a trained network on sequences that it hasn't seen."""
    task = Adding(length)
    model = Model.create(CELLS[name](2, 32, rng=rng(seed), **options), 1, rng=rng(seed))
    with threadpool_limits(1):  # such small products only lose by more
        run = train(model, task, rng=rng(seed), updates=updates, optimizer=Adam(0.02), max_norm=1.0)
        return evaluate(last(run).model, task.draw(1000, rng=rng(100 + seed))).value


@pytest.mark.parametrize("seed", [0, 1])
def test_an_lstm_adds_across_50_steps_and_a_tanh_rnn_does_not(seed):
    # Always saying 1 costs 1/6. tests/benchmarks/adding.py says the same of 100 steps.
    assert cost_of_adding("lstm", seed, longest=50) < 0.01
    assert cost_of_adding("rnn", seed) > 0.1


def test_a_float64_setting_leaves_a_float32_model_in_float32():
    task, optimizer = Recall(2), Adam(np.float64(0.01))
    model = model_for(task, dtype="float32")
    run = list(train(model, task, rng=rng(), updates=3, optimizer=optimizer, max_norm=np.float64(0.1)))
    assert {values.dtype for values in run[-1].model.parameters.values()} == {np.dtype("float32")}


def test_a_readout_that_does_not_fit_the_cell_is_refused():
    cell = RNN.create(2, 3, rng=rng())
    for weight_out, bias_out in [(np.ones((2, 4)), np.ones(2)), (np.ones((2, 3)), np.ones(1))]:
        with pytest.raises(ValueError, match=r"^weight_out must have the shape"):
            Model(cell, weight_out, bias_out)
