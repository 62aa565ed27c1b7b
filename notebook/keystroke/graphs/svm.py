"""A support vector classifier as standard ONNX operators.

skl2onnx takes minutes for 110 users and writes 100,000 nodes.
"""

from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper
from sklearn.svm import SVC

from keystroke.graphs.graph import FEATURES_INPUT, LABEL, SCORES, constants, make_classifier

_FLOAT32_MAX = np.finfo(np.float32).max


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
    # up to the exponent avoids that for 4 us a row, and holds the square of every float32 number.
    float64_constants = {
        'center': center,
        'vectors': vectors.T * (2 * gamma),
        'vectors_norm': -gamma * (vectors**2).sum(axis=1),
        'minus_gamma': np.array(-gamma),
        'zero': np.array(0.0),
    }
    float32_constants: dict[str, Any] = {
        'coefficients': coefficients,
        'most_lost': most_lost,
        'bias': bias.sum(axis=1),
    }
    node = helper.make_node
    nodes = [
        node('Cast', [FEATURES_INPUT], ['features_float64'], to=TensorProto.DOUBLE),
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
        float32_constants['block_of_user'] = block_of_user
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
        float32_constants |= {'one': np.array(1.0), 'three': np.array(3.0)}
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
        *constants(np.float64, float64_constants),
        *constants(np.float32, float32_constants),
        *constants(np.int64, {k: v for k, v in shapes.items() if k in used}),
    ]
    return make_classifier('SVM', nodes, initializers, C)


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
