"""How well a model names people it has to tell apart on typings it was not fitted on."""

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import RepeatedStratifiedKFold

from keystroke.data import UserID
from keystroke.models import RANDOM_STATE, fit, scores

Fold = tuple[NDArray[np.int64], NDArray[np.int64]]

MAX_REPETITIONS = 10
"""Folds of leave-one-repetition-out at most; a user's later typings share theirs."""


def repetition_folds(users: list[UserID]) -> list[Fold]:
    """Leave one repetition out: test on every user's r-th typing, train on the others.

    Parameters
    ----------
    users : list of int or of str, length N
        In the order in which they typed; at least two typings each.

    Returns
    -------
    list of (train, test)
        Row numbers; every row is in one test part.
    """
    seen: dict[UserID, int] = {}
    repetition = np.empty(len(users), dtype=np.int64)
    for row, user in enumerate(users):
        seen[user] = seen.get(user, -1) + 1
        repetition[row] = seen[user] % MAX_REPETITIONS
    return [
        (np.flatnonzero(repetition != r), np.flatnonzero(repetition == r))
        for r in range(int(repetition.max()) + 1)
    ]


def stratified_folds(y: NDArray[np.int64], repeats: int = 2) -> list[Fold]:
    """Split typings at random, every user's alike, several times over.

    Four parts a time, or as many as the user with fewest typings has.

    Parameters
    ----------
    y : ndarray of int64, shape (N,)
    repeats : int

    Returns
    -------
    list of (train, test)
    """
    parts = min(4, int(np.bincount(y).min()))
    splitter = RepeatedStratifiedKFold(n_splits=parts, n_repeats=repeats, random_state=RANDOM_STATE)
    return list(splitter.split(np.zeros(len(y)), y))


def held_out_ranks(
    name: str, X: NDArray[np.float32], y: NDArray[np.int64], folds: list[Fold]
) -> list[NDArray[np.int64]]:
    """Fit on each fold's training part and rank the true user of each typing of its test part.

    Parameters
    ----------
    name : {'SVM', 'RF', 'XGB'}
    X : ndarray of float32, shape (N, 8)
    y : ndarray of int64, shape (N,)
    folds : list of (train, test)

    Returns
    -------
    list of ndarray of int64
        A fold's ranks from 1; 1 where ``predict`` names the user.
    """
    return [rank(fit(name, X[train], y[train]), X[test], y[test]) for train, test in folds]


def rank(estimator: object, X: NDArray[np.float32], y: NDArray[np.int64]) -> NDArray[np.int64]:
    """Rank the true users of typings among all users.

    Parameters
    ----------
    estimator : fitted SVC, RandomForestClassifier or XGBClassifier
    X : ndarray of float32, shape (N, 8)
    y : ndarray of int64, shape (N,)

    Returns
    -------
    ndarray of int64, shape (N,)
        1 where ``predict`` names the user; else one more than the users with a better score, or
        an equal one, so that a model which scores all users alike gains nothing by it.
    """
    all_scores = scores(estimator, X)
    own = all_scores[np.arange(len(y)), y][:, None]
    by_score = (all_scores >= own).sum(axis=1)
    named = estimator.predict(X) == y  # type: ignore[attr-defined]
    return np.where(named, 1, np.maximum(by_score, 2))


def summarize_ranks(folds: list[NDArray[np.int64]]) -> dict[str, float | int]:
    """Condense ranks to the field's rates.

    Parameters
    ----------
    folds : list of ndarray of int64
        From ``held_out_ranks``.

    Returns
    -------
    dict
        rank1, rank5: share of all tested typings whose user is named first, among the first five;
        rank1STD: sample standard deviation of rank1 over the folds; folds: their number.

    Examples
    --------
    >>> summarize_ranks([np.array([1, 6]), np.array([1, 5])])
    {'rank1': 0.5, 'rank5': 0.75, 'rank1STD': 0.0, 'folds': 2}
    """
    ranks = np.concatenate(folds)
    return {
        'rank1': float((ranks == 1).mean()),
        'rank5': float((ranks <= 5).mean()),
        'rank1STD': float(np.std([(fold == 1).mean() for fold in folds], ddof=1)),
        'folds': len(folds),
    }
