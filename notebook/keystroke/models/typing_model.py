"""Recognize people by every single time of a typing rather than by eight aggregates.

The score of a typing for a user is the sum of two views of the same robust log timings:

* two-covariance PLDA on hold and press-press times: the log-likelihood ratio of "typed by this
  user" against "typed by somebody else", with one covariance of users' means, B, and one of a
  user's own typings about their mean, W (Ioffe 2006; Brümmer and de Villiers 2010);
* a scaled Manhattan distance over all four timings (Killourhy and Maxion 2009), robust where the
  Gaussian model is not.

A typing that is far from everybody is nobody's, however much less far it is from one user than
from the others: beyond a distance that people's typings do not reach, all scores fall alike.

Both views follow from a few typings of a user, so that the whole model is a few dozen numbers a
user.

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

from keystroke.models.decisions import Decision, fit_decisions, probabilities
from keystroke.models.scorer import Scorer, fit_scorer
from keystroke.models.timings import Floats, Ints, log_timings

MIN_COLUMNS = 2
"""One press and one release make the first hold time."""


class TypingModel(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Recognize users by PLDA and Manhattan distance on robust log timings.

    Everything is fitted in ``fit``: medians, spreads, covariances, and, on typings held out from
    it in inner folds, the temperature and the thresholds.

    Parameters
    ----------
    manhattan_weight : float
        Of the Manhattan distance beside the log-likelihood ratio.
    clip : float
        Most a log timing may lie from its median, in robust standard deviations.
    false_acceptance_rate : float
        Share of strangers' typings, people not enrolled, that may pass for a given user.
    known_rejection_rate : float
        Share of enrolled users' typings that may be taken for a stranger's.

    Attributes
    ----------
    classes_ : ndarray, shape (C,)
    scorer_ : Scorer
    decisions_ : list of Decision
        Of one typing, two and so on, as far as users have typings to hold out.
    n_features_in_ : int
        2K.

    Notes
    -----
    ``X`` holds raw times in ms, shape (N, 2K), columns in the order of the CSV; see
    ``log_timings``. A whole typing may be moved in time: only differences count.
    """

    def __init__(
        self,
        manhattan_weight: float = 0.25,
        clip: float = 3.0,
        false_acceptance_rate: float = 0.01,
        known_rejection_rate: float = 0.05,
    ) -> None:
        self.manhattan_weight = manhattan_weight
        self.clip = clip
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
        plda = self.n_features_in_ - 1  # HT and PPT

        def scorer(rows: Floats, users: Ints) -> Scorer:
            return fit_scorer(rows, users, plda, self.manhattan_weight, self.clip)

        self.scorer_ = scorer(timings, encoded)
        self.decisions_ = fit_decisions(
            timings, encoded, scorer, self.false_acceptance_rate, self.known_rejection_rate
        )
        return self

    def score_users(self, X: ArrayLike) -> Floats:
        """Score every user for each typing, shape (N, C); the higher, the likelier."""
        check_is_fitted(self)
        times: Floats = validate_data(self, X, dtype=np.float64, reset=False)
        return self.scorer_.scores(log_timings(times))

    def predict_proba(self, X: ArrayLike) -> Floats:
        """Return the probability of each user, shape (N, C), if one of them typed."""
        return probabilities(self.score_users(X), self.decision(1).temperature)

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """Name the best scored user of each typing, shape (N,)."""
        best = self.score_users(X).argmax(axis=1)
        named: NDArray[Any] = self.classes_[best]
        return named

    def decision(self, typings: int) -> Decision:
        """Return how the mean score of so many typings of one person is read."""
        check_is_fitted(self)
        return self.decisions_[min(typings, len(self.decisions_)) - 1]
