"""Intervals of rates, by drawing users anew."""

from collections.abc import Callable, Mapping

import numpy as np

from keystroke.models.classifiers import RANDOM_STATE
from keystroke.models.timings import Floats

RESAMPLES = 1000

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
    rng = np.random.default_rng(RANDOM_STATE)
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
