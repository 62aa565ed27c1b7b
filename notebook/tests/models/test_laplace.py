import numpy as np
import pytest
from conftest import recordings
from scipy.stats import laplace as laplace_distribution

from keystroke.models.laplace import Laplace, distances, fit_laplace
from keystroke.models.timings import log_timings
from keystroke.models.warp import fit_warp


def one_timing(ratio: float, spread: float) -> Laplace:
    """A hold time alone, about 0, without tempo."""
    return Laplace(
        tempo=np.zeros(1),
        unit=np.ones(1),
        center=np.zeros(1),
        ratio=np.array([ratio]),
        spread=np.array([spread]),
    )


def test_location_and_spread_are_drawn_towards_everybodys_as_worked_out_by_hand() -> None:
    location, weight, offset = one_timing(2.0, 0.5).enroll(np.array([[1.0], [1.2], [4.0]]))
    # n q = 6: six sevenths of the way from 0 to the median, 1.2.
    assert location[0] == pytest.approx(6 / 7 * 1.2)
    # Own: (.2 + 0 + 2.8) / 3, over sqrt(2 / 3); twice that and four times everybody's, of six; then
    # wider by what is not known of the location, 2 / 7.
    spread = (2 * 1.0 / np.sqrt(2 / 3) + 4 * 0.5) / 6 * np.sqrt(1 + 2 / 7)
    assert weight[0] == pytest.approx(0.35 / spread)
    assert offset[0] == pytest.approx(0.35 * np.log(spread))


def test_one_typing_has_no_spread_of_its_own() -> None:
    _, weight, _ = one_timing(2.0, 0.5).enroll(np.array([[7.0]]))
    assert weight[0] == pytest.approx(0.35 / (0.5 * np.sqrt(1 + 2 / 3)))


def test_a_distance_is_minus_the_logarithm_of_a_laplace_density_but_for_a_constant() -> None:
    template = one_timing(2.0, 0.5).enroll(np.array([[[1.0], [1.2], [4.0]], [[0.0], [0.1], [0.3]]]))
    view = np.array([[0.0], [2.0], [-1.0]])
    found = distances(view, *template)
    location, spread = template[0].ravel(), 0.35 / template[1].ravel()
    expected = -laplace_distribution(location, spread).logpdf(view) - np.log(2)
    assert found == pytest.approx(0.35 * expected)


def test_the_tempo_is_what_a_users_timings_share_with_their_mean_press_press_time() -> None:
    rng = np.random.default_rng(0)
    # Three keys: 3 HT, 2 PPT, 2 RRT, 2 RPT. All follow the tempo but the first hold time.
    y = np.repeat(np.arange(30), 20)
    tempo = rng.normal(size=(600, 1))
    follows = np.array([0.0] + [1.0] * 8)
    warped = rng.normal(size=(30, 9))[y] + tempo * follows + rng.normal(size=(600, 9)) * 0.05
    fitted = fit_laplace(warped, y)
    assert fitted.tempo == pytest.approx(0.4 * follows, abs=0.02)
    # What is left of a change of tempo of 1 is .6 of it.
    left = fitted.view(warped + follows) - fitted.view(warped)
    assert left[0] * fitted.unit == pytest.approx(follows * 0.6, abs=0.02)


def test_the_background_recovers_what_typings_were_drawn_with() -> None:
    rng = np.random.default_rng(1)
    users, typings = 400, 10
    y = np.repeat(np.arange(users), typings)
    means = rng.normal(0.3, 1.5, size=(users, 9))
    warped = means[y] + rng.laplace(0, 0.5, size=(len(y), 9))
    fitted = fit_laplace(warped, y)
    view = fitted.view(warped)
    assert fitted.center == pytest.approx(view.mean(axis=0))
    # Variances 1.5**2 and 2 * .5**2; tempo adds to what a user's own typings scatter by.
    assert fitted.ratio == pytest.approx(np.full(9, 1.5**2 / 0.5), rel=0.35)
    assert fitted.spread == pytest.approx(np.full(9, 0.5) / fitted.unit, rel=0.25)


def test_equal_timings_give_finite_numbers() -> None:
    times, user = recordings(4, 3, 4)
    constant = log_timings(np.tile(times[:1], (len(user), 1)))
    fitted = fit_laplace(fit_warp(constant)(constant), user - 1)
    for value in (fitted.tempo, fitted.unit, fitted.ratio, fitted.spread):
        assert np.isfinite(value).all()
