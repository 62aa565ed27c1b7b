"""How far people's typings are from copies of each other, and from a robot's.

usage: python bench/attacks/recordings.py copy reshaped holds presses keys path...

`copy` and `reshaped` are the distances below which the service takes two typings for copies, the
latter without speed and offset and of the smallest differences alone, `holds` and `presses`
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

COUNTED = 0.6
"""Share of the differences that count once speed and offset are taken out, the smallest."""


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


def reshaped_distances(press: Floats, release: Floats) -> Floats:
    """Return the distances of a typing, the last row, to those before it: all times, holds, gaps.

    Gaps are compared at the same speed, holds without a constant offset, and of the differences
    the smallest count.
    """
    holds, gaps = release - press, np.diff(press, axis=1)
    positive = gaps[:-1] > 0
    ratios = np.where(positive, gaps[-1] / np.where(positive, gaps[:-1], 1), np.nan)
    speed = np.nan_to_num(np.nanmedian(ratios, axis=1), nan=1)
    scaled = np.abs(gaps[:-1] * np.where(speed == 0, 1, speed)[:, None] - gaps[-1])
    offset = np.median(holds[-1] - holds[:-1], axis=1)
    moved = np.abs(holds[:-1] + offset[:, None] - holds[-1])

    def smallest(differences: Floats) -> Floats:
        count = int(np.ceil(COUNTED * differences.shape[1]))
        means: Floats = np.sort(differences, axis=1)[:, :count].mean(axis=1)
        return means

    parts = np.hstack([moved, scaled]), moved, scaled
    return np.array([smallest(part).min() for part in parts])


def own_reshaped(recordings: Recordings) -> Floats:
    """Return for each typing with one before it the least of each of the three distances."""
    users = np.array(recordings.users)
    found = []
    for user in np.unique(users):
        own = np.flatnonzero(users == user)
        for i in range(1, len(own)):
            rows = own[max(0, i - REMEMBERED) : i + 1]
            found.append(reshaped_distances(recordings.press[rows], recordings.release[rows]))
    return np.array(found)


@dataclass
class Limits:
    """What the service takes for copies and for a robot's, ms; and keys of the shortest string."""

    copy: float
    reshaped: float
    holds: float
    presses: float
    keys: int


def measure(path: Path, limits: Limits) -> dict[str, object]:
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
        is_regular = (hold_spreads < limits.holds) | (press_spreads < limits.presses)
        return int(is_regular.sum()) if press.shape[1] >= limits.keys else 0

    def copies(jitter: int) -> float:
        moved = [
            each + random.integers(-jitter, jitter + 1, each.shape) for each in (press, release)
        ]
        distances = np.abs(times(*moved) - times(press, release)).mean(axis=1)
        return float((distances < limits.copy).mean())

    pairs, nearest = own_distances(recordings)
    near_reshaped = (
        own_reshaped(recordings) if press.shape[1] >= limits.keys else np.full((1, 3), np.inf)
    )
    is_reshaped = (near_reshaped[:, 0] < limits.reshaped) | (
        near_reshaped[:, 1:] < limits.reshaped
    ).all(axis=1)
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
        'nearestReshaped': float(near_reshaped[:, 0].min()),
        'reshaped': float(is_reshaped.mean()),
        'refused': float((np.concatenate(nearest) < limits.copy).mean()),
        'refusedMost': max(float((each < limits.copy).mean()) for each in nearest),
        'copies': {jitter: copies(jitter) for jitter in JITTERS},
    }


if __name__ == '__main__':
    copy, reshaped, holds, presses, keys, *paths = sys.argv[1:]
    limits = Limits(float(copy), float(reshaped), float(holds), float(presses), int(keys))
    measured = []
    for path in paths:
        print(f'measuring {path}', file=sys.stderr)
        measured.append(measure(Path(path), limits))
    json.dump(measured, sys.stdout)
