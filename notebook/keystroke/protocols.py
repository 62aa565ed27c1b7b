"""Recognisers side by side, on typings they were not fitted on.

A protocol says which typings a recogniser is fitted on and which it is asked about. A recogniser
fits everything, scaling and calibration included, on the former alone.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from keystroke.data import Typings
from keystroke.evaluate import Fold
from keystroke.features import as_model_input, compute_features, timing_series
from keystroke.models import ESTIMATORS, encode_users, fit, scores
from keystroke.rates import Answers, Floats, Ints, Trials, equal_error_rate, frr_at
from keystroke.typing_model import TypingModel, as_times, evidence, probabilities

STRANGER_FOLDS = 5
"""Parts of the users that are left out of enrolment in turn."""

TIMER = 1.0
"""ms; a mean deviation is not taken to be less, or seven equal times would outweigh all others."""

TYPING_MODEL = 'typing model'
TWO_TYPINGS = 'two typings together'
MANHATTAN = 'scaled Manhattan'


@dataclass(frozen=True)
class Sample:
    """Typings and who typed them.

    Attributes
    ----------
    press, release : ndarray, shape (N, K)
        Times in ms.
    y : ndarray of int64, shape (N,)
        Class indices, each of 0..C-1 at least once.
    """

    press: NDArray[np.int64]
    release: NDArray[np.int64]
    y: Ints

    def at(self, rows: NDArray[np.int64]) -> 'Sample':
        """Return the given rows."""
        return Sample(self.press[rows], self.release[rows], self.y[rows])


def sample_of(typings: Typings) -> Sample:
    """Make a sample of recorded typings."""
    _, y = encode_users(typings.users)
    return Sample(typings.press, typings.release, y)


Recogniser = Callable[[Sample, Sample], Answers]
"""From typings to be fitted on and typings to be asked about, of the same users, to answers."""


def fit_typing_model(train: Sample) -> TypingModel:
    """Fit the typing model on a sample."""
    return TypingModel().fit(as_times(train.press, train.release), train.y)


def typing_model(train: Sample, test: Sample) -> Answers:
    """Ask the typing model about one typing at a time."""
    return _typing_answers(fit_typing_model(train), test, 1)


def two_typings(train: Sample, test: Sample) -> Answers:
    """Ask the typing model about two successive typings of each user together."""
    return _typing_answers(fit_typing_model(train), test, 2)


def _typing_answers(model: TypingModel, test: Sample, together: int) -> Answers:
    rows = blocks(test.y, together)
    each = model.score_users(as_times(test.press, test.release))
    mean = each[rows].mean(axis=1)
    temperature = model.decision(together).temperature
    return Answers(
        y=test.y[rows[:, 0]],
        scores=mean,
        claims=evidence(mean, temperature),
        named=mean.argmax(axis=1).astype(np.int64),
        probabilities=probabilities(mean, temperature),
    )


def blocks(y: Ints, size: int) -> Ints:
    """Cut each user's rows into blocks of so many, in order; what is left over goes.

    Returns
    -------
    ndarray of int64, shape (M, size)
        Row numbers.

    Examples
    --------
    >>> blocks(np.array([0, 1, 0, 0, 1]), 2)
    array([[0, 2],
           [1, 4]])
    """
    found = []
    for user in np.unique(y):
        rows = np.flatnonzero(y == user)
        found.append(rows[: len(rows) // size * size].reshape(-1, size))
    return np.concatenate(found)


def eight_features(name: str) -> Recogniser:
    """Ask one of the three models of the 8 features.

    Parameters
    ----------
    name : {'SVM', 'RF', 'XGB'}
        SVM has no probabilities; its one-versus-rest values are taken for claims.
    """

    def recogniser(train: Sample, test: Sample) -> Answers:
        model = fit(name, as_model_input(compute_features(train.press, train.release)), train.y)
        X = as_model_input(compute_features(test.press, test.release))
        found = scores(model, X)
        named = np.asarray(model.predict(X), dtype=np.int64)
        return Answers(test.y, found, found, named, None if name == 'SVM' else found)

    return recogniser


def raw_timings(press: NDArray[np.int64], release: NDArray[np.int64]) -> Floats:
    """Return HT, PPT and RPT of each typing in ms, what Killourhy and Maxion's detectors see."""
    series = timing_series(press, release)
    return np.hstack([series['HT'], series['PPT'], series['RPT']]).astype(np.float64)


def manhattan_scores(train: Floats, test: Floats, least: float = TIMER) -> Floats:
    """Score typings for the one user whose typings are given: the scaled Manhattan detector.

    Parameters
    ----------
    train : ndarray, shape (N, F)
        The user's timings.
    test : ndarray, shape (M, F)
    least : float
        Smallest mean deviation, in the timings' unit.

    Returns
    -------
    ndarray, shape (M,)
        Minus the sum of deviations from the user's means, each over the user's mean absolute
        deviation.

    References
    ----------
    Killourhy and Maxion, Comparing anomaly-detection algorithms for keystroke dynamics, DSN 2009,
    section 4.2 (after Araújo et al. 2004).
    """
    mean = train.mean(axis=0)
    deviation = np.maximum(np.abs(train - mean).mean(axis=0), least)
    distances: Floats = (np.abs(test - mean) / deviation).sum(axis=1)
    return -distances


