"""Write the typing model as ONNX graphs of standard operators.

Four of them: *enroll* makes a user's template of typings, *score* scores templates for typings,
*shortlist* scores the likeliest of many users alone, and *templates* has those of the users of the
training. A template is two rows, ``plda`` and
``laplace``, of 2F + 1 numbers each, so that templates of many users are two matrices. The
background is constants of the first three.

What is made of scores, alone or of several typings, is small enough to
be written out where it is used: ``keystroke.models.decisions.probabilities`` and ``evidence``.
"""

from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper

from keystroke.graphs.graph import (
    LABEL,
    SCORES,
    TIMES_INPUT,
    answers,
    constants,
    make_model,
    tensor,
)
from keystroke.models.background import FAR_PENALTY, LIKELIHOOD_WEIGHT, Background
from keystroke.models.laplace import MIN_SPREAD, PRIOR, timing_weights
from keystroke.models.timings import LOG_OFFSET, RPT_UNIT, Floats, timing_slices
from keystroke.models.typing_model import TypingModel
from keystroke.models.warp import LEVELS

PLDA, LAPLACE, ENROLLED = 'plda', 'laplace', 'enrolled'
"""A template's two rows, and how many typings it is made of."""

ALSO, USERS = 'also', 'users'
SHORTLIST = 200
"""Users that are scored, of more. PLDA is one matrix product, and the distance, which takes most
of a score's time, is for these alone. npm run bench:growth measures how often it costs somebody
their rank."""

node = helper.make_node


def template_rows(templates: Floats) -> dict[str, NDArray[Any]]:
    """Return templates, shape (C, 4F + 2), as the inputs that the score graph takes.

    Returns
    -------
    dict
        plda, laplace: float32, shape (C, 2F + 1).
    """
    plda, laplace = np.split(templates.astype(np.float32), 2, axis=1)
    return {PLDA: np.ascontiguousarray(plda), LAPLACE: np.ascontiguousarray(laplace)}


def export_templates(model: TypingModel) -> onnx.ModelProto:
    """Write the templates of the users of the training: no input, three outputs.

    ``plda`` and ``laplace`` float32 [C, 2F + 1], ``enrolled`` int64 [C].
    """
    rows = template_rows(model.background_.cohort)
    C, columns = rows[PLDA].shape
    nodes = [node('Identity', [f'{name}_rows'], [name]) for name in (PLDA, LAPLACE, ENROLLED)]
    initializers = [
        *constants(np.float32, {f'{name}_rows': values for name, values in rows.items()}),
        *constants(np.int64, {f'{ENROLLED}_rows': model.counts_}),
    ]
    outputs = [
        tensor(PLDA, TensorProto.FLOAT, [C, columns]),
        tensor(LAPLACE, TensorProto.FLOAT, [C, columns]),
        tensor(ENROLLED, TensorProto.INT64, [C]),
    ]
    return make_model('Templates', nodes, initializers, [], outputs)


