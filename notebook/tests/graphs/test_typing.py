from typing import Any

import numpy as np
import onnx
import pandas as pd
import pytest
from conftest import REAL, Learned, generator
from numpy.typing import NDArray
from onnx import numpy_helper

from keystroke.evaluation.cmu_format import is_benchmark, read_benchmark
from keystroke.graphs.export import Exported, export
from keystroke.graphs.parity import (
    ParityError,
    compare,
    compare_enrollment,
    open_session,
    perturb_times,
    predict,
)
from keystroke.graphs.typing import SHORTLIST, template_rows
from keystroke.models.background import split
from keystroke.models.plda import likelihood_ratios
from keystroke.models.table import model_inputs
from keystroke.models.timings import Floats, as_times, log_timings
from keystroke.models.typing_model import TypingModel


def ask(exported: Exported, times: Floats) -> NDArray[np.float32]:
    return predict(open_session(exported.graph), times, exported.templates)[1]


def fitted(learned: Learned) -> TypingModel:
    return learned.typing_model


def test_the_graph_is_of_standard_operators_and_small(dataset: Learned) -> None:
    exported = export('typing', fitted(dataset))
    for graph in (exported.graph, *exported.parts.values()):
        assert {entry.domain for entry in graph.opset_import} == {''}
        assert {node.domain for node in graph.graph.node} == {''}
        assert graph.ByteSize() < 100_000
    # However many users there are, as templates are not in it.
    assert exported.graph.ByteSize() < 32_000


def test_the_graph_scores_as_python_and_names_the_same_user_on_every_row(dataset: Learned) -> None:
    model = fitted(dataset)
    typings = dataset.typings
    graph = export('typing', model)
    times = as_times(typings.press, typings.release)
    found, expected = ask(graph, times), model.score_users(times)
    assert found.dtype == np.float32
    assert np.abs(found - expected).max() < 1e-3
    assert np.array_equal(found.argmax(axis=1), expected.argmax(axis=1))
    result = compare('typing', graph, model, dataset.inputs)
    assert result.rows >= 20_000 + len(typings)
    assert result.label_differences == 0
    assert result.largest_score_difference is not None
    assert result.largest_score_difference < 1e-3


def read_recording(name: str) -> tuple[Floats, NDArray[Any]]:
    """Return times and users of a recording; skip the test where it is not."""
    path = REAL.parent / name
    if not path.exists():
        pytest.skip(f'../shared/data/{name} is not here')
    if is_benchmark(path):
        benchmark = read_benchmark(path)
        return benchmark.times, benchmark.y
    rows = pd.read_csv(path)
    # Of GREYC's two ways of typing the one with both hands.
    rows = rows[rows['hands_class'] == 2]
    return rows.filter(regex='^(press|release)-').to_numpy(np.float64), rows['user'].to_numpy()


@pytest.mark.parametrize(
    'name',
    [
        'cmu_strong_password.csv',
        'greyc_nislab_leonardo_dicaprio.csv',
        'greyc_nislab_michael_schumacher.csv',
        'greyc_nislab_red_hot_chilli_peppers.csv',
        'greyc_nislab_the_rolling_stones.csv',
    ],
)
def test_the_graph_names_the_same_user_as_python_in_other_recordings(name: str) -> None:
    times, user = read_recording(name)
    model = TypingModel().fit(times, np.unique(user, return_inverse=True)[1])
    found, expected = ask(export('typing', model), times), model.score_users(times)
    assert np.abs(found - expected).max() < 1e-3
    assert np.array_equal(found.argmax(axis=1), expected.argmax(axis=1))


@pytest.mark.parametrize(
    ('users', 'typings', 'keys'), [(2, 2, 2), (2, 1, 3), (3, 5, 7), (9, 4, 20)]
)
def test_any_number_of_keys_users_and_typings_is_exported(
    users: int, typings: int, keys: int
) -> None:
    user, press, release = generator.generate(users, typings, keys)
    # One typing less: users' weights differ.
    times, user = (
        as_times(press, release)[1:],
        user[1:] if typings > 1 else np.arange(len(user) - 1),
    )
    if len(np.unique(user)) < 2:
        times, user = as_times(press, release), np.arange(len(press))
    model = TypingModel().fit(times, user)
    found = ask(export('typing', model), times)
    assert np.abs(found - model.score_users(times)).max() < 1e-3


