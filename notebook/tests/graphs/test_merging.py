from typing import Any

import numpy as np
import onnx
import pytest
from conftest import Learned, generator
from numpy.typing import NDArray
from onnx import helper
from onnxmltools import convert_xgboost
from onnxmltools.convert.common.data_types import FloatTensorType
from xgboost import XGBClassifier

from keystroke.features import as_model_input, compute_features
from keystroke.graphs.export import export
from keystroke.graphs.merging import MAX_LEAVES, Split, Tree, compact, merge
from keystroke.graphs.parity import open_session, perturb_features


def convert(classifier: XGBClassifier) -> onnx.ModelProto:
    """Let onnxmltools convert it, as the outside measure."""
    model: onnx.ModelProto = convert_xgboost(
        classifier, 'XGB', [('features', FloatTensorType([None, 8]))], target_opset=15
    )
    return model


def trees_of(model: onnx.ModelProto) -> onnx.NodeProto:
    node: onnx.NodeProto
    (node,) = (n for n in model.graph.node if n.op_type.startswith('TreeEnsemble'))
    return node


def attribute(node: onnx.NodeProto, name: str) -> Any:
    (found,) = (a for a in node.attribute if a.name == name)
    return helper.get_attribute_value(found)


def edit(node: onnx.NodeProto, **attributes: list[Any]) -> onnx.NodeProto:
    """Copy a node with other attributes."""
    edited = onnx.NodeProto()
    edited.CopyFrom(node)
    kept = [a for a in node.attribute if a.name not in attributes]
    del edited.attribute[:]
    edited.attribute.extend([*kept, *(helper.make_attribute(*item) for item in attributes.items())])
    return edited


def run(model: onnx.ModelProto, X: NDArray[np.float32]) -> list[NDArray[Any]]:
    answers: list[NDArray[Any]] = open_session(model).run(None, {'features': X})
    return answers


def learn(users: int, typings: int, **options: Any) -> tuple[XGBClassifier, NDArray[np.float32]]:
    _, press, release = generator.generate(users, typings, 5)
    X = as_model_input(compute_features(press, release))
    classifier = XGBClassifier(random_state=0, n_jobs=1, **options)
    return classifier.fit(X, np.repeat(np.arange(users), typings)), X


def around_thresholds(classifier: XGBClassifier, X: NDArray[np.float32]) -> NDArray[np.float32]:
    """Set one feature of every row to a threshold or to a float32 number beside it."""
    splits = classifier.get_booster().trees_to_dataframe().query("Feature != 'Leaf'")
    parts = []
    for feature, group in splits.groupby('Feature'):
        on = np.unique(group['Split'].to_numpy(dtype=np.float32))
        values = np.concatenate([np.nextafter(on, np.float32(side)) for side in (-np.inf, np.inf)])
        values = np.concatenate([on, values])
        rows = np.resize(X, (len(values), 8))
        rows[:, int(str(feature)[1:])] = values
        parts.append(rows)
    return np.concatenate(parts)


def value(tree: Tree, row: NDArray[np.float64]) -> float:
    while isinstance(tree, Split):
        tree = tree.below if row[tree.feature] < tree.threshold else tree.rest
    return tree


def leaves(tree: Tree) -> int:
    return leaves(tree.below) + leaves(tree.rest) if isinstance(tree, Split) else 1


def grow(rng: np.random.Generator, depth: int) -> Tree:
    """Make a tree at random, with weights whose sums are exact and few thresholds, so that they
    coincide."""
    if depth == 0 or rng.random() < 0.2:
        return float(rng.integers(-64, 64)) / 64
    return Split(
        int(rng.integers(3)), float(rng.integers(6)), grow(rng, depth - 1), grow(rng, depth - 1)
    )


@pytest.mark.parametrize('seed', range(20))
def test_merged_trees_sum_to_the_same_on_below_and_above_every_threshold(seed: int) -> None:
    rng = np.random.default_rng(seed)
    trees = [grow(rng, 4) for _ in range(30)]
    merged = merge(trees)
    assert len(merged) < len(trees)
    assert sum(map(leaves, merged)) <= 2 * sum(map(leaves, trees))
    axis = np.arange(-0.5, 6, 0.5)
    for row in np.stack(np.meshgrid(axis, axis, axis), axis=-1).reshape(-1, 3):
        assert sum(value(t, row) for t in merged) == sum(value(t, row) for t in trees)