def export_enrollment(model: TypingModel) -> onnx.ModelProto:
    """Write how a template is made: ``times`` float64 [n, 2K] of one user -> ``plda``, ``laplace``.

    All of it is computed in float64, so that a template is that of Python, rounded once.
    """
    background = model.background_
    plda, laplace = background.plda, background.laplace
    F = len(plda.center)
    nodes, initializers = _views(model, np.float64, with_beyond=False)
    b = plda.variances
    initializers += constants(
        np.float64,
        {
            'one': 1.0,
            'half': 0.5,
            'b': b,
            'anyone': 1 + b,
            'half_over_anyone': 0.5 / (1 + b),
            'ratio': laplace.ratio,
            'center': laplace.center,
            'prior': PRIOR,
            'prior_spread': PRIOR * laplace.spread,
            'min_spread': MIN_SPREAD,
            'weights': timing_weights(F),
        },
    )
    initializers += constants(
        np.int64, {'zero_axis': [0], 'one_axis': [1], 'i1': [1], 'i2': [2], 'rows': [0]}
    )
    nodes += [
        node('Shape', [TIMES_INPUT], ['shape']),
        node('Gather', ['shape', 'rows'], ['count']),
        node('Cast', ['count'], ['n'], to=TensorProto.DOUBLE),
        # PLDA: where the user's mean is thought to be, and how far a typing lies from it.
        node('Mul', ['n', 'b'], ['nb']),
        node('Add', ['nb', 'one'], ['nb_1']),
        node('Div', ['nb', 'nb_1'], ['shrink']),
        node('ReduceMean', ['z'], ['z_mean'], axes=[0], keepdims=1),
        node('Mul', ['z_mean', 'shrink'], ['expected']),
        node('Div', ['b', 'nb_1'], ['uncertainty']),
        node('Add', ['uncertainty', 'one'], ['variance']),
        node('Div', ['half', 'variance'], ['half_over_variance']),
        node('Sub', ['half_over_anyone', 'half_over_variance'], ['square_row']),
        node('Unsqueeze', ['square_row', 'zero_axis'], ['square']),
        node('Div', ['expected', 'variance'], ['linear']),
        node('Div', ['anyone', 'variance'], ['narrower']),
        node('Log', ['narrower'], ['log_narrower']),
        node('Mul', ['expected', 'linear'], ['expected_squared']),
        node('Sub', ['log_narrower', 'expected_squared'], ['offset_terms']),
        node('Mul', ['offset_terms', 'half'], ['offset_halves']),
        node('ReduceSum', ['offset_halves', 'one_axis'], ['offset'], keepdims=1),
        node('Concat', ['square', 'linear', 'offset'], ['plda_float64'], axis=1),
        node('Cast', ['plda_float64'], [PLDA], to=TensorProto.FLOAT),
        # The median: the mean of the values at n // 2 and (n - 1) // 2 of those in order.
        node('Transpose', ['l'], ['l_by_timing'], perm=[1, 0]),
        node('Div', ['count', 'i2'], ['upper']),
        node('Add', ['upper', 'i1'], ['needed']),
        node(
            'TopK', ['l_by_timing', 'needed'], ['smallest', 'places'], axis=1, largest=0, sorted=1
        ),
        node('Sub', ['count', 'i1'], ['last']),
        node('Div', ['last', 'i2'], ['lower']),
        node('Concat', ['lower', 'upper'], ['middle'], axis=0),
        node('Gather', ['smallest', 'middle'], ['middle_values'], axis=1),
        node('ReduceMean', ['middle_values'], ['median'], axes=[1], keepdims=0),
        # The distance: location and spread, drawn towards everybody's.
        node('Mul', ['n', 'ratio'], ['nq']),
        node('Add', ['nq', 'one'], ['nq_1']),
        node('Div', ['nq', 'nq_1'], ['own_share']),
        node('Sub', ['median', 'center'], ['off_center']),
        node('Mul', ['off_center', 'own_share'], ['moved']),
        node('Add', ['moved', 'center'], ['location_row']),
        node('Unsqueeze', ['location_row', 'zero_axis'], ['location']),
        node('Sub', ['l', 'median'], ['deviations']),
        node('Abs', ['deviations'], ['absolute']),
        node('ReduceMean', ['absolute'], ['own'], axes=[0], keepdims=0),
        node('Sub', ['n', 'one'], ['n_less_1']),
        node('Max', ['n_less_1', 'one'], ['at_least_1']),
        node('Div', ['n', 'at_least_1'], ['bias']),
        node('Sqrt', ['bias'], ['unbiasing']),
        node('Mul', ['own', 'unbiasing'], ['unbiased']),
        node('Mul', ['unbiased', 'n_less_1'], ['own_weighted']),
        node('Add', ['own_weighted', 'prior_spread'], ['both_weighted']),
        node('Add', ['n_less_1', 'prior'], ['weight_of_both']),
        node('Div', ['both_weighted', 'weight_of_both'], ['typical']),
        node('Div', ['ratio', 'nq_1'], ['location_variance']),
        node('Add', ['location_variance', 'one'], ['wider']),
        node('Sqrt', ['wider'], ['widening']),
        node('Mul', ['typical', 'widening'], ['spread_unbounded']),
        node('Max', ['spread_unbounded', 'min_spread'], ['spread_row']),
        node('Unsqueeze', ['spread_row', 'zero_axis'], ['spread']),
        node('Div', ['weights', 'spread'], ['weight']),
        node('Log', ['spread'], ['log_spread']),
        node('Mul', ['log_spread', 'weights'], ['weighted_log_spread']),
        node('ReduceSum', ['weighted_log_spread', 'one_axis'], ['constant'], keepdims=1),
        node('Concat', ['location', 'weight', 'constant'], ['laplace_float64'], axis=1),
        node('Cast', ['laplace_float64'], [LAPLACE], to=TensorProto.FLOAT),
    ]
    return make_model(
        'Enroll',
        nodes,
        initializers,
        [_times(model)],
        [
            tensor(PLDA, TensorProto.FLOAT, [1, 2 * F + 1]),
            tensor(LAPLACE, TensorProto.FLOAT, [1, 2 * F + 1]),
        ],
    )


