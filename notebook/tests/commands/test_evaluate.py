import json
from pathlib import Path

import numpy as np
import pytest
from conftest import generator, record_cmu

from keystroke.commands.evaluate import as_json, main
from keystroke.evaluation import answers, cmu, report
from keystroke.evaluation.cmu_format import read_benchmark
from keystroke.evaluation.report import COLUMNS, print_table

RECOGNIZERS = ['typing model', 'scaled Manhattan', 'SVM', 'RF', 'XGB']


@pytest.fixture(scope='module')
def csv(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp('csv') / 'six users.csv'
    generator.write(path, *generator.generate(users=6, typings=8, keys=6))
    return path


@pytest.fixture(autouse=True)
def _few_resamples(monkeypatch: pytest.MonkeyPatch) -> None:
    few = answers.intervals
    monkeypatch.setattr(report, 'intervals', lambda found: few(found, 20))


def test_it_prints_tables_and_writes_plots_and_json(
    csv: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(csv), '--out', str(tmp_path / 'new' / 'folder')]) == 0
    printed = capsys.readouterr()
    assert printed.out.startswith('six users.csv: 6 users, 48 typings of 6 keys\n')
    for title in COLUMNS.values():
        assert title in printed.out
    assert 'XGB: fold 8 of 8' in printed.err
    assert 'two typings together: fold 1 of 1' in printed.err

    folder = tmp_path / 'new' / 'folder'
    plots = {
        f'{protocol}-{kind}.png'
        for protocol in ('leaveOneRepetitionOut', 'firstAndLast')
        for kind in ('cmc', 'det', 'reliability')
    }
    assert {path.name for path in folder.iterdir()} == plots | {'evaluation.json'}
    assert all((folder / name).read_bytes().startswith(b'\x89PNG') for name in plots)
    results = json.loads((folder / 'evaluation.json').read_text('utf-8'))
    assert results['dataset']['users'] == 6
    assert list(results['leaveOneRepetitionOut']) == RECOGNIZERS
    assert list(results['firstAndLast']) == [*RECOGNIZERS, 'two typings together']
    for row in results['leaveOneRepetitionOut'].values():
        found = row['rates']
        assert found['rank1'] == row['cmc'][0]
        assert row['cmc'][5] == 1
        assert f'{found["pooledEER"]:.3f}' in printed.out
        low, high = row['intervals']['rank1']
        assert low <= high
    assert results['leaveOneRepetitionOut']['SVM']['reliability'] is None
    assert 0 <= results['strangers']['auroc'] <= 1
    # A quarter of each user's typings is asked about, two.
    assert list(results['enrolledWithoutTraining']) == ['1', '2']
    assert list(results['enrolledByBackground']) == ['3'], 'half of six users'
    assert results['enrolledByBackground']['3'] == results['enrolledWithoutTraining']['1']['5']
    for by_typings in results['enrolledWithoutTraining'].values():
        assert list(by_typings) == ['1', '2', '3', '5']
        assert all(
            f'{rates["falseRejectionRate"]:.1%}' in printed.out for rates in by_typings.values()
        )


def test_two_users_with_two_typings_each_are_enough(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    generator.write(tmp_path / 'small.csv', *generator.generate(users=2, typings=2, keys=3))
    assert main([str(tmp_path / 'small.csv'), '--out', str(tmp_path)]) == 0
    results = json.loads((tmp_path / 'evaluation.json').read_text('utf-8'))
    assert list(results['firstAndLast']) == RECOGNIZERS
    assert 'strangers' not in results
    assert 'Train on the first 2 typings, test on the last 2' in capsys.readouterr().out


def test_a_file_in_the_benchmarks_format_runs_the_benchmarks_protocol(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = record_cmu(tmp_path / 'f.csv', 4, 203, keys=3)
    assert main([str(path), '--out', str(tmp_path / 'out')]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith('f.csv: 4 subjects, 812 typings of 3 keys\n')
    results = json.loads((tmp_path / 'out' / 'evaluation.json').read_text('utf-8'))
    expected = cmu.manhattan_rates(read_benchmark(path))
    assert results['scaled Manhattan']['EER'] == pytest.approx(expected.tolist())
    assert f'{expected.mean():.4f}' in printed
    assert 'scaled Manhattan, as published' in printed


@pytest.mark.parametrize(
    ('content', 'sentence'),
    [
        (None, r'No such file'),
        (
            'user,press-0,release-0,press-1,release-1\n1,0,1,2,3\n',
            "'1' is the only user|1 is the only",
        ),
        ('subject,sessionIndex,rep,H.a\n', 'H, DD and UD columns of two keys'),
    ],
)
def test_what_cannot_be_evaluated_is_named_in_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str | None, sentence: str
) -> None:
    path = tmp_path / 'f.csv'
    if content is not None:
        path.write_text(content)
    assert main([str(path), '--out', str(tmp_path / 'out')]) == 1
    printed = capsys.readouterr()
    (line,) = printed.err.splitlines()
    assert line.startswith('Not evaluated: ')
    assert any(part in line for part in sentence.split('|'))
    assert not (tmp_path / 'out').exists()


def test_columns_are_as_wide_as_their_widest_entry(capsys: pytest.CaptureFixture[str]) -> None:
    print_table('T', ['', 'rate'], [['long name', '1'], ['x', '22222']])
    assert (
        capsys.readouterr().out
        == '\nT\n              rate\n  long name      1\n  x          22222\n'
    )


def test_what_json_has_no_number_for_becomes_null() -> None:
    value = as_json({'a': np.array([1.0, np.nan]), 'b': [(1, float('nan'))]})
    assert json.dumps(value, allow_nan=False) == '{"a": [1.0, null], "b": [[1, null]]}'
