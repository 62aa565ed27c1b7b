"""Killourhy and Maxion's public benchmark: its file format and its protocol.

Anyone who has ``DSL-StrongPasswordData.csv`` (51 subjects, 400 repetitions of one password) can
compare a detector with the published ones; the file itself is not part of this project.

References
----------
Killourhy and Maxion, Comparing anomaly-detection algorithms for keystroke dynamics, DSN 2009.
"""

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from keystroke.csv_rows import DataError, read_rows
from keystroke.evaluation.rates import Trials, equal_error_rate
from keystroke.evaluation.recognizers import manhattan_scores
from keystroke.models.decisions import evidence
from keystroke.models.timings import Floats, Ints
from keystroke.models.typing_model import TypingModel

TRAINING_REPETITIONS = 200
"""Of each subject, the first ones; all later ones are genuine test typings."""

IMPOSTOR_REPETITIONS = 5
"""Of every other subject, the first ones: impostors do not know the password well."""

PUBLISHED = 0.0962
"""Average equal error rate of the scaled Manhattan detector in the paper's table 2."""


@dataclass(frozen=True)
class Benchmark:
    """A file in the benchmark's format.

    Attributes
    ----------
    name : str
        File name, without its folder.
    subjects : list of str, length C
        In the order of the file.
    y : ndarray of int64, shape (N,)
        Index of each row's subject.
    timings : ndarray of float64, shape (N, 3K - 2)
        The H, DD and UD columns as they are in the file, in s.
    times : ndarray of float64, shape (N, 2K)
        The same as press and release times, in ms.
    """

    name: str
    subjects: list[str]
    y: Ints
    timings: Floats
    times: Floats


def is_benchmark(path: str | Path) -> bool:
    """Say whether a CSV's first columns are the benchmark's."""
    try:
        _, header = next(read_rows(Path(path))[1], (0, []))
    except DataError:
        return False  # reading it as typings says what is wrong
    return header[:2] == ['subject', 'sessionIndex']


def read_benchmark(path: str | Path) -> Benchmark:
    """Read subject, sessionIndex, rep and the timings, H.key, DD.key.next, UD.key.next, in s.

    Parameters
    ----------
    path : str or Path

    Returns
    -------
    Benchmark

    Raises
    ------
    DataError
        In one sentence with the line and the column, if anything is not as the format says.
    """
    path = Path(path)
    _, lines = read_rows(path)
    _, header = next(lines, (0, []))
    columns = _check_header(path.name, header)
    index: dict[str, int] = {}
    y: list[int] = []
    rows: list[list[float]] = []
    for line, row in lines:
        if len(row) != len(header):
            raise DataError(
                f'{path.name}, line {line}: {len(row)} fields where the header has {len(header)}'
            )
        y.append(index.setdefault(row[0], len(index)))
        rows.append(
            [
                _seconds(path.name, line, column, field)
                for column, field in zip(columns, row[3:], strict=True)
            ]
        )
    if len(index) < 2:
        raise DataError(f'{path.name}: {len(index)} subjects; a detector is tested on two at least')
    timings = np.array(rows)
    held = timings[:, 0::3]
    press = np.cumsum(timings[:, 1::3], axis=1)
    press = np.column_stack([np.zeros(len(press)), press])
    times = np.stack([press, press + held], axis=2).reshape(len(press), -1) * 1000
    return Benchmark(path.name, list(index), np.array(y, dtype=np.int64), timings, times)


def _check_header(name: str, header: list[str]) -> list[str]:
    columns = header[3:]
    keys = [column.removeprefix('H.') for column in columns[0::3]]
    expected = ['subject', 'sessionIndex', 'rep']
    for position, key in enumerate(keys):
        if position:
            expected += [f'DD.{keys[position - 1]}.{key}', f'UD.{keys[position - 1]}.{key}']
        expected.append(f'H.{key}')
    for position, (found, wanted) in enumerate(zip(header, expected, strict=False), start=1):
        if found != wanted:
            raise DataError(f'{name}, line 1: column {position} should be {wanted!r}, is {found!r}')
    if len(header) != len(expected) or len(keys) < 2:
        raise DataError(f'{name}, line 1: H, DD and UD columns of two keys at least, H last')
    return columns


def _seconds(name: str, line: int, column: str, field: str) -> float:
    try:
        value = float(field)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise DataError(
            f'{name}, line {line}, column {column}: {field!r} is not a number of seconds'
        )
    return value


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
