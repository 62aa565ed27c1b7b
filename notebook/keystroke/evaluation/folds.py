"""Which typings a recognizer is fitted on, and which it is asked about."""

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import RepeatedStratifiedKFold

from keystroke.csv_format import UserID
from keystroke.models.classifiers import RANDOM_STATE
from keystroke.models.timings import Ints

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


def first_and_last(y: Ints) -> Fold:
    """Train on the first three quarters of each user's typings, test on the last quarter.

    The last is one typing at least. Time runs forward: nobody has tomorrow's typings today.

    Parameters
    ----------
    y : ndarray of int64, shape (N,)
        In the order in which users typed; at least two typings each.

    Returns
    -------
    train, test : ndarray of int64
        Row numbers.
    """
    last = np.zeros(len(y), dtype=bool)
    for user in np.unique(y):
        rows = np.flatnonzero(y == user)
        last[rows[-max(len(rows) // 4, 1) :]] = True
    return np.flatnonzero(~last), np.flatnonzero(last)