@pytest.mark.parametrize('hold', [80, 50, 0, 16, 123])
def test_equal_hold_times_say_as_little_in_the_graph_as_in_python(hold: int) -> None:
    user, press, _ = generator.generate(3, 6, 8)
    release = press + hold
    model = TypingModel().fit(as_times(press, release), user - 1)
    result = compare('typing', export('typing', model), model, model_inputs(press, release))
    assert result.label_differences == 0


@pytest.mark.parametrize('pace', [100, 140, 37])
def test_equal_presses_say_as_little_in_the_graph_as_in_python(pace: int) -> None:
    user, press, release = generator.generate(3, 6, 8)
    held = release - press
    even = np.tile(np.arange(8) * pace, (len(press), 1))
    model = TypingModel().fit(as_times(even, even + held), user - 1)
    compare('typing', export('typing', model), model, model_inputs(even, even + held))


def test_times_of_a_late_clock_are_subtracted_before_they_are_rounded(named: Learned) -> None:
    times = as_times(named.typings.press, named.typings.release)
    exported = export('typing', fitted(named))
    late = ask(exported, times + (2.0**53 - 1 - times.max()))
    assert np.array_equal(late, ask(exported, times))


def test_the_same_model_gives_the_same_bytes(named: Learned) -> None:
    first, second = (
        [g.SerializeToString() for g in (e.graph, *e.parts.values())]
        for e in (export('typing', fitted(named)), export('typing', fitted(named)))
    )
    assert first == second


def test_a_last_key_without_its_release_is_not_exported() -> None:
    _, press, release = generator.generate(3, 3, 3)
    model = TypingModel().fit(as_times(press, release)[:, :-1], np.repeat([1, 2, 3], 3))
    with pytest.raises(ValueError, match=r'^5 columns; each press needs its release$'):
        export('typing', model)


