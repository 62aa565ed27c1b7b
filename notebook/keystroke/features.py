"""The four timing series of a typing and the 8 features made of them.

``server/src/typings/features.ts`` computes the same; tests hold both to the same numbers.
"""

import numpy as np
from numpy.typing import NDArray

SERIES = ('HT', 'PPT', 'RRT', 'RPT')
STATISTICS = ('Mean', 'STD')
FEATURES = tuple(f'{series}.{statistic}' for series in SERIES for statistic in STATISTICS)
"""Order of the columns, here and in the ONNX models' input."""

DDOF = 1
"""Of the standard deviation: the sample one, division by n - 1."""


def timing_series(
    press: NDArray[np.int64], release: NDArray[np.int64]
) -> dict[str, NDArray[np.int64]]:
    """Compute hold, press-press, release-release and release-press times.

    Parameters
    ----------
    press, release : ndarray of int64, shape (N, K)
        Times in ms.

    Returns
    -------
    dict of str to ndarray of int64
        HT of shape (N, K); PPT, RRT and RPT of shape (N, K - 1); in ms. RPT is negative where a
        key goes down before the last one is up.

    Examples
    --------
    >>> timing_series(np.array([[0, 100]]), np.array([[120, 180]]))['RPT']
    array([[-20]])
    """
    return {
        'HT': release - press,
        'PPT': np.diff(press, axis=1),
        'RRT': np.diff(release, axis=1),
        'RPT': press[:, 1:] - release[:, :-1],
    }


def compute_features(press: NDArray[np.int64], release: NDArray[np.int64]) -> NDArray[np.float64]:
    """Compute mean and sample standard deviation (``DDOF`` = 1) of each timing series.

    A string of two keys has one PPT, one RRT and one RPT, which have no sample standard
    deviation: their STD is 0.

    Parameters
    ----------
    press, release : ndarray of int64, shape (N, K)
        Times in ms.

    Returns
    -------
    ndarray of float64, shape (N, 8)
        In the order of ``FEATURES``, in ms.
    """
    columns: list[NDArray[np.float64]] = []
    for values in timing_series(press, release).values():
        columns.append(values.mean(axis=1))
        single = values.shape[1] == 1
        columns.append(np.zeros(len(values)) if single else values.std(axis=1, ddof=DDOF))
    return np.column_stack(columns)


def as_model_input(features: NDArray[np.float64]) -> NDArray[np.float32]:
    """Round features to float32, once, for fitting and for predicting alike.

    scikit-learn, XGBoost and ONNX Runtime then see the very same numbers, on which the equality of
    their predictions rests.

    Parameters
    ----------
    features : ndarray of float64, shape (N, 8)

    Returns
    -------
    ndarray of float32, shape (N, 8)
    """
    return features.astype(np.float32)
