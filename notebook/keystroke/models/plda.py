"""Two-covariance PLDA: how much likelier a typing is from one user than from anybody.

One covariance, B, says how users' means differ, one, W, how a user's typings lie about their mean.

References
----------
Ioffe, Probabilistic Linear Discriminant Analysis, ECCV 2006.
Brümmer and de Villiers, The speaker partitioning problem, Odyssey 2010 (two-covariance model).
Ledoit and Wolf, A well-conditioned estimator for large-dimensional covariance matrices, 2004.
"""

from dataclasses import dataclass

import numpy as np
from scipy.linalg import eigh
from sklearn.covariance import ledoit_wolf

from keystroke.models.timings import Floats, Ints, user_means

MIN_VARIANCE = 1e-3
"""Added to W's diagonal: constant columns must not make it singular."""


@dataclass(frozen=True)
class Plda:
    """What is common to all users.

    Attributes
    ----------
    center : ndarray, shape (F,)
        Mean of users' means.
    projection : ndarray, shape (F, F)
        Makes W the identity and B diagonal.
    variances : ndarray, shape (F,)
        b, of B along each column of the projection, in units of W; not negative.
    """

    center: Floats
    projection: Floats
    variances: Floats

    def view(self, warped: Floats) -> Floats:
        """Project warped timings, shape (..., F)."""
        projected: Floats = (warped - self.center) @ self.projection
        return projected

    def enroll(self, view: Floats) -> tuple[Floats, Floats, Floats]:
        r"""Write a user's log-likelihood ratio as a quadratic function of a typing.

        In every direction users' means have the variance b about 0 and typings the variance 1 about
        their user's mean. Given n typings of a user with mean m, the user's own mean is thought to
        be at nbm / (nb + 1) with variance b / (nb + 1); a new typing z lies about it by 1 more. The
        ratio is its density there over that of anybody's typing, which lies about 0 with variance
        1 + b.

        Parameters
        ----------
        view : ndarray, shape (..., n, F)
            n typings of each user.

        Returns
        -------
        square, linear : ndarray, shape (..., F)
        offset : ndarray, shape (..., 1)
            ``sum(z**2 * square + z * linear) + offset`` is the natural logarithm of the ratio.
        """
        n, b = view.shape[-2], self.variances
        expected = n * b / (n * b + 1) * view.mean(axis=-2)
        spread = 1 + b / (n * b + 1)
        anyone = 1 + b
        offset = 0.5 * (np.log(anyone / spread) - expected**2 / spread).sum(axis=-1, keepdims=True)
        square = np.broadcast_to(0.5 / anyone - 0.5 / spread, expected.shape)
        return square, expected / spread, offset


def likelihood_ratios(view: Floats, square: Floats, linear: Floats, offset: Floats) -> Floats:
    """Return each user's log-likelihood ratio of each typing, shape (N, C).

    Parameters
    ----------
    view : ndarray, shape (N, F)
    square, linear : ndarray, shape (C, F)
    offset : ndarray, shape (C, 1)
    """
    ratios: Floats = view**2 @ square.T + view @ linear.T + offset[:, 0]
    return ratios


def fit_plda(warped: Floats, y: Ints) -> Plda:
    """Estimate W and B and diagonalize both at once.

    Parameters
    ----------
    warped : ndarray, shape (N, F)
    y : ndarray of int64, shape (N,)
        Class indices, each of 0..C-1 at least once.
    """
    N, F = warped.shape
    counts = np.bincount(y)
    freedom = N - len(counts)
    means = user_means(warped, y)
    center = means.mean(axis=0)
    between, _ = ledoit_wolf(means - center, assume_centered=True)
    if freedom > 0:
        within, _ = ledoit_wolf(warped - means[y], assume_centered=True)
        within = within * N / freedom
        # Means of few typings scatter by W as well.
        between = between - within * (1 / counts).mean()
    else:
        # Nobody typed twice. Half of what is seen is then taken to be the users' own scatter.
        within = between = between / 2
    variances, projection = eigh(between, within + MIN_VARIANCE * np.eye(F))
    return Plda(center, projection, np.maximum(variances, 0.0))