def scaled_manhattan(train: Sample, test: Sample) -> Answers:
    """Ask Killourhy and Maxion's scaled Manhattan detector of each user."""
    own, asked = raw_timings(train.press, train.release), raw_timings(test.press, test.release)
    found = np.column_stack(
        [manhattan_scores(own[train.y == user], asked) for user in range(int(train.y.max()) + 1)]
    )
    return Answers(test.y, found, found, found.argmax(axis=1).astype(np.int64))


RECOGNISERS: dict[str, Recogniser] = {
    TYPING_MODEL: typing_model,
    MANHATTAN: scaled_manhattan,
    **{name: eight_features(name) for name in ESTIMATORS},
}


def held_out_answers(
    recogniser: Recogniser,
    sample: Sample,
    folds: list[Fold],
    progress: Callable[[int], None] = lambda fold: None,
) -> list[Answers]:
    """Fit on each fold's training part and ask about its test part.

    Parameters
    ----------
    recogniser : callable
    sample : Sample
    folds : list of (train, test)
        Every user in each training part.
    progress : callable
        Told the number of each fold before it, from 0.

    Returns
    -------
    list of Answers
        One of each fold.
    """
    parts = []
    for number, (train, test) in enumerate(folds):
        progress(number)
        parts.append(recogniser(sample.at(train), sample.at(test)))
    return parts


def first_and_last(y: Ints) -> Fold:
    """Train on the first three quarters of each user's typings, test on the last quarter.

    The last is one typing at least. Time runs forward: nobody has tomorrow's typings today.

    Parameters
    ----------
    y : ndarray of int64, shape (N,)
        In the order in which users typed; at least two typings each.

    Returns
    -------
    train, test : ndarray of int64
        Row numbers.
    """
    last = np.zeros(len(y), dtype=bool)
    for user in np.unique(y):
        rows = np.flatnonzero(y == user)
        last[rows[-max(len(rows) // 4, 1) :]] = True
    return np.flatnonzero(~last), np.flatnonzero(last)


@dataclass(frozen=True)
class Strangers:
    """How the typing model takes typists who are not enrolled.

    Attributes
    ----------
    auroc : float
        Of the best user's score: that an enrolled user's is above a stranger's.
    known_rejected, strangers_rejected : float
        Shares that look unknown by the model's own threshold.
    false_acceptance_rate, false_rejection_rate : float
        Of strangers' and of users' own claims, by the model's own threshold.
    eer : float
        Pooled, with strangers' claims as the impostor trials.
    frr_at_far_1 : float
    """

    auroc: float
    known_rejected: float
    strangers_rejected: float
    false_acceptance_rate: float
    false_rejection_rate: float
    eer: float
    frr_at_far_1: float


def meet_strangers(sample: Sample) -> Strangers:
    """Leave a fifth of the users out of enrolment, in turn, and let them type all the same.

    Enrolled users and strangers are asked about on the last quarter of their typings, the former
    are enrolled with the rest; nothing is fitted to the strangers.

    Parameters
    ----------
    sample : Sample
        Of three users at least.
    """
    C = int(sample.y.max()) + 1
    # A fixed shuffle: UserIDs may be numbered by site or by date.
    shuffled = np.random.default_rng(0).permutation(C)
    train, last = first_and_last(sample.y)
    known, unknown, own, others = [], [], [], []
    known_rejected, strangers_rejected, accepted, refused = [], [], [], []
    parts = min(STRANGER_FOLDS, C)
    for part in range(parts):
        enrolled = np.setdiff1d(np.arange(C), shuffled[part::parts])
        if len(enrolled) < 2:
            continue
        is_enrolled = np.isin(sample.y, enrolled)

        def encoded(rows: Ints, enrolled: Ints = enrolled) -> Sample:
            chosen = sample.at(rows)
            return Sample(chosen.press, chosen.release, np.searchsorted(enrolled, chosen.y))

        model = fit_typing_model(encoded(train[is_enrolled[train]]))
        decision = model.decision(1)
        inside, outside = encoded(last[is_enrolled[last]]), sample.at(last[~is_enrolled[last]])
        inside_scores, outside_scores = (
            model.score_users(as_times(s.press, s.release)) for s in (inside, outside)
        )
        inside_claims, outside_claims = (
            evidence(found, decision.temperature) for found in (inside_scores, outside_scores)
        )
        own.append(inside_claims[np.arange(len(inside.y)), inside.y])
        others.append(outside_claims.ravel())
        known.append(inside_scores.max(axis=1))
        unknown.append(outside_scores.max(axis=1))
        known_rejected.append(known[-1] <= decision.unknown_threshold)
        strangers_rejected.append(unknown[-1] <= decision.unknown_threshold)
        accepted.append(others[-1] > decision.threshold)
        refused.append(own[-1] <= decision.threshold)

    genuine, impostor = np.concatenate(own), np.concatenate(others)
    claims = Trials(
        np.concatenate([genuine, impostor]),
        np.repeat([0, -1], [len(genuine), len(impostor)]),
        np.zeros(len(genuine) + len(impostor), dtype=np.int64),
    )
    far, frr = claims.curve()
    best = np.concatenate([*known, *unknown])
    is_known = np.repeat([1, 0], [sum(map(len, known)), sum(map(len, unknown))])
    return Strangers(
        auroc=float(roc_auc_score(is_known, best)),
        known_rejected=float(np.concatenate(known_rejected).mean()),
        strangers_rejected=float(np.concatenate(strangers_rejected).mean()),
        false_acceptance_rate=float(np.concatenate(accepted).mean()),
        false_rejection_rate=float(np.concatenate(refused).mean()),
        eer=equal_error_rate(far, frr),
        frr_at_far_1=frr_at(far, frr, 0.01),
    )
