"""Make a synthetic sample of typings: `python data/generate.py [out.csv]`.

No person typed these: every time is drawn from a seeded random generator. The model is a short
story of how typings differ. Each user has a speed, a hold time and a regularity of their own, and
a habit on every key: that tells users apart. Some keys are slow for everybody, each typing has its
tempo, each key press its jitter, and now and then somebody hesitates: that hides who is who. The
constants are tuned so that recognizers find these users about as hard to tell apart as people.

The string beside the sample, in sample.txt, is one of as many characters for people to type; its
letters had no part in the times.
"""

import csv
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

SEED = 20240501

# Typical times, ms.
HOLD = 88  # hold time
PRESS_PRESS = 170  # press-press time, hesitations aside

# Spreads, as standard deviations of the natural logarithm: 0.2 means "about 20 %".
KEY_HOLD = 0.10  # between keys, the same for every user
KEY_PRESS = 0.12
USER_HOLD = 0.18  # between users, the same on every key
USER_SPEED = 0.21
HABIT_HOLD = 0.18  # between users, on one key
HABIT_PRESS = 0.23
TEMPO = 0.06  # between the typings of a user, the same on every key
JITTER_HOLD = 0.12  # between the typings of a user, on one key
JITTER_PRESS = 0.12
USER_REGULARITY = 0.35  # of the jitter itself, between users: some are steadier than others
HABIT_REGULARITY = 0.40  # of the jitter itself, between the keys of a user

# Habits on press-press times and jitter follow Student's t: now and then one is far out.
TAIL = 4  # degrees of freedom; the fewer, the heavier the tails
FAR_OUT = 3  # clip, in units of the spread: keeps every time one that a person could reach

# Hesitations lengthen press-press times.
HESITATES = 0.07  # mean share of the intervals with one; users differ
HESITATION = 0.65  # mean of the logarithm of the factor
LONGEST = 20  # largest factor

MISSED = 0.035  # share of first presses noticed only at their release: hold time 0


def generate(
    users: int = 110, typings: int = 8, keys: int = 13, seed: int = SEED
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Draw typings.

    Parameters
    ----------
    users, typings, keys : int
        Number of users, of typings of each user, and of keys in the fixed string.
    seed : int
        The same seed and sizes give the same typings (with the same numpy).

    Returns
    -------
    user : ndarray of int, shape (users * typings,)
        UserIDs 1..users in order, `typings` rows each.
    press, release : ndarray of int, shape (users * typings, keys)
        Times in ms, nondecreasing along each row; press[:, 0] = 0 and release >= press.
    """
    rng = np.random.default_rng(seed)
    size = (users, typings, keys)

    def normal(spread: float, *shape: int) -> NDArray[np.float64]:
        return spread * rng.standard_normal(shape)

    def heavy(spread: float, *shape: int) -> NDArray[np.float64]:
        return spread * np.clip(rng.standard_t(TAIL, shape), -FAR_OUT, FAR_OUT)

    regularity = normal(USER_REGULARITY, users, 1, 1)

    def jitter(spread: float) -> NDArray[np.float64]:
        return heavy(spread, *size) * np.exp(regularity + normal(HABIT_REGULARITY, users, 1, keys))

    tempo = normal(TEMPO, users, typings, 1)
    hold = HOLD * np.exp(
        normal(KEY_HOLD, keys)
        + normal(USER_HOLD, users, 1, 1)
        + normal(HABIT_HOLD, users, 1, keys)
        + tempo
        + jitter(JITTER_HOLD)
    )
    interval = PRESS_PRESS * np.exp(
        normal(KEY_PRESS, keys)
        + normal(USER_SPEED, users, 1, 1)
        + heavy(HABIT_PRESS, users, 1, keys)
        + tempo
        + jitter(JITTER_PRESS)
    )
    hesitates = rng.random(size) < HESITATES * rng.exponential(size=(users, 1, 1))
    factor = np.minimum(np.exp(rng.exponential(HESITATION, size)), LONGEST)
    interval *= np.where(hesitates, factor, 1)
    interval[:, :, 0] = 0  # the clock starts at the first press
    hold *= rng.random(size) >= MISSED * 0.5 ** np.arange(keys)  # half as often at each next key

    press = interval.cumsum(axis=2)
    # A key may go down before the last one is up, but they come up in the order they went down.
    release = np.maximum.accumulate(press + hold, axis=2)

    press, release = (np.round(times).astype(int).reshape(-1, keys) for times in (press, release))
    return np.repeat(np.arange(1, users + 1), typings), press, release


def write(
    path: str | Path,
    user: NDArray[np.int64],
    press: NDArray[np.int64],
    release: NDArray[np.int64],
) -> None:
    """Write typings as CSV: user,press-0,release-0,press-1,release-1,...

    Parameters
    ----------
    path : str or Path
        File to write; an existing one is replaced.
    user, press, release : ndarray
        What `generate` returns; times in ms.
    """
    columns = [f'{event}-{key}' for key in range(press.shape[1]) for event in ('press', 'release')]
    times = np.stack([press, release], axis=2).reshape(len(user), -1)
    with open(path, 'w', newline='', encoding='ascii') as file:
        writer = csv.writer(file, lineterminator='\n')
        writer.writerow(['user', *columns])
        writer.writerows(np.column_stack([user, times]).tolist())


if __name__ == '__main__':
    write(sys.argv[1] if sys.argv[1:] else Path(__file__).with_name('sample.csv'), *generate())
