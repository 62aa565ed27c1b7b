"""Write the typing model as one ONNX graph, from raw times to a score for every user.

What is made of scores, alone or of several typings, is small enough to
be written out where it is used: ``keystroke.models.decisions.probabilities`` and ``evidence``.
"""

import numpy as np
import onnx
from onnx import TensorProto, helper

from keystroke.graphs.graph import LABEL, SCORES, TIMES_INPUT, constants, make_model
from keystroke.models.scorer import FAR_PENALTY
from keystroke.models.timings import LOG_OFFSET, RPT_UNIT
from keystroke.models.typing_model import TypingModel


def export_typing_model(model: TypingModel) -> onnx.ModelProto:
    """Convert a fitted typing model to standard operators.

    Timings up to the clipping are computed in float64 as in Python, all that grows with the number
    of users in float32.

    Parameters
    ----------
    model : TypingModel
        Fitted on an even number of columns, 2K.

    Returns
    -------
    onnx.ModelProto
    """
    columns = model.n_features_in_
    if columns % 2:
        raise ValueError(f'{columns} columns; each press needs its release')
    scorer = model.scorer_
    C, F = scorer.means.shape
    P = len(scorer.plda_center)

    presses, releases = np.arange(0, columns, 2), np.arange(1, columns, 2)
    later = [releases, presses[1:], releases[1:], presses[1:]]
    earlier = [presses, presses[:-1], releases[:-1], releases[:-1]]
    signed = len(presses) - 1

    # Where all users have equally many typings, the weights of the squares are the same for all.
    alike = np.allclose(scorer.square, scorer.square[:, :1], rtol=1e-12, atol=0)
    float64_constants = {
        'zero': 0.0,
        'log_offset': LOG_OFFSET,
        'rpt_unit': RPT_UNIT,
        'one': 1.0,
        'center': scorer.center,
        'scale': scorer.scale,
        'least': -scorer.clip,
        'most': scorer.clip,
    }
    float32_constants = {
        'projection': scorer.projection,
        'minus_projected_center': -scorer.plda_center @ scorer.projection,
        'square': scorer.square[:, :1] if alike else scorer.square,
        'linear': scorer.linear,
        'offset': scorer.offset,
        'means': scorer.means,
        'weights': scorer.weights,
        'far': scorer.far,
        'none': 0.0,
        'far_penalty': FAR_PENALTY,
    }
    int64_constants = {
        'later': np.concatenate(later),
        'earlier': np.concatenate(earlier),
        'positive_and_signed': [F - signed, signed],
        'plda_and_rest': [P, F - P],
        'users_axis': [1],
        'timings_axis': [2],
    }
    node = helper.make_node
    nodes = [
        node('Gather', [TIMES_INPUT, 'later'], ['later_times'], axis=1),
        node('Gather', [TIMES_INPUT, 'earlier'], ['earlier_times'], axis=1),
        node('Sub', ['later_times', 'earlier_times'], ['timings']),
        node('Split', ['timings', 'positive_and_signed'], ['ht_ppt_rrt', 'rpt'], axis=1),
        # log(max(t, 0) + 20)
        node('Max', ['ht_ppt_rrt', 'zero'], ['not_negative']),
        node('Add', ['not_negative', 'log_offset'], ['not_negative_offset']),
        node('Log', ['not_negative_offset'], ['positive_log']),
        # sign(t) log(1 + |t| / 50)
        node('Sign', ['rpt'], ['rpt_sign']),
        node('Abs', ['rpt'], ['rpt_magnitude']),
        node('Div', ['rpt_magnitude', 'rpt_unit'], ['rpt_units']),
        node('Add', ['rpt_units', 'one'], ['rpt_units_1']),
        node('Log', ['rpt_units_1'], ['rpt_log']),
        node('Mul', ['rpt_sign', 'rpt_log'], ['signed_log']),
        node('Concat', ['positive_log', 'signed_log'], ['log_timings'], axis=1),
        node('Sub', ['log_timings', 'center'], ['centered']),
        node('Div', ['centered', 'scale'], ['scaled']),
        node('Clip', ['scaled', 'least', 'most'], ['robust_float64']),
        node('Cast', ['robust_float64'], ['robust'], to=TensorProto.FLOAT),
        # PLDA's log-likelihood ratio: a user's own quadratic form of the projected timings.
        node('Split', ['robust', 'plda_and_rest'], ['ht_ppt', 'rest'], axis=1),
        node('Gemm', ['ht_ppt', 'projection', 'minus_projected_center'], ['x']),
        node('Mul', ['x', 'x'], ['x_squared']),
        node('MatMul', ['x_squared', 'square'], ['square_term']),
        node('Gemm', ['x', 'linear', 'offset'], ['linear_term']),
        node('Add', ['linear_term', 'square_term'], ['likelihood_ratios']),
        # Manhattan distance to each user's means, less than the mean of all: the closer, the more.
        node('Unsqueeze', ['robust', 'users_axis'], ['robust_by_user']),
        node('Sub', ['robust_by_user', 'means'], ['apart']),
        node('Abs', ['apart'], ['distance']),
        node('Mul', ['distance', 'weights'], ['weighted_distance']),
        node('ReduceSum', ['weighted_distance', 'timings_axis'], ['distances'], keepdims=0),
        node('ReduceMean', ['distances'], ['mean_distance'], axes=[1], keepdims=1),
        node('Sub', ['mean_distance', 'distances'], ['closeness']),
        node('Add', ['likelihood_ratios', 'closeness'], ['both']),
        # What is far from everybody is nobody's.
        node('ReduceMin', ['distances'], ['nearest'], axes=[1], keepdims=1),
        node('Sub', ['nearest', 'far'], ['nearest_beyond']),
        node('Max', ['nearest_beyond', 'none'], ['beyond']),
        node('Mul', ['beyond', 'far_penalty'], ['penalty']),
        node('Sub', ['both', 'penalty'], [SCORES]),
        node('ArgMax', [SCORES], [LABEL], axis=1, keepdims=0),
    ]
    initializers = [
        *constants(np.float64, float64_constants),
        *constants(np.float32, float32_constants),
        *constants(np.int64, int64_constants),
    ]
    return make_model('Typing', nodes, initializers, TIMES_INPUT, columns, C)
