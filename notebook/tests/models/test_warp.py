import numpy as np
import pytest
from scipy.stats import norm

from keystroke.models.warp import Warp, fit_warp


def test_a_quantile_of_everybodys_timings_goes_to_that_of_the_normal_distribution() -> None:
    timings = np.exp(np.random.default_rng(0).normal(size=(50_000, 1)))
    warp = fit_warp(timings)
    for level in (-2, -1, 0, 1, 2):
        at = np.quantile(timings, norm.cdf(level), axis=0)
        assert warp(at[None]) == pytest.approx(np.array([[level]]), abs=0.01)


def test_it_is_linear_between_knots_and_flat_beyond_them() -> None:
    warp = Warp(np.array([[0.0], [1.0], [3.0], [4.0], [8.0]]))
    found = warp(np.array([[-5.0], [0.0], [0.5], [2.0], [3.0], [6.0], [8.0], [99.0]]))
    assert found.ravel().tolist() == [-2, -2, -1.5, -0.5, 0, 1.5, 2, 2]


def test_what_lies_beyond_counts_in_widths_of_the_outermost_steps() -> None:
    warp = Warp(np.tile(np.array([[0.0], [1.0], [3.0], [4.0], [8.0]]), 2))
    found = warp.beyond(np.array([[2.0, 7.0], [-1.0, 5.0], [20.0, -2.0]]))
    assert found.tolist() == [0, 0.5, (3 + 2) / 2]


def test_equal_quantiles_of_a_coarse_timer_are_kept_apart() -> None:
    knots = fit_warp(np.array([[1.0]] * 9 + [[1.5]])).knots.ravel()
    assert knots[2] == 1
    assert np.diff(knots).min() == pytest.approx(0.02)
