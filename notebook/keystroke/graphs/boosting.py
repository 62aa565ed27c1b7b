"""XGBoost's trees as ONNX: onnxmltools' own conversion, with its trees added up into fewer ones."""

import numpy as np
import onnx
from onnx import helper
from onnxmltools import convert_xgboost
from onnxmltools.convert.common.data_types import FloatTensorType
from xgboost import XGBClassifier

from keystroke.features import FEATURES
from keystroke.graphs.graph import FEATURES_INPUT, LABEL, SCORES, make_classifier
from keystroke.graphs.merging import compact


def export_boosted_trees(classifier: XGBClassifier) -> onnx.ModelProto:
    """Convert XGBoost's trees with onnxmltools, and add those of more than two users up.

    Parameters
    ----------
    classifier : XGBClassifier
        Fitted; C = 2 or more classes.
    """
    # onnxmltools wants its own type here: skl2onnx's is refused as an unknown one.
    converted = convert_xgboost(
        classifier,
        'XGB',
        [(FEATURES_INPUT, FloatTensorType([None, len(FEATURES)]))],
        target_opset=15,
    )
    (trees,) = converted.graph.node
    C = len(classifier.classes_)
    if C > 2:
        trees.output[:] = [LABEL, SCORES]
        return make_classifier('XGB', [compact(trees)], [], C)
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
    return make_classifier('XGB', [trees, label], [], C)
