"""What all graphs have in common: names of inputs and outputs, versions, how one is made.

Every graph has one input, ``features`` float32 [N, 8] or ``times`` float64 [N, 2K], and two
outputs: ``label`` int64 [N], the class index that the estimator's own ``predict`` gives, and
``scores`` float32 [N, C].
"""

from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from keystroke.models.table import Input

FEATURES_INPUT: Input = 'features'
TIMES_INPUT: Input = 'times'
LABEL, SCORES = 'label', 'scores'

OPSET = 17
ML_OPSET = 3
IR_VERSION = 8
"""What ONNX Runtime has read since 1.13; nothing newer is needed, and older runtimes are served."""

# Times are float64: they reach 2**53, and float32 would round ms away before they are subtracted.
_TYPES = {FEATURES_INPUT: TensorProto.FLOAT, TIMES_INPUT: TensorProto.DOUBLE}


def make_model(  # noqa: PLR0913, PLR0917 — what differs between graphs
    name: str,
    nodes: list[onnx.NodeProto],
    initializers: list[onnx.TensorProto],
    reads: Input,
    columns: int,
    classes: int,
) -> onnx.ModelProto:
    """Put a graph together.

    Parameters
    ----------
    name : str
        Of the graph.
    nodes : list of onnx.NodeProto
        From the input to ``label`` and ``scores``.
    initializers : list of onnx.TensorProto
    reads : {'features', 'times'}
        The input.
    columns : int
        Of the input.
    classes : int
        C.
    """
    graph = helper.make_graph(
        nodes,
        name,
        [helper.make_tensor_value_info(reads, _TYPES[reads], [None, columns])],
        [
            helper.make_tensor_value_info(LABEL, TensorProto.INT64, [None]),
            helper.make_tensor_value_info(SCORES, TensorProto.FLOAT, [None, classes]),
        ],
        initializers,
    )
    opsets = [helper.make_opsetid('', OPSET)]
    if reads == FEATURES_INPUT:
        opsets.append(helper.make_opsetid('ai.onnx.ml', ML_OPSET))
    return helper.make_model(
        graph, opset_imports=opsets, ir_version=IR_VERSION, producer_name='keystroke'
    )


def constants(kind: Any, values: dict[str, Any]) -> list[onnx.TensorProto]:
    """Make initializers of one number type."""
    return [
        numpy_helper.from_array(np.asarray(value, dtype=kind), name)
        for name, value in values.items()
    ]
