"""Write the fitted models as ONNX graphs that answer exactly as Python does."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import onnx
from numpy.typing import NDArray

from keystroke.graphs.boosting import export_boosted_trees
from keystroke.graphs.forest import export_forest
from keystroke.graphs.svm import export_support_vectors
from keystroke.graphs.typing import (
    export_enrollment,
    export_scores,
    export_shortlist,
    export_templates,
    template_rows,
)


@dataclass(frozen=True)
class Exported:
    """A model as ONNX.

    Attributes
    ----------
    graph : onnx.ModelProto
        From rows to labels and scores.
    templates : mapping of str to ndarray
        The graph's inputs beside the rows; none where users are constants of the graph.
    parts : mapping of str to onnx.ModelProto
        Further graphs, by the names that the manifest has for them.
    """

    graph: onnx.ModelProto
    templates: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    parts: Mapping[str, onnx.ModelProto] = field(default_factory=dict)


def _export_typing_model(model: Any) -> Exported:
    return Exported(
        export_scores(model),
        template_rows(model.background_.cohort),
        {
            'enroll': export_enrollment(model),
            'shortlist': export_shortlist(model),
            'templates': export_templates(model),
        },
    )


_EXPORTERS: dict[str, Callable[[Any], Exported]] = {
    'SVM': lambda model: Exported(export_support_vectors(model)),
    'RF': lambda model: Exported(export_forest(model)),
    'XGB': lambda model: Exported(export_boosted_trees(model)),
    'typing': _export_typing_model,
}


def export(name: str, estimator: Any) -> Exported:
    """Convert a fitted model.

    Parameters
    ----------
    name : str
        Of ``keystroke.models.table.MODELS``.
    estimator
        Fitted on class indices 0..C-1.

    Returns
    -------
    Exported
        Checked by ``onnx.checker``; the same estimator always gives the same bytes.
    """
    exported = _EXPORTERS[name](estimator)
    for graph in (exported.graph, *exported.parts.values()):
        onnx.checker.check_model(graph, full_check=True)
    return exported
