import copy
import dataclasses
import json
import os
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from conftest import MODELS, Learned, assert_published, entries_of, files, record

from keystroke.csv_format import UserID
from keystroke.data import read_typings
from keystroke.graphs.parity import Parity, open_session, predict
from keystroke.manifest import ManifestError, describe, describe_model, publish
from keystroke.models.table import MODELS as TABLE

RANKS = {'rank1': 0.5, 'rank5': 0.75, 'rank1STD': 0.1, 'folds': 8}
METRICS = {
    'trainingAccuracy': 0.5,
    'repeatedStratified': RANKS,
    'leaveOneRepetitionOut': {
        **RANKS,
        **dict.fromkeys(('pooledEER', 'averageEER', 'frrAtFar1', 'frrAtFar01'), 0.1),
        'cmc': [0.5, 0.6],
        'det': [[0.0, 1.0], [1.0, 0.0]],
    },
}
PARITY = Parity(rows=20_010, label_differences=2, largest_score_difference=None)


def manifest_of(learned: Learned) -> dict[str, Any]:
    entries = {
        name: describe_model(
            name,
            learned.estimators[name],
            learned.graphs[name],
            learned.classes,
            learned.inputs,
            METRICS,
            PARITY,
        )
        for name in MODELS
    }
    return describe(learned.typings, learned.classes, entries)


@pytest.fixture(scope='module')
def other(tmp_path_factory: pytest.TempPathFactory) -> Learned:
    counts: dict[UserID, int] = {10: 4, 9: 3, -1: 5}
    return Learned(read_typings(record(tmp_path_factory.mktemp('other') / 'other.csv', counts)))


@pytest.fixture
def folder(tmp_path: Path, named: Learned) -> Path:
    """Give a folder with published models."""
    publish(tmp_path / 'models', manifest_of(named), named.graphs)
    return tmp_path / 'models'


def test_what_is_published_is_there_and_is_what_the_manifest_says(folder: Path) -> None:
    manifest = assert_published(folder)
    named_files = {entry['file'] for entry in entries_of(manifest)}
    assert set(files(folder)) == named_files | {'manifest.json'}
    for name, entry in manifest['models'].items():
        assert entry['file'] == f'{name.lower()}-{entry["sha256"][:12]}.onnx'
        onnx.checker.check_model(onnx.load(folder / entry['file']))


def test_every_user_of_the_machine_may_read_what_is_published(folder: Path) -> None:
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o644}


def test_publishing_other_models_removes_the_previous_ones(folder: Path, other: Learned) -> None:
    previous = set(files(folder))
    path = publish(folder, manifest_of(other), other.graphs)
    assert path == folder / 'manifest.json'
    manifest = assert_published(folder)
    assert manifest['classes'] == [-1, 9, 10]
    named_files = {entry['file'] for entry in entries_of(manifest)}
    assert set(files(folder)) == named_files | {'manifest.json'}
    assert not named_files & previous


def test_publishing_the_same_models_again_keeps_them(folder: Path, named: Learned) -> None:
    before = files(folder)
    publish(folder, manifest_of(named), named.graphs)
    assert_published(folder)
    assert set(files(folder)) == set(before)


def test_publishing_leaves_files_that_are_no_models_alone(folder: Path, other: Learned) -> None:
    (folder / 'README.md').write_text('# models')
    (folder / 'train.ipynb').write_text('{}')
    publish(folder, manifest_of(other), other.graphs)
    assert (folder / 'README.md').read_text() == '# models'
    assert (folder / 'train.ipynb').exists()


class Crash(BaseException):
    """As an interrupt is, no Exception."""


