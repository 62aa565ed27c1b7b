"""Recognizers side by side, on typings they were not fitted on.

A recognizer fits everything, scaling and calibration included, on the first sample it is given, and
answers about the second.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from keystroke.data import Typings, encode_users
from keystroke.evaluation.answers import Answers
from keystroke.evaluation.folds import Fold
from keystroke.features import timing_series
from keystroke.models.decisions import blocks, evidence, probabilities
from keystroke.models.table import CLASSIFIERS, MODELS, fit, model_inputs
from keystroke.models.timings import Floats, Ints, as_times
from keystroke.models.typing_model import TypingModel

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


Recognizer = Callable[[Sample, Sample], Answers]
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
    times = as_times(test.press, test.release)[rows.ravel()]
    scaled = model.scaled_scores(times, together)
    return Answers(
        y=test.y[rows[:, 0]],
        scores=scaled * model.decision(together).temperature,
        claims=evidence(scaled),
        named=scaled.argmax(axis=1).astype(np.int64),
        probabilities=probabilities(scaled),
    )


def eight_features(name: str) -> Recognizer:
    """Ask one of the classifiers, which read the 8 features.

    Parameters
    ----------
    name : str
        Of ``CLASSIFIERS``. Scores that are not probabilities are used as claims all the same.
    """

    def recognizer(train: Sample, test: Sample) -> Answers:
        model = fit(name, model_inputs(train.press, train.release), train.y)
        X = model_inputs(test.press, test.release)['features']
        found = MODELS[name].scores(model, X)
        named = np.asarray(model.predict(X), dtype=np.int64)
        return Answers(
            test.y, found, found, named, found if hasattr(model, 'predict_proba') else None
        )

    return recognizer


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


RECOGNIZERS: dict[str, Recognizer] = {
    TYPING_MODEL: typing_model,
    MANHATTAN: scaled_manhattan,
    **{name: eight_features(name) for name in CLASSIFIERS},
}


def held_out_answers(
    recognizer: Recognizer,
    sample: Sample,
    folds: list[Fold],
    progress: Callable[[int], None] = lambda fold: None,
) -> list[Answers]:
    """Fit on each fold's training part and ask about its test part.

    Parameters
    ----------
    recognizer : callable
    sample : Sample
    folds : list of (train, test)
        Every user in each training part.
    progress : callable
        Called with the number of each fold before it, from 0.

    Returns
    -------
    list of Answers
        One of each fold.
    """
    parts = []
    for number, (train, test) in enumerate(folds):
        progress(number)
        parts.append(recognizer(sample.at(train), sample.at(test)))
    return parts
