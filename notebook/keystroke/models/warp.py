"""Map log timings so that people's are spread alike, and none counts without bound.

A log timing is skewed still: hesitations lie farther from the median than any haste. What it says
is how unusual it is, so its quantiles over everybody's typings go to the standard normal
distribution's.
"""

from dataclasses import dataclass

import numpy as np

from keystroke.models.timings import Floats

QUANTILES = (0.0228, 0.1587, 0.5, 0.8413, 0.9772)
"""Of the standard normal distribution at ``LEVELS``."""

LEVELS = (-2.0, -1.0, 0.0, 1.0, 2.0)

MIN_STEP = 0.02
"""Between two knots, in log timings: a coarse timer's quantiles may be equal."""

MIN_WIDTH = 0.25
"""Of an outermost step, in log timings, where it is measured how far others lie beyond it: people's
are wider, but for what few typings happen to leave together."""


@dataclass(frozen=True)
class Warp:
    """A piecewise linear map of each log timing, flat beyond its outer knots.

    Attributes
    ----------
    knots : ndarray, shape (5, F)
        The log timings that go to ``LEVELS``, ascending.
    """

    knots: Floats

    def __call__(self, timings: Floats) -> Floats:
        """Map log timings, shape (..., F), to values from -2 to 2."""
        steps = np.diff(self.knots, axis=0)
        passed = np.clip(timings[..., None, :] - self.knots[:-1], 0, steps)
        warped: Floats = (passed / steps).sum(axis=-2) + LEVELS[0]
        return warped

    @property
    def outer_widths(self) -> Floats:
        """Widths of the outermost steps, ``MIN_WIDTH`` at least, shape (2, F)."""
        return np.maximum(np.diff(self.knots, axis=0)[[0, -1]], MIN_WIDTH)

    def beyond(self, timings: Floats) -> Floats:
        """Return how far typings lie beyond the outer knots, shape (...,).

        Parameters
        ----------
        timings : ndarray, shape (..., F)

        Returns
        -------
        ndarray
            Mean over timings, in ``outer_widths``.
        """
        first, last = self.outer_widths
        below = np.maximum(self.knots[0] - timings, 0) / first
        above = np.maximum(timings - self.knots[-1], 0) / last
        mean: Floats = (below + above).mean(axis=-1)
        return mean


def fit_warp(timings: Floats) -> Warp:
    """Fit to log timings of everybody, shape (N, F)."""
    knots = np.quantile(timings, QUANTILES, axis=0)
    middle = len(knots) // 2
    # From the median outwards, so that it stays where it is.
    for upper in range(middle + 1, len(knots)):
        knots[upper] = np.maximum(knots[upper], knots[upper - 1] + MIN_STEP)
    for lower in range(middle - 1, -1, -1):
        knots[lower] = np.minimum(knots[lower], knots[lower + 1] - MIN_STEP)
    return Warp(knots)
