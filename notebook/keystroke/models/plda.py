"""Two-covariance PLDA: how much likelier a typing is from one user than from anybody.

References
----------
Ioffe, Probabilistic Linear Discriminant Analysis, ECCV 2006.
Brümmer and de Villiers, The speaker partitioning problem, Odyssey 2010 (two-covariance model).
Ledoit and Wolf, A well-conditioned estimator for large-dimensional covariance matrices, 2004.
"""

import numpy as np
from scipy.linalg import eigh
from sklearn.covariance import ledoit_wolf

from keystroke.models.timings import Floats

MIN_VARIANCE = 1e-3
"""Added to W's diagonal, in robust units: constant columns must not make it singular."""


def likelihood_ratio_weights(
    means: Floats, counts: Floats, variances: Floats
) -> tuple[Floats, Floats, Floats]:
    r"""Write each user's log-likelihood ratio as a quadratic function of a typing.

    In every direction users' means have the variance b about 0 and typings the variance 1 about
    their user's mean. Given n typings of a user with mean m, the user's own mean is thought to be
    at nbm / (nb + 1) with variance b / (nb + 1); a new typing x lies about it by 1 more. The ratio
    is its density there over that of anybody's typing, which lies about 0 with variance 1 + b.

    Parameters
    ----------
    means : ndarray, shape (C, P)
        Of users' typings, projected.
    counts : ndarray, shape (C, 1)
        n.
    variances : ndarray, shape (P,)
        b.

    Returns
    -------
    square, linear : ndarray, shape (P, C)
    offset : ndarray, shape (C,)
        x**2 @ square + x @ linear + offset is the natural logarithm of the ratio.
    """
    expected = counts * variances / (counts * variances + 1) * means
    spread = 1 + variances / (counts * variances + 1)
    anyone = 1 + variances
    return (
        (0.5 / anyone - 0.5 / spread).T,
        (expected / spread).T,
        0.5 * (np.log(anyone / spread) - expected**2 / spread).sum(axis=1),
    )


def within_and_between(
    apart: Floats, means: Floats, one_over_counts: Floats, freedom: int
) -> tuple[Floats, Floats]:
    """Estimate W and B and diagonalize both at once.

    Returns
    -------
    projection : ndarray, shape (P, P)
    variances : ndarray, shape (P,)
        Of B, in units of W, along each column of the projection; not negative.
    """
    P = means.shape[1]
    between, _ = ledoit_wolf(means, assume_centered=True)
    if freedom > 0:
        within, _ = ledoit_wolf(apart, assume_centered=True)
        within = within * len(apart) / freedom
        # Means of few typings scatter by W as well.
        between = between - within * one_over_counts.mean()
    else:
        # Nobody typed twice. Half of what is seen is then taken to be the users' own scatter.
        within = between = between / 2
    variances, projection = eigh(between, within + MIN_VARIANCE * np.eye(P))
    return projection, np.maximum(variances, 0.0)
