"""The three classifiers of the challenge, with their libraries' default parameters."""

from collections.abc import Callable
from typing import Any

import numpy as np
import sklearn
import xgboost
from numpy.typing import NDArray
from sklearn.ensemble import RandomForestClassifier
from sklearn.svm import SVC
from xgboost import XGBClassifier

from keystroke.data import UserID

RANDOM_STATE = 0
"""Not the default, so that the same CSV gives the same models."""

THREADS = 1
"""Of XGBoost, whose sums, and so its models, differ with the number of processors otherwise."""

ESTIMATORS: dict[str, Callable[[], Any]] = {
    'SVM': lambda: SVC(random_state=RANDOM_STATE),
    'RF': lambda: RandomForestClassifier(random_state=RANDOM_STATE),
    'XGB': lambda: XGBClassifier(random_state=RANDOM_STATE, n_jobs=THREADS),
}
"""Model name, as POST /predict takes it, to an unfitted estimator."""


def encode_users(users: list[UserID]) -> tuple[list[UserID], NDArray[np.int64]]:
    """Give users numbers from 0 in sorted order, as XGBoost demands and scikit-learn does inside.

    Parameters
    ----------
    users : list of int or of str, length N

    Returns
    -------
    classes : list of int or of str, length C
        UserID of each class index; what maps a model's answer back.
    y : ndarray of int64, shape (N,)
        Class index of each typing.
    """
    classes = sorted(set(users))
    index = {user: i for i, user in enumerate(classes)}
    return classes, np.array([index[user] for user in users], dtype=np.int64)


def fit(name: str, X: NDArray[np.float32], y: NDArray[np.int64]) -> Any:
    """Fit one model.

    Parameters
    ----------
    name : {'SVM', 'RF', 'XGB'}
    X : ndarray of float32, shape (N, 8)
    y : ndarray of int64, shape (N,)
        Class indices, each of 0..C-1 at least once.

    Returns
    -------
    estimator
        SVC, RandomForestClassifier or XGBClassifier.
    """
    return ESTIMATORS[name]().fit(X, y)


def scores(estimator: Any, X: NDArray[np.float32]) -> NDArray[np.float64]:
    """Score every class; the higher, the likelier.

    Parameters
    ----------
    estimator : fitted SVC, RandomForestClassifier or XGBClassifier
    X : ndarray of float32, shape (N, 8)

    Returns
    -------
    ndarray of float64, shape (N, C)
        Probabilities of RF and XGB; SVC's one-versus-rest decision values, as it has none. SVC
        with two classes has a single one, for the second; the first gets its negative.
    """
    if isinstance(estimator, SVC):
        decision = np.asarray(estimator.decision_function(X), dtype=np.float64)
        return decision if decision.ndim > 1 else np.column_stack([-decision, decision])
    return np.asarray(estimator.predict_proba(X), dtype=np.float64)


def library(name: str) -> dict[str, str]:
    """Say which library and version a model was fitted with."""
    if name == 'XGB':
        return {'name': 'xgboost', 'version': xgboost.__version__}
    return {'name': 'scikit-learn', 'version': sklearn.__version__}


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
