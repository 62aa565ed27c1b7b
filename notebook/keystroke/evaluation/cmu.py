"""Killourhy and Maxion's public benchmark: its protocol.

Anyone who has ``DSL-StrongPasswordData.csv`` (51 subjects, 400 repetitions of one password) can
compare a detector with the published ones; the file itself is not part of this project.

References
----------
Killourhy and Maxion, Comparing anomaly-detection algorithms for keystroke dynamics, DSN 2009.
"""

import numpy as np
from numpy.typing import NDArray

from keystroke.csv_rows import DataError
from keystroke.evaluation.cmu_format import Benchmark
from keystroke.evaluation.rates import Trials, equal_error_rate
from keystroke.evaluation.recognizers import manhattan_scores
from keystroke.models.decisions import evidence
from keystroke.models.timings import Floats
from keystroke.models.typing_model import TypingModel

TRAINING_REPETITIONS = 200
"""Of each subject, the first ones; all later ones are genuine test typings."""

IMPOSTOR_REPETITIONS = 5
"""Of every other subject, the first ones: impostors do not know the password well."""

PUBLISHED = 0.0962
"""Average equal error rate of the scaled Manhattan detector in the paper's table 2."""


def _split(benchmark: Benchmark, training: int) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Tell rows of training and of impostors; all that are not of training are genuine tests."""
    position = np.zeros(len(benchmark.y), dtype=np.int64)
    for subject, name in enumerate(benchmark.subjects):
        rows = np.flatnonzero(benchmark.y == subject)
        if len(rows) <= training:
            raise DataError(
                f'{benchmark.name}: subject {name} has {len(rows)} repetitions; the protocol '
                f'trains on {training} and tests on later ones'
            )
        position[rows] = np.arange(len(rows))
    return position < training, position < IMPOSTOR_REPETITIONS


def _own_rate(genuine: Floats, impostor: Floats) -> float:
    typist = np.repeat([0, 1], [len(genuine), len(impostor)])
    trials = Trials(np.concatenate([genuine, impostor]), typist, np.zeros(len(typist), np.int64))
    return equal_error_rate(*trials.curve())


def manhattan_rates(benchmark: Benchmark, training: int = TRAINING_REPETITIONS) -> Floats:
    """Run the published protocol with the scaled Manhattan detector.

    Parameters
    ----------
    benchmark : Benchmark
    training : int
        Repetitions of each subject to train on; the published rates are of 200.

    Returns
    -------
    ndarray, shape (C,)
        Equal error rate of each subject's own detector.
    """
    trained, impostor = _split(benchmark, training)
    rates = np.empty(len(benchmark.subjects))
    timings = benchmark.timings * 1000  # ms, as the detector's least deviation
    for subject in range(len(rates)):
        own = benchmark.y == subject
        scored = [
            manhattan_scores(timings[own & trained], timings[rows])
            for rows in (own & ~trained, ~own & impostor)
        ]
        rates[subject] = _own_rate(*scored)
    return rates


def typing_model_rates(benchmark: Benchmark, training: int = TRAINING_REPETITIONS) -> Floats:
    """Run the protocol with the typing model, which is to know no impostor either.

    The detectors of the paper are trained on one subject. The typing model needs several, and
    would have an advantage if the impostors were among them. So half of the subjects are enrolled
    and the other half are the impostors; then the other way round.

    Parameters
    ----------
    benchmark : Benchmark
        Of four subjects at least.
    training : int

    Returns
    -------
    ndarray, shape (C,)
        Equal error rate of each subject's claims.
    """
    if len(benchmark.subjects) < 4:
        raise DataError(f'{benchmark.name}: two halves of two subjects at least are needed')
    trained, impostor = _split(benchmark, training)
    rates = np.empty(len(benchmark.subjects))
    for half in (0, 1):
        inside = benchmark.y % 2 == half
        model = TypingModel().fit(benchmark.times[inside & trained], benchmark.y[inside & trained])
        claims = evidence(model.scaled_scores(benchmark.times))
        for column, subject in enumerate(model.classes_):
            own = benchmark.y == subject
            rates[subject] = _own_rate(
                claims[own & ~trained, column], claims[~inside & impostor, column]
            )
    return rates
