"""What is made of scores: probabilities, evidence, and the thresholds fitted on users left out.

References
----------
Guo et al., On calibration of modern neural networks, ICML 2017 (temperature).
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import logsumexp, softmax

from keystroke.models.background import Background
from keystroke.models.timings import Floats, Ints

_Answers = tuple[Floats, Ints]

FitBackground = Callable[[Floats, Ints], Background]

ENROLLED = (1, 2, 3, 4, 5, 6, 7, 8, 10, 15, 20)
"""Typings a user is enrolled with for which decisions are fitted; the score of more is read as that
of the next fewer."""

MOST_ASKED = 3
"""Typings of one person for whose mean score a decision of its own is fitted."""

STRANGER_FOLDS = 5
"""Parts of the users that are left out of the background in turn."""

MIN_FOR_FOLDS = 3
"""Users; a background of fewer says nothing of people in general."""

MOST_FOLDS = 8
"""Choices of the typings that users are enrolled with, for each number of them."""

MOST_HELD_OUT = 2000
"""Typings held out, each scored against all users, that are enough for a quantile of 1 in 100."""

MOST_SCORES = 4_000_000
"""Scores of held-out typings for each number of them enrolled, 32 MB."""

LEAST_TEMPERATURE = 0.5
"""Of one typing; recorded people give .9 to 1.1. A few, all named right, would have it 0."""

UNCALIBRATED_TEMPERATURE = 1.0
"""Where nobody typed twice, so that nothing can be held out; about what recorded people give."""


@dataclass(frozen=True)
class Threshold:
    """Where a decision is made about a user who is enrolled with so many typings.

    Attributes
    ----------
    enrolled : int
        Typings of the user's template, at least.
    match : float
        A claim to be the user is confirmed where the evidence is above it.
    known : float
        Of the best scored user: the typist looks unknown where the scaled score is not above it.
    """

    enrolled: int
    match: float
    known: float


@dataclass(frozen=True)
class Decision:
    """How the mean score of so many typings of one person is read.

    Attributes
    ----------
    asked : int
        Typings whose mean score it is; the most there is serves more typings as well.
    temperature : float
        Divides mean scores. How many typings users are enrolled with does not matter to it: that
        a template of few is less certain is in the score already.
    thresholds : list of Threshold
        By typings enrolled; the first of 1.
    """

    asked: int
    temperature: float
    thresholds: list[Threshold]

    def threshold(self, enrolled: int) -> Threshold:
        """Return the thresholds for a user enrolled with so many typings, at least 1."""
        return [entry for entry in self.thresholds if entry.enrolled <= enrolled][-1]


def probabilities(scaled: Floats) -> Floats:
    """Turn scaled scores, shape (N, C), into probabilities if one of the C users typed.

    Examples
    --------
    >>> probabilities(np.array([[1.0, 0.0]])).round(3)
    array([[0.731, 0.269]])
    """
    result: Floats = softmax(scaled, axis=1)
    return result


def evidence(scaled: Floats) -> Floats:
    r"""Weigh each user against everybody else: another user, or as likely a stranger.

    .. math:: e_u = s_u - \log\left(\frac{1}{2 (C-1)} \sum_{v \ne u} \exp s_v
        + \frac{1}{2}\right)

    A natural-logarithm likelihood ratio: 0 says nothing, 4.6 favors the user 100 to 1. A
    stranger scores 0 by the construction of both parts of the score. Without the sum, one who is
    like two users would pass for both.

    Parameters
    ----------
    scaled : ndarray, shape (N, C)
        Scores over their users' temperatures; C at least 2.

    Returns
    -------
    ndarray, shape (N, C)

    Examples
    --------
    >>> evidence(np.array([[1.0, 0.0]])).round(3)
    array([[ 1.  , -0.62]])
    """
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
    mean = others - np.log(scaled.shape[1] - 1)
    result: Floats = scaled - np.logaddexp(mean + np.log(0.5), np.log(0.5))
    return result


def fit_decisions(
    timings: Floats,
    y: Ints,
    fit_background: FitBackground,
    false_acceptance_rate: float,
    known_rejection_rate: float,
) -> list[Decision]:
    """Fit how scores are read, as they are of people whom the background has never seen.

    A part of the users is left out of the background in turn. Then everybody is enrolled with n of
    their typings, and those left out are asked about with the others.

    Parameters
    ----------
    timings : ndarray, shape (N, F)
        Log timings; each user's in the order in which they were made.
    y : ndarray of int64, shape (N,)
        Class indices, each of 0..C-1 at least once.
    fit_background : callable
        From log timings and class indices to a background.
    false_acceptance_rate : float
        Share of strangers' typings that may pass for a given user.
    known_rejection_rate : float
        Share of enrolled users' typings that may be taken for a stranger's.

    Returns
    -------
    list of Decision
        Of one typing asked, two and so on, as far as most users have typings to hold out.
    """
    counts = np.bincount(y)

    def is_of_most(enrolled: int, asked: int) -> bool:
        """Say whether most users have so many; one decision there always is."""
        return (enrolled, asked) == (1, 1) or bool((counts >= enrolled + asked).mean() >= 0.5)

    parts = _parts(timings, y, fit_background)
    found = {n: _ask(parts, n, len(counts)) for n in ENROLLED if is_of_most(n, 1)}
    decisions = []
    for asked in range(1, MOST_ASKED + 1):
        own = {n: answers[asked - 1] for n, answers in found.items() if is_of_most(n, asked)}
        if not own:
            break
        temperature = _fit_temperature(list(own.values()), asked)
        thresholds = [
            _fit_threshold(
                enrolled, scores / temperature, users, false_acceptance_rate, known_rejection_rate
            )
            for enrolled, (scores, users) in own.items()
        ]
        decisions.append(Decision(asked, temperature, thresholds))
    return decisions


def _ask(parts: list['_Part'], enrolled: int, C: int) -> list[_Answers]:
    """Put together what all parts' users score with one typing at a time, two and so on."""
    found = [answers for part in parts for answers in part.ask(enrolled)]
    return [
        (
            np.concatenate([np.empty((0, C)), *(answers[size][0] for answers in found)]),
            np.concatenate([np.empty(0, np.int64), *(answers[size][1] for answers in found)]),
        )
        for size in range(MOST_ASKED)
    ]


