"""The file of Killourhy and Maxion's public benchmark, ``DSL-StrongPasswordData.csv``."""

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from keystroke.csv_rows import DataError, read_rows


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
    y: NDArray[np.int64]
    timings: NDArray[np.float64]
    times: NDArray[np.float64]


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
