"""A random forest as one ONNX node.

skl2onnx's graph for 110 users has 4.6 million leaf weights, nearly all of them zero: 57 MB.
"""

from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper
from sklearn.ensemble import RandomForestClassifier

from keystroke.graphs.graph import FEATURES_INPUT, LABEL, SCORES, constants, make_classifier


def export_forest(forest: RandomForestClassifier) -> onnx.ModelProto:
    """Convert a random forest to one TreeEnsembleClassifier node without its zero leaf weights.

    A leaf adds the share of each user among its typings, divided by the number of trees. Leaving
    out the shares of zero changes no sum.

    Parameters
    ----------
    forest : RandomForestClassifier
        Fitted, with one output.
    """
    columns: dict[str, list[NDArray[Any]]] = {key: [] for key in _NODES + _WEIGHTS}
    for tree_id, estimator in enumerate(forest.estimators_):
        tree = estimator.tree_
        leaf = tree.children_left < 0
        node_id = np.arange(tree.node_count)
        columns['nodes_treeids'].append(np.full(tree.node_count, tree_id))
        columns['nodes_nodeids'].append(node_id)
        columns['nodes_featureids'].append(np.where(leaf, 0, tree.feature))
        columns['nodes_values'].append(_float32_below(np.where(leaf, 0.0, tree.threshold)))
        columns['nodes_modes'].append(np.where(leaf, 'LEAF', 'BRANCH_LEQ'))
        columns['nodes_truenodeids'].append(np.where(leaf, 0, tree.children_left))
        columns['nodes_falsenodeids'].append(np.where(leaf, 0, tree.children_right))

        leaves, users = np.nonzero(np.where(leaf[:, None], tree.value[:, 0, :], 0.0))
        columns['class_treeids'].append(np.full(len(leaves), tree_id))
        columns['class_nodeids'].append(leaves)
        columns['class_ids'].append(users)
        columns['class_weights'].append(
            (tree.value[leaves, 0, users] / len(forest.estimators_)).astype(np.float32)
        )
    C = len(forest.classes_)
    # Of two classes ONNX Runtime takes the second's weights for a margin: a third, without any
    # leaf, makes it compare sums, and is cut off.
    of_two = C == 2
    trees = helper.make_node(
        'TreeEnsembleClassifier',
        [FEATURES_INPUT],
        [LABEL, 'scores_of_three' if of_two else SCORES],
        domain='ai.onnx.ml',
        classlabels_int64s=range(3 if of_two else C),
        post_transform='NONE',
        **{key: np.concatenate(parts).tolist() for key, parts in columns.items()},
    )
    if not of_two:
        return make_classifier('RF', [trees], [], C)
    slice_ends = {'first': [0], 'end': [2], 'axis': [1]}
    return make_classifier(
        'RF',
        [trees, helper.make_node('Slice', ['scores_of_three', *slice_ends], [SCORES])],
        constants(np.int64, slice_ends),
        C,
    )


_NODES = (
    'nodes_treeids',
    'nodes_nodeids',
    'nodes_featureids',
    'nodes_values',
    'nodes_modes',
    'nodes_truenodeids',
    'nodes_falsenodeids',
)


_WEIGHTS = ('class_treeids', 'class_nodeids', 'class_ids', 'class_weights')


def _float32_below(thresholds: NDArray[np.float64]) -> NDArray[np.float32]:
    """Round down, so that a float32 feature is at most the threshold exactly when it was before."""
    rounded = thresholds.astype(np.float32)
    above = rounded > thresholds
    rounded[above] = np.nextafter(rounded[above], np.float32(-np.inf))
    return rounded
