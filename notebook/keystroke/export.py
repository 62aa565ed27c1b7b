"""Write the fitted models as ONNX graphs that answer exactly as Python does.

Every graph has one input, ``features`` float32 [N, 8], and two outputs, ``label`` int64 [N], the
class index that the estimator's own ``predict`` gives, and ``scores`` float32 [N, C].

The forest and the support vector machine are written here rather than by skl2onnx, whose graphs
for 110 users take 8 s and 57 MB (RF: 4.6 million leaf weights, nearly all zero) and minutes and
100,000 nodes (SVC). XGBoost's is onnxmltools' own, with its trees added up into fewer ones.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from onnxmltools import convert_xgboost
from onnxmltools.convert.common.data_types import FloatTensorType
from sklearn.ensemble import RandomForestClassifier
from sklearn.svm import SVC
from xgboost import XGBClassifier

from keystroke.boosting import compact
from keystroke.features import FEATURES

INPUT, LABEL, SCORES = 'features', 'label', 'scores'

OPSET = 17
ML_OPSET = 3
IR_VERSION = 8
"""What ONNX Runtime has read since 1.13; nothing newer is needed, and older runtimes are served."""

_FLOAT32_MAX = np.finfo(np.float32).max


def export(name: str, estimator: Any) -> onnx.ModelProto:
    """Convert a fitted model.

    Parameters
    ----------
    name : {'SVM', 'RF', 'XGB'}
    estimator : SVC, RandomForestClassifier or XGBClassifier
        Fitted on class indices 0..C-1 and float32 features of shape (N, 8).

    Returns
    -------
    onnx.ModelProto
        Checked by ``onnx.checker``; the same estimator always gives the same bytes.
    """
    model = _EXPORTERS[name](estimator)
    onnx.checker.check_model(model, full_check=True)
    return model


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
        [INPUT],
        [LABEL, 'scores_of_three' if of_two else SCORES],
        domain='ai.onnx.ml',
        classlabels_int64s=range(3 if of_two else C),
        post_transform='NONE',
        **{key: np.concatenate(parts).tolist() for key, parts in columns.items()},
    )
    if not of_two:
        return _model('RF', [trees], [], C)
    slice_ends = {'first': [0], 'end': [2], 'axis': [1]}
    return _model(
        'RF',
        [trees, helper.make_node('Slice', ['scores_of_three', *slice_ends], [SCORES])],
        [numpy_helper.from_array(np.array(v, dtype=np.int64), k) for k, v in slice_ends.items()],
        C,
    )


def export_support_vectors(svc: SVC) -> onnx.ModelProto:
    r"""Convert an RBF support vector classifier to standard operators.

    libsvm decides between each two users i < j by the sign of

    .. math:: d_{ij} = \sum_{s \in i} a_{js} k_s + \sum_{s \in j} a_{is} k_s + b_{ij}

    over the support vectors s of both, and names the user with most decisions won, the first of
    equals. With the sum over i's own support vectors written as T[i, j], the sign folded in,
    d[i, j] = T[i, j] - T[j, i] + b[i, j] for every ordered pair: T is one matrix product per
    user. Scores are scikit-learn's one-versus-rest values: decisions won plus the bounded sum of
    the decisions' values, which breaks ties; so the best score may be another user's than the
    label where votes are equal, in ONNX as in scikit-learn.

    Parameters
    ----------
    svc : SVC
        Fitted with ``kernel='rbf'`` and ``decision_function_shape='ovr'``, the defaults.

    References
    ----------
    Chang and Lin, LIBSVM: A library for support vector machines, 2011, section 4.1.4.
    """
    if svc.kernel != 'rbf' or svc.decision_function_shape != 'ovr' or svc.break_ties:
        raise ValueError('only an SVC with its default kernel and decision function is exported')
    C = len(svc.classes_)
    # scikit-learn shows the coefficients of two classes with the sign turned.
    sign = -1.0 if C == 2 else 1.0
    blocks, coefficients, block_of_user = _support_vector_blocks(svc, sign)
    B, m, _ = blocks.shape

    center = svc.support_vectors_.mean(axis=0)
    vectors = blocks.reshape(B * m, -1) - center
    gamma = float(svc._gamma)  # 'scale' and 'auto' resolved; no public name has it

    bias = np.zeros((C, C))
    bias[np.triu_indices(C, 1)] = sign * svc.intercept_
    bias -= bias.T
    # The first of a pair wins above zero, the second at zero too; nobody plays against himself.
    # d > 0 is written as T[i, j] - T[j, i] > -b[i, j]: one pass over all pairs less.
    most_lost = -bias.astype(np.float32)
    second = np.tri(C, k=-1) > 0
    most_lost[second] = np.nextafter(most_lost[second], np.float32(-np.inf))
    np.fill_diagonal(most_lost, _FLOAT32_MAX)

    # The expanded square cancels; in float32 one label in some 100,000 came out otherwise. float64
    # up to the exponent mends that for 4 us a row, and holds the square of every float32 number.
    float64_constants = {
        'center': center,
        'vectors': vectors.T * (2 * gamma),
        'vectors_norm': -gamma * (vectors**2).sum(axis=1),
        'minus_gamma': np.array(-gamma),
        'zero': np.array(0.0),
    }
    constants = {'coefficients': coefficients, 'most_lost': most_lost, 'bias': bias.sum(axis=1)}
    node = helper.make_node
    nodes = [
        node('Cast', [INPUT], ['features_float64'], to=TensorProto.DOUBLE),
        node('Sub', ['features_float64', 'center'], ['x']),
        # k = exp(-gamma |x - s|^2), expanded so that one Gemm does it; rounding must not exceed 0.
        node('Gemm', ['x', 'vectors', 'vectors_norm'], ['cross']),
        node('ReduceSumSquare', ['x'], ['x_norm'], axes=[1], keepdims=1),
        node('Mul', ['x_norm', 'minus_gamma'], ['x_term']),
        node('Add', ['cross', 'x_term'], ['rounded_exponent']),
        node('Min', ['rounded_exponent', 'zero'], ['exponent_float64']),
        node('Cast', ['exponent_float64'], ['exponent'], to=TensorProto.FLOAT),
        node('Exp', ['exponent'], ['kernel_flat']),
        node('Reshape', ['kernel_flat', 'kernel_shape'], ['kernel_by_row']),
        node('Transpose', ['kernel_by_row'], ['kernel'], perm=[1, 0, 2]),
        node('MatMul', ['kernel', 'coefficients'], ['block_sums']),
    ]
    sums = 'block_sums'
    if B > C:
        constants['block_of_user'] = block_of_user
        nodes += [
            node('Reshape', ['block_sums', 'blocks_flat_shape'], ['blocks_flat']),
            node('MatMul', ['block_of_user', 'blocks_flat'], ['sums_flat']),
            node('Reshape', ['sums_flat', 'sums_shape'], ['user_sums']),
        ]
        sums = 'user_sums'
    nodes += [
        node('Transpose', [sums], ['T'], perm=[1, 0, 2]),
        node('Transpose', ['T'], ['T_turned'], perm=[0, 2, 1]),
        node('Sub', ['T', 'T_turned'], ['difference']),
        node('Greater', ['difference', 'most_lost'], ['won']),
        node('Cast', ['won'], ['won_as_number'], to=TensorProto.FLOAT),
        node('ReduceSum', ['won_as_number', 'last_axis'], ['votes'], keepdims=0),
        node('ArgMax', ['votes'], [LABEL], axis=1, keepdims=0),
        node('ReduceSum', ['difference', 'last_axis'], ['differences'], keepdims=0),
    ]
    if C == 2:
        nodes.append(node('Add', ['differences', 'bias'], [SCORES]))
    else:
        constants |= {'one': np.array(1.0), 'three': np.array(3.0)}
        nodes += [
            node('Add', ['differences', 'bias'], ['confidence']),
            node('Abs', ['confidence'], ['magnitude']),
            node('Add', ['magnitude', 'one'], ['magnitude_1']),
            node('Mul', ['magnitude_1', 'three'], ['bound']),
            node('Div', ['confidence', 'bound'], ['tie_break']),
            node('Add', ['votes', 'tie_break'], [SCORES]),
        ]
    shapes = {
        'kernel_shape': [-1, B, m],
        'blocks_flat_shape': [B, -1],
        'sums_shape': [C, -1, C],
        'last_axis': [2],
    }
    used = {name for graph_node in nodes for name in graph_node.input}
    initializers = [
        *(numpy_helper.from_array(v, k) for k, v in float64_constants.items()),
        *(numpy_helper.from_array(v.astype(np.float32), k) for k, v in constants.items()),
        *(
            numpy_helper.from_array(np.array(v, dtype=np.int64), k)
            for k, v in shapes.items()
            if k in used
        ),
    ]
    return _model('SVM', nodes, initializers, C)


def export_boosted_trees(classifier: XGBClassifier) -> onnx.ModelProto:
    """Convert XGBoost's trees with onnxmltools, and add those of more than two users up.

    Parameters
    ----------
    classifier : XGBClassifier
        Fitted; C = 2 or more classes.
    """
    # onnxmltools wants its own type here: skl2onnx's is refused as an unknown one.
    converted = convert_xgboost(
        classifier, 'XGB', [(INPUT, FloatTensorType([None, len(FEATURES)]))], target_opset=15
    )
    (trees,) = converted.graph.node
    C = len(classifier.classes_)
    if C > 2:
        trees.output[:] = [LABEL, SCORES]
        return _model('XGB', [compact(trees)], [], C)
    # Where the first tree has no split, onnxmltools gives the base probability as if it were the
    # margin; and where no weight is negative, ONNX Runtime's label takes the margin for a
    # probability.
    probability = float(np.ravel(classifier.intercept_)[0])
    kept = [attribute for attribute in trees.attribute if attribute.name != 'base_values']
    del trees.attribute[:]
    trees.attribute.extend(kept)
    trees.attribute.append(
        helper.make_attribute('base_values', [float(np.log(probability / (1 - probability)))])
    )
    trees.output[:] = ['label_by_margin', SCORES]
    label = helper.make_node('ArgMax', [SCORES], [LABEL], axis=1, keepdims=0)
    return _model('XGB', [trees, label], [], C)


_EXPORTERS: dict[str, Callable[[Any], onnx.ModelProto]] = {
    'SVM': export_support_vectors,
    'RF': export_forest,
    'XGB': export_boosted_trees,
}

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


def _support_vector_blocks(
    svc: SVC, sign: float
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Lay out support vectors and their coefficients in equal blocks, one or more a user.

    Blocks are as long as the user with most support vectors needs, unless that would double the
    size; then as long as the mean, and such a user has several.

    Returns
    -------
    vectors : ndarray, shape (B, m, 8)
        Padded with copies of the first vector, whose coefficients are zero.
    coefficients : ndarray, shape (B, m, C)
        Of T[i, j]; of each support vector of i against every j, negative where j comes first.
    block_of_user : ndarray, shape (C, B)
        1 where the block is the user's.
    """
    counts = svc.n_support_
    C, total = len(counts), int(counts.sum())
    m = int(counts.max()) if counts.max() * C <= 2 * total else -(-total // C)
    blocks_of = -(-counts // m)
    B = int(blocks_of.sum())

    vectors = np.tile(svc.support_vectors_[0], (B, m, 1))
    coefficients = np.zeros((B, m, C))
    block_of_user = np.zeros((C, B))
    block = start = 0
    for user in range(C):
        end = start + int(counts[user])
        others = [j for j in range(C) if j != user]
        for first in range(start, end, m):
            rows = slice(first, min(first + m, end))
            size = rows.stop - rows.start
            vectors[block, :size] = svc.support_vectors_[rows]
            # Row r of dual_coef_ holds the coefficients against the r-th of the other users.
            coefficients[block, :size, others] = sign * svc.dual_coef_[:, rows]
            coefficients[block, :size, :user] *= -1
            block_of_user[user, block] = 1
            block += 1
        start = end
    return vectors, coefficients, block_of_user


def _model(
    name: str,
    nodes: list[onnx.NodeProto],
    initializers: list[onnx.TensorProto],
    classes: int,
) -> onnx.ModelProto:
    graph = helper.make_graph(
        nodes,
        name,
        [helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, [None, len(FEATURES)])],
        [
            helper.make_tensor_value_info(LABEL, TensorProto.INT64, [None]),
            helper.make_tensor_value_info(SCORES, TensorProto.FLOAT, [None, classes]),
        ],
        initializers,
    )
    opsets = [helper.make_opsetid('', OPSET), helper.make_opsetid('ai.onnx.ml', ML_OPSET)]
    return helper.make_model(
        graph, opset_imports=opsets, ir_version=IR_VERSION, producer_name='keystroke'
    )
