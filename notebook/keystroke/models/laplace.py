"""How far a typing lies from a user's own: the robust view beside PLDA's Gaussian one.

Each timing of a user is taken to follow a Laplace distribution about the user's median. A scaled
Manhattan distance is its negative logarithm (Killourhy and Maxion 2009); here location and spread
are drawn towards everybody's, the more the fewer typings of the user there are.

References
----------
Killourhy and Maxion, Comparing anomaly-detection algorithms for keystroke dynamics, DSN 2009.
"""

from dataclasses import dataclass

import numpy as np

from keystroke.models.timings import Floats, Ints, timing_slices, user_means

WEIGHTS = {'HT': 0.35, 'PPT': 0.20, 'RRT': 0.15, 'RPT': 0.10}
"""Of a timing's distance; press-press, release-release and release-press times share much."""

TEMPO = 0.4
"""Share of a typing's tempo that is taken out. A user is now slower, now faster, and yet to be slow
is part of who types."""

PRIOR = 4.0
"""Typings that everybody's spread counts for beside a user's own."""

MIN_SPREAD = 0.05
"""In units of the view: constant timings must not outweigh all others."""

ROUNDING = 1e-9
"""Of warped timings; a spread below it is of equal ones, computed as rounding alone."""


@dataclass(frozen=True)
class Laplace:
    """What is common to all users.

    Attributes
    ----------
    tempo : ndarray, shape (F,)
        By which each timing follows the typing's mean press-press time.
    unit : ndarray, shape (F,)
        A robust standard deviation of each timing without its tempo.
    center : ndarray, shape (F,)
        Mean of users' means.
    ratio : ndarray, shape (F,)
        Variance between users over that of one user's typings; not negative.
    spread : ndarray, shape (F,)
        Mean absolute deviation of a typing from its user's location.
    """

    tempo: Floats
    unit: Floats
    center: Floats
    ratio: Floats
    spread: Floats

    def view(self, warped: Floats) -> Floats:
        """Take out the tempo and scale warped timings, shape (..., F)."""
        return without_tempo(warped, self.tempo) / self.unit

    def enroll(self, view: Floats) -> tuple[Floats, Floats, Floats]:
        """Make what a distance to a user takes.

        Parameters
        ----------
        view : ndarray, shape (..., n, F)
            n typings of each user.

        Returns
        -------
        location, weight : ndarray, shape (..., F)
        offset : ndarray, shape (..., 1)
            The distance is ``sum(abs(view - location) * weight) + offset``.
        """
        n = view.shape[-2]
        median = np.median(view, axis=-2)
        own = np.abs(view - median[..., None, :]).mean(axis=-2)
        location = self.center + n * self.ratio / (n * self.ratio + 1) * (median - self.center)
        # Deviations from one's own median are sqrt((n - 1) / n) of what they are from the true one.
        unbiased = own * np.sqrt(n / (n - 1)) if n > 1 else own
        spread = ((n - 1) * unbiased + PRIOR * self.spread) / (n - 1 + PRIOR)
        # The location itself is known up to a part of the variance between users.
        spread = spread * np.sqrt(1 + self.ratio / (n * self.ratio + 1))
        spread = np.maximum(spread, MIN_SPREAD)
        weights = timing_weights(view.shape[-1])
        offset: Floats = (weights * np.log(spread)).sum(axis=-1, keepdims=True)
        return location, weights / spread, offset


def distances(view: Floats, location: Floats, weight: Floats, offset: Floats) -> Floats:
    """Return the distance of each typing to each user, shape (N, C).

    Parameters
    ----------
    view : ndarray, shape (N, F)
    location, weight : ndarray, shape (C, F)
    offset : ndarray, shape (C, 1)
    """
    found = np.empty((len(view), len(location)))
    rows = max(1, 4_000_000 // location.size)  # 32 MB at a time
    for first in range(0, len(view), rows):
        apart = np.abs(view[first : first + rows, None] - location)
        found[first : first + rows] = (apart * weight).sum(axis=2)
    return found + offset[:, 0]


def fit_laplace(warped: Floats, y: Ints) -> Laplace:
    """Fit what is common to all users.

    Parameters
    ----------
    warped : ndarray, shape (N, F)
    y : ndarray of int64, shape (N,)
        Class indices, each of 0..C-1 at least once.
    """
    pace = tempo_of(warped)
    apart, pace_apart = warped - user_means(warped, y)[y], pace - user_means(pace, y)[y]
    power = float((pace_apart**2).sum())
    slope = (apart * pace_apart).sum(axis=0) / power if power > ROUNDING else 0.0 * apart[0]
    tempo = TEMPO * slope
    left = without_tempo(warped, tempo)
    unit = 1.4826 * np.median(np.abs(left - np.median(left, axis=0)), axis=0)
    # A timer of 16 ms may give most typings the same value, a constant column gives all.
    unit = np.where(unit > ROUNDING, unit, left.std(axis=0))
    unit = np.where(unit > ROUNDING, unit, 1.0)

    view = left / unit
    N, C = len(y), int(y.max()) + 1
    means = user_means(view, y)
    counts = np.bincount(y)
    if N > C:
        within = ((view - means[y]) ** 2).sum(axis=0) / (N - C)
        medians = np.stack([np.median(view[y == user], axis=0) for user in range(C)])
        repeated = counts[y] > 1
        deviations = (
            np.abs(view - medians[y]) * np.sqrt(counts / np.maximum(counts - 1, 1))[y, None]
        )
        spread = deviations[repeated].mean(axis=0)
        between = means.var(axis=0, ddof=1) - within * (1 / counts).mean()
    else:
        # Nobody typed twice. Half of what is seen is then taken to be the users' own scatter.
        within = between = means.var(axis=0, ddof=1) / 2
        spread = np.sqrt(within) * np.sqrt(2 / np.pi)
    return Laplace(
        tempo=tempo,
        unit=unit,
        center=means.mean(axis=0),
        ratio=np.maximum(between, 0) / np.maximum(within, MIN_SPREAD**2),
        spread=spread,
    )


def tempo_of(warped: Floats) -> Floats:
    """Return the mean warped press-press time of each typing, shape (..., 1)."""
    presses = warped[..., timing_slices(warped.shape[-1])['PPT']]
    pace: Floats = presses.sum(axis=-1, keepdims=True) / max(presses.shape[-1], 1)
    return pace


def without_tempo(warped: Floats, tempo: Floats) -> Floats:
    """Take the tempo out of warped timings, shape (..., F)."""
    return warped - tempo * tempo_of(warped)


def timing_weights(timings: int) -> Floats:
    """Return the weight of each of F timings' distances, shape (F,)."""
    weights = np.empty(timings)
    for name, of in timing_slices(timings).items():
        weights[of] = WEIGHTS[name]
    return weights
