import numpy as np
import pytest

from keystroke.evaluation.calibration import error_if_calibrated, reliability


def test_the_calibration_error_is_the_one_worked_out_by_hand() -> None:
    chances = np.array([[0.92, 0.08], [0.98, 0.02], [0.35, 0.65], [0.55, 0.45]])
    found = reliability(chances, np.array([0, 1, 1, 1]))
    # .92 and .98, one right of two; .65, right; .55, wrong.
    assert found.accuracy[9] == 0.5
    assert found.confidence[9] == pytest.approx(0.95)
    assert found.share[[5, 6, 9]].tolist() == [0.25, 0.25, 0.5]
    assert np.isnan(found.accuracy[0])
    assert found.error == pytest.approx(0.5 * 0.45 + 0.25 * 0.35 + 0.25 * 0.55)


def test_somebody_right_as_often_as_sure_is_calibrated() -> None:
    rng = np.random.default_rng(0)
    chances = rng.dirichlet(np.ones(4) / 3, 20_000)
    y = np.array([rng.choice(4, p=row) for row in chances])
    assert reliability(chances, y).error < 0.02
    sharpened = chances**3 / (chances**3).sum(axis=1, keepdims=True)
    assert reliability(sharpened, y).error > 0.1


def test_few_typings_show_a_calibration_error_by_chance_and_many_hardly_any() -> None:
    # Half sure of one of two users: right in n of N cases by a binomial law, whose mean distance
    # from one half is sqrt(1 / (2 pi N)).
    few, _ = error_if_calibrated(np.full((50, 2), 0.5))
    assert few == pytest.approx(np.sqrt(1 / (2 * np.pi * 50)), rel=0.1)
    many, high = error_if_calibrated(np.full((20_000, 2), 0.5))
    assert many < high < 0.01
    assert error_if_calibrated(np.eye(3)) == (0.0, 0.0)
