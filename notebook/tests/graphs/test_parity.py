import re
from dataclasses import replace

import numpy as np
import onnx
import pytest
from conftest import MODELS, Learned
from onnx import numpy_helper

from keystroke.graphs.export import Exported
from keystroke.graphs.parity import (
    ParityError,
    compare,
    open_session,
    perturb_features,
    predict,
)


def tampered(exported: Exported) -> Exported:
    copy = onnx.ModelProto()
    copy.CopyFrom(exported.graph)
    return replace(exported, graph=copy)


def attribute(model: onnx.ModelProto, name: str) -> onnx.AttributeProto:
    found: list[onnx.AttributeProto] = [
        a for node in model.graph.node for a in node.attribute if a.name == name
    ]
    return found[0]


@pytest.mark.parametrize('name', MODELS)
def test_an_untouched_graph_has_no_difference_to_report(named: Learned, name: str) -> None:
    result = compare(name, named.exported[name], named.estimators[name], named.inputs)
    assert result.rows >= len(named.X) + 20_000
    assert result.label_differences == 0
    if name == 'SVM':
        assert result.largest_score_difference is None
    else:
        assert result.largest_score_difference is not None
        assert 0 <= result.largest_score_difference <= (1e-3 if name == 'typing' else 1e-5)


@pytest.mark.parametrize('name', ['RF', 'XGB'])
def test_trees_with_the_weights_of_two_users_swapped_are_refused(named: Learned, name: str) -> None:
    model = tampered(named.exported[name])
    users = attribute(model.graph, 'class_ids')
    users.ints[:] = [{0: 1, 1: 0}.get(user, user) for user in users.ints]
    with pytest.raises(ParityError, match=r'^[0-9]+ of 20[0-9]{3} labels differ from '):
        compare(name, model, named.estimators[name], named.inputs)


def test_a_forest_whose_probabilities_are_off_by_little_is_refused(named: Learned) -> None:
    model = tampered(named.exported['RF'])
    weights = attribute(model.graph, 'class_weights')
    weights.floats[:] = [weight * (1 + 5e-5) for weight in weights.floats]
    # Every label is the same still.
    label, _ = predict(open_session(model.graph), named.X)
    assert np.array_equal(label, named.estimators['RF'].predict(named.X))
    with pytest.raises(ParityError, match=r'^a score differs from .* by [0-9.e-]+$'):
        compare('RF', model, named.estimators['RF'], named.inputs)


def test_support_vectors_with_other_coefficients_are_refused(named: Learned) -> None:
    model = tampered(named.exported['SVM'])
    (constant,) = (c for c in model.graph.graph.initializer if c.name == 'coefficients')
    turned = numpy_helper.to_array(constant)[:, :, ::-1].copy()
    constant.CopyFrom(numpy_helper.from_array(turned, 'coefficients'))
    with pytest.raises(ParityError, match=re.escape(f'differ from {named.estimators["SVM"]!r}')):
        compare('SVM', model, named.estimators['SVM'], named.inputs)


@pytest.mark.parametrize('at_least', [1, 28, 30, 20_000])
def test_perturbed_rows_are_at_least_as_many_as_asked_for(named: Learned, at_least: int) -> None:
    perturbed = perturb_features(named.X, at_least)
    assert at_least <= len(perturbed) < at_least + len(named.X)
    assert perturbed.shape[1] == 8
    assert perturbed.dtype == np.float32
    assert np.isfinite(perturbed).all()
    assert len(perturb_features(named.X)) >= 20_000


def test_perturbed_standard_deviations_are_not_negative_and_means_may_be(named: Learned) -> None:
    perturbed = perturb_features(named.X)
    assert (perturbed[:, 1::2] >= 0).all()
    # The mean release-press time of overlapping keys is one.
    assert (perturbed[:, 6] < 0).any()


def test_perturbed_rows_are_the_same_every_time_and_leave_the_given_ones_alone(
    named: Learned,
) -> None:
    before = named.X.copy()
    first = perturb_features(named.X)
    assert np.array_equal(first, perturb_features(named.X))
    assert np.array_equal(named.X, before)


def test_perturbed_rows_go_from_nearly_equal_to_as_far_as_typings_are_apart(
    named: Learned,
) -> None:
    perturbed = perturb_features(named.X)
    distance = np.abs(perturbed - np.tile(named.X, (len(perturbed) // len(named.X), 1)))
    by_copy = (distance / named.X.std(axis=0)).reshape(-1, len(named.X), 8).mean(axis=(1, 2))
    assert 0 < by_copy[0] < 0.01
    assert 0.3 < by_copy[-1] < 3
