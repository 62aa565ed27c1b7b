"""The field's rates of identification, verification and calibration, with their intervals.

A trial is one typing against one claimed user: genuine where it is that user's, impostor where it
is not. It is accepted where its score is at least the threshold. FAR is the share of impostor
trials accepted, FRR that of genuine ones refused (ISO/IEC 19795-1).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

BINS = 10
"""Of equal width, for the calibration error."""

RESAMPLES = 1000
SEED = 0
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
        drawn = np.random.default_rng(SEED).choice(impostor, most, replace=False)
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


def ranks_of(scores: Floats, named: Ints, y: Ints) -> Ints:
    """Rank the true users of typings.

    Parameters
    ----------
    scores : ndarray, shape (N, C)
    named : ndarray of int64, shape (N,)
        Class index that the recogniser answers with.
    y : ndarray of int64, shape (N,)

    Returns
    -------
    ndarray of int64, shape (N,)
        As ``keystroke.evaluate.rank`` has it: a tie counts against the recogniser.
    """
    own = scores[np.arange(len(y)), y][:, None]
    by_score = (scores >= own).sum(axis=1)
    return np.where(named == y, 1, np.maximum(by_score, 2)).astype(np.int64)


@dataclass(frozen=True)
class Reliability:
    """How often a recogniser is right when it is so sure, by bins of its confidence.

    Attributes
    ----------
    confidence, accuracy : ndarray, shape (BINS,)
        Means over the bin's typings; NaN where there are none.
    share : ndarray, shape (BINS,)
        Of the typings.
    """

    confidence: Floats
    accuracy: Floats
    share: Floats

    @property
    def error(self) -> float:
        """Expected calibration error: mean distance of confidence and accuracy over typings."""
        return float(np.nansum(np.abs(self.confidence - self.accuracy) * self.share))


def reliability(probabilities: Floats, y: Ints, weights: Floats | None = None) -> Reliability:
    """Hold the probability of the most probable user against how often it is the true one.

    Parameters
    ----------
    probabilities : ndarray, shape (N, C)
    y : ndarray of int64, shape (N,)
    weights : ndarray, shape (N,), optional

    References
    ----------
    Guo et al., On calibration of modern neural networks, ICML 2017.
    """
    weights = np.ones(len(y)) if weights is None else weights
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == y
    bins = np.minimum((confidence * BINS).astype(np.int64), BINS - 1)
    total = np.bincount(bins, weights, BINS)
    empty = total == 0
    divisor = np.where(empty, np.nan, total)
    return Reliability(
        confidence=np.bincount(bins, weights * confidence, BINS) / divisor,
        accuracy=np.bincount(bins, weights * right, BINS) / divisor,
        share=total / total.sum(),
    )


CALIBRATED_DRAWS = 500


def error_if_calibrated(probabilities: Floats) -> tuple[float, float]:
    """Return the calibration error that probabilities would show by chance if they were right.

    Few typings never come out as often as they should, so that the error of none is zero: an error
    below the second number tells nothing against the probabilities.

    Parameters
    ----------
    probabilities : ndarray, shape (N, C)

    Returns
    -------
    mean, high : float
        Mean and 95 % quantile of the error, over users drawn from the probabilities themselves.
    """
    rng = np.random.default_rng(SEED)
    upto = probabilities.cumsum(axis=1)
    last = probabilities.shape[1] - 1
    errors = []
    for _ in range(CALIBRATED_DRAWS):
        # The rounded sum of a row may be a little less than what is drawn.
        drawn = (upto < rng.random((len(upto), 1))).sum(axis=1).clip(max=last)
        errors.append(reliability(probabilities, drawn).error)
    return float(np.mean(errors)), float(np.quantile(errors, 0.95))


Interval = tuple[float, float]


def user_bootstrap(
    statistic: Callable[[Floats], Mapping[str, float]], users: int, resamples: int = RESAMPLES
) -> dict[str, Interval]:
    """Estimate 95 % intervals by drawing users, with all their typings, with replacement.

    People are the sample: typings of one person are alike, and resampling typings would give
    intervals that are too narrow.

    Parameters
    ----------
    statistic : callable
        From how often each user was drawn, shape (C,), to rates by name.
    users : int
        C, two at least.
    resamples : int

    Returns
    -------
    dict of str to (low, high)
        The 2.5th and 97.5th percentile.

    References
    ----------
    Bolle, Ratha and Pankanti, Error analysis of pattern recognition systems: the subsets
    bootstrap, 2004.
    """
    rng = np.random.default_rng(SEED)
    drawn: dict[str, list[float]] = {}
    for _ in range(resamples):
        counts = np.zeros(users)
        # One user alone, drawn again and again, has no impostors.
        while np.count_nonzero(counts) < 2:
            drawing = rng.integers(users, size=users)
            counts = np.bincount(drawing, minlength=users).astype(np.float64)
        for name, value in statistic(counts).items():
            drawn.setdefault(name, []).append(value)
    return {
        name: (float(np.quantile(values, 0.025)), float(np.quantile(values, 0.975)))
        for name, values in drawn.items()
    }


@dataclass(frozen=True)
class Answers:
    """What a recogniser says of typings that it was not fitted on.

    Attributes
    ----------
    y : ndarray of int64, shape (N,)
        The true users.
    scores : ndarray, shape (N, C)
        Comparable between the users for one typing: identification.
    claims : ndarray, shape (N, C)
        Comparable between typings as well: verification.
    named : ndarray of int64, shape (N,)
    probabilities : ndarray, shape (N, C), or None
        None of a recogniser that has none.
    """

    y: Ints
    scores: Floats
    claims: Floats
    named: Ints
    probabilities: Floats | None = None

    @property
    def ranks(self) -> Ints:
        """Of the true users, from 1, shape (N,)."""
        return ranks_of(self.scores, self.named, self.y)


def concatenate(parts: list[Answers]) -> Answers:
    """Put the answers of several folds together."""
    chances = [part.probabilities for part in parts if part.probabilities is not None]
    return Answers(
        y=np.concatenate([part.y for part in parts]),
        scores=np.concatenate([part.scores for part in parts]),
        claims=np.concatenate([part.claims for part in parts]),
        named=np.concatenate([part.named for part in parts]),
        probabilities=np.concatenate(chances) if chances else None,
    )


def summarize(answers: Answers) -> dict[str, float]:
    """Condense answers to the field's rates.

    Returns
    -------
    dict of str to float
        rank1, rank5: shares of typings whose user is named first, among the first five;
        pooledEER: with one threshold for all users; averageEER: mean over users of their own;
        frrAtFar1, frrAtFar01: FRR at FAR 1 % and 0.1 %, pooled; ECE where there are probabilities.
    """
    return _rates(answers, trials(answers.claims, answers.y), _user_rates(answers))(None)


def intervals(answers: Answers, resamples: int = RESAMPLES) -> dict[str, Interval]:
    """Estimate the 95 % interval of each rate of ``summarize`` by user bootstrap."""
    thinned = trials(answers.claims, answers.y).thin()
    rates = _rates(answers, thinned, _user_rates(answers))
    return user_bootstrap(rates, answers.scores.shape[1], resamples)


def _user_rates(answers: Answers) -> Floats:
    return equal_error_rates_by_user(answers.claims, answers.y)


def _rates(
    answers: Answers, claims: Trials, by_user: Floats
) -> Callable[[Floats | None], dict[str, float]]:
    ranks, y = answers.ranks, answers.y
    tested = ~np.isnan(by_user)
    genuine = claims.genuine

    def rates(drawn: Floats | None) -> dict[str, float]:
        counts = np.ones(len(by_user)) if drawn is None else drawn
        weights = counts[y]
        # An impostor trial is there as often as both its users are.
        pairs = counts[claims.typist] * np.where(genuine, 1.0, counts[claims.claimed])
        far, frr = claims.curve(pairs)
        found = {
            'rank1': float(np.average(ranks == 1, weights=weights)),
            'rank5': float(np.average(ranks <= 5, weights=weights)),
            'pooledEER': equal_error_rate(far, frr),
            'averageEER': float(np.average(by_user[tested], weights=counts[tested])),
            'frrAtFar1': frr_at(far, frr, 0.01),
            'frrAtFar01': frr_at(far, frr, 0.001),
        }
        if answers.probabilities is not None:
            found['ECE'] = reliability(answers.probabilities, y, weights).error
        return found

    return rates


CARD_RANKS = 20
CARD_FARS = 60


def card(folds: list[Answers]) -> dict[str, Any]:
    """Condense a protocol's answers to what a model's card shows: rates and three short curves.

    Parameters
    ----------
    folds : list of Answers
        With probabilities.

    Returns
    -------
    dict
        The rates of ``summarize``; rank1STD, sample standard deviation of rank1 over the folds;
        folds, their number; cmc, share of typings whose user is among the first k, k from 1; det,
        pairs of FAR and FRR; reliability, bins of confidence, accuracy and share of typings.
    """
    answers = concatenate(folds)
    if answers.probabilities is None:
        raise ValueError('a card is made of answers with probabilities')
    ranks = answers.ranks
    far, frr = trials(answers.claims, answers.y).curve()
    # The last point of each of the levels, which are as dense at small rates as at large ones.
    levels = np.geomspace(1e-4, 1, CARD_FARS)
    shown = np.unique([np.flatnonzero(far <= level)[-1] for level in levels])
    bins = reliability(answers.probabilities, answers.y)
    return {
        **summarize(answers),
        'rank1STD': float(np.std([(fold.ranks == 1).mean() for fold in folds], ddof=1)),
        'folds': len(folds),
        'cmc': [
            float((ranks <= k).mean())
            for k in range(1, min(CARD_RANKS, answers.scores.shape[1]) + 1)
        ],
        'det': [[float(far[i]), float(frr[i])] for i in shown],
        'reliability': [
            {
                'confidence': float(bins.confidence[i]),
                'accuracy': float(bins.accuracy[i]),
                'share': float(bins.share[i]),
            }
            for i in np.flatnonzero(bins.share)
        ],
    }


def as_json(value: Any) -> Any:
    """Turn arrays into lists and NaN, for which JSON has no number, into None."""
    if isinstance(value, np.ndarray):
        return as_json(value.tolist())
    if isinstance(value, Mapping):
        return {key: as_json(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [as_json(entry) for entry in value]
    return None if isinstance(value, float) and np.isnan(value) else value
