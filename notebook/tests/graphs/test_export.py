import itertools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from conftest import Learned, record
from numpy.typing import NDArray
from onnx import TensorProto
from skl2onnx import convert_sklearn
from skl2onnx.common.data_types import FloatTensorType
from sklearn.ensemble import RandomForestClassifier
from sklearn.svm import SVC
from xgboost import XGBClassifier

from keystroke.csv_format import UserID
from keystroke.data import read_typings
from keystroke.graphs.export import export
from keystroke.graphs.graph import IR_VERSION, ML_OPSET, OPSET
from keystroke.graphs.parity import open_session, perturb_features, predict
from keystroke.models.table import CLASSIFIERS, fit

CASES: dict[str, Mapping[UserID, int]] = {
    'two users': {1: 8, 2: 8},
    'two users, unequal': {1: 30, 2: 4},
    'two users, too few typings to split': {1: 2, 2: 2},
    'two users, none to split and unequal': {1: 3, 2: 5},
    'three users': {1: 6, 2: 6, 3: 6},
    'seven users': dict.fromkeys(range(7), 6),
    'named users': {'Zoë': 6, 'ana': 6, '李雷': 6},
    'unequal users': {1: 2, 2: 9, 3: 5, 4: 13, 5: 3},
    'one user with most typings': {1: 3, 2: 3, 3: 60, 4: 3, 5: 3, 6: 3, 7: 3},
}