@pytest.mark.parametrize('constant', ['matrix', 'matrix_offset', 'start', 'per_step'])
def test_a_graph_with_another_constant_is_refused(named: Learned, constant: str) -> None:
    model = fitted(named)
    exported = export('typing', model)
    (initializer,) = (c for c in exported.graph.graph.initializer if c.name == constant)
    value = numpy_helper.to_array(initializer).copy()
    # Of the offsets, that of the direction in which users differ most: others hardly count.
    value.ravel()[value.size // 2 - 1] += 0.01
    initializer.CopyFrom(numpy_helper.from_array(value, constant))
    with pytest.raises(ParityError, match=r'^a score differs from TypingModel'):
        compare('typing', exported, model, named.inputs)


def test_a_graph_that_answers_nan_is_refused(named: Learned) -> None:
    model = fitted(named)
    exported = export('typing', model)
    (offset,) = (c for c in exported.graph.graph.initializer if c.name == 'matrix_offset')
    value = np.full(numpy_helper.to_array(offset).shape, np.nan, dtype=np.float32)
    offset.CopyFrom(numpy_helper.from_array(value, 'matrix_offset'))
    onnx.checker.check_model(exported.graph)
    with pytest.raises(ParityError, match='by nan'):
        compare('typing', exported, model, named.inputs)


def test_enrolling_every_user_of_the_training_again_changes_no_score(dataset: Learned) -> None:
    exported = export('typing', fitted(dataset))
    difference = compare_enrollment(exported, fitted(dataset), dataset.inputs, dataset.y)
    assert difference <= 1e-5


@pytest.mark.parametrize('constant', ['b', 'ratio', 'prior_spread', 'matrix'])
def test_an_enrollment_with_another_constant_is_refused(named: Learned, constant: str) -> None:
    exported = export('typing', fitted(named))
    (initializer,) = (c for c in exported.parts['enroll'].graph.initializer if c.name == constant)
    value = numpy_helper.to_array(initializer).copy()
    value.ravel()[0] += 0.01
    initializer.CopyFrom(numpy_helper.from_array(value, constant))
    with pytest.raises(
        ParityError, match=r'^users enrolled again by TypingModel\(\) score otherwise'
    ):
        compare_enrollment(exported, fitted(named), named.inputs, named.y)


@pytest.mark.parametrize('typings', [1, 2, 3, 4, 5, 6])
def test_a_template_is_the_same_in_the_graph_as_in_python(named: Learned, typings: int) -> None:
    model = fitted(named)
    times = as_times(named.typings.press, named.typings.release)[:typings]
    session = open_session(export('typing', model).parts['enroll'])
    found = np.hstack(session.run(['plda', 'laplace'], {'times': times}))[0]
    assert found == pytest.approx(model.enroll(times), rel=1e-6, abs=1e-6)


def test_users_enrolled_later_score_beside_those_of_the_training(named: Learned) -> None:
    model, times = fitted(named), as_times(named.typings.press, named.typings.release)
    exported = export('typing', model)
    templates = np.vstack([model.background_.cohort, model.enroll(times[[0, 7]])[None]])
    found = predict(open_session(exported.graph), times, template_rows(templates))[1]
    assert found.shape == (len(times), 6)
    assert np.abs(found - model.score_templates(times, templates)).max() < 1e-3


def many_templates(model: TypingModel, users: int, keys: int) -> Floats:
    """Return templates of the trained users and of so many others."""
    user, press, release = generator.generate(users, 2, keys, seed=1)
    times = as_times(press, release)
    others = [model.enroll(times[user == u]) for u in np.unique(user)]
    return np.vstack([model.background_.cohort, others])


def test_of_many_users_the_likeliest_by_plda_are_scored_as_of_all(named: Learned) -> None:
    model = fitted(named)
    times = as_times(named.typings.press, named.typings.release)
    templates = many_templates(model, SHORTLIST + 150, named.typings.keys)
    also = np.tile([3, len(templates) - 1], (len(times), 1))
    session = open_session(export('typing', model).parts['shortlist'])
    scores, users = session.run(
        ['scores', 'users'], {'times': times, 'also': also, **template_rows(templates)}
    )
    assert users.shape == scores.shape == (len(times), SHORTLIST + 2)
    assert np.array_equal(users[:, SHORTLIST:], also)
    everybodys = model.score_templates(times, templates)
    assert np.abs(scores - np.take_along_axis(everybodys, users, axis=1)).max() < 1e-3

    square, linear, offset, *_ = split(templates)
    z = model.background_.plda.view(model.background_.warp(log_timings(times)))
    ratios = likelihood_ratios(z, square, linear, offset)
    for listed, ratio in zip(users[:, :SHORTLIST], ratios, strict=True):
        assert len(set(listed)) == SHORTLIST
        left_out = np.setdiff1d(np.arange(len(templates)), listed)
        assert ratio[listed].min() >= ratio[left_out].max() - 1e-4


def test_of_few_users_the_shortlist_leaves_out_nobody(named: Learned) -> None:
    model = fitted(named)
    exported = export('typing', model)
    times = as_times(named.typings.press, named.typings.release)
    also = np.empty((len(times), 0), dtype=np.int64)
    scores, users = open_session(exported.parts['shortlist']).run(
        ['scores', 'users'], {'times': times, 'also': also, **exported.templates}
    )
    C = len(model.background_.cohort)
    assert np.array_equal(np.sort(users), np.tile(np.arange(C), (len(times), 1)))
    best = np.take_along_axis(users, scores.argmax(axis=1)[:, None], axis=1)[:, 0]
    assert np.array_equal(best, model.score_users(times).argmax(axis=1))


def test_perturbed_typings_are_ones_a_keyboard_may_send(named: Learned) -> None:
    times = perturb_times(named.inputs['times'], 1000)
    press, release = times[:, 0::2], times[:, 1::2]
    assert len(times) >= 1000
    assert (release >= press).all()
    assert (np.diff(press, axis=1) >= 0).all()
    assert np.array_equal(times, np.rint(times))
    assert times.min() >= 0
    assert 2**52 <= times.max() < 2**53
