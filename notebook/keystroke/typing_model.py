r"""Recognise people by every single time of a typing rather than by eight aggregates.

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

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.linalg import eigh
from scipy.optimize import minimize_scalar
from scipy.special import logsumexp, softmax
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.covariance import ledoit_wolf
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

Floats = NDArray[np.float64]

LOG_OFFSET = 20.0
"""ms added before the logarithm, so that a few ms of a short time do not count as much as half."""

RPT_UNIT = 50.0
"""ms within which release-press times, which may be negative, are nearly linear."""

MIN_VARIANCE = 1e-3
"""Added to W's diagonal, in robust units: constant columns must not make it singular."""

MIN_SPREAD = 0.05
"""Of the Manhattan distance, in robust units, for the same reason."""

ROUNDING = 1e-9
"""Of log timings. A scale below it is of equal ones, whose computed spread is rounding alone; whole
ms differ by more than 2e-7 up to an hour."""

FAR = 2.2
"""Spreads that a timing lies, on average, from the nearest user's mean in a typing of nobody's, if
both were known exactly. Of the challenge's held-out typings, scored against 7 a user, the farthest
was at 1.9, one of 900 ms a key and 600 ms held is at 3.2."""

FAR_PENALTY = 4.0
"""By which scores fall for each unit of distance beyond that; ten units undo a very good score."""

MOST_COMBINED = 3
"""Typings of one person for whose mean score a decision of its own is fitted."""

MOST_FOLDS = 8
"""Fits for each number of typings while the decisions are fitted."""

STRANGER_FOLDS = 5
"""Parts of the users that are left out in turn, to be scored as strangers."""

MOST_HELD_OUT = 2000
"""Held-out scores, each against all users, that are enough for a quantile of 1 in 100."""

UNCALIBRATED_TEMPERATURE = 2.0
"""Where nobody typed twice, so that nothing can be held out; about what recorded people give."""

MIN_COLUMNS = 2
"""One press and one release make the first hold time."""


def as_times(press: NDArray[np.int64], release: NDArray[np.int64]) -> Floats:
    """Interleave press and release times, as the columns of the CSV are.

    Parameters
    ----------
    press, release : ndarray of int64, shape (N, K)
        Times in ms.

    Returns
    -------
    ndarray of float64, shape (N, 2K)
        Exact: float64 holds whole numbers up to 2**53.

    Examples
    --------
    >>> as_times(np.array([[0, 100]]), np.array([[80, 190]]))
    array([[  0.,  80., 100., 190.]])
    """
    return np.stack([press, release], axis=2).reshape(len(press), -1).astype(np.float64)


def log_timings(times: Floats) -> Floats:
    """Take the four timings of each typing and compress them, so that a factor counts, not ms.

    Parameters
    ----------
    times : ndarray of float64, shape (N, 2K) or (N, 2K - 1)
        press-0, release-0, ..., in ms on any clock. Without the last key's release, which a page
        that is left on pressing Enter never sees, it is K - 1 hold times and so on.

    Returns
    -------
    ndarray of float64, shape (N, 4K - 3) for 2K columns
        HT, PPT, RRT as log(max(t, 0) + 20 ms), RPT as sign(t) log(1 + |t| / 50 ms).
    """
    press, release = times[:, 0::2], times[:, 1::2]
    held = release.shape[1]
    positive = np.hstack(
        [release - press[:, :held], np.diff(press, axis=1), np.diff(release, axis=1)]
    )
    between = press[:, 1:] - release[:, : press.shape[1] - 1]
    return np.hstack(
        [
            np.log(np.maximum(positive, 0) + LOG_OFFSET),
            np.sign(between) * np.log1p(np.abs(between) / RPT_UNIT),
        ]
    )


