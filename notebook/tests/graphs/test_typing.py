import numpy as np
import onnx
import pytest
from conftest import Learned, generator
from onnx import numpy_helper

from keystroke.graphs.export import export
from keystroke.graphs.parity import ParityError, compare, open_session, perturb_times, predict
from keystroke.models.table import model_inputs
from keystroke.models.timings import as_times
from keystroke.models.typing_model import TypingModel


def fitted(learned: Learned) -> TypingModel:
    return learned.typing_model


def test_the_graph_is_of_standard_operators_and_small(dataset: Learned) -> None:
    graph = export('typing', fitted(dataset))
    assert {entry.domain for entry in graph.opset_import} == {''}
    assert {node.domain for node in graph.graph.node} == {''}
    assert graph.ByteSize() < 64_000


def test_the_graph_scores_as_python_and_names_the_same_user_on_every_row(dataset: Learned) -> None:
    model = fitted(dataset)
    typings = dataset.typings
    graph = export('typing', model)
    times = as_times(typings.press, typings.release)
    found, expected = predict(open_session(graph), times)[1], model.score_users(times)
    assert found.dtype == np.float32
    assert np.abs(found - expected).max() < 1e-3
    assert np.array_equal(found.argmax(axis=1), expected.argmax(axis=1))
    result = compare('typing', graph, model, dataset.inputs)
    assert result.rows >= 20_000 + len(typings)
    assert result.label_differences == 0
    assert result.largest_score_difference is not None
    assert result.largest_score_difference < 1e-3


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
    found = predict(open_session(export('typing', model)), times)[1]
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
    session = open_session(export('typing', fitted(named)))
    late = predict(session, times + (2.0**53 - 1 - times.max()))[1]
    assert np.array_equal(late, predict(session, times)[1])


def test_the_same_model_gives_the_same_bytes(named: Learned) -> None:
    first, second = (export('typing', fitted(named)).SerializeToString() for _ in range(2))
    assert first == second


def test_a_last_key_without_its_release_is_not_exported() -> None:
    _, press, release = generator.generate(3, 3, 3)
    model = TypingModel().fit(as_times(press, release)[:, :-1], np.repeat([1, 2, 3], 3))
    with pytest.raises(ValueError, match=r'^5 columns; each press needs its release$'):
        export('typing', model)


@pytest.mark.parametrize('constant', ['means', 'linear', 'offset', 'center', 'projection'])
def test_a_graph_with_another_constant_is_refused(named: Learned, constant: str) -> None:
    model = fitted(named)
    graph = export('typing', model)
    (initializer,) = (c for c in graph.graph.initializer if c.name == constant)
    value = numpy_helper.to_array(initializer).copy()
    value.ravel()[0] += 0.01
    initializer.CopyFrom(numpy_helper.from_array(value, constant))
    with pytest.raises(ParityError, match=r'^a score differs from TypingModel'):
        compare('typing', graph, model, named.inputs)


def test_a_graph_that_answers_nan_is_refused(named: Learned) -> None:
    model = fitted(named)
    graph = export('typing', model)
    (offset,) = (c for c in graph.graph.initializer if c.name == 'offset')
    value = np.full(numpy_helper.to_array(offset).shape, np.nan, dtype=np.float32)
    offset.CopyFrom(numpy_helper.from_array(value, 'offset'))
    onnx.checker.check_model(graph)
    with pytest.raises(ParityError, match='by nan'):
        compare('typing', graph, model, named.inputs)


def test_perturbed_typings_are_ones_a_keyboard_may_send(named: Learned) -> None:
    times = perturb_times(named.inputs['times'], 1000)
    press, release = times[:, 0::2], times[:, 1::2]
    assert len(times) >= 1000
    assert (release >= press).all()
    assert (np.diff(press, axis=1) >= 0).all()
    assert np.array_equal(times, np.rint(times))
    assert times.min() >= 0
    assert 2**52 <= times.max() < 2**53


def test_times_of_zero_are_scored_as_in_python_where_nothing_is_clipped(named: Learned) -> None:
    press, release = named.typings.press, named.typings.release.copy()
    release[:, 1] = press[:, 1]
    times = as_times(press, release)
    model = TypingModel(clip=40.0).fit(as_times(press, named.typings.release), named.typings.users)
    found = predict(open_session(export('typing', model)), times)[1]
    assert np.abs(found / model.score_users(times) - 1).max() < 1e-4
