import base64
import copy
import dataclasses
import json
import math
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from conftest import (
    METRICS,
    MODELS,
    Learned,
    assert_published,
    manifest_of,
    record,
)
from numpy.typing import NDArray

from keystroke.data import read_typings
from keystroke.graphs.parity import open_session, predict
from keystroke.manifest import golden_sums
from keystroke.models.table import MODELS as TABLE


def test_the_manifest_is_strict_json_and_keeps_names_beyond_ascii(folder: Path) -> None:
    text = (folder / 'manifest.json').read_text('utf-8')

    def refuse(constant: str) -> None:
        pytest.fail(f'{constant} is not JSON')

    manifest = json.loads(text, parse_constant=refuse)
    assert manifest['classes'] == ['007', 'Zoë', 'ana', 'bob, jr', '李雷']
    assert '"李雷"' in text
    assert text.endswith('}\n')


def unpack(packed: str, kind: str) -> NDArray[Any]:
    return np.frombuffer(base64.b64decode(packed), kind)


@pytest.mark.parametrize('name', MODELS)
def test_golden_rows_expect_what_python_says(folder: Path, named: Learned, name: str) -> None:
    manifest = assert_published(folder)
    golden = manifest['models'][name]['golden']
    data = named.inputs[TABLE[name].input]
    rows = unpack(manifest['golden'][TABLE[name].input], f'<f{data.itemsize}')
    rows = rows.reshape(-1, data.shape[1])
    # All rows of a small recording for the classifiers, five for the typing model.
    assert rows.tolist() == (data if name != 'typing' else data[[0, 7, 14, 21, 28]]).tolist()
    estimator = named.estimators[name]
    assert unpack(golden['labels'], '<i4').tolist() == estimator.predict(rows).tolist()
    for total, scores in zip(
        unpack(golden['sums'], '<f8'), TABLE[name].scores(estimator, rows), strict=True
    ):
        ratio = (math.sqrt(5) - 1) / 2
        weights = [0.5 + math.modf((c + 1) * ratio)[0] / 2 for c in range(5)]
        expected = sum(weight * score for weight, score in zip(weights, scores, strict=True))
        assert total == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize('name', MODELS)
def test_golden_rows_give_their_answers_in_onnx(folder: Path, named: Learned, name: str) -> None:
    manifest = assert_published(folder)
    entry = manifest['models'][name]
    data = named.inputs[TABLE[name].input]
    rows = unpack(manifest['golden'][TABLE[name].input], f'<f{data.itemsize}')
    found, scores = predict(
        open_session(onnx.load(folder / entry['file'])),
        rows.reshape(-1, data.shape[1]),
        named.exported[name].templates,
    )
    labels, sums = (
        unpack(entry['golden']['labels'], '<i4'),
        unpack(entry['golden']['sums'], '<f8'),
    )
    differ = (found != labels) | (
        np.abs(golden_sums(scores) - sums) > entry['golden']['maxDifference'] / 8
    )
    assert differ.sum() <= entry['golden']['mayDiffer']
    # Rounding is all that the difference makes room for.
    assert entry['golden']['maxDifference'] < 1e-3
    assert entry['golden']['mayDiffer'] == 0


@pytest.mark.parametrize('name', MODELS)
def test_a_graph_reads_what_its_entry_says(folder: Path, named: Learned, name: str) -> None:
    entry = assert_published(folder)['models'][name]
    session = open_session(onnx.load(folder / entry['file']))
    tensor, *templates = session.get_inputs()
    assert [entry.name for entry in templates] == (['plda', 'laplace'] if name == 'typing' else [])
    columns, kind = {
        'features': (8, 'tensor(float)'),
        'times': (2 * named.typings.keys, 'tensor(double)'),
    }[entry['input']]
    assert (tensor.name, tensor.type, tensor.shape[1]) == (entry['input'], kind, columns)
    label, scores = session.get_outputs()
    assert (label.name, label.type, label.shape) == ('label', 'tensor(int64)', [None])
    assert (scores.name, scores.type) == ('scores', 'tensor(float)')
    assert scores.shape[1] == (None if name == 'typing' else len(named.classes))


def test_the_typing_models_entry_says_how_its_scores_are_read(folder: Path, named: Learned) -> None:
    entry = assert_published(folder)['models']['typing']
    assert entry['input'] == 'times'
    assert entry['file'].startswith('typing-')
    assert (entry['falseAcceptanceRate'], entry['knownRejectionRate']) == (0.01, 0.05)
    assert [decision['asked'] for decision in entry['decisions']] == [1, 2, 3]
    two = named.typing_model.decision(2)
    assert entry['decisions'][1]['temperature'] == two.temperature
    assert entry['decisions'][1]['thresholds'][2] == {
        'enrolled': 3,
        'match': two.thresholds[2].match,
        'known': two.thresholds[2].known,
    }


def test_the_typing_models_entry_names_the_templates_of_its_users_and_what_makes_more(
    folder: Path, named: Learned
) -> None:
    manifest = assert_published(folder)
    entry = manifest['models']['typing']
    templates = open_session(onnx.load(folder / entry['templates']['file'])).run(None, {})
    plda, laplace, enrolled = templates
    assert enrolled.tolist() == [6, 6, 5, 5, 7]
    expected = named.typing_model.background_.cohort
    assert np.abs(np.hstack([plda, laplace]) - expected).max() < 1e-5
    golden = entry['enroll']['golden']
    session = open_session(onnx.load(folder / entry['enroll']['file']))
    found = session.run(
        ['plda', 'laplace'], {'times': unpack(manifest['golden']['times'], '<f8').reshape(5, -1)}
    )
    assert found[0][0] == pytest.approx(golden['plda'], abs=1e-5)
    assert found[1][0] == pytest.approx(golden['laplace'], abs=1e-5)


def test_golden_rows_of_a_recording_shorter_than_five_are_all_of_it(tmp_path: Path) -> None:
    learned = Learned(read_typings(record(tmp_path / 'short.csv', {1: 2, 2: 2})))
    manifest = manifest_of(learned)
    assert unpack(manifest['golden']['features'], '<f4').tolist() == learned.X.ravel().tolist()
    assert len(unpack(manifest['models']['typing']['golden']['labels'], '<i4')) == 4


def test_the_manifest_says_what_it_was_made_of(folder: Path, named: Learned) -> None:
    manifest = assert_published(folder)
    assert list(manifest) == [
        'formatVersion',
        'createdAt',
        'dataset',
        'features',
        'classes',
        'golden',
        'models',
    ]
    assert manifest['formatVersion'] == 6
    offset = datetime.fromisoformat(manifest['createdAt']).utcoffset()
    assert offset is not None
    assert offset.total_seconds() == 0
    assert manifest['dataset'] == {
        'name': 'named.csv',
        'sha256': named.typings.sha256,
        'typings': 29,
        'users': 5,
        'isSynthetic': False,
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
