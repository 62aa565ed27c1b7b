"""Score a typing for each user: PLDA's log-likelihood ratio and a scaled Manhattan distance.

References
----------
Killourhy and Maxion, Comparing anomaly-detection algorithms for keystroke dynamics, DSN 2009.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from keystroke.models.plda import likelihood_ratio_weights, within_and_between
from keystroke.models.timings import Floats

MIN_SPREAD = 0.05
"""Of the Manhattan distance, in robust units: constant columns must not outweigh all others."""

ROUNDING = 1e-9
"""Of log timings. A scale below it is of equal ones, whose computed spread is rounding alone; whole
ms differ by more than 2e-7 up to an hour."""

FAR = 2.2
"""Spreads that a timing lies, on average, from the nearest user's mean in a typing of nobody's, if
both were known exactly. Of the challenge's held-out typings, scored against 7 a user, the farthest
was at 1.9, one of 900 ms a key and 600 ms held is at 3.2."""

FAR_PENALTY = 4.0
"""By which scores fall for each unit of distance beyond that; ten units undo a very good score."""


@dataclass(frozen=True)
class Scorer:
    """What is fitted to typings: C users, F log timings of which the first P go to PLDA.

    Attributes
    ----------
    center, scale : ndarray, shape (F,)
        Median and 1.4826 median absolute deviation of each log timing over all typings.
    clip : float
        Most a timing may lie from the center, in units of scale.
    plda_center : ndarray, shape (P,)
    projection : ndarray, shape (P, P)
        Makes W the identity and B diagonal.
    square, linear : ndarray, shape (P, C)
        Weights of each projected timing's square and itself in a user's log-likelihood ratio.
    offset : ndarray, shape (C,)
    means : ndarray, shape (C, F)
        Of each user's robust timings.
    weights : ndarray, shape (C, F)
        One over the spread, times the weight of the Manhattan distance.
    far : float
        Distance to the nearest user beyond which a typing is taken to be nobody's.
    """

    center: Floats
    scale: Floats
    clip: float
    plda_center: Floats
    projection: Floats
    square: Floats
    linear: Floats
    offset: Floats
    means: Floats
    weights: Floats
    far: float

    def robust(self, timings: Floats) -> Floats:
        """Center, scale and clip log timings, shape (N, F)."""
        robust: Floats = np.clip((timings - self.center) / self.scale, -self.clip, self.clip)
        return robust

    def likelihood_ratios(self, robust: Floats) -> Floats:
        """Return PLDA's log-likelihood ratios, shape (N, C), of robust timings, shape (N, F)."""
        x = (robust[:, : len(self.plda_center)] - self.plda_center) @ self.projection
        ratios: Floats = x**2 @ self.square + x @ self.linear + self.offset
        return ratios

    def distances(self, robust: Floats) -> Floats:
        """Return weighted Manhattan distances, shape (N, C), of robust timings, shape (N, F)."""
        rows = max(1, 4_000_000 // self.means.size)  # 32 MB at a time
        parts = [
            (np.abs(robust[first : first + rows, None] - self.means) * self.weights).sum(axis=2)
            for first in range(0, len(robust), rows)
        ]
        distances: Floats = np.concatenate(parts)
        return distances

    def scores(self, timings: Floats) -> Floats:
        """Score every user, shape (N, C), for log timings, shape (N, F)."""
        robust = self.robust(timings)
        distances = self.distances(robust)
        closeness = distances.mean(axis=1, keepdims=True) - distances
        beyond = np.maximum(distances.min(axis=1, keepdims=True) - self.far, 0)
        scores: Floats = self.likelihood_ratios(robust) + closeness - FAR_PENALTY * beyond
        return scores


def fit_scorer(
    timings: Floats, y: NDArray[np.int64], plda: int, weight: float, clip: float
) -> Scorer:
    """Fit the scores of every user.

    Parameters
    ----------
    timings : ndarray, shape (N, F)
        From ``log_timings``.
    y : ndarray of int64, shape (N,)
        Class indices, each of 0..C-1 at least once.
    plda : int
        P: so many of the first timings go to PLDA.
    weight : float
        Of the Manhattan distance.
    clip : float

    Returns
    -------
    Scorer
    """
    center = np.median(timings, axis=0)
    scale = 1.4826 * np.median(np.abs(timings - center), axis=0)
    # A timer of 16 ms may give most typings the same value, a constant column gives all.
    scale = np.where(scale > ROUNDING, scale, timings.std(axis=0))
    scale = np.where(scale > ROUNDING, scale, 1.0)
    robust = np.clip((timings - center) / scale, -clip, clip)

    N, C = len(y), int(y.max()) + 1
    counts = np.bincount(y).astype(np.float64)[:, None]
    means = _sum_by_user(robust, y, C) / counts
    apart = robust - means[y]
    plda_center = means[:, :plda].mean(axis=0)

    projection, variances = within_and_between(
        apart[:, :plda], means[:, :plda] - plda_center, 1 / counts, N - C
    )
    square, linear, offset = likelihood_ratio_weights(
        (means[:, :plda] - plda_center) @ projection, counts, variances
    )
    own = _sum_by_user(np.abs(apart), y, C) / counts
    overall = np.abs(apart).mean(axis=0)
    # One typing has no spread of its own.
    own = np.where(counts > 1, own, overall)
    return Scorer(
        center=center,
        scale=scale,
        clip=clip,
        plda_center=plda_center,
        projection=projection,
        square=square,
        linear=linear,
        offset=offset,
        means=means,
        weights=weight / np.maximum((own + overall) / 2, MIN_SPREAD),
        far=FAR * _few_typings_stretch(N / C) * weight * timings.shape[1],
    )


def _few_typings_stretch(typings: float) -> float:
    """Return by how much n typings a user overstate how many spreads a new one lies from the mean.

    Their mean is itself off, so that a new typing lies sqrt(1 + 1/n) spreads from it, and they lie
    closer to it than others will, which makes the spread sqrt(1 - 1/n) of what it is.
    """
    n = max(typings, 2.0)  # one alone has no spread at all
    return float(np.sqrt((n + 1) / (n - 1)))


def _sum_by_user(values: Floats, y: NDArray[np.int64], users: int) -> Floats:
    sums = np.zeros((users, values.shape[1]))
    np.add.at(sums, y, values)
    return sums
