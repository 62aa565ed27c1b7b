"""What several test modules share: recordings, and models learned from them once per session."""

import csv
import hashlib
import json
import runpy
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray

from keystroke.csv_format import UserID, header
from keystroke.data import Typings, encode_users, read_typings
from keystroke.evaluation.recognizers import Sample
from keystroke.graphs.export import Exported, export
from keystroke.graphs.parity import Parity
from keystroke.manifest import describe, describe_model, publish
from keystroke.models import table
from keystroke.models.table import Inputs, fit, model_inputs
from keystroke.models.timings import Floats, as_times
from keystroke.models.typing_model import TypingModel

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = ROOT / 'data' / 'sample.csv'
REAL = ROOT.parent / 'shared' / 'data' / 'Train_keystroke.csv'
MODELS = tuple(table.MODELS)
HEAD = 'user,press-0,release-0,press-1,release-1\n'
"""Of a CSV of two keys."""

generator = SimpleNamespace(**runpy.run_path(str(ROOT / 'data' / 'generate.py')))


@dataclass
class Learned:
    """A recording, and what was fitted on and exported from it."""

    typings: Typings
    inputs: Inputs = field(init=False)
    y: NDArray[np.int64] = field(init=False)
    classes: list[UserID] = field(init=False)
    estimators: dict[str, Any] = field(default_factory=dict)
    exported: dict[str, Exported] = field(default_factory=dict)
    export_seconds: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.inputs = model_inputs(self.typings.press, self.typings.release)
        self.classes, self.y = encode_users(self.typings.users)
        for name in MODELS:
            self.estimators[name] = fit(name, self.inputs, self.y)
            started = time.perf_counter()
            self.exported[name] = export(name, self.estimators[name])
            self.export_seconds[name] = time.perf_counter() - started

    @property
    def X(self) -> NDArray[np.float32]:  # noqa: N802
        """The 8 features of each typing."""
        return self.inputs['features']

    @property
    def graphs(self) -> dict[str, onnx.ModelProto]:
        """The graph of each model that is asked."""
        return {name: exported.graph for name, exported in self.exported.items()}

    @property
    def typing_model(self) -> TypingModel:
        """The fitted typing model."""
        model: TypingModel = self.estimators['typing']
        return model


def read(folder: Path, content: str | bytes) -> Typings:
    """Write a CSV and read it."""
    path = folder / 'typings.csv'
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_typings(path)


def recordings(users: int, typings: int, keys: int, seed: int = 1) -> tuple[Floats, Any]:
    """Generate times, shape (N, 2K), and who typed each, from 1."""
    user, press, release = generator.generate(users, typings, keys, seed)
    return as_times(press, release), user


def generated(users: int, typings: int, keys: int = 8, seed: int = 5) -> Sample:
    """Generate a sample."""
    user, press, release = generator.generate(users, typings, keys, seed)
    return Sample(press, release, user - 1)


def record(path: Path, typings_of: Mapping[UserID, int], keys: int = 5) -> Path:
    """Write a CSV with so many typings of each user, repetition by repetition."""
    most = max(typings_of.values())
    _, press, release = generator.generate(len(typings_of), most, keys)
    with path.open('w', newline='', encoding='utf-8') as file:
        writer = csv.writer(file)
        writer.writerow(header(keys))
        for repetition in range(most):
            for position, (user, typings) in enumerate(typings_of.items()):
                if repetition < typings:
                    row = position * most + repetition
                    times = np.stack([press[row], release[row]], axis=1).ravel()
                    writer.writerow([user, *times.tolist()])
    return path


def record_cmu(path: Path, users: int, typings: int, keys: int = 5) -> Path:
    """Write generated typings as the CMU benchmark's file has them."""
    user, press, release = generator.generate(users, typings, keys, seed=9)
    names = [f'k{key}' for key in range(keys)]
    header, columns = ['subject', 'sessionIndex', 'rep'], []
    for key, name in enumerate(names):
        if key:
            header += [f'DD.{names[key - 1]}.{name}', f'UD.{names[key - 1]}.{name}']
            columns += [press[:, key] - press[:, key - 1], press[:, key] - release[:, key - 1]]
        header.append(f'H.{name}')
        columns.append(release[:, key] - press[:, key])
    seconds = np.column_stack(columns) / 1000
    rows = [
        [f's{u:03}', 1, row % typings + 1, *(f'{value:.4f}' for value in seconds[row])]
        for row, u in enumerate(user)
    ]
    with path.open('w', newline='', encoding='utf-8') as file:
        csv.writer(file).writerows([header, *rows])
    return path


def files(folder: Path) -> dict[str, bytes]:
    """Return every file of a folder, hidden ones too, with its content."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def entries_of(manifest: dict[str, Any]) -> list[dict[str, Any]]:
    """Return a manifest's entry of every model."""
    return list(manifest['models'].values())


def files_of(manifest: dict[str, Any]) -> list[dict[str, Any]]:
    """Return what a manifest says of every file."""
    typing = manifest['models']['typing']
    parts = ('enroll', 'shortlist', 'templates')
    return [*entries_of(manifest), *(typing[part] for part in parts)]


def assert_published(folder: Path) -> dict[str, Any]:
    """Check as the server does that the manifest's files are there and are what it says."""
    manifest: dict[str, Any] = json.loads((folder / 'manifest.json').read_text('utf-8'))
    assert set(manifest['models']) == set(MODELS)
    for entry in files_of(manifest):
        content = (folder / entry['file']).read_bytes()
        assert hashlib.sha256(content).hexdigest() == entry['sha256']
        assert len(content) == entry['bytes']
    return manifest


@pytest.fixture(scope='session')
def real_typings() -> Typings:
    if not REAL.exists():
        pytest.skip(
            f'the recorded data is not part of the repository: no {REAL.name} in {REAL.parent}'
        )
    return read_typings(REAL)


@pytest.fixture(scope='session')
def real(real_typings: Typings) -> Learned:
    return Learned(real_typings)


@pytest.fixture(scope='session')
def sample() -> Learned:
    return Learned(read_typings(SAMPLE))


@pytest.fixture(scope='session', params=['sample', 'real'])
def dataset(request: pytest.FixtureRequest) -> Learned:
    """Give the committed sample, then the recorded data where there is any."""
    learned: Learned = request.getfixturevalue(request.param)
    return learned


@pytest.fixture(scope='session')
def named(tmp_path_factory: pytest.TempPathFactory) -> Learned:
    """Learn a few users with names, some of them beyond ASCII, and unequal numbers of typings."""
    counts: dict[UserID, int] = {'Zoë': 6, 'ana': 5, '李雷': 7, '007': 6, 'bob, jr': 5}
    return Learned(read_typings(record(tmp_path_factory.mktemp('named') / 'named.csv', counts)))


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
            learned.exported[name],
            learned.inputs,
            METRICS,
            PARITY,
        )
        for name in MODELS
    }
    return describe(learned.typings, learned.classes, learned.inputs, entries)


@pytest.fixture
def folder(tmp_path: Path, named: Learned) -> Path:
    """Give a folder with published models."""
    publish(tmp_path / 'models', manifest_of(named), named.exported)
    return tmp_path / 'models'
