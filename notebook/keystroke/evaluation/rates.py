"""The field's rates of identification, verification and calibration, with their intervals.

A trial is one typing against one claimed user: genuine where it is that user's, impostor where it
is not. It is accepted where its score is at least the threshold. FAR is the share of impostor
trials accepted, FRR that of genuine ones refused (ISO/IEC 19795-1).
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from keystroke.models.classifiers import RANDOM_STATE
from keystroke.models.timings import Floats, Ints

MOST_IMPOSTOR_TRIALS = 200_000
"""Drawn for an interval: more make it slower and hardly narrower."""


@dataclass(frozen=True)
class Trials:
    """Scored claims, from the best score to the worst.

    Parameters
    ----------
    scores : ndarray, shape (M,)
        In any order; they are sorted here.
    typist, claimed : ndarray of int64, shape (M,)
        Who typed and who is claimed to have. A typist who is not enrolled is -1.
    """

    scores: Floats
    typist: Ints
    claimed: Ints
    _ends: Ints = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Sort."""
        order = np.argsort(-self.scores, kind='stable')
        for name in ('scores', 'typist', 'claimed'):
            object.__setattr__(self, name, getattr(self, name)[order])
        # Equal scores are accepted together.
        ends = np.flatnonzero(np.diff(self.scores, append=-np.inf))
        object.__setattr__(self, '_ends', ends)

    @property
    def genuine(self) -> NDArray[np.bool_]:
        """Whether each trial is genuine, shape (M,)."""
        genuine: NDArray[np.bool_] = self.typist == self.claimed
        return genuine

    def curve(self, weights: Floats | None = None) -> tuple[Floats, Floats]:
        """Return FAR and FRR as the threshold falls from above the best score to the worst.

        Parameters
        ----------
        weights : ndarray, shape (M,), optional
            How often each trial counts; once if left out.

        Returns
        -------
        far, frr : ndarray, shape (distinct scores + 1,)
        """
        weights = np.ones(len(self.scores)) if weights is None else weights
        genuine = np.where(self.genuine, weights, 0.0).cumsum()
        impostor = np.where(self.genuine, 0.0, weights).cumsum()
        far = np.concatenate([[0.0], impostor[self._ends] / impostor[-1]])
        frr = np.concatenate([[1.0], 1 - genuine[self._ends] / genuine[-1]])
        return far, frr

    def thin(self, most: int = MOST_IMPOSTOR_TRIALS) -> 'Trials':
        """Keep all genuine trials and so many impostor ones at most, drawn at random."""
        impostor = np.flatnonzero(~self.genuine)
        if len(impostor) <= most:
            return self
        drawn = np.random.default_rng(RANDOM_STATE).choice(impostor, most, replace=False)
        kept = np.concatenate([np.flatnonzero(self.genuine), drawn])
        return Trials(self.scores[kept], self.typist[kept], self.claimed[kept])


def trials(scores: Floats, y: Ints) -> Trials:
    """Make every typing claim to be every user.

    Parameters
    ----------
    scores : ndarray, shape (N, C)
    y : ndarray of int64, shape (N,)
        Class index of each typing.
    """
    N, C = scores.shape
    return Trials(scores.ravel(), np.repeat(y, C), np.tile(np.arange(C), N))


def equal_error_rate(far: Floats, frr: Floats) -> float:
    """Return the rate at which FAR and FRR are equal, on the line between the nearest points.

    Examples
    --------
    >>> equal_error_rate(np.array([0.0, 0.0, 1.0]), np.array([1.0, 0.5, 0.0]))
    0.3333333333333333
    """
    after = int(np.argmax(far >= frr))
    before = after - 1
    gap_before, gap_after = frr[before] - far[before], frr[after] - far[after]
    share = gap_before / (gap_before - gap_after)
    return float(far[before] + share * (far[after] - far[before]))


def frr_at(far: Floats, frr: Floats, level: float) -> float:
    """Return the least FRR of all thresholds whose FAR is at most the level."""
    return float(frr[far <= level].min())


def equal_error_rates_by_user(scores: Floats, y: Ints) -> Floats:
    """Return each user's own equal error rate, shape (C,); NaN for one without genuine trials."""
    rates = np.full(scores.shape[1], np.nan)
    for user in np.unique(y):
        own = Trials(scores[:, user], y, np.full(len(y), user))
        rates[user] = equal_error_rate(*own.curve())
    return rates


def rank(scores: Floats, named: Ints, y: Ints) -> Ints:
    """Rank the true users of typings.

    Parameters
    ----------
    scores : ndarray, shape (N, C)
    named : ndarray of int64, shape (N,)
        Class index that the recognizer answers with.
    y : ndarray of int64, shape (N,)

    Returns
    -------
    ndarray of int64, shape (N,)
        1 where the recognizer names the user; else one more than the users with a better score, or
        an equal one, so that one which scores all users alike gains nothing by it.
    """
    own = scores[np.arange(len(y)), y][:, None]
    by_score = (scores >= own).sum(axis=1)
    return np.where(named == y, 1, np.maximum(by_score, 2)).astype(np.int64)


def summarize_ranks(folds: list[NDArray[np.int64]]) -> dict[str, float | int]:
    """Condense ranks to the field's rates.

    Parameters
    ----------
    folds : list of ndarray of int64
        Ranks from 1.

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