@dataclass(frozen=True)
class Scorer:
    """What is fitted to typings: C users, F log timings of which the first P go to PLDA.

    Attributes
    ----------
    center, scale : ndarray, shape (F,)
        Median and 1.4826 median absolute deviation of each log timing over all typings.
    clip : float
        Most a timing may lie from the centre, in units of scale.
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
        """Centre, scale and clip log timings, shape (N, F)."""
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
    """Fit what scores a typing for each user.

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

    projection, variances = _within_and_between(
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


def _sum_by_user(values: Floats, y: NDArray[np.int64], users: int) -> Floats:
    sums = np.zeros((users, values.shape[1]))
    np.add.at(sums, y, values)
    return sums


def _within_and_between(
    apart: Floats, means: Floats, one_over_counts: Floats, freedom: int
) -> tuple[Floats, Floats]:
    """Estimate W and B and diagonalise both at once.

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


@dataclass(frozen=True)
class Decision:
    """How the mean score of so many typings of one person is read.

    Attributes
    ----------
    typings : int
        n; of more than the largest n there is, the largest one's decision is used.
    temperature : float
        Divides mean scores in ``probabilities`` and ``evidence``.
    threshold : float
        A claimed user is confirmed where the evidence is above it.
    unknown_threshold : float
        The typist looks unknown where even the best user's mean score is not above it.
    """

    typings: int
    temperature: float
    threshold: float
    unknown_threshold: float


def probabilities(scores: Floats, temperature: float) -> Floats:
    """Turn scores, shape (N, C), into probabilities if one of the C users typed.

    Examples
    --------
    >>> probabilities(np.array([[2.0, 0.0]]), 2.0).round(3)
    array([[0.731, 0.269]])
    """
    result: Floats = softmax(scores / temperature, axis=1)
    return result


def evidence(scores: Floats, temperature: float) -> Floats:
    r"""Weigh each user against everybody else: another enrolled user, or as likely a stranger.

    .. math:: e_u = s_u / T - \log\left(\frac{1}{2 (C-1)} \sum_{v \ne u} \exp(s_v / T)
        + \frac{1}{2}\right)

    A natural-logarithm likelihood ratio: 0 says nothing, 4.6 favours the user 100 to 1. A
    stranger scores 0 by the construction of both parts of the score. Without the sum, one who is
    like two enrolled users would pass for both.

    Parameters
    ----------
    scores : ndarray, shape (N, C)
    temperature : float

    Returns
    -------
    ndarray, shape (N, C)

    Examples
    --------
    >>> evidence(np.array([[2.0, 0.0]]), 2.0).round(3)
    array([[ 1.  , -0.62]])
    """
    scaled = scores / temperature
    best = scaled.argmax(axis=1)
    rows = np.arange(len(scaled))
    without_best = scaled.copy()
    without_best[rows, best] = -np.inf
    top = scaled[rows, best][:, None]
    # The sum of all less one's own is exact enough but for the best, whose own may be all of it.
    share = np.exp(scaled - top)
    with np.errstate(divide='ignore'):
        others = top + np.log(np.maximum(share.sum(axis=1, keepdims=True) - share, 0))
    others[rows, best] = logsumexp(without_best, axis=1)
    mean = others - np.log(scores.shape[1] - 1)
    result: Floats = scaled - np.logaddexp(mean + np.log(0.5), np.log(0.5))
    return result


class TypingModel(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Recognise users by PLDA and Manhattan distance on robust log timings.

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
        """Tell scikit-learn's checks that blobs around 0, which are no times, may be missed."""
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
            Who typed; two users at least, any number of typings each. A user's typings stand in
            the order in which they were made.
        """
        times, y = validate_data(self, X, y, dtype=np.float64, ensure_min_features=MIN_COLUMNS)
        check_classification_targets(y)
        self.classes_, encoded = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError('telling users apart needs two classes at least; there is 1 class')
        timings = log_timings(times)
        self.scorer_ = self._fit_scorer(timings, encoded)
        self.decisions_ = self._fit_decisions(timings, encoded)
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

    def _fit_scorer(self, timings: Floats, y: NDArray[np.int64]) -> Scorer:
        plda = self.n_features_in_ - 1  # HT and PPT
        return fit_scorer(timings, y, plda, self.manhattan_weight, self.clip)

    def _fit_decisions(self, timings: Floats, y: NDArray[np.int64]) -> list[Decision]:
        # Every user's typings from here on stand together, in the order they were made.
        order = np.argsort(y, kind='stable')
        timings, y = timings[order], y[order]
        C = len(self.classes_)
        decisions: list[Decision] = []
        for typings in range(1, MOST_COMBINED + 1):
            held_out = list(self._held_out(timings, y, typings))
            users = np.concatenate([np.zeros(0, np.int64), *(user for _, user in held_out)])
            # A decision for several typings has to be one for most users.
            if typings > 1 and len(np.unique(users)) < C / 2:
                break
            if held_out:
                scores = np.concatenate([score for score, _ in held_out])
                temperature = _fit_temperature(scores, users, typings)
                known = scores.max(axis=1)
            else:
                scores = np.zeros((0, C))
                temperature, known = UNCALIBRATED_TEMPERATURE, np.zeros(1)
            strangers = [
                evidence(score, temperature).ravel()
                for score in self._strangers(timings, y, typings)
            ]
            if not strangers and len(scores):
                # Of two users none can be left out: each is the other's stranger.
                others = np.arange(C) != users[:, None]
                strangers = [evidence(scores, temperature)[others]]
            decisions.append(
                Decision(
                    typings=typings,
                    temperature=temperature,
                    threshold=_quantile(strangers, 1 - self.false_acceptance_rate, 'higher'),
                    unknown_threshold=_quantile([known], self.known_rejection_rate, 'lower'),
                )
            )
        return decisions

    def _held_out(
        self, timings: Floats, y: NDArray[np.int64], typings: int
    ) -> Iterator[tuple[Floats, NDArray[np.int64]]]:
        """Score enrolled users' typings that the scorer was not fitted on, so many at a time.

        Yields
        ------
        scores : ndarray, shape (M, C)
            Mean of a block of successive typings of one user.
        users : ndarray of int64, shape (M,)
        """
        counts = np.bincount(y)
        # One typing at least stays to enrol the user with.
        first, block = _blocks(y, typings, (counts > typings)[y])
        folds = block % MOST_FOLDS
        for fold in np.unique(folds):
            tested = first[folds == fold]
            rows = tested[:, None] + np.arange(typings)
            train = np.ones(len(y), dtype=bool)
            train[rows.ravel()] = False
            tested = _thin(tested, MOST_HELD_OUT // MOST_FOLDS)
            scorer = self._fit_scorer(timings[train], y[train])
            yield _block_scores(scorer, timings, tested, typings), y[tested]

    def _strangers(self, timings: Floats, y: NDArray[np.int64], typings: int) -> Iterator[Floats]:
        """Score typings of users who are left out, against those who are not.

        Yields
        ------
        ndarray, shape (M, users not left out)
        """
        C = len(self.classes_)
        parts = min(STRANGER_FOLDS, C)
        for part in range(parts if C > 2 else 0):
            out = np.arange(C) % parts == part
            first, _ = _blocks(y, typings, out[y])
            if not len(first):
                continue
            enrolled = np.flatnonzero(~out[y])
            _, encoded = np.unique(y[enrolled], return_inverse=True)
            scorer = self._fit_scorer(timings[enrolled], encoded)
            tested = _thin(first, MOST_HELD_OUT // STRANGER_FOLDS)
            yield _block_scores(scorer, timings, tested, typings)


def _blocks(
    y: NDArray[np.int64], size: int, wanted: NDArray[np.bool_]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Cut each user's typings, which stand together, into whole blocks of successive ones.

    Returns
    -------
    first : ndarray of int64, shape (M,)
        Row at which each block starts; only of wanted rows.
    block : ndarray of int64, shape (M,)
        Which of its user's blocks it is, from 0.
    """
    counts = np.bincount(y)
    starts = np.cumsum(counts) - counts
    position = np.arange(len(y)) - starts[y]
    whole = (position % size == 0) & (position + size <= counts[y]) & wanted
    first = np.flatnonzero(whole)
    return first, position[first] // size


def _thin(rows: NDArray[np.int64], most: int) -> NDArray[np.int64]:
    """Keep so many at most, evenly spread."""
    if len(rows) <= most:
        return rows
    return rows[np.linspace(0, len(rows) - 1, most).round().astype(np.int64)]


def _block_scores(scorer: Scorer, timings: Floats, first: NDArray[np.int64], size: int) -> Floats:
    rows = (first[:, None] + np.arange(size)).ravel()
    scores = scorer.scores(timings[rows])
    means: Floats = scores.reshape(len(first), size, -1).mean(axis=1)
    return means


def _fit_temperature(scores: Floats, users: NDArray[np.int64], typings: int) -> float:
    """Find the temperature at which the true users of held-out typings are least surprising."""

    def surprise(log_temperature: float) -> float:
        scaled = scores / np.exp(log_temperature)
        own = scaled[np.arange(len(users)), users]
        return float((logsumexp(scaled, axis=1) - own).mean())

    # A mean of n independent log-likelihood ratios is 1/n of their sum: nothing is surer than
    # that, though a few typings, all named right, would have it so.
    bounds = (np.log(1 / typings), np.log(100.0))
    return float(np.exp(minimize_scalar(surprise, bounds=bounds, method='bounded').x))


def _quantile(parts: list[Floats], share: float, method: Any) -> float:
    # Without anything held out: where the evidence says nothing either way.
    return float(np.quantile(np.concatenate(parts), share, method=method)) if parts else 0.0
