"""A recognizer's answers about held-out typings, and the rates they come to."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from keystroke.evaluation.bootstrap import RESAMPLES, Interval, user_bootstrap
from keystroke.evaluation.calibration import reliability
from keystroke.evaluation.rates import (
    Trials,
    equal_error_rate,
    equal_error_rates_by_user,
    frr_at,
    rank,
    summarize_ranks,
    trials,
)
from keystroke.models.timings import Floats, Ints


@dataclass(frozen=True)
class Answers:
    """What a recognizer says of typings that it was not fitted on.

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
        None of a recognizer that has none.
    """

    y: Ints
    scores: Floats
    claims: Floats
    named: Ints
    probabilities: Floats | None = None

    @property
    def ranks(self) -> Ints:
        """Of the true users, from 1, shape (N,)."""
        return rank(self.scores, self.named, self.y)


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


def cumulative_match(answers: Answers, most: int | None = None) -> list[float]:
    """Return the share of typings whose user is among the first k, for k = 1..most, or 1..C."""
    ranks, users = answers.ranks, answers.scores.shape[1]
    return [float((ranks <= k).mean()) for k in range(1, min(most or users, users) + 1)]


CARD_RANKS = 20
CARD_FARS = 60


def card(folds: list[Answers]) -> dict[str, Any]:
    """Condense a protocol's answers to what a model's card shows: rates and three short curves.

    Parameters
    ----------
    folds : list of Answers
        One of each fold.

    Returns
    -------
    dict
        The rates of ``summarize`` and of ``summarize_ranks``; cmc, from ``cumulative_match``; det,
        pairs of FAR and FRR; where there are probabilities, reliability: bins of confidence,
        accuracy and share of typings.
    """
    answers = concatenate(folds)
    far, frr = trials(answers.claims, answers.y).curve()
    # The last point of each of the levels, which are as dense at small rates as at large ones.
    levels = np.geomspace(1e-4, 1, CARD_FARS)
    shown = np.unique([np.flatnonzero(far <= level)[-1] for level in levels])
    return {
        **summarize(answers),
        **summarize_ranks([fold.ranks for fold in folds]),
        'cmc': cumulative_match(answers, CARD_RANKS),
        'det': [[float(far[i]), float(frr[i])] for i in shown],
        **_reliability_bins(answers),
    }


def _reliability_bins(answers: Answers) -> dict[str, Any]:
    if answers.probabilities is None:
        return {}
    bins = reliability(answers.probabilities, answers.y)
    return {
        'reliability': [
            {
                'confidence': float(bins.confidence[i]),
                'accuracy': float(bins.accuracy[i]),
                'share': float(bins.share[i]),
            }
            for i in np.flatnonzero(bins.share)
        ]
    }
