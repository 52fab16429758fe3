"""The tasks: every target worked out again from x, where the marks stand, and how often what is drawn."""

import math

import numpy as np
import pytest

from core.tasks import Adding, Recall, TemporalOrder

LENGTHS = {Adding: (2, 3, 7, 100), TemporalOrder: (10, 15, 29, 100), Recall: (0, 1, 5, 40)}
TASKS = [
    pytest.param(make(length), id=f"{make.__name__}-{length}") for make in LENGTHS for length in LENGTHS[make]
]
EACH = pytest.mark.parametrize("task", TASKS)
MANY = 20_000  # sequences, for statistics


def draw(task, size=50, seed=0, **options):
    return task.draw(size, rng=np.random.default_rng(seed), **options)


def steps(task):
    return task.delay + 1 if isinstance(task, Recall) else task.length


def sequences(batch):
    """Each sequence as a list of lists, and what is asked of it."""
    return zip(batch.x.transpose(1, 0, 2).tolist(), batch.target.tolist(), strict=True)


def symbols(sequence):
    """Which entry is 1 at each step; fails unless one is, and all others are 0."""
    for row in sequence:
        assert sorted(row) == [0] * (len(row) - 1) + [1]
    return [row.index(1) for row in sequence]


def marks(sequence):
    return [t for t, (_, mark) in enumerate(sequence) if mark == 1]


def assert_within_five_deviations(count, trials, share):
    deviation = math.sqrt(trials * share * (1 - share))
    assert abs(count - trials * share) <= 5 * deviation


# What every task keeps


@EACH
@pytest.mark.parametrize("size", [1, 3])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_shapes_and_types(task, size, dtype):
    x, target = draw(task, size, dtype=dtype)
    assert x.shape == (steps(task), size, task.inputs)
    assert x.dtype == dtype
    classes = not isinstance(task, Adding)
    assert target.shape == ((size,) if classes else (size, task.outputs))
    assert target.dtype.kind == "i" if classes else target.dtype == dtype


@EACH
def test_a_batch_is_of_float64_unless_told_otherwise(task):
    assert draw(task).x.dtype == np.float64


@EACH
def test_the_same_rng_draws_the_same_batch(task):
    for found, true in zip(draw(task), draw(task), strict=True):
        np.testing.assert_array_equal(found, true)


@EACH
def test_an_rng_used_on_draws_another_batch(task):
    rng = np.random.default_rng(0)
    batches = [task.draw(50, rng=rng) for _ in range(2)]
    assert not np.array_equal(batches[0].x, batches[1].x)
    assert not np.array_equal(batches[0].target, batches[1].target)


@EACH
def test_float32_batches_are_those_of_float64_rounded(task):
    single, double = draw(task, dtype=np.float32), draw(task)
    np.testing.assert_array_equal(single.x, double.x.astype(np.float32))
    np.testing.assert_allclose(single.target, double.target, rtol=2e-7)


@EACH
def test_the_sequences_of_a_batch_differ(task):
    assert len({str(sequence) for sequence, _ in sequences(draw(task))}) > 1


# Adding


@pytest.mark.parametrize("length", LENGTHS[Adding])
def test_adding_asks_for_the_sum_of_the_marked_values(length):
    for sequence, target in sequences(draw(Adding(length))):
        assert target == [sum(value for value, mark in sequence if mark == 1)]


@pytest.mark.parametrize("length", LENGTHS[Adding])
def test_adding_marks_one_step_in_each_half(length):
    for sequence, _ in sequences(draw(Adding(length))):
        assert {mark for _, mark in sequence} <= {0, 1}
        first, second = marks(sequence)
        assert 0 <= first < length // 2 <= second < length


def test_addings_marks_stand_at_every_step_of_their_half_equally_often():
    batch = draw(Adding(7), MANY)
    counts = batch.x[:, :, 1].sum(axis=1)
    for t, share in enumerate([1 / 3] * 3 + [1 / 4] * 4):
        assert_within_five_deviations(counts[t], MANY, share)


def test_addings_values_are_uniform_from_0_to_1():
    values = draw(Adding(10), MANY).x[:, :, 0].ravel()
    assert 0 <= values.min() < 1e-4
    assert 1 - 1e-4 < values.max() <= 1
    counts = np.histogram(values, bins=10, range=(0, 1))[0]
    for count in counts:
        assert_within_five_deviations(count, values.size, 0.1)


def test_always_saying_1_costs_a_sixth():
    # (s − 1)² of a sum of two uniforms has the mean 1/6 and the variance 1/15 − 1/36.
    target = draw(Adding(10), MANY).target
    deviation = math.sqrt((1 / 15 - 1 / 36) / MANY)
    assert abs(np.mean((target - 1) ** 2) - 1 / 6) <= 5 * deviation


