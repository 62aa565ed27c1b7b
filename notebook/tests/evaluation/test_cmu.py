import csv
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from conftest import record_cmu
from numpy.typing import NDArray

from keystroke.csv_rows import DataError
from keystroke.evaluation import cmu
from keystroke.evaluation.cmu import manhattan_rates, typing_model_rates
from keystroke.evaluation.cmu_format import is_benchmark, read_benchmark
from keystroke.models.typing_model import TypingModel

HEADER = ['subject', 'sessionIndex', 'rep', 'H.a', 'DD.a.b', 'UD.a.b', 'H.b']


def write(path: Path, rows: list[list[object]], header: list[str] = HEADER) -> Path:
    with path.open('w', newline='', encoding='utf-8') as file:
        csv.writer(file).writerows([header, *rows])
    return path


def test_timings_are_read_as_they_stand_and_as_press_and_release_times(tmp_path: Path) -> None:
    path = write(
        tmp_path / 'f.csv',
        [
            ['s002', 1, 1, 0.1491, 0.3979, 0.2488, 0.1069],
            ['s003', 1, 1, 0.08, 0.05, -0.03, 0.12],
            ['s002', 1, 2, 0.1, 0.2, 0.1, 0.1],
        ],
    )
    assert is_benchmark(path)
    data = read_benchmark(path)
    assert data.subjects == ['s002', 's003']
    assert data.y.tolist() == [0, 1, 0]
    assert data.timings[0].tolist() == [0.1491, 0.3979, 0.2488, 0.1069]
    assert data.times[0] == pytest.approx([0, 149.1, 397.9, 504.8])
    assert data.times[1] == pytest.approx([0, 80, 50, 170])


def test_a_csv_of_typings_is_no_benchmark(tmp_path: Path) -> None:
    path = write(tmp_path / 'f.csv', [], ['user', 'press-0', 'release-0'])
    assert not is_benchmark(path)
    assert not is_benchmark(tmp_path / 'missing.csv')
    # Whose first column has one of the other names for it.
    assert not is_benchmark(write(tmp_path / 's.csv', [], ['subject', 'press-0', 'release-0']))


ROW: list[object] = ['s1', 1, 1, 0.1, 0.2, 0.1, 0.1]


@pytest.mark.parametrize('end', ['\n', '\r\n', '\r'])
def test_its_text_is_read_as_that_of_every_csv(tmp_path: Path, end: str) -> None:
    path = tmp_path / 'f.csv'
    blank: list[object] = [''] * len(HEADER)
    rows: list[list[object]] = [[*HEADER], ROW, [], ['s2', *ROW[1:]], blank]
    lines = [','.join(str(field) for field in row) for row in rows]
    path.write_bytes(('\ufeff' + end.join([*lines, '', ''])).encode())
    assert is_benchmark(path)
    assert read_benchmark(path).subjects == ['s1', 's2']


def test_a_file_that_is_not_utf8_is_refused_with_its_line(tmp_path: Path) -> None:
    path = write(tmp_path / 'f.csv', [ROW])
    path.write_bytes(path.read_bytes() + 'José,1,1,.1,.2,.1,.1\n'.encode('latin-1'))
    with pytest.raises(DataError, match=r'^f.csv, line 3: not UTF-8$'):
        read_benchmark(path)


@pytest.mark.parametrize(
    ('rows', 'header', 'message'),
    [
        (
            [[*ROW[:-1], 'x']],
            HEADER,
            r"^f.csv, line 2, column H.b: 'x' is not a number of seconds$",
        ),
        ([[*ROW[:-1], 'nan']], HEADER, r"column H.b: 'nan' is not a number"),
        ([ROW[:-1]], HEADER, r'^f.csv, line 2: 6 fields where the header has 7$'),
        ([ROW], [*HEADER[:4], 'UD.a.b', 'DD.a.b', 'H.b'], r"column 5 should be 'DD.a.b', is 'UD"),
        ([ROW[:-1]], HEADER[:-1], r'^f.csv, line 1: H, DD and UD columns of two keys'),
        ([ROW], HEADER, r'^f.csv: 1 subjects; a detector is tested on two at least$'),
    ],
)
def test_what_is_not_in_the_format_is_refused(
    tmp_path: Path, rows: list[list[object]], header: list[str], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        read_benchmark(write(tmp_path / 'f.csv', rows, header))


def test_the_protocol_gives_the_rates_worked_out_by_hand(tmp_path: Path) -> None:
    """Only hold time a differs; the other columns are the same in all rows."""

    def rows(subject: str, holds: list[float]) -> list[list[object]]:
        return [[subject, 1, i + 1, hold, 0.3, 0.2, 0.1] for i, hold in enumerate(holds)]

    path = write(
        tmp_path / 'f.csv',
        [
            # Trained on .10 and .14: mean .12, mean deviation .02. Later: 1, 0, .5, 3 away.
            *rows('a', [0.10, 0.14, 0.10, 0.12, 0.13, 0.18]),
            # Trained on .20 and .22: mean .21, mean deviation .01. Later: 1, 1, 1, 9 away.
            *rows('b', [0.20, 0.22, 0.20, 0.22, 0.22, 0.12]),
        ],
    )
    # a's impostors are b's first five, .20 .22 .20 .22 .22: 4, 5, 4, 5, 5 away: none is nearer
    # than a's own 3. b's are .10 .14 .10 .12 .13: 11, 7, 11, 9, 8 away. Of b's own, one in four
    # (9 away) is as far: accepting up to 1 refuses 1/4 and accepts 0; up to 7, 1/4 and 1/5; up to
    # 8, 1/4 and 2/5. On the line between the last two FAR is 1/4 where FRR is.
    rates = manhattan_rates(read_benchmark(path), training=2)
    assert rates == pytest.approx([0, 0.25])


def test_the_protocol_wants_repetitions_after_those_it_trains_on(tmp_path: Path) -> None:
    data = read_benchmark(record_cmu(tmp_path / 'f.csv', 4, 6))
    with pytest.raises(
        DataError, match='subject s001 has 6 repetitions; the protocol trains on 200'
    ):
        manhattan_rates(data)


def test_both_recognizers_do_better_than_chance_on_a_file_in_the_format(tmp_path: Path) -> None:
    data = read_benchmark(record_cmu(tmp_path / 'f.csv', 12, 20))
    manhattan, ours = manhattan_rates(data, 10), typing_model_rates(data, 10)
    assert manhattan.shape == ours.shape == (12,)
    assert 0.005 < manhattan.mean() < 0.3
    assert 0 <= ours.mean() < manhattan.mean()


def test_the_typing_model_is_not_numbers_who_the_impostors_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = read_benchmark(record_cmu(tmp_path / 'f.csv', 6, 12))
    enrolled: list[list[int]] = []

    def spy(X: NDArray[np.float64], y: NDArray[np.int64]) -> TypingModel:
        enrolled.append(sorted(set(y.tolist())))
        assert len(y) == 3 * 6  # of the halves' first six repetitions
        return TypingModel().fit(X, y)

    monkeypatch.setattr(cmu, 'TypingModel', lambda: SimpleNamespace(fit=spy))
    typing_model_rates(data, 6)
    assert enrolled == [[0, 2, 4], [1, 3, 5]]
