"""The three classifiers of the challenge, with their libraries' default parameters."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import RandomForestClassifier
from sklearn.svm import SVC
from xgboost import XGBClassifier

from keystroke.models.timings import Floats

RANDOM_STATE = 0
"""Not the default, so that the same CSV gives the same models."""

THREADS = 1
"""Of XGBoost, whose sums, and so its models, differ with the number of processors otherwise."""


def svm() -> SVC:
    """Make the support vector machine."""
    return SVC(random_state=RANDOM_STATE)


def forest() -> RandomForestClassifier:
    """Make the random forest."""
    return RandomForestClassifier(random_state=RANDOM_STATE)


def boosting() -> XGBClassifier:
    """Make the gradient-boosted trees."""
    return XGBClassifier(random_state=RANDOM_STATE, n_jobs=THREADS)


def probabilities(estimator: Any, X: NDArray[np.float32]) -> Floats:
    """Return the probability of each class, float64, shape (N, C).

    Parameters
    ----------
    estimator : fitted RandomForestClassifier or XGBClassifier
    X : ndarray of float32, shape (N, 8)
    """
    return np.asarray(estimator.predict_proba(X), dtype=np.float64)


def one_versus_rest(svc: SVC, X: NDArray[np.float32]) -> Floats:
    """Return an SVC's one-versus-rest decision value of each class, as it has no probabilities.

    Of two classes it has a single one, for the second; the first gets its negative.

    Parameters
    ----------
    svc : SVC
        Fitted.
    X : ndarray of float32, shape (N, 8)

    Returns
    -------
    ndarray of float64, shape (N, C)
    """
    decision = np.asarray(svc.decision_function(X), dtype=np.float64)
    return decision if decision.ndim > 1 else np.column_stack([-decision, decision])
