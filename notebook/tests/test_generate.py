import csv
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT, SAMPLE, generator

from keystroke.csv_format import header
from keystroke.data import read_typings, require_trainable, summarize


def test_the_generator_gives_the_committed_sample_byte_for_byte(tmp_path: Path) -> None:
    path = tmp_path / 'sample.csv'
    subprocess.run([sys.executable, ROOT / 'data' / 'generate.py', path], check=True, cwd=tmp_path)
    assert path.read_bytes() == SAMPLE.read_bytes()


def test_the_sample_is_as_large_as_the_recorded_data() -> None:
    typings = read_typings(SAMPLE)
    require_trainable(typings)
    assert typings.string == 'quiet morning'
    summary = summarize(typings)
    assert (summary['typings'], summary['users'], summary['keys of the string']) == (880, 110, 13)
    assert summary['duplicate typings'] == 0
    assert summary['hold times of zero'] > 0
    assert summary['negative release-press times (keys overlap)'] > 0


@pytest.mark.parametrize(
    ('users', 'typings', 'keys'), [(110, 8, 13), (3, 2, 2), (1, 1, 40), (20, 30, 5)]
)
def test_times_of_any_size_are_those_of_typings(users: int, typings: int, keys: int) -> None:
    user, press, release = generator.generate(users, typings, keys)
    assert press.shape == release.shape == (users * typings, keys)
    assert user.tolist() == sorted([*range(1, users + 1)] * typings)
    assert (press[:, 0] == 0).all()
    assert (np.diff(press, axis=1) >= 0).all()
    assert (np.diff(release, axis=1) >= 0).all()
    assert (release >= press).all()


def test_another_seed_gives_other_typings_and_the_same_seed_the_same() -> None:
    _, press, _ = generator.generate(3, 4, 5, seed=1)
    assert np.array_equal(press, generator.generate(3, 4, 5, seed=1)[1])
    assert not np.array_equal(press, generator.generate(3, 4, 5, seed=2)[1])


@pytest.mark.parametrize('keys', [2, 13])
def test_what_is_written_is_read_back(tmp_path: Path, keys: int) -> None:
    user, press, release = generator.generate(4, 3, keys)
    path = tmp_path / 'typings.csv'
    generator.write(path, user, press, release)
    with path.open(encoding='ascii', newline='') as file:
        assert next(csv.reader(file)) == header(keys)
    typings = read_typings(path)
    assert typings.users == user.tolist()
    assert np.array_equal(typings.press, press)
    assert np.array_equal(typings.release, release)
