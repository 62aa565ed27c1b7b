"""The one table of models: what each reads, how it is fitted and how it scores.

Exporting, parity, the manifest and the evaluation go over this table. A new model is an entry
here and an exporter in ``keystroke.graphs.export``.
"""

from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Literal

import numpy as np
import sklearn
import xgboost
from numpy.typing import NDArray

from keystroke.features import as_model_input, compute_features
from keystroke.models import classifiers
from keystroke.models.timings import Floats, Ints, as_times
from keystroke.models.typing_model import TypingModel

Input = Literal['features', 'times']
Inputs = dict[Input, NDArray[Any]]


@dataclass(frozen=True)
class Model:
    """What the models differ in.

    Attributes
    ----------
    input : {'features', 'times'}
        What it reads: the 8 features, float32 (N, 8), or all press and release times, float64
        (N, 2K).
    unfitted : callable
        Makes the estimator.
    scores : callable
        From the fitted estimator and its input, to a score of each class, float64 (N, C).
    max_score_difference : float or None
        Most that a score of the ONNX graph may differ from Python's; None where scores are not
        compared.
    library : module
        What it is fitted with.
    """

    input: Input
    unfitted: Callable[[], Any]
    scores: Callable[[Any, NDArray[Any]], Floats]
    max_score_difference: float | None
    library: ModuleType = sklearn


MODELS: dict[str, Model] = {
    # Scores are votes, which a decision value near zero tips; labels are compared.
    'SVM': Model('features', classifiers.svm, classifiers.one_versus_rest, None),
    'RF': Model('features', classifiers.forest, classifiers.probabilities, 1e-5),
    'XGB': Model('features', classifiers.boosting, classifiers.probabilities, 1e-5, xgboost),
    # A log-likelihood ratio off by this makes a probability of .5 off by .0001.
    'typing': Model('times', TypingModel, TypingModel.score_users, 1e-3),
}
"""By the name that the manifest and the API use."""

CLASSIFIERS = tuple(name for name, model in MODELS.items() if model.input == 'features')
"""The challenge's three."""


def model_inputs(press: Ints, release: Ints) -> Inputs:
    """Make what models read of typings.

    Parameters
    ----------
    press, release : ndarray of int64, shape (N, K)
        Times in ms.

    Returns
    -------
    dict
        features: float32, shape (N, 8); times: float64, shape (N, 2K).
    """
    return {
        'features': as_model_input(compute_features(press, release)),
        'times': as_times(press, release),
    }


def fit(name: str, inputs: Inputs, y: Ints) -> Any:
    """Fit one model.

    Parameters
    ----------
    name : str
        Of ``MODELS``.
    inputs : dict
        From ``model_inputs``, N typings.
    y : ndarray of int64, shape (N,)
        Class indices, each of 0..C-1 at least once.

    Returns
    -------
    estimator
        Fitted; its ``predict`` answers class indices.
    """
    model = MODELS[name]
    return model.unfitted().fit(inputs[model.input], y)


def library(name: str) -> dict[str, str]:
    """Return name and version of the library a model is fitted with."""
    module = MODELS[name].library
    return {
        'name': 'scikit-learn' if module is sklearn else module.__name__,
        'version': module.__version__,
    }


def parameters(estimator: Any) -> dict[str, bool | float | str | None]:
    """Return an estimator's parameters in a form that JSON can hold."""
    return {
        key: value if isinstance(value, bool | int | str) else _finite(value)
        for key, value in sorted(estimator.get_params(deep=False).items())
    }


def _finite(value: Any) -> float | str | None:
    if isinstance(value, float):
        # XGBoost marks missing values with NaN, for which JSON has no number.
        return value if np.isfinite(value) else str(value)
    return None if value is None else str(value)