def test_nothing_but_the_marked_values_tells_the_sum():
    batch = draw(Adding(10), MANY)
    unmarked = (batch.x[:, :, 0] * (1 - batch.x[:, :, 1])).sum(axis=0)
    assert abs(np.corrcoef(unmarked, batch.target[:, 0])[0, 1]) <= 5 / math.sqrt(MANY)


# Temporal order


def ordered(length, size=200, seed=0):
    """(steps at which A or B stands, which of them, target) of each sequence; the others are c … f."""
    for sequence, target in sequences(draw(TemporalOrder(length), size, seed)):
        found = symbols(sequence)
        at = [t for t, symbol in enumerate(found) if symbol in (0, 1)]
        yield at, [found[t] for t in at], target


@pytest.mark.parametrize("length", LENGTHS[TemporalOrder])
def test_temporal_order_asks_for_the_order_of_a_and_b(length):
    classes = {(0, 0): 0, (0, 1): 1, (1, 0): 2, (1, 1): 3}  # AA, AB, BA, BB
    for _, which, target in ordered(length):
        assert target == classes[tuple(which)]


@pytest.mark.parametrize("length", LENGTHS[TemporalOrder])
def test_temporal_order_places_a_and_b_at_all_steps_of_their_ranges_and_no_others(length):
    first, second = (set(steps) for steps in zip(*(at for at, _, _ in ordered(length, 2000)), strict=True))
    assert first == set(range(math.floor(length / 10), math.floor(2 * length / 10) + 1))
    assert second == set(range(math.floor(4 * length / 10), math.floor(5 * length / 10) + 1))


def test_temporal_orders_classes_are_balanced_and_so_are_its_distractors():
    batch = draw(TemporalOrder(10), MANY)
    for count in np.bincount(batch.target, minlength=4):
        assert_within_five_deviations(count, MANY, 1 / 4)
    distractors = batch.x[:, :, 2:].sum(axis=(0, 1))
    for count in distractors:
        assert_within_five_deviations(count, 8 * MANY, 1 / 4)


# Recall


@pytest.mark.parametrize("delay", LENGTHS[Recall])
@pytest.mark.parametrize("count", [2, 4, 7])
def test_recall_asks_for_the_first_symbol_and_fills_the_delay_with_others(delay, count):
    task = Recall(delay, count)
    assert (task.inputs, task.outputs) == (2 * count, count)
    for sequence, target in sequences(draw(task)):
        first, *others = symbols(sequence)
        assert first == target < count
        assert all(count <= other < 2 * count for other in others)


@pytest.mark.parametrize("count", [2, 5])
def test_recalls_symbols_are_balanced_and_so_are_its_distractors(count):
    batch = draw(Recall(3, count), MANY)
    for found in np.bincount(batch.target, minlength=count):
        assert_within_five_deviations(found, MANY, 1 / count)
    for found in batch.x[1:, :, count:].sum(axis=(0, 1)):
        assert_within_five_deviations(found, 3 * MANY, 1 / count)


def test_recalls_distractors_do_not_tell_the_symbol():
    batch = draw(Recall(1, 2), MANY)
    together = np.mean((batch.x[1].argmax(axis=1) - 2) == batch.target)
    assert_within_five_deviations(MANY * together, MANY, 1 / 2)


# What is refused


@pytest.mark.parametrize("value", [-1, 2.0, math.nan, True, "3", None], ids=repr)
@pytest.mark.parametrize(("make", "name"), [(Adding, "length"), (TemporalOrder, "length"), (Recall, "delay")])
def test_a_length_must_be_a_count(make, name, value):
    with pytest.raises(ValueError, match=f"^{name} must be a whole number, "):
        make(value)


@pytest.mark.parametrize(
    ("make", "value", "message"),
    [
        (lambda value: Adding(value), 1, "length must be a whole number, 2 or more, not 1"),
        (lambda value: TemporalOrder(value), 9, "length must be a whole number, 10 or more, not 9"),
        (lambda value: Recall(3, value), 1, "symbols must be a whole number, 2 or more, not 1"),
        (lambda value: Recall(3, value), 4.0, "symbols must be a whole number, 2 or more, not 4.0"),
    ],
    ids=["adding", "temporal-order", "recall", "recall-float"],
)
def test_too_short_a_task_is_refused(make, value, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        make(value)


@EACH
@pytest.mark.parametrize("size", [0, -1, 2.0, True, None], ids=repr)
def test_a_size_must_be_a_count(task, size):
    with pytest.raises(ValueError, match=r"^size must be a whole number, 1 or more, not "):
        draw(task, size)
