"""Write the fitted models as ONNX graphs that answer exactly as Python does."""

from collections.abc import Callable
from typing import Any

import onnx

from keystroke.graphs.boosting import export_boosted_trees
from keystroke.graphs.forest import export_forest
from keystroke.graphs.svm import export_support_vectors
from keystroke.graphs.typing import export_typing_model

_EXPORTERS: dict[str, Callable[[Any], onnx.ModelProto]] = {
    'SVM': export_support_vectors,
    'RF': export_forest,
    'XGB': export_boosted_trees,
    'typing': export_typing_model,
}


def export(name: str, estimator: Any) -> onnx.ModelProto:
    """Convert a fitted model.

    Parameters
    ----------
    name : str
        Of ``keystroke.models.table.MODELS``.
    estimator
        Fitted on class indices 0..C-1.

    Returns
    -------
    onnx.ModelProto
        Checked by ``onnx.checker``; the same estimator always gives the same bytes.
    """
    model = _EXPORTERS[name](estimator)
    onnx.checker.check_model(model, full_check=True)
    return model