def export_scores(model: TypingModel) -> onnx.ModelProto:
    """Write how templates are scored: ``times`` [N, 2K], ``plda`` and ``laplace`` [C, 2F + 1].

    The first templates are those of the users of the training, in their order, for they are the
    cohort as well. Timings up to the warp are computed in float64 as in Python, all that grows with
    the number of users in float32.

    Parameters
    ----------
    model : TypingModel
        Fitted on an even number of columns, 2K.

    Returns
    -------
    onnx.ModelProto
    """
    background = model.background_
    F = len(background.plda.center)
    nodes, initializers = _views(model, np.float32, with_beyond=True)
    initializers += _scoring_constants(background)
    nodes += [
        *_likelihood_ratios(),
        *_distances(LAPLACE, 'distances'),
        node('Slice', ['distances', 'first', 'cohort_end', 'users_axis'], ['cohort']),
        *_scores('ratios'),
        node('ArgMax', [SCORES], [LABEL], axis=1, keepdims=0),
    ]
    inputs = [_times(model), *_templates(F)]
    return make_model('Score', nodes, initializers, inputs, answers(None))


def export_shortlist(model: TypingModel) -> onnx.ModelProto:
    """Write how the likeliest of many users are scored.

    As *score*, but PLDA alone is computed for all users, and the distance for the ``SHORTLIST``
    that are likeliest by it and for those in ``also``, int64 [N, A], rows of ``plda``. Which they
    are is an output in place of ``label``: ``users`` int64 [N, S], those of the shortlist in no
    order, then ``also``; somebody may be in both. ``scores`` are [N, S].
    """
    F = len(model.background_.plda.center)
    nodes, initializers = _views(model, np.float32, with_beyond=True)
    initializers += _scoring_constants(model.background_)
    initializers += constants(np.int64, {'most_users': [SHORTLIST], 'rows_axis': [0]})
    nodes += [
        *_likelihood_ratios(),
        node('Shape', [PLDA], ['shape']),
        node('Gather', ['shape', 'first'], ['all_users']),
        node('Min', ['all_users', 'most_users'], ['listed']),
        node('TopK', ['ratios', 'listed'], ['largest', 'likeliest'], axis=1, sorted=0),
        node('Concat', ['likeliest', ALSO], [USERS], axis=1),
        node('GatherElements', ['ratios', USERS], ['listed_ratios'], axis=1),
        node('Gather', [LAPLACE, USERS], ['listed_rows'], axis=0),
        *_distances('listed_rows', 'distances'),
        node('Slice', [LAPLACE, 'first', 'cohort_end', 'rows_axis'], ['cohort_rows']),
        *_distances('cohort_rows', 'cohort'),
        *_scores('listed_ratios'),
    ]
    return make_model(
        'Shortlist',
        nodes,
        initializers,
        [_times(model), *_templates(F), tensor(ALSO, TensorProto.INT64, [None, None])],
        [
            tensor(SCORES, TensorProto.FLOAT, [None, None]),
            tensor(USERS, TensorProto.INT64, [None, None]),
        ],
    )


