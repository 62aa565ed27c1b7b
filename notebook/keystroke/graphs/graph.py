"""What all graphs have in common: names of inputs and outputs, versions, how one is made.

Every model's graph reads ``features`` float32 [N, 8] or ``times`` float64 [N, 2K] and has two
outputs: ``label`` int64 [N], the class index that the estimator's own ``predict`` gives, and
``scores`` float32 [N, C].
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from keystroke.features import FEATURES
from keystroke.models.table import Input

FEATURES_INPUT: Input = 'features'
TIMES_INPUT: Input = 'times'
LABEL, SCORES = 'label', 'scores'

OPSET = 17
ML_OPSET = 3
IR_VERSION = 8
"""What ONNX Runtime has read since 1.13; nothing newer is needed, and older runtimes are served."""

Shape = Sequence[int | None]


def tensor(name: str, kind: int, shape: Shape) -> onnx.ValueInfoProto:
    """Describe an input or an output; None is any number of rows."""
    return helper.make_tensor_value_info(name, kind, shape)


def answers(classes: int | None) -> list[onnx.ValueInfoProto]:
    """Describe the outputs of a model's graph, for C classes or any number of them."""
    return [
        tensor(LABEL, TensorProto.INT64, [None]),
        tensor(SCORES, TensorProto.FLOAT, [None, classes]),
    ]


def make_model(
    name: str,
    nodes: list[onnx.NodeProto],
    initializers: list[onnx.TensorProto],
    inputs: list[onnx.ValueInfoProto],
    outputs: list[onnx.ValueInfoProto],
) -> onnx.ModelProto:
    """Put a graph together."""
    graph = helper.make_graph(nodes, name, inputs, outputs, initializers)
    opsets = [helper.make_opsetid('', OPSET)]
    if any(entry.name == FEATURES_INPUT for entry in inputs):
        opsets.append(helper.make_opsetid('ai.onnx.ml', ML_OPSET))
    return helper.make_model(
        graph, opset_imports=opsets, ir_version=IR_VERSION, producer_name='keystroke'
    )


def make_classifier(
    name: str, nodes: list[onnx.NodeProto], initializers: list[onnx.TensorProto], classes: int
) -> onnx.ModelProto:
    """Put the graph of a model together that reads the 8 features."""
    features = tensor(FEATURES_INPUT, TensorProto.FLOAT, [None, len(FEATURES)])
    return make_model(name, nodes, initializers, [features], answers(classes))


def constants(kind: Any, values: dict[str, Any]) -> list[onnx.TensorProto]:
    """Make initializers of one number type."""
    return [
        numpy_helper.from_array(np.asarray(value, dtype=kind), name)
        for name, value in values.items()
    ]