def failing_at(call: int, original: Callable[..., Any], error: BaseException) -> Callable[..., Any]:
    """Let a function fail at its n-th call, from 1."""
    calls = 0

    def function(*arguments: Any, **options: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == call:
            raise error
        return original(*arguments, **options)

    return function


# Four models and the manifest are written: five times a file is flushed and renamed.
@pytest.mark.parametrize('call', [1, 2, 3, 4, 5])
@pytest.mark.parametrize(
    ('where', 'what'), [(os, 'fsync'), (Path, 'chmod'), (Path, 'replace')], ids=str
)
@pytest.mark.parametrize('error', [OSError('disk full'), Crash()], ids=['error', 'interrupt'])
def test_a_failure_in_the_midst_leaves_the_previous_models_valid(  # noqa: PLR0913, PLR0917
    folder: Path,
    other: Learned,
    monkeypatch: pytest.MonkeyPatch,
    error: BaseException,
    where: Any,
    what: str,
    call: int,
) -> None:
    before = files(folder)
    with monkeypatch.context() as patch:
        patch.setattr(where, what, failing_at(call, getattr(where, what), error))
        with pytest.raises(type(error)):
            publish(folder, manifest_of(other), other.graphs)
    assert_published(folder)
    after = files(folder)
    assert before.items() <= after.items()
    # New models may lie there already, whole; no temporary files do.
    assert {Path(name).suffix for name in after.keys() - before.keys()} <= {'.onnx'}
    assert not [name for name in after if name.startswith('.')]

    publish(folder, manifest_of(other), other.graphs)
    assert len(files(folder)) == 5
    assert assert_published(folder)['classes'] == [-1, 9, 10]


def test_a_number_that_json_has_not_is_refused_before_anything_is_replaced(
    folder: Path, other: Learned
) -> None:
    before = files(folder)
    manifest = manifest_of(other)
    manifest['models']['RF']['metrics'] = {**METRICS, 'trainingAccuracy': float('nan')}
    with pytest.raises(ValueError, match='not JSON compliant'):
        publish(folder, manifest, other.graphs)
    assert before.items() <= files(folder).items()
    assert assert_published(folder)['dataset']['name'] == 'named.csv'


def test_the_manifest_is_strict_json_and_keeps_names_beyond_ascii(folder: Path) -> None:
    text = (folder / 'manifest.json').read_text('utf-8')

    def refuse(constant: str) -> None:
        pytest.fail(f'{constant} is not JSON')

    manifest = json.loads(text, parse_constant=refuse)
    assert manifest['classes'] == ['007', 'Zoë', 'ana', 'bob, jr', '李雷']
    assert '"李雷"' in text
    assert text.endswith('}\n')


@pytest.mark.parametrize('name', MODELS)
def test_golden_rows_expect_what_predict_says(folder: Path, named: Learned, name: str) -> None:
    golden = assert_published(folder)['models'][name]['golden']
    data = named.inputs[TABLE[name].input]
    rows = np.array([row['input'] for row in golden], dtype=data.dtype)
    assert rows.shape == (5, data.shape[1])
    # Through JSON and back every number is the same, and each row one of the data.
    assert all((row == data).all(axis=1).any() for row in rows)
    assert len(np.unique(rows, axis=0)) == 5
    labels = named.estimators[name].predict(rows)
    assert [row['userID'] for row in golden] == [named.classes[label] for label in labels]


@pytest.mark.parametrize('name', MODELS)
def test_golden_rows_give_their_answers_in_onnx(folder: Path, named: Learned, name: str) -> None:
    entry = assert_published(folder)['models'][name]
    session = open_session(onnx.load(folder / entry['file']))
    rows = [row['input'] for row in entry['golden']]
    found, scores = predict(session, np.array(rows, dtype=named.inputs[TABLE[name].input].dtype))
    for row, label, each in zip(entry['golden'], found, scores, strict=True):
        assert named.classes[label] == row['userID']
        assert each[label] == pytest.approx(row['score'], abs=1e-3)


@pytest.mark.parametrize('name', MODELS)
def test_a_graph_reads_what_its_entry_says(folder: Path, named: Learned, name: str) -> None:
    entry = assert_published(folder)['models'][name]
    session = open_session(onnx.load(folder / entry['file']))
    (tensor,) = session.get_inputs()
    columns, kind = {
        'features': (8, 'tensor(float)'),
        'times': (2 * named.typings.keys, 'tensor(double)'),
    }[entry['input']]
    assert (tensor.name, tensor.type, tensor.shape[1]) == (entry['input'], kind, columns)
    label, scores = session.get_outputs()
    assert (label.name, label.type, label.shape) == ('label', 'tensor(int64)', [None])
    assert (scores.name, scores.type) == ('scores', 'tensor(float)')
    assert scores.shape[1] == len(named.classes)


def test_the_typing_models_entry_says_how_its_scores_are_read(folder: Path, named: Learned) -> None:
    entry = assert_published(folder)['models']['typing']
    assert entry['input'] == 'times'
    assert entry['file'].startswith('typing-')
    assert (entry['falseAcceptanceRate'], entry['knownRejectionRate']) == (0.01, 0.05)
    assert [decision['typings'] for decision in entry['decisions']] == [1, 2, 3]
    assert entry['decisions'][1] == {
        'typings': 2,
        'temperature': named.typing_model.decision(2).temperature,
        'threshold': named.typing_model.decision(2).threshold,
        'unknownThreshold': named.typing_model.decision(2).unknown_threshold,
    }
    assert entry['parameters']['manhattan_weight'] == 0.25


def test_a_manifest_that_the_server_would_refuse_is_not_published(
    folder: Path, named: Learned
) -> None:
    before = files(folder)
    spoilt = json.loads(json.dumps(manifest_of(named)))
    spoilt['models']['RF']['metrics']['leaveOneRepetitionOut']['rank1'] = 1.5
    expected = r'models\.RF\.metrics\.leaveOneRepetitionOut\.rank1: 1.5 is greater than'
    with pytest.raises(ManifestError, match=expected):
        publish(folder, spoilt, named.graphs)
    spoilt = manifest_of(named)
    del spoilt['models']['typing']['decisions']
    with pytest.raises(ManifestError, match=r"models\.typing: 'decisions' is a required property"):
        publish(folder, spoilt, named.graphs)
    assert files(folder) == before


def test_golden_rows_of_a_recording_shorter_than_five_are_all_of_it(tmp_path: Path) -> None:
    learned = Learned(read_typings(record(tmp_path / 'short.csv', {1: 2, 2: 2})))
    golden = manifest_of(learned)['models']['SVM']['golden']
    assert [row['input'] for row in golden] == learned.X.tolist()


def test_the_manifest_says_what_it_was_made_of(folder: Path, named: Learned) -> None:
    manifest = assert_published(folder)
    assert list(manifest) == [
        'formatVersion',
        'createdAt',
        'dataset',
        'features',
        'classes',
        'models',
    ]
    assert manifest['formatVersion'] == 3
    offset = datetime.fromisoformat(manifest['createdAt']).utcoffset()
    assert offset is not None
    assert offset.total_seconds() == 0
    assert manifest['dataset'] == {
        'name': 'named.csv',
        'sha256': named.typings.sha256,
        'typings': 29,
        'users': 5,
        'keys': 5,
        'string': None,
    }
    with_string = Learned(dataclasses.replace(named.typings, string='knöde'))
    assert manifest_of(with_string)['dataset']['string'] == 'knöde'
    assert manifest['features'] == {
        'names': [
            f'{series}.{of}' for series in ('HT', 'PPT', 'RRT', 'RPT') for of in ('Mean', 'STD')
        ],
        'unit': 'ms',
        'ddof': 1,
    }


@pytest.mark.parametrize(
    ('name', 'estimator', 'library'),
    [
        ('SVM', 'SVC', 'scikit-learn'),
        ('RF', 'RandomForestClassifier', 'scikit-learn'),
        ('XGB', 'XGBClassifier', 'xgboost'),
    ],
)
def test_a_model_s_entry_says_what_it_is_and_how_good(
    folder: Path, name: str, estimator: str, library: str
) -> None:
    entry = assert_published(folder)['models'][name]
    assert entry['estimator'] == estimator
    assert entry['library']['name'] == library
    assert entry['opset'] == {'ai.onnx': 17, 'ai.onnx.ml': 3}
    assert entry['parameters']['random_state'] == 0
    assert entry['input'] == 'features'
    assert entry['metrics'] == METRICS
    assert entry['parity'] == {
        'rows': 20_010,
        'labelDifferences': 2,
        'largestScoreDifference': None,
        'maxScoreDifference': {'SVM': None, 'RF': 1e-5, 'XGB': 1e-5}[name],
    }


def test_the_manifest_is_the_same_every_time_but_for_its_date(named: Learned) -> None:
    first, second = manifest_of(named), manifest_of(Learned(copy.deepcopy(named.typings)))
    first.pop('createdAt')
    second.pop('createdAt')
    assert json.dumps(first) == json.dumps(second)