def _templates(F: int) -> list[onnx.ValueInfoProto]:
    return [tensor(name, TensorProto.FLOAT, [None, 2 * F + 1]) for name in (PLDA, LAPLACE)]


def _scoring_constants(background: Background) -> list[onnx.TensorProto]:
    F = len(background.plda.center)
    return constants(
        np.int64,
        {
            'parts': [F, F, 1],
            'users_axis': [1],
            'timings_axis': [2],
            'first': [0],
            'cohort_end': [len(background.cohort)],
        },
    )


def _distances(rows: str, to: str) -> list[onnx.NodeProto]:
    """Write the distances [N, U] to rows of ``laplace``, [U, 2F + 1] or [N, U, 2F + 1]."""
    location, weight, constant, each = (
        f'{to}_{part}' for part in ('location', 'weight', 'constant', 'each')
    )
    return [
        node('Split', [rows, 'parts'], [location, weight, constant], axis=-1),
        node('Unsqueeze', ['l', 'users_axis'], [f'{each}_l']),
        node('Sub', [f'{each}_l', location], [f'{each}_apart']),
        node('Mul', [f'{each}_apart', weight], [f'{each}_weighted']),
        node('Abs', [f'{each}_weighted'], [f'{each}_deviation']),
        node('ReduceSum', [f'{each}_deviation', 'timings_axis'], [f'{each}_sum'], keepdims=1),
        node('Add', [f'{each}_sum', constant], [f'{each}_column']),
        node('Squeeze', [f'{each}_column', 'timings_axis'], [to]),
    ]


def _scores(ratios: str) -> list[onnx.NodeProto]:
    """Write the scores of ``ratios`` and ``distances``, with the mean distance to the cohort."""
    return [
        node('ReduceMean', ['cohort'], ['cohort_distance'], axes=[1], keepdims=1),
        node('Sub', ['cohort_distance', 'far'], ['common']),
        node('Sub', [ratios, 'distances'], ['own']),
        node('Add', ['own', 'common'], [SCORES]),
    ]


def _likelihood_ratios() -> list[onnx.NodeProto]:
    """Write PLDA's log-likelihood ratios: a quadratic form of ``z`` for each user."""
    return [
        node('Mul', ['z', 'z'], ['z_squared']),
        node('Concat', ['z_squared', 'z', 'always_1'], ['quadratic'], axis=1),
        node('Gemm', ['quadratic', PLDA], ['ratios'], transB=1, alpha=LIKELIHOOD_WEIGHT),
    ]


def _times(model: TypingModel) -> onnx.ValueInfoProto:
    columns = model.n_features_in_
    if columns % 2:
        raise ValueError(f'{columns} columns; each press needs its release')
    return tensor(TIMES_INPUT, TensorProto.DOUBLE, [None, columns])


