import numpy as np
import pytest
from conftest import recordings
from scipy.linalg import eigh
from scipy.stats import multivariate_normal, norm
from sklearn.covariance import ledoit_wolf

from keystroke.models.plda import MIN_VARIANCE, likelihood_ratio_weights
from keystroke.models.scorer import fit_scorer
from keystroke.models.timings import Floats, log_timings


def test_the_likelihood_ratio_of_one_timing_is_the_one_worked_out_by_hand() -> None:
    # b = 1, one typing at 1: the user's mean is thought to be at 1/2 with variance 1/2, so a
    # typing lies there with variance 3/2; anybody's lies at 0 with variance 2.
    square, linear, offset = likelihood_ratio_weights(
        np.array([[1.0]]), np.ones((1, 1)), np.ones(1)
    )
    for x in (-2.0, 0.0, 1.0, 3.0):
        by_hand = norm(0.5, 1.5**0.5).logpdf(x) - norm(0, 2**0.5).logpdf(x)
        assert x**2 * square[0, 0] + x * linear[0, 0] + offset[0] == pytest.approx(by_hand)
    # At 1: -log(1.5)/2 - .25/3 + log(2)/2 + 1/4.
    assert square[0, 0] + linear[0, 0] + offset[0] == pytest.approx(0.31050770)


def test_likelihood_ratios_are_those_of_the_joint_densities() -> None:
    """A typing with a user's own ones, against both apart: no formula of the model is used."""
    times, _ = recordings(6, 4, 3)
    y = np.repeat(np.arange(6), 4)
    keep = np.ones(24, dtype=bool)
    keep[[1, 2, 3, 6]] = False  # the first user has one typing, the second three
    timings, y = log_timings(times)[keep], y[keep]
    P = 5
    scorer = fit_scorer(timings, y, P, 0.25, 3.0)
    robust = scorer.robust(timings)[:, :P]

    means = np.stack([robust[y == user].mean(axis=0) for user in range(6)])
    center = means.mean(axis=0)
    apart = robust - means[y]
    within = ledoit_wolf(apart, assume_centered=True)[0] * len(y) / (len(y) - 6)
    between = ledoit_wolf(means - center, assume_centered=True)[0]
    between -= within * np.mean(1 / np.bincount(y))
    within += MIN_VARIANCE * np.eye(P)
    # Without what would be a negative variance between users.
    values, vectors = eigh(between, within)
    back = np.linalg.inv(vectors)
    between = back.T @ np.diag(np.maximum(values, 0)) @ back

    def log_density(typings: Floats) -> float:
        n = len(typings)
        covariance = np.kron(np.eye(n), within) + np.kron(np.ones((n, n)), between)
        return float(multivariate_normal(np.tile(center, n), covariance).logpdf(typings.ravel()))

    found = scorer.likelihood_ratios(scorer.robust(timings))
    assert np.ptp(found) > 1
    for row in (0, 5, 11):
        for user in range(6):
            own = robust[y == user]
            joint = log_density(np.vstack([robust[row], own]))
            apart_density = log_density(robust[[row]]) + log_density(own)
            assert found[row, user] == pytest.approx(joint - apart_density, abs=1e-9)


def test_distances_are_scaled_half_by_the_users_own_spread_and_half_by_everybodys() -> None:
    # Hold times are the one timing of a single key. log(t + 20) is 0, .2 | 1, 1.8: medians .6.
    t = np.exp([0.0, 0.2, 1.0, 1.8]) - 20
    log_held = np.log(t + 20)[:, None]
    y = np.array([0, 0, 1, 1])
    scorer = fit_scorer(log_held, y, 1, 2.0, 3.0)
    scale = 1.4826 * 0.5  # median of .6, .4, .4, 1.2
    assert scorer.robust(log_held).ravel() == pytest.approx((log_held.ravel() - 0.6) / scale)
    # Mean deviations .1 and .4, of all .25: spreads .175 and .325. From .5 to the means .1, 1.4.
    distances = scorer.distances(scorer.robust(np.array([[0.5]])))
    assert distances == pytest.approx(np.array([[2 * 0.4 / 0.175, 2 * 0.9 / 0.325]]))


def test_closeness_is_the_negative_distance_less_its_mean_over_users() -> None:
    times, user = recordings(4, 3, 4)
    scorer = fit_scorer(log_timings(times), user - 1, 7, 0.25, 3.0)
    robust = scorer.robust(log_timings(times))
    closeness = scorer.scores(log_timings(times)) - scorer.likelihood_ratios(robust)
    assert closeness.sum(axis=1) == pytest.approx(np.zeros(12), abs=1e-9)
    assert closeness + scorer.distances(robust) == pytest.approx(
        np.tile(scorer.distances(robust).mean(axis=1)[:, None], 4)
    )


def test_held_out_typings_come_as_near_to_far_with_few_typings_a_user_as_with_many() -> None:
    times, user = recordings(20, 40, 6, seed=3)
    timings, y = log_timings(times), user - 1
    nearest = []
    for n in (3, 5, 8, 30):
        enrolled = np.tile(np.arange(40) < n, 20)
        scorer = fit_scorer(timings[enrolled], y[enrolled], 11, 0.25, 3.0)
        held_out = np.tile(np.arange(40) >= 30, 20)
        distances = scorer.distances(scorer.robust(timings[held_out]))
        own = distances[np.arange(len(distances)), y[held_out]]
        nearest.append(np.median(own) / scorer.far)
    # Uncorrected, those of three typings a user lie half as far again as those of thirty.
    assert nearest == pytest.approx([nearest[-1]] * 4, rel=0.15)