def _fit_threshold(
    enrolled: int,
    scaled: Floats,
    users: Ints,
    false_acceptance_rate: float,
    known_rejection_rate: float,
) -> Threshold:
    """Fit thresholds to scaled scores, shape (M, C), of users left out, shape (M,)."""
    if not len(users):
        # Where the evidence says nothing either way.
        return Threshold(enrolled, 0.0, 0.0)
    C = scaled.shape[1]
    others = np.arange(C) != users[:, None]
    # A stranger is not enrolled. Of two users each is the other's stranger all the same.
    strangers = evidence(scaled[others].reshape(-1, C - 1)) if C > 2 else evidence(scaled)[others]
    return Threshold(
        enrolled,
        match=float(np.quantile(strangers, 1 - false_acceptance_rate, method='higher')),
        known=float(np.quantile(scaled.max(axis=1), known_rejection_rate, method='lower')),
    )


@dataclass(frozen=True)
class _Part:
    """Users left out of a background, beside those it was fitted on."""

    background: Background
    left_out: Ints
    timings: Floats
    y: Ints

    def ask(self, enrolled: int) -> Iterator[list[_Answers]]:
        """Enroll everybody with some typings, and ask about the others of those left out.

        Which typings a user is enrolled with changes in turn, until each was asked about.

        Yields
        ------
        list of (scores, users)
            Asked with one typing at a time, two and so on: the mean scores of M blocks of
            successive typings, shape (M, C), and whose they are, shape (M,).
        """
        position, count = positions(self.y), np.bincount(self.y)[self.y]
        held_out = np.maximum(count - enrolled, 0)
        most = min(MOST_HELD_OUT, MOST_SCORES // (int(self.y.max()) + 1)) // STRANGER_FOLDS
        folds = min(int(np.ceil(count / np.maximum(held_out, 1)).max()), MOST_FOLDS)
        for fold in range(folds):
            first = fold * held_out
            asked = np.flatnonzero(
                np.isin(self.y, self.left_out) & (position >= first) & (position < first + held_out)
            )
            if not len(asked):
                return
            if len(asked) > most // folds:
                # Whole blocks are kept, as long as most users have so many held out.
                size = min(int(np.median(held_out[asked])), MOST_ASKED)
                rows = asked[blocks(self.y[asked], size)]
                asked = _thin(rows, max(most // folds // size, 1)).ravel()
            # A user is enrolled with the typings that follow; after the last comes the first.
            own = np.flatnonzero((position - first - held_out) % count < enrolled)
            templates = self.background.enroll_users(self.timings[own], self.y[own])
            scores = self.background.scores(self.timings[asked], templates)
            yield [self._together(asked, scores, size) for size in range(1, MOST_ASKED + 1)]

    def _together(self, asked: Ints, scores: Floats, size: int) -> _Answers:
        rows = blocks(self.y[asked], size)
        return scores[rows].mean(axis=1), self.y[asked[rows[:, 0]]]


def _parts(timings: Floats, y: Ints, fit_background: FitBackground) -> list[_Part]:
    """Leave each part of the users out of a background in turn."""
    C = int(y.max()) + 1
    if C < MIN_FOR_FOLDS:
        return [_Part(fit_background(timings, y), np.arange(C), timings, y)]
    parts = []
    for part in range(min(STRANGER_FOLDS, C)):
        left_out = np.arange(C) % min(STRANGER_FOLDS, C) == part
        known = np.flatnonzero(~left_out[y])
        _, encoded = np.unique(y[known], return_inverse=True)
        background = fit_background(timings[known], encoded)
        parts.append(_Part(background, np.flatnonzero(left_out), timings, y))
    return parts


def positions(y: Ints) -> Ints:
    """Return the position of each typing among its user's, from 0, shape (N,).

    Examples
    --------
    >>> positions(np.array([0, 1, 0, 0, 1]))
    array([0, 0, 1, 2, 1])
    """
    by_user = np.argsort(y, kind='stable')
    counts = np.bincount(y)
    position = np.empty(len(y), dtype=np.int64)
    position[by_user] = np.arange(len(y)) - np.repeat(np.cumsum(counts) - counts, counts)
    return position


def blocks(y: Ints, size: int) -> Ints:
    """Cut each user's typings into whole blocks of successive ones; the rest is left out.

    Parameters
    ----------
    y : ndarray of int64, shape (N,)
        Class indices, each user's typings in order.
    size : int

    Returns
    -------
    ndarray of int64, shape (M, size)
        Row numbers of each block, user by user.

    Examples
    --------
    >>> blocks(np.array([0, 1, 0, 0, 1]), 2)
    array([[0, 2],
           [1, 4]])
    """
    by_user = np.argsort(y, kind='stable')
    position = positions(y)[by_user]
    left = np.bincount(y)[y[by_user]] - position
    first = np.flatnonzero((position % size == 0) & (left >= size))
    rows: Ints = by_user[first[:, None] + np.arange(size)]
    return rows


def _thin(rows: Ints, most: int) -> Ints:
    """Keep so many at most, evenly spread."""
    if len(rows) <= most:
        return rows
    return rows[np.linspace(0, len(rows) - 1, most).round().astype(np.int64)]


def _fit_temperature(found: list[_Answers], asked: int) -> float:
    """Find the temperature at which the true users of held-out typings are least surprising."""
    if not any(len(users) for _, users in found):
        return UNCALIBRATED_TEMPERATURE

    def surprise(log_temperature: float) -> float:
        return sum(_log_loss(scores / np.exp(log_temperature), users) for scores, users in found)

    bounds = (np.log(LEAST_TEMPERATURE / asked), np.log(100.0))
    return float(np.exp(minimize_scalar(surprise, bounds=bounds, method='bounded').x))


def _log_loss(scaled: Floats, users: Ints) -> float:
    """Return the sum of minus the logarithms of true users' probabilities."""
    return float((logsumexp(scaled, axis=1) - scaled[np.arange(len(users)), users]).sum())
