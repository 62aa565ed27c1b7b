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

from keystroke.data import Typings, UserID, header, read_typings
from keystroke.export import export
from keystroke.features import as_model_input, compute_features
from keystroke.manifest import TYPING
from keystroke.models import ESTIMATORS, encode_users, fit
from keystroke.typing_export import export_typing_model
from keystroke.typing_model import TypingModel, as_times

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = ROOT / 'data' / 'sample.csv'
REAL = ROOT.parent / 'shared' / 'data' / 'Train_keystroke.csv'
MODELS = tuple(ESTIMATORS)

generator = SimpleNamespace(**runpy.run_path(str(ROOT / 'data' / 'generate.py')))


@dataclass
class Learned:
    """A recording, and what was fitted on and exported from it."""

    typings: Typings
    X: NDArray[np.float32] = field(init=False)
    y: NDArray[np.int64] = field(init=False)
    classes: list[UserID] = field(init=False)
    estimators: dict[str, Any] = field(default_factory=dict)
    graphs: dict[str, onnx.ModelProto] = field(default_factory=dict)
    typing_model: TypingModel = field(init=False)
    export_seconds: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.X = as_model_input(compute_features(self.typings.press, self.typings.release))
        self.classes, self.y = encode_users(self.typings.users)
        for name in MODELS:
            self.estimators[name] = fit(name, self.X, self.y)
            started = time.perf_counter()
            self.graphs[name] = export(name, self.estimators[name])
            self.export_seconds[name] = time.perf_counter() - started
        self.typing_model = TypingModel().fit(
            as_times(self.typings.press, self.typings.release), self.y
        )
        self.graphs[TYPING] = export_typing_model(self.typing_model)


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


def files(folder: Path) -> dict[str, bytes]:
    """Return every file of a folder, hidden ones too, with its content."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def entries_of(manifest: dict[str, Any]) -> list[dict[str, Any]]:
    """Return a manifest's entry of every model, the typing model's last."""
    return [*manifest['models'].values(), manifest['typingModel']]


def assert_published(folder: Path) -> dict[str, Any]:
    """Check as the server does that the manifest's files are there and are what it says."""
    manifest: dict[str, Any] = json.loads((folder / 'manifest.json').read_text('utf-8'))
    assert set(manifest['models']) == set(MODELS)
    for entry in entries_of(manifest):
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
