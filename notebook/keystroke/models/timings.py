"""The robust log timings that the typing model reads, made of raw times."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

LOG_OFFSET = 20.0
"""ms added before the logarithm, so that a few ms of a short time do not count as much as half."""

RPT_UNIT = 50.0
"""ms within which release-press times, which may be negative, are nearly linear."""


def as_times(press: NDArray[np.int64], release: NDArray[np.int64]) -> Floats:
    """Interleave press and release times, as the columns of the CSV are.

    Parameters
    ----------
    press, release : ndarray of int64, shape (N, K)
        Times in ms.

    Returns
    -------
    ndarray of float64, shape (N, 2K)
        Exact: float64 holds whole numbers up to 2**53.

    Examples
    --------
    >>> as_times(np.array([[0, 100]]), np.array([[80, 190]]))
    array([[  0.,  80., 100., 190.]])
    """
    return np.stack([press, release], axis=2).reshape(len(press), -1).astype(np.float64)


def log_timings(times: Floats) -> Floats:
    """Take the four timings of each typing and compress them, so that a factor counts, not ms.

    Parameters
    ----------
    times : ndarray of float64, shape (N, 2K) or (N, 2K - 1)
        press-0, release-0, ..., in ms on any clock. Without the last key's release, which a page
        that is left on pressing Enter never sees, it is K - 1 hold times and so on.

    Returns
    -------
    ndarray of float64, shape (N, 4K - 3) for 2K columns
        HT, PPT, RRT as log(max(t, 0) + 20 ms), RPT as sign(t) log(1 + |t| / 50 ms).
    """
    press, release = times[:, 0::2], times[:, 1::2]
    held = release.shape[1]
    positive = np.hstack(
        [release - press[:, :held], np.diff(press, axis=1), np.diff(release, axis=1)]
    )
    between = press[:, 1:] - release[:, : press.shape[1] - 1]
    return np.hstack(
        [
            np.log(np.maximum(positive, 0) + LOG_OFFSET),
            np.sign(between) * np.log1p(np.abs(between) / RPT_UNIT),
        ]
    )


def timing_slices(timings: int) -> dict[str, slice]:
    """Return where each of the four timings is among F log timings.

    Parameters
    ----------
    timings : int
        F of ``log_timings``: 4K - 3, or 4K - 5 without the last key's release.

    Examples
    --------
    >>> timing_slices(5)
    {'HT': slice(0, 2, None), 'PPT': slice(2, 3, None), 'RRT': slice(3, 4, None), \
'RPT': slice(4, 5, None)}
    """
    released = timings % 4 == 1
    keys = (timings + 3) // 4 if released else (timings + 5) // 4
    held = keys if released else keys - 1
    ends = np.cumsum([held, keys - 1, held - 1, keys - 1]).tolist()
    return {
        name: slice(start, end)
        for name, start, end in zip(('HT', 'PPT', 'RRT', 'RPT'), [0, *ends], ends, strict=False)
    }


def user_means(values: Floats, y: Ints) -> Floats:
    """Return each user's mean, shape (C, F), of values of shape (N, F)."""
    sums = np.zeros((int(y.max()) + 1, values.shape[1]))
    np.add.at(sums, y, values)
    means: Floats = sums / np.bincount(y)[:, None]
    return means