def _views(
    model: TypingModel, kind: Any, *, with_beyond: bool
) -> tuple[list[onnx.NodeProto], list[onnx.TensorProto]]:
    """Write what the graphs begin with: from ``times`` to PLDA's ``z`` and the distance's ``l``.

    And to ``always_1`` [N, 1]; with what lies beyond the warp's outer knots also to ``far``, the
    penalty, float32 [N, 1].
    """
    warp = model.background_.warp
    knots = warp.knots
    steps = np.diff(knots, axis=0)
    K = model.n_features_in_ // 2
    presses, releases = np.arange(0, 2 * K, 2), np.arange(1, 2 * K, 2)
    later = [releases, presses[1:], releases[1:], presses[1:]]
    earlier = [presses, presses[:-1], releases[:-1], releases[:-1]]

    # How far a timing is along each step from 0 to 1; then how far below and above all of them.
    start, per_step = knots[:-1], 1 / steps
    most = np.ones((4, 1))
    if with_beyond:
        start = np.vstack([start, knots[0], knots[-1]])
        below, above = warp.outer_widths
        per_step = np.vstack([per_step, -1 / below, 1 / above])
        most = np.vstack([most, [[np.inf]], [[np.inf]]])
    matrix, offset = _affine(model.background_)
    F = len(offset) // 2
    matrix = np.column_stack([matrix, np.zeros(F)])
    offset = np.append(offset, 1.0)
    initializers = [
        *constants(
            np.float64,
            {
                'zero': 0.0,
                'log_offset': LOG_OFFSET,
                'rpt_unit': RPT_UNIT,
                'unit': 1.0,
                'start': start,
                'per_step': per_step,
                'most': most,
            },
        ),
        *constants(kind, {'matrix': matrix, 'matrix_offset': offset}),
        *constants(
            np.int64,
            {
                'later': np.concatenate(later),
                'earlier': np.concatenate(earlier),
                'positive_and_signed': [F - (K - 1), K - 1],
                'steps_axis': [1],
                'views': [F, F, 1],
            },
        ),
    ]
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
        node('Add', ['rpt_units', 'unit'], ['rpt_units_1']),
        node('Log', ['rpt_units_1'], ['rpt_log']),
        node('Mul', ['rpt_sign', 'rpt_log'], ['signed_log']),
        node('Concat', ['positive_log', 'signed_log'], ['log_timings'], axis=1),
        # The warp.
        node('Unsqueeze', ['log_timings', 'steps_axis'], ['log_timings_by_step']),
        node('Sub', ['log_timings_by_step', 'start'], ['from_start']),
        node('Mul', ['from_start', 'per_step'], ['in_steps']),
        node('Max', ['in_steps', 'zero'], ['begun']),
        node('Min', ['begun', 'most'], ['passed']),
    ]
    within = 'passed'
    if with_beyond:
        initializers += constants(
            np.float64, {'far_limit': model.background_.far * F, 'far_penalty': FAR_PENALTY / F}
        )
        initializers += constants(
            np.int64, {'within_and_beyond': [4, 2], 'beyond_axes': [1, 2], 'row': [1]}
        )
        within = 'within'
        nodes += [
            node('Split', ['passed', 'within_and_beyond'], ['within', 'beyond'], axis=1),
            node('ReduceSum', ['beyond', 'beyond_axes'], ['beyond_sum'], keepdims=0),
            node('Unsqueeze', ['beyond_sum', 'row'], ['beyond_column']),
            node('Sub', ['beyond_column', 'far_limit'], ['beyond_limit']),
            node('Max', ['beyond_limit', 'zero'], ['beyond_far']),
            node('Mul', ['beyond_far', 'far_penalty'], ['far_float64']),
            node('Cast', ['far_float64'], ['far'], to=TensorProto.FLOAT),
        ]
    nodes += [
        node('ReduceSum', [within, 'steps_axis'], ['warped_float64'], keepdims=0),
        node(
            'Cast',
            ['warped_float64'],
            ['warped'],
            to=TensorProto.FLOAT if kind is np.float32 else TensorProto.DOUBLE,
        ),
        # Both views are linear in it.
        node('Gemm', ['warped', 'matrix', 'matrix_offset'], ['both_views']),
        node(
            'Split',
            ['both_views', 'views'],
            ['z', 'l', 'always_1'],
            axis=1,
        ),
    ]
    return nodes, initializers


def _affine(background: Background) -> tuple[Floats, Floats]:
    """Return matrix, shape (F, 2F), and offset, shape (2F,), from steps passed to both views."""
    plda, laplace = background.plda, background.laplace
    F = len(plda.center)
    presses = np.zeros(F)
    of = timing_slices(F)['PPT']
    presses[of] = 1 / max(of.stop - of.start, 1)
    without_tempo = (np.eye(F) - np.outer(presses, laplace.tempo)) / laplace.unit
    matrix = np.hstack([plda.projection, without_tempo])
    start = np.full(F, LEVELS[0])
    offset = np.concatenate([(start - plda.center) @ plda.projection, start @ without_tempo])
    return matrix, offset