def test_trees_of_one_feature_become_one_tree() -> None:
    trees: list[Tree] = [Split(4, float(t), 1.0, 0.0) for t in range(20)]
    (merged,) = merge(trees)
    assert leaves(merged) == 21
    assert [value(merged, np.full(8, x)) for x in (-1, 0, 0.5, 19)] == [20, 19, 19, 0]


def test_a_split_that_two_trees_share_is_asked_once() -> None:
    left, right = Split(1, 5.0, 1.0, 2.0), Split(2, 5.0, 3.0, 4.0)
    assert merge([Split(0, 1.0, left, 8.0), Split(0, 1.0, 16.0, right)]) == [
        Split(0, 1.0, Split(1, 5.0, 17.0, 18.0), Split(2, 5.0, 11.0, 12.0))
    ]


def test_a_tree_joins_the_one_that_it_makes_least_larger() -> None:
    def fan(feature: int) -> Split:
        return Split(feature, 2.0, Split(feature, 1.0, Split(feature, 0.0, 0.0, 1.0), 2.0), 3.0)

    trees: list[Tree] = [fan(0), fan(1), fan(2), fan(3), Split(2, 1.0, 8.0, 0.0)]
    merged = merge(trees)
    assert [leaves(tree) for tree in merged] == [4, 4, 4, 4]
    assert merged[:2] + merged[3:] == trees[:2] + trees[3:4]


def test_trees_without_a_split_are_added_to_another() -> None:
    split = Split(0, 1.0, 2.0, 3.0)
    assert merge([0.5, split, 0.25]) == [Split(0, 1.0, 2.75, 3.75)]
    assert merge([0.5, 0.25]) == [0.75]


def test_merged_trees_stay_small() -> None:
    trees: list[Tree] = [Split(0, float(t), 1.0, 0.0) for t in range(2 * MAX_LEAVES)]
    merged = merge(trees)
    assert sum(value(tree, np.zeros(8)) for tree in merged) == 2 * MAX_LEAVES - 1
    assert max(map(leaves, merged)) == MAX_LEAVES
    assert len(merged) == 3


def test_trees_that_share_nothing_stay_apart() -> None:
    trees: list[Tree] = [
        Split(f, 0.0, Split(f, -1.0, Split(f, -2.0, 0.0, 1.0), 2.0), Split(f, 1.0, 3.0, 4.0))
        for f in range(4)
    ]
    assert merge(trees) == trees


@pytest.mark.parametrize(('users', 'typings'), [(3, 6), (7, 8), (4, 60)])
def test_fewer_trees_answer_as_xgboost_and_as_onnxmltools_around_every_threshold(
    users: int, typings: int
) -> None:
    classifier, X = learn(users, typings)
    plain, model = convert(classifier), export('XGB', classifier).graph
    trees, plain_trees = trees_of(model), trees_of(plain)
    assert max(attribute(trees, 'nodes_treeids')) < max(attribute(plain_trees, 'nodes_treeids'))
    # No threshold but XGBoost's own, bit for bit.
    assert set(attribute(trees, 'nodes_values')) <= set(attribute(plain_trees, 'nodes_values'))

    rows = np.concatenate([X, perturb_features(X, 3000), around_thresholds(classifier, X)])
    label, scores = run(model, rows)
    for other, expected in (
        (classifier.predict(rows), classifier.predict_proba(rows)),
        run(plain, rows),
    ):
        assert (label != other).sum() == 0
        assert np.abs(scores - expected).max() <= 2e-6


def test_what_is_no_number_and_what_is_beyond_all_goes_as_in_onnxmltools_graph() -> None:
    classifier, X = learn(5, 12)
    rows = np.repeat(X, 24, axis=0)
    rows[np.arange(len(rows)), np.tile(np.arange(8).repeat(3), len(X))] = np.tile(
        np.array([np.nan, np.inf, -np.inf], dtype=np.float32), 8 * len(X)
    )
    label, scores = run(export('XGB', classifier).graph, rows)
    plain_label, plain_scores = run(convert(classifier), rows)
    assert np.array_equal(label, plain_label)
    assert np.abs(scores - plain_scores).max() <= 2e-6
    nan = np.isnan(rows).any(axis=1)
    assert np.abs(scores[nan] - classifier.predict_proba(rows[nan])).max() <= 2e-6


