"""Recognize people by every single time of a typing rather than by eight aggregates.

The score of a typing for a user is the sum of two views of the same log timings, warped so that
everybody's are spread alike:

* two-covariance PLDA: the log-likelihood ratio of "typed by this user" against "typed by somebody
  else" (Ioffe 2006; Brümmer and de Villiers 2010);
* a scaled Manhattan distance (Killourhy and Maxion 2009), robust where the Gaussian model is not,
  after the typing's tempo has been taken out in part.

Both follow in closed form from a few typings of a user, the *template*, and from what is common to
all, the *background*: a user is enrolled without any training.

References
----------
Ioffe, Probabilistic Linear Discriminant Analysis, ECCV 2006.
Brümmer and de Villiers, The speaker partitioning problem, Odyssey 2010 (two-covariance model).
Killourhy and Maxion, Comparing anomaly-detection algorithms for keystroke dynamics, DSN 2009.
Ledoit and Wolf, A well-conditioned estimator for large-dimensional covariance matrices, 2004.
Guo et al., On calibration of modern neural networks, ICML 2017 (temperature).
"""

from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data
from threadpoolctl import threadpool_limits

from keystroke.models.background import Background, fit_background
from keystroke.models.decisions import Decision, fit_decisions, probabilities
from keystroke.models.timings import Floats, log_timings

MIN_COLUMNS = 2
"""One press and one release make the first hold time."""


class TypingModel(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Recognize users by PLDA and a Manhattan distance on warped log timings.

    Everything is fitted in ``fit``: the background, the users' templates, and, on users left out of
    a background, the temperatures and the thresholds.

    Parameters
    ----------
    false_acceptance_rate : float
        Share of strangers' typings, people not enrolled, that may pass for a given user.
    known_rejection_rate : float
        Share of enrolled users' typings that may be taken for a stranger's.

    Attributes
    ----------
    classes_ : ndarray, shape (C,)
    background_ : Background
        Its cohort is the templates of the C users.
    counts_ : ndarray of int64, shape (C,)
        Typings that each user's template is made of.
    decisions_ : list of Decision
        Of one typing asked, two and so on.
    n_features_in_ : int
        2K.

    Notes
    -----
    ``X`` holds raw times in ms, shape (N, 2K), columns in the order of the CSV; see
    ``log_timings``. A whole typing may be moved in time: only differences count.
    """

    def __init__(
        self, false_acceptance_rate: float = 0.01, known_rejection_rate: float = 0.05
    ) -> None:
        self.false_acceptance_rate = false_acceptance_rate
        self.known_rejection_rate = known_rejection_rate

    def __sklearn_tags__(self) -> Any:
        """Let scikit-learn's checks score it poorly on blobs around 0, which are not times."""
        tags = super().__sklearn_tags__()
        tags.classifier_tags.poor_score = True
        return tags

    def fit(self, X: ArrayLike, y: ArrayLike) -> Self:
        """Fit on typings.

        Parameters
        ----------
        X : array-like, shape (N, 2K)
            Times in ms: press-0, release-0, press-1, ...
        y : array-like, shape (N,)
            Who typed; two users at least, any number of typings each. A user's typings
            are in the order in which they were made.
        """
        times, y = validate_data(self, X, y, dtype=np.float64, ensure_min_features=MIN_COLUMNS)
        check_classification_targets(y)
        self.classes_, encoded = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError('telling users apart needs two classes at least; there is 1 class')
        timings = log_timings(times)
        self.counts_ = np.bincount(encoded)
        # The order of sums, and so the last digits, would depend on the number of processors.
        with threadpool_limits(limits=1, user_api='blas'):
            self.background_: Background = fit_background(timings, encoded)
            self.decisions_ = fit_decisions(
                timings,
                encoded,
                fit_background,
                self.false_acceptance_rate,
                self.known_rejection_rate,
            )
        return self

    def enroll(self, X: ArrayLike) -> Floats:
        """Make a user's template, shape (4F + 2,), of n typings, shape (n, 2K)."""
        return self.background_.enroll(log_timings(self._times(X)))

    def score_templates(self, X: ArrayLike, templates: Floats) -> Floats:
        """Score templates, shape (C, 4F + 2), for each typing, shape (N, C)."""
        return self.background_.scores(log_timings(self._times(X)), templates)

    def score_users(self, X: ArrayLike) -> Floats:
        """Score every user for each typing, shape (N, C); the higher, the likelier."""
        check_is_fitted(self)
        return self.score_templates(X, self.background_.cohort)

    def scaled_scores(
        self, X: ArrayLike, asked: int = 1, templates: Floats | None = None
    ) -> Floats:
        """Score users for so many successive typings of one person, over the temperature.

        Parameters
        ----------
        X : array-like, shape (N, 2K)
        asked : int
            Divides N.
        templates : ndarray, shape (C, 4F + 2), optional
            Of these users, in place of those of the training.

        Returns
        -------
        ndarray, shape (N / asked, C)
            What ``probabilities`` and ``evidence`` read.
        """
        scores = self.score_users(X) if templates is None else self.score_templates(X, templates)
        means = scores.reshape(-1, asked, scores.shape[1]).mean(axis=1)
        scaled: Floats = means / self.decision(asked).temperature
        return scaled

    def decision(self, asked: int) -> Decision:
        """Return how the mean score of so many typings of one person is read."""
        check_is_fitted(self)
        return self.decisions_[min(asked, len(self.decisions_)) - 1]

    def thresholds(self, asked: int) -> tuple[Floats, Floats]:
        """Return each user's ``match`` and ``known`` thresholds, two of shape (C,)."""
        decision = self.decision(asked)
        found = [decision.threshold(int(n)) for n in self.counts_]
        return (
            np.array([threshold.match for threshold in found]),
            np.array([threshold.known for threshold in found]),
        )

    def predict_proba(self, X: ArrayLike) -> Floats:
        """Return the probability of each user, shape (N, C), if one of them typed."""
        return probabilities(self.scaled_scores(X))

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """Name the best scored user of each typing, shape (N,)."""
        best = self.score_users(X).argmax(axis=1)
        named: NDArray[Any] = self.classes_[best]
        return named

    def _times(self, X: ArrayLike) -> Floats:
        check_is_fitted(self)
        times: Floats = validate_data(self, X, dtype=np.float64, reset=False)
        return times
