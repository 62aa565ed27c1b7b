"""What is made of scores: probabilities, evidence, and the thresholds fitted on held-out typings.

References
----------
Guo et al., On calibration of modern neural networks, ICML 2017 (temperature).
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import logsumexp, softmax

from keystroke.models.scorer import Scorer
from keystroke.models.timings import Floats, Ints

FitScorer = Callable[[Floats, Ints], Scorer]

MOST_COMBINED = 3
"""Typings of one person for whose mean score a decision of its own is fitted."""

MOST_FOLDS = 8
"""Fits for each number of typings while the decisions are fitted."""

STRANGER_FOLDS = 5
"""Parts of the users that are left out in turn, to be scored as strangers."""

MOST_HELD_OUT = 2000
"""Held-out scores, each against all users, that are enough for a quantile of 1 in 100."""

UNCALIBRATED_TEMPERATURE = 2.0
"""Where nobody typed twice, so that nothing can be held out; about what recorded people give."""


@dataclass(frozen=True)
class Decision:
    """How the mean score of so many typings of one person is read.

    Attributes
    ----------
    typings : int
        n; of more than the largest n there is, the largest one's decision is used.
    temperature : float
        Divides mean scores in ``probabilities`` and ``evidence``.
    threshold : float
        A claimed user is confirmed where the evidence is above it.
    unknown_threshold : float
        The typist looks unknown where even the best user's mean score is not above it.
    """

    typings: int
    temperature: float
    threshold: float
    unknown_threshold: float


def probabilities(scores: Floats, temperature: float) -> Floats:
    """Turn scores, shape (N, C), into probabilities if one of the C users typed.

    Examples
    --------
    >>> probabilities(np.array([[2.0, 0.0]]), 2.0).round(3)
    array([[0.731, 0.269]])
    """
    result: Floats = softmax(scores / temperature, axis=1)
    return result


def evidence(scores: Floats, temperature: float) -> Floats:
    r"""Weigh each user against everybody else: another enrolled user, or as likely a stranger.

    .. math:: e_u = s_u / T - \log\left(\frac{1}{2 (C-1)} \sum_{v \ne u} \exp(s_v / T)
        + \frac{1}{2}\right)

    A natural-logarithm likelihood ratio: 0 says nothing, 4.6 favors the user 100 to 1. A
    stranger scores 0 by the construction of both parts of the score. Without the sum, one who is
    like two enrolled users would pass for both.

    Parameters
    ----------
    scores : ndarray, shape (N, C)
    temperature : float

    Returns
    -------
    ndarray, shape (N, C)

    Examples
    --------
    >>> evidence(np.array([[2.0, 0.0]]), 2.0).round(3)
    array([[ 1.  , -0.62]])
    """
    scaled = scores / temperature
    best = scaled.argmax(axis=1)
    rows = np.arange(len(scaled))
    without_best = scaled.copy()
    without_best[rows, best] = -np.inf
    top = scaled[rows, best][:, None]
    # The sum of all less one's own is exact enough but for the best, whose own may be all of it.
    share = np.exp(scaled - top)
    with np.errstate(divide='ignore'):
        others = top + np.log(np.maximum(share.sum(axis=1, keepdims=True) - share, 0))
    others[rows, best] = logsumexp(without_best, axis=1)
    mean = others - np.log(scores.shape[1] - 1)
    result: Floats = scaled - np.logaddexp(mean + np.log(0.5), np.log(0.5))
    return result


def fit_decisions(
    timings: Floats,
    y: Ints,
    fit_scorer: FitScorer,
    false_acceptance_rate: float,
    known_rejection_rate: float,
) -> list[Decision]:
    """Fit how scores are read, on typings held out and on users left out.

    Parameters
    ----------
    timings : ndarray, shape (N, F)
        Log timings; each user's in the order in which they were made.
    y : ndarray of int64, shape (N,)
        Class indices, each of 0..C-1 at least once.
    fit_scorer : callable
        From log timings and class indices to a scorer.
    false_acceptance_rate : float
        Share of strangers' typings that may pass for a given user.
    known_rejection_rate : float
        Share of enrolled users' typings that may be taken for a stranger's.

    Returns
    -------
    list of Decision
        Of one typing, two and so on, as far as most users have typings to hold out.
    """
    C = int(y.max()) + 1
    decisions: list[Decision] = []
    for typings in range(1, MOST_COMBINED + 1):
        held_out = list(_held_out(timings, y, fit_scorer, typings))
        users = np.concatenate([np.zeros(0, np.int64), *(user for _, user in held_out)])
        # A decision for several typings has to be one for most users.
        if typings > 1 and len(np.unique(users)) < C / 2:
            break
        if held_out:
            scores = np.concatenate([score for score, _ in held_out])
            temperature = _fit_temperature(scores, users, typings)
            known = scores.max(axis=1)
        else:
            scores = np.zeros((0, C))
            temperature, known = UNCALIBRATED_TEMPERATURE, np.zeros(1)
        strangers = [
            evidence(score, temperature).ravel()
            for score in _strangers(timings, y, fit_scorer, typings)
        ]
        if not strangers and len(scores):
            # Of two users none can be left out: each is the other's stranger.
            others = np.arange(C) != users[:, None]
            strangers = [evidence(scores, temperature)[others]]
        decisions.append(
            Decision(
                typings=typings,
                temperature=temperature,
                threshold=_quantile(strangers, 1 - false_acceptance_rate, 'higher'),
                unknown_threshold=_quantile([known], known_rejection_rate, 'lower'),
            )
        )
    return decisions


def _held_out(
    timings: Floats, y: Ints, fit_scorer: FitScorer, typings: int
) -> Iterator[tuple[Floats, Ints]]:
    """Score users' typings that the scorer was not fitted on, so many at a time.

    Yields
    ------
    scores : ndarray, shape (M, C)
        Mean of a block of successive typings of one user.
    users : ndarray of int64, shape (M,)
    """
    rows, position = blocks(y, typings)
    # One typing at least stays to enroll the user with.
    kept = np.bincount(y)[y[rows[:, 0]]] > typings
    rows, folds = rows[kept], position[kept] % MOST_FOLDS
    for fold in np.unique(folds):
        tested = rows[folds == fold]
        train = np.ones(len(y), dtype=bool)
        train[tested.ravel()] = False
        scorer = fit_scorer(timings[train], y[train])
        tested = _thin(tested, MOST_HELD_OUT // MOST_FOLDS)
        yield _block_scores(scorer, timings, tested), y[tested[:, 0]]


def _strangers(timings: Floats, y: Ints, fit_scorer: FitScorer, typings: int) -> Iterator[Floats]:
    """Score typings of users who are left out, against those who are not.

    Yields
    ------
    ndarray, shape (M, users not left out)
    """
    C = int(y.max()) + 1
    parts = min(STRANGER_FOLDS, C)
    rows, _ = blocks(y, typings)
    for part in range(parts if C > 2 else 0):
        out = np.arange(C) % parts == part
        tested = rows[out[y[rows[:, 0]]]]
        if not len(tested):
            continue
        enrolled = np.flatnonzero(~out[y])
        _, encoded = np.unique(y[enrolled], return_inverse=True)
        scorer = fit_scorer(timings[enrolled], encoded)
        yield _block_scores(scorer, timings, _thin(tested, MOST_HELD_OUT // STRANGER_FOLDS))


def blocks(y: Ints, size: int) -> tuple[Ints, Ints]:
    """Cut each user's typings into whole blocks of successive ones; the rest is left out.

    Parameters
    ----------
    y : ndarray of int64, shape (N,)
        Class indices, each user's typings in order.
    size : int

    Returns
    -------
    rows : ndarray of int64, shape (M, size)
        Row numbers of each block, user by user.
    position : ndarray of int64, shape (M,)
        Which of its user's blocks it is, from 0.

    Examples
    --------
    >>> blocks(np.array([0, 1, 0, 0, 1]), 2)[0]
    array([[0, 2],
           [1, 4]])
    """
    by_user = np.argsort(y, kind='stable')
    counts = np.bincount(y)
    # Position of each typing among its user's, and how many follow until the user's last.
    position = np.arange(len(y)) - (np.cumsum(counts) - counts)[y[by_user]]
    left = counts[y[by_user]] - position
    first = np.flatnonzero((position % size == 0) & (left >= size))
    return by_user[first[:, None] + np.arange(size)], position[first] // size


def _thin(rows: Ints, most: int) -> Ints:
    """Keep so many at most, evenly spread."""
    if len(rows) <= most:
        return rows
    return rows[np.linspace(0, len(rows) - 1, most).round().astype(np.int64)]


def _block_scores(scorer: Scorer, timings: Floats, rows: Ints) -> Floats:
    scores = scorer.scores(timings[rows.ravel()])
    means: Floats = scores.reshape(*rows.shape, -1).mean(axis=1)
    return means


def _fit_temperature(scores: Floats, users: Ints, typings: int) -> float:
    """Find the temperature at which the true users of held-out typings are least surprising."""

    def surprise(log_temperature: float) -> float:
        scaled = scores / np.exp(log_temperature)
        own = scaled[np.arange(len(users)), users]
        return float((logsumexp(scaled, axis=1) - own).mean())

    # A mean of n independent log-likelihood ratios is 1/n of their sum: nothing is surer than
    # that, though a few typings, all named right, would have it so.
    bounds = (np.log(1 / typings), np.log(100.0))
    return float(np.exp(minimize_scalar(surprise, bounds=bounds, method='bounded').x))


def _quantile(parts: list[Floats], share: float, method: Any) -> float:
    # Without anything held out: where the evidence says nothing either way.
    return float(np.quantile(np.concatenate(parts), share, method=method)) if parts else 0.0