def test_users_without_any_difference_keep_their_shares() -> None:
    y = np.array([0, 0, 0, 1, 1, 2])
    X = np.ones((6, 8), dtype=np.float32)
    classifier = XGBClassifier().fit(X, y)
    model = export('XGB', classifier).graph
    label, scores = run(model, X)
    assert set(attribute(trees_of(model), 'nodes_modes')) == {b'LEAF'}
    assert attribute(trees_of(model), 'nodes_treeids') == [0, 1, 2]
    assert np.array_equal(label, classifier.predict(X))
    assert np.abs(scores - classifier.predict_proba(X)).max() <= 2e-6


def test_the_same_trees_give_the_same_bytes_and_all_but_the_trees_stays() -> None:
    node = trees_of(convert(learn(4, 9)[0]))
    before = node.SerializeToString()
    once = compact(node)
    assert once.SerializeToString() == compact(node).SerializeToString()
    assert node.SerializeToString() == before
    assert once.SerializeToString() != before
    assert [a for a in once.attribute if not a.name.startswith(('nodes_', 'class_'))] == [
        a for a in node.attribute if not a.name.startswith(('nodes_', 'class_'))
    ]


def test_a_model_that_sends_missing_values_left_is_left_as_it_is() -> None:
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1, 2], 30)
    X = (rng.normal(size=(90, 8)) + 2 * y[:, None]).astype(np.float32)
    X[:30:2] = np.nan
    classifier = XGBClassifier(n_estimators=5).fit(X, y)
    node = trees_of(convert(classifier))
    assert any(attribute(node, 'nodes_missing_value_tracks_true'))
    assert compact(node) is node
    _, scores = run(export('XGB', classifier).graph, X)
    assert np.abs(scores - classifier.predict_proba(X)).max() <= 2e-6


def test_two_users_whose_trees_have_one_margin_are_left_as_they_are() -> None:
    classifier, _ = learn(2, 20)
    plain, exported = trees_of(convert(classifier)), trees_of(export('XGB', classifier).graph)
    for name in ('nodes_treeids', 'nodes_values', 'class_weights'):
        assert attribute(exported, name) == attribute(plain, name)


def test_trees_of_another_kind_are_left_as_they_are(named: Learned) -> None:
    forest = trees_of(named.graphs['RF'])
    assert set(attribute(forest, 'nodes_modes')) == {b'BRANCH_LEQ', b'LEAF'}
    assert compact(forest) is forest

    node = trees_of(convert(learn(3, 6)[0]))
    modes = attribute(node, 'nodes_modes')
    other_mode = edit(node, nodes_modes=[b'BRANCH_LEQ', *modes[1:]])
    assert compact(other_mode) is other_mode
    regressor = edit(node)
    regressor.op_type = 'TreeEnsembleRegressor'
    assert compact(regressor) is regressor
    classes = attribute(node, 'class_ids')
    mixed = edit(node, class_ids=[(classes[0] + 1) % 3, *classes[1:]])
    assert compact(mixed) is mixed


def test_a_leaf_with_two_weights_or_none_leaves_the_trees_as_they_are() -> None:
    node = trees_of(convert(learn(3, 6)[0]))
    columns = {
        name: attribute(node, name)
        for name in ('class_ids', 'class_nodeids', 'class_treeids', 'class_weights')
    }
    twice = edit(node, **{name: [*column, column[0]] for name, column in columns.items()})
    assert compact(twice) is twice
    none = edit(node, **{name: column[1:] for name, column in columns.items()})
    assert compact(none) is none


def test_110_users_take_a_sixth_of_the_trees_and_no_more_bytes(dataset: Learned) -> None:
    model, plain = dataset.graphs['XGB'], convert(dataset.estimators['XGB'])
    assert max(attribute(trees_of(plain), 'nodes_treeids')) + 1 == 11_000
    assert max(attribute(trees_of(model), 'nodes_treeids')) + 1 <= 11_000 / 6
    assert len(model.SerializeToString()) <= len(plain.SerializeToString())
