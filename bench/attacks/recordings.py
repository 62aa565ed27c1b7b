"""How far people's typings are from copies of each other, and from a robot's.

usage: python bench/attacks/recordings.py copy holds presses keys path...

`copy` is the distance below which the service takes two typings for copies, `holds` and `presses`
the standard deviations below which it takes one for a robot's, all in ms, and `keys` those of the
shortest string of which it does. The paths are CSVs of ../shared/data: of press and release times
in ms, or of hold and press-press times. Prints a list of what was measured of each as JSON.
"""

import csv
import json
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from keystroke.models.timings import Floats

SECONDS = 'cmu_strong_password.csv'
"""The one whose times are in seconds."""

TICKS = 8.0, 1000 / 60, 33.0
"""ms between two times that a coarse clock can tell apart."""

JITTERS = 3, 5, 8, 10, 15
"""ms by which each time of a copy is moved, at most."""


REMEMBERED = 50
"""Typings of a user that a new one is compared with, as the service compares."""


@dataclass
class Recordings:
    """Typings of several people: press and release times, ms, shape (N, K)."""

    users: list[str]
    press: Floats
    release: Floats


def read(path: Path) -> Recordings:
    """Read a CSV of either form, without typings that no keyboard can have sent."""
    with path.open(newline='') as file:
        header, *rows = csv.reader(file)
    unit = 1000 if path.name == SECONDS else 1

    def columns(start: str) -> Floats:
        chosen = [i for i, name in enumerate(header) if name.startswith(start)]
        return np.array([[float(row[i]) for i in chosen] for row in rows]) * unit

    if 'press-0' in header:
        press, release = columns('press-'), columns('release-')
    else:
        press = np.pad(np.cumsum(columns('DD.'), axis=1), ((0, 0), (1, 0)))
        release = press + columns('H.')
    good = (release >= press).all(axis=1) & (np.diff(press, axis=1) >= 0).all(axis=1)
    users = [row[0] for row, is_good in zip(rows, good, strict=True) if is_good]
    return Recordings(users, press[good], release[good])


def times(press: Floats, release: Floats) -> Floats:
    """Return the 2K - 1 hold and press-press times, which copies are compared by."""
    return np.hstack([release - press, np.diff(press, axis=1)])


def spreads(press: Floats, release: Floats) -> tuple[Floats, Floats]:
    """Return the standard deviations of hold and press-press times within each typing."""
    return (release - press).std(axis=1, ddof=1), np.diff(press, axis=1).std(axis=1, ddof=1)


def own_distances(recordings: Recordings) -> tuple[Floats, list[Floats]]:
    """Return distances of all pairs of one person's typings; each user's to the nearest before."""
    found = times(recordings.press, recordings.release)
    users = np.array(recordings.users)
    pairs, nearest = [], []
    for user in np.unique(users):
        own = found[users == user]
        before = [np.abs(own[:i] - own[i]).mean(axis=1) for i in range(1, len(own))]
        pairs += before
        nearest.append(np.array([distances[-REMEMBERED:].min() for distances in before]))
    return np.concatenate(pairs), nearest


def measure(path: Path, copy: float, holds: float, presses: float, keys: int) -> dict[str, object]:
    """Measure one file."""
    recordings = read(path)
    press, release = recordings.press, recordings.release
    random = np.random.default_rng(0)

    def flagged(tick: float | None) -> int:
        start = random.random((len(press), 1)) * (tick or 0)
        seen = [
            np.floor((each + start) / tick) * tick if tick else np.rint(each)
            for each in (press, release)
        ]
        hold_spreads, press_spreads = spreads(*seen)
        is_regular = (hold_spreads < holds) | (press_spreads < presses)
        return int(is_regular.sum()) if press.shape[1] >= keys else 0

    def copies(jitter: int) -> float:
        moved = [
            each + random.integers(-jitter, jitter + 1, each.shape) for each in (press, release)
        ]
        distances = np.abs(times(*moved) - times(press, release)).mean(axis=1)
        return float((distances < copy).mean())

    pairs, nearest = own_distances(recordings)
    hold_spreads, press_spreads = spreads(press, release)
    return {
        'name': path.stem,
        'keys': press.shape[1],
        'typings': len(press),
        'users': len(set(recordings.users)),
        'leastHolds': float(hold_spreads.min()),
        'leastPresses': float(press_spreads.min()),
        'flagged': [flagged(None), *(flagged(tick) for tick in TICKS)],
        'pairs': len(pairs),
        'nearest': float(pairs.min()),
        'near': int((pairs < copy).sum()),
        'refused': float((np.concatenate(nearest) < copy).mean()),
        'refusedMost': max(float((each < copy).mean()) for each in nearest),
        'copies': {jitter: copies(jitter) for jitter in JITTERS},
    }


if __name__ == '__main__':
    copy, holds, presses, keys, *paths = sys.argv[1:]
    measured = []
    for path in paths:
        print(f'measuring {path}', file=sys.stderr)
        measured.append(measure(Path(path), float(copy), float(holds), float(presses), int(keys)))
    json.dump(measured, sys.stdout)