@pytest.fixture(scope='module', params=CASES)
def case(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Learned:
    path = tmp_path_factory.mktemp('case') / 'typings.csv'
    return Learned(read_typings(record(path, CASES[request.param])))


def answer(
    model: onnx.ModelProto, X: NDArray[np.float32]
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    return predict(open_session(model), X)


def expected_scores(estimator: Any, X: NDArray[np.float32]) -> NDArray[np.float64]:
    """Ask scikit-learn or XGBoost itself, and give two users a score each."""
    if isinstance(estimator, SVC):
        decision = np.asarray(estimator.decision_function(X))
        return decision if decision.ndim == 2 else np.column_stack([-decision, decision])
    return np.asarray(estimator.predict_proba(X))


@pytest.mark.parametrize('name', CLASSIFIERS)
def test_labels_and_scores_are_those_of_the_python_model(case: Learned, name: str) -> None:
    estimator = case.estimators[name]
    rows = np.concatenate([case.X, perturb_features(case.X, 3000)])
    label, scores = answer(case.graphs[name], rows)
    assert (label != estimator.predict(rows)).sum() == 0
    assert scores.shape == (len(rows), len(case.classes))
    assert np.abs(scores - expected_scores(estimator, rows)).max() <= 1e-5


def test_a_user_with_most_typings_is_split_over_several_blocks(tmp_path: Path) -> None:
    def names(counts: Mapping[UserID, int]) -> set[str]:
        learned = Learned(read_typings(record(tmp_path / 'typings.csv', counts)))
        return {constant.name for constant in learned.graphs['SVM'].graph.initializer}

    assert 'block_of_user' in names(CASES['one user with most typings'])
    assert 'block_of_user' not in names(CASES['seven users'])


@pytest.mark.parametrize('name', CLASSIFIERS)
def test_features_far_from_every_typing_are_answered_as_in_python(case: Learned, name: str) -> None:
    values = np.array([-3e38, -1e20, -1e16, 0, 1e-40, 1e16, 1e20, 3e38], dtype=np.float32)
    one_far = np.repeat(case.X[:1], 8 * len(values), axis=0)
    for row, (column, value) in enumerate(itertools.product(range(8), values)):
        one_far[row, column] = value
    scattered = np.random.default_rng(3).choice(values, (500, 8))
    rows = np.concatenate([np.repeat(values[:, None], 8, axis=1), one_far, scattered])
    label, scores = answer(case.graphs[name], rows)
    with np.errstate(all='ignore'):  # scikit-learn sums all features first, to look for NaN
        expected = case.estimators[name].predict(rows), expected_scores(case.estimators[name], rows)
    assert (label != expected[0]).sum() == 0
    assert np.isfinite(scores).all()
    assert np.abs(scores - expected[1]).max() <= 1e-5


def test_the_svm_answers_the_largest_times_that_a_csv_may_hold_as_in_python(case: Learned) -> None:
    X = case.X / case.X.max() * np.float32(2**53 - 1)
    svc = SVC(random_state=0).fit(X, case.y)
    rows = np.concatenate([X, perturb_features(X, 3000)])
    label, _ = answer(export('SVM', svc).graph, rows)
    assert (label != svc.predict(rows)).sum() == 0


@pytest.mark.parametrize('name', CLASSIFIERS)
def test_a_batch_is_answered_as_its_rows_alone(case: Learned, name: str) -> None:
    session = open_session(case.graphs[name])
    together = predict(session, case.X)
    alone = predict(session, case.X, batch=1)
    assert np.array_equal(together[0], alone[0])
    assert np.abs(together[1] - alone[1]).max() <= 1e-5


def test_the_forest_answers_as_skl2onnx_s_graph_bit_for_bit_where_users_are_many(
    case: Learned,
) -> None:
    forest = case.estimators['RF']
    converted = convert_sklearn(
        forest,
        initial_types=[('features', FloatTensorType([None, 8]))],
        options={id(forest): {'zipmap': False}},
        target_opset={'': OPSET, 'ai.onnx.ml': ML_OPSET},
    )
    rows = np.concatenate([case.X, perturb_features(case.X, 3000)])
    label, probabilities = open_session(converted).run(None, {'features': rows})
    own_label, own_probabilities = answer(case.graphs['RF'], rows)
    if len(case.classes) > 2:
        assert np.array_equal(own_label, label)
        assert np.array_equal(own_probabilities, probabilities)
    else:
        # Of two users it sums the second's weights alone, and gives the first what is left of 1.
        assert np.abs(own_probabilities - probabilities).max() <= 1e-5


def around(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the values and their float32 neighbors."""
    up, down = np.float32(np.inf), np.float32(-np.inf)
    return np.concatenate([np.nextafter(values, down), values, np.nextafter(values, up)])


def test_a_float64_threshold_of_the_forest_splits_float32_neighbors_as_in_python() -> None:
    # Neighbors in float32: their midpoint, the threshold, is not a float32 number. Rounding it to
    # the nearest would send half of the upper neighbors the wrong way.
    steps = 1000 + np.arange(64, dtype=np.float32) * np.spacing(np.float32(1000))
    X = np.zeros((64, 8), dtype=np.float32)
    X[:, 4] = steps
    y = np.arange(64) % 2
    forest = RandomForestClassifier(max_features=None, random_state=0).fit(X, y)
    thresholds = forest[0].tree_.threshold[forest[0].tree_.feature >= 0]
    assert (thresholds.astype(np.float32) > thresholds).any()
    assert (thresholds.astype(np.float32) < thresholds).any()

    label, probabilities = answer(export('RF', forest).graph, X)
    assert np.array_equal(label, forest.predict(X))
    assert np.abs(probabilities - forest.predict_proba(X)).max() <= 1e-6


def test_features_on_and_beside_every_threshold_of_the_forest_go_the_same_way(
    case: Learned,
) -> None:
    forest = case.estimators['RF']
    parts = [case.X]
    for tree in (estimator.tree_ for estimator in forest.estimators_):
        for feature, threshold in zip(tree.feature, tree.threshold, strict=True):
            if feature >= 0:
                rows = np.repeat(case.X[:1], 3, axis=0)
                rows[:, feature] = around(np.array([threshold], dtype=np.float32))
                parts.append(rows)
    rows = np.concatenate(parts)[:20_000]
    _, probabilities = answer(case.graphs['RF'], rows)
    assert np.abs(probabilities - forest.predict_proba(rows)).max() <= 1e-5


def test_features_on_and_beside_every_threshold_of_xgboost_go_the_same_way(case: Learned) -> None:
    classifier = case.estimators['XGB']
    splits = classifier.get_booster().trees_to_dataframe().query("Feature != 'Leaf'")
    parts = [case.X]
    for feature, group in splits.groupby('Feature'):
        values = around(group['Split'].to_numpy(dtype=np.float32))
        rows = np.repeat(case.X[:1], len(values), axis=0)
        rows[:, int(str(feature)[1:])] = values
        parts.append(rows)
    rows = np.concatenate(parts)
    _, probabilities = answer(case.graphs['XGB'], rows)
    assert np.abs(probabilities - classifier.predict_proba(rows)).max() <= 1e-5


def test_a_feature_equal_to_a_threshold_of_xgboost_goes_right() -> None:
    X = np.zeros((40, 8), dtype=np.float32)
    X[20:, 2] = 1
    classifier = XGBClassifier(n_estimators=2).fit(X, np.repeat([0, 1], 20))
    (split,) = set(classifier.get_booster().trees_to_dataframe()['Split'].dropna())
    rows = np.zeros((3, 8), dtype=np.float32)
    rows[:, 2] = around(np.array([split], dtype=np.float32))
    label, _ = answer(export('XGB', classifier).graph, rows)
    assert label.tolist() == [0, 1, 1] == classifier.predict(rows).tolist()


@pytest.mark.parametrize('second', [7, 9, 10])
def test_trees_that_tell_nothing_name_the_user_with_more_typings(second: int) -> None:
    # No split and no weight: what is left is the share of 7, 9 or 10 typings in 16.
    X = np.zeros((16, 8), dtype=np.float32)
    classifier = XGBClassifier().fit(X, np.arange(16) >= 16 - second)
    label, scores = answer(export('XGB', classifier).graph, X[:1])
    assert label.tolist() == [int(second > 8)] == classifier.predict(X[:1]).astype(int).tolist()
    assert scores[0].tolist() == pytest.approx([1 - second / 16, second / 16], abs=1e-6)


def test_equal_typings_of_two_users_go_to_the_one_that_python_names() -> None:
    # Without any difference all of libsvm's decisions are zero or close to it.
    X = np.tile(np.arange(8, dtype=np.float32), (6, 1))
    X[:2] += 1
    y = np.array([0, 1, 0, 1, 2, 2])
    svc = SVC().fit(X, y)
    label, _ = answer(export('SVM', svc).graph, X)
    assert label.tolist() == svc.predict(X).tolist()


@pytest.mark.parametrize('name', CLASSIFIERS)
def test_the_same_typings_give_the_same_bytes(case: Learned, name: str) -> None:
    first = case.graphs[name].SerializeToString()
    assert export(name, case.estimators[name]).graph.SerializeToString() == first
    assert export(name, fit(name, case.inputs, case.y)).graph.SerializeToString() == first


@pytest.mark.parametrize('name', CLASSIFIERS)
def test_inputs_and_outputs_are_the_three_that_the_server_knows(case: Learned, name: str) -> None:
    model = case.graphs[name]

    def signature(values: Any) -> list[tuple[str, int, list[int]]]:
        return [
            (
                value.name,
                value.type.tensor_type.elem_type,
                # 0 means any number of rows.
                [size.dim_value for size in value.type.tensor_type.shape.dim],
            )
            for value in values
        ]

    assert signature(model.graph.input) == [('features', TensorProto.FLOAT, [0, 8])]
    assert signature(model.graph.output) == [
        ('label', TensorProto.INT64, [0]),
        ('scores', TensorProto.FLOAT, [0, len(case.classes)]),
    ]
    assert model.ir_version == IR_VERSION == 8
    assert {entry.domain: entry.version for entry in model.opset_import} == {
        '': 17,
        'ai.onnx.ml': 3,
    }


@pytest.mark.parametrize(
    'svc',
    [SVC(kernel='linear'), SVC(decision_function_shape='ovo'), SVC(break_ties=True)],
    ids=['linear', 'one versus one', 'ties broken'],
)
def test_a_support_vector_machine_of_another_kind_is_refused(named: Learned, svc: SVC) -> None:
    svc.fit(named.X, named.y)
    with pytest.raises(
        ValueError, match='only an SVC with its default kernel and decision function is exported'
    ):
        export('SVM', svc)


@pytest.mark.parametrize('name', CLASSIFIERS)
def test_the_sample_s_models_are_exported_in_10_s_and_5_mb_each(sample: Learned, name: str) -> None:
    assert len(sample.classes) == 110
    assert sample.export_seconds[name] < 10
    assert len(sample.graphs[name].SerializeToString()) <= 5_000_000


@pytest.mark.parametrize('name', CLASSIFIERS)
def test_all_rows_and_20_000_perturbed_ones_have_the_label_that_python_gives(
    dataset: Learned, name: str
) -> None:
    estimator = dataset.estimators[name]
    perturbed = perturb_features(dataset.X)
    assert len(perturbed) >= 20_000
    rows = np.concatenate([dataset.X, perturbed])
    label, scores = answer(dataset.graphs[name], rows)
    assert (label != estimator.predict(rows)).sum() == 0
    assert scores.shape == (len(rows), 110)
    if name != 'SVM':
        assert np.abs(scores - estimator.predict_proba(rows)).max() <= 1e-5


@pytest.mark.parametrize(('name', 'right'), [('SVM', 160), ('RF', 880), ('XGB', 880)])
def test_so_many_of_the_880_recorded_typings_are_named_right(
    real: Learned, name: str, right: int
) -> None:
    label, _ = answer(real.graphs[name], real.X)
    assert (label == real.y).sum() == right
