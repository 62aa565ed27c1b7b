import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnx
import pytest
from conftest import (
    METRICS,
    Learned,
    assert_published,
    files,
    files_of,
    manifest_of,
    record,
)

from keystroke.csv_format import UserID
from keystroke.data import read_typings
from keystroke.manifest import publish
from keystroke.manifest_schema import ManifestError


def test_what_is_published_is_there_and_is_what_the_manifest_says(folder: Path) -> None:
    manifest = assert_published(folder)
    named_files = {entry['file'] for entry in files_of(manifest)}
    assert set(files(folder)) == named_files | {'manifest.json'}
    for name, entry in manifest['models'].items():
        assert entry['file'] == f'{name.lower()}-{entry["sha256"][:12]}.onnx'
        onnx.checker.check_model(onnx.load(folder / entry['file']))


def test_every_user_of_the_machine_may_read_what_is_published(folder: Path) -> None:
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o644}


def test_publishing_other_models_removes_the_previous_ones(folder: Path, other: Learned) -> None:
    previous = set(files(folder))
    path = publish(folder, manifest_of(other), other.exported)
    assert path == folder / 'manifest.json'
    manifest = assert_published(folder)
    assert manifest['classes'] == [-1, 9, 10]
    named_files = {entry['file'] for entry in files_of(manifest)}
    assert set(files(folder)) == named_files | {'manifest.json'}
    assert not named_files & previous


def test_publishing_the_same_models_again_keeps_them(folder: Path, named: Learned) -> None:
    before = files(folder)
    publish(folder, manifest_of(named), named.exported)
    assert_published(folder)
    assert set(files(folder)) == set(before)


def test_publishing_leaves_files_that_are_no_models_alone(folder: Path, other: Learned) -> None:
    (folder / 'README.md').write_text('# models')
    (folder / 'train.ipynb').write_text('{}')
    publish(folder, manifest_of(other), other.exported)
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
            publish(folder, manifest_of(other), other.exported)
    assert_published(folder)
    after = files(folder)
    assert before.items() <= after.items()
    # New models may lie there already, whole; no temporary files do.
    assert {Path(name).suffix for name in after.keys() - before.keys()} <= {'.onnx'}
    assert not [name for name in after if name.startswith('.')]

    publish(folder, manifest_of(other), other.exported)
    assert len(files(folder)) == 8
    assert assert_published(folder)['classes'] == [-1, 9, 10]


def test_a_number_that_json_has_not_is_refused_before_anything_is_replaced(
    folder: Path, other: Learned
) -> None:
    before = files(folder)
    manifest = manifest_of(other)
    manifest['models']['RF']['metrics'] = {**METRICS, 'trainingAccuracy': float('nan')}
    with pytest.raises(ValueError, match='not JSON compliant'):
        publish(folder, manifest, other.exported)
    assert before.items() <= files(folder).items()
    assert assert_published(folder)['dataset']['name'] == 'named.csv'


def test_a_manifest_that_the_server_would_refuse_is_not_published(
    folder: Path, named: Learned
) -> None:
    before = files(folder)
    spoilt = json.loads(json.dumps(manifest_of(named)))
    spoilt['models']['RF']['metrics']['leaveOneRepetitionOut']['rank1'] = 1.5
    expected = r'models\.RF\.metrics\.leaveOneRepetitionOut\.rank1: 1.5 is greater than'
    with pytest.raises(ManifestError, match=expected):
        publish(folder, spoilt, named.exported)
    spoilt = manifest_of(named)
    del spoilt['models']['typing']['decisions']
    with pytest.raises(ManifestError, match=r"models\.typing: 'decisions' is a required property"):
        publish(folder, spoilt, named.exported)
    assert files(folder) == before


@pytest.fixture(scope='module')
def other(tmp_path_factory: pytest.TempPathFactory) -> Learned:
    counts: dict[UserID, int] = {10: 4, 9: 3, -1: 5}
    return Learned(read_typings(record(tmp_path_factory.mktemp('other') / 'other.csv', counts)))
