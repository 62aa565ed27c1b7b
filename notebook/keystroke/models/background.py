"""What the typing model keeps of everybody, and the templates it makes of one user's typings.

A template follows in closed form from a few typings of its user and from the background, so that a
user is enrolled without any training. It is 4F + 2 numbers: two for each of F timings in the
log-likelihood ratio and two in the distance, and one offset of each.
"""

from dataclasses import dataclass, replace

import numpy as np

from keystroke.models.laplace import Laplace, distances, fit_laplace
from keystroke.models.plda import Plda, fit_plda, likelihood_ratios
from keystroke.models.timings import Floats, Ints
from keystroke.models.warp import Warp, fit_warp

LIKELIHOOD_WEIGHT = 0.2
"""Of PLDA's log-likelihood ratio beside the distance; timings overlap, so that it overstates."""

FAR = 0.5
"""Mean distance beyond many users' outer knots from which a typing is taken to be nobody's. Of
24,800 typings of people left out (four GREYC phrases, CMU) one in a thousand lies beyond .3 to .8;
one of 900 ms a key and 600 ms held lies at 1.3 or more, one of equal times at 2.2 or more."""

FEW_USERS = 10
"""Of so many users' typings the distance of others' is doubled, of 3 it is four times as far."""

FAR_PENALTY = 40.0
"""By which scores fall for each unit beyond that; half a unit undoes a very good score."""


@dataclass(frozen=True)
class Background:
    """All that is common to users, enrolled or not.

    Attributes
    ----------
    warp : Warp
    plda : Plda
    laplace : Laplace
    far : float
        Distance beyond the outer knots from which a typing is taken to be nobody's.
    cohort : ndarray, shape (R, 4F + 2)
        Templates of the users it was fitted on. A distance counts for a user as far as it is less
        than the mean distance to these.
    """

    warp: Warp
    plda: Plda
    laplace: Laplace
    far: float
    cohort: Floats

    def enroll(self, timings: Floats) -> Floats:
        """Make the template of each user, shape (..., 4F + 2), of n typings, shape (..., n, F)."""
        warped = self.warp(timings)
        plda = self.plda.enroll(self.plda.view(warped))
        return np.concatenate([*plda, *self.laplace.enroll(self.laplace.view(warped))], axis=-1)

    def enroll_users(self, timings: Floats, y: Ints) -> Floats:
        """Make the template of each of C users, shape (C, 4F + 2), however many typings each has.

        Parameters
        ----------
        timings : ndarray, shape (N, F)
            From ``log_timings``.
        y : ndarray of int64, shape (N,)
            Class indices, each of 0..C-1 at least once.
        """
        counts = np.bincount(y)
        by_user = np.argsort(y, kind='stable')
        first = np.cumsum(counts) - counts
        templates = np.empty((len(counts), 4 * timings.shape[1] + 2))
        for n in np.unique(counts):
            users = np.flatnonzero(counts == n)
            templates[users] = self.enroll(timings[by_user[first[users, None] + np.arange(n)]])
        return templates

    def scores(self, timings: Floats, templates: Floats) -> Floats:
        """Score every template for every typing.

        Parameters
        ----------
        timings : ndarray, shape (N, F)
            From ``log_timings``.
        templates : ndarray, shape (C, 4F + 2)

        Returns
        -------
        ndarray, shape (N, C)
            The higher, the likelier.
        """
        warped = self.warp(timings)
        square, linear, offset, *user = split(templates)
        ratios = likelihood_ratios(self.plda.view(warped), square, linear, offset)
        view = self.laplace.view(warped)
        apart = distances(view, *user)
        # Most often the templates asked for are those of the cohort.
        cohort = (
            apart if templates is self.cohort else distances(view, *split(self.cohort)[3:])
        ).mean(axis=1, keepdims=True)
        far = np.maximum(self.warp.beyond(timings) - self.far, 0)[:, None]
        scores: Floats = LIKELIHOOD_WEIGHT * ratios + cohort - apart - FAR_PENALTY * far
        return scores


def split(templates: Floats) -> tuple[Floats, ...]:
    """Cut templates, shape (C, 4F + 2), into what PLDA and the distance take.

    Returns
    -------
    square, linear : ndarray, shape (C, F)
    offset : ndarray, shape (C, 1)
    location, weight : ndarray, shape (C, F)
    offset : ndarray, shape (C, 1)
    """
    F = (templates.shape[1] - 2) // 4
    return tuple(np.split(templates, [F, 2 * F, 2 * F + 1, 3 * F + 1, 4 * F + 1], axis=1))


def fit_background(timings: Floats, y: Ints) -> Background:
    """Fit to typings of everybody.

    Parameters
    ----------
    timings : ndarray, shape (N, F)
        From ``log_timings``.
    y : ndarray of int64, shape (N,)
        Class indices, each of 0..C-1 at least once.

    Returns
    -------
    Background
        Its cohort is the templates of the C users.
    """
    warp = fit_warp(timings)
    warped = warp(timings)
    C, F = y.max() + 1, timings.shape[1]
    background = Background(
        warp,
        fit_plda(warped, y),
        fit_laplace(warped, y),
        FAR * (1 + FEW_USERS / C),
        cohort=np.empty((0, 4 * F + 2)),
    )
    return replace(background, cohort=background.enroll_users(timings, y))
