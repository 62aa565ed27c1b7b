"""Whether probabilities are true: as often right as sure.

References
----------
Guo et al., On calibration of modern neural networks, ICML 2017.
"""

from dataclasses import dataclass

import numpy as np

from keystroke.models.classifiers import RANDOM_STATE
from keystroke.models.timings import Floats, Ints

BINS = 10
"""Of equal width, for the calibration error."""

CALIBRATED_DRAWS = 500


@dataclass(frozen=True)
class Reliability:
    """How often a recognizer is right when it is so sure, by bins of its confidence.

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
    rng = np.random.default_rng(RANDOM_STATE)
    upto = probabilities.cumsum(axis=1)
    last = probabilities.shape[1] - 1
    errors = []
    for _ in range(CALIBRATED_DRAWS):
        # The rounded sum of a row may be a little less than what is drawn.
        drawn = (upto < rng.random((len(upto), 1))).sum(axis=1).clip(max=last)
        errors.append(reliability(probabilities, drawn).error)
    return float(np.mean(errors)), float(np.quantile(errors, 0.95))
