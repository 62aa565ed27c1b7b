import math

import numpy as np
import pytest

from keystroke.data import Typings
from keystroke.features import FEATURES, as_model_input, compute_features, timing_series

# Three keys, the third down before the second is up.
PRESS = np.array([[0, 100, 200]])
RELEASE = np.array([[80, 210, 250]])


def test_the_four_timings_are_what_a_pencil_gives() -> None:
    series = timing_series(PRESS, RELEASE)
    assert {name: values.tolist() for name, values in series.items()} == {
        'HT': [[80, 110, 50]],
        'PPT': [[100, 100]],
        'RRT': [[130, 40]],
        'RPT': [[20, -10]],
    }


def test_features_are_mean_and_sample_std_in_the_documented_order() -> None:
    assert FEATURES == (
        'HT.Mean',
        'HT.STD',
        'PPT.Mean',
        'PPT.STD',
        'RRT.Mean',
        'RRT.STD',
        'RPT.Mean',
        'RPT.STD',
    )
    (row,) = compute_features(PRESS, RELEASE)
    # HT: deviations 0, 30, -30, so sqrt(1800 / 2); RRT: +-45; RPT: +-15.
    expected = [80, 30, 100, 0, 85, math.sqrt(4050), 5, math.sqrt(450)]
    assert row.tolist() == pytest.approx(expected, rel=1e-15)


def test_the_first_recorded_typing_has_the_published_features(real_typings: Typings) -> None:
    (row,) = compute_features(real_typings.press[:1], real_typings.release[:1])
    expected = [72, 21.908902, 229.333333, 63.115094, 225.333333, 73.069498, 157.333333, 67.910815]
    assert row.tolist() == pytest.approx(expected, abs=5e-7)
    assert real_typings.users[0] == 1


def test_two_keys_have_one_interval_and_no_spread_of_it() -> None:
    (row,) = compute_features(np.array([[0, 100]]), np.array([[80, 200]]))
    assert row.tolist() == pytest.approx([90, math.sqrt(200), 100, 0, 120, 0, 20, 0])


def test_typings_do_not_influence_each_other() -> None:
    press, release = np.array([[0, 9, 20], [5, 50, 500]]), np.array([[3, 30, 33], [60, 61, 501]])
    together = compute_features(press, release)
    assert together[1].tolist() == compute_features(press[1:], release[1:])[0].tolist()


def test_features_are_computed_in_float64() -> None:
    features = compute_features(np.array([[0, 1, 1]]), np.array([[1, 1, 1]]))
    assert features.dtype == np.float64
    assert features[0, 0] == 1 / 3


def test_features_are_rounded_to_the_nearest_float32() -> None:
    rounded = as_model_input(np.array([[1 / 3, 16_777_217.0, 16_777_219.0]]))
    assert rounded.dtype == np.float32
    # Of 1/3 the nearest is 11184811 / 2^25; halfway cases go to the even neighbor.
    assert rounded.tolist() == [[11_184_811 / 2**25, 16_777_216.0, 16_777_220.0]]
