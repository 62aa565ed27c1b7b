import numpy as np
import pytest
from conftest import recordings
from scipy.linalg import eigh
from scipy.stats import multivariate_normal, norm
from sklearn.covariance import ledoit_wolf

from keystroke.models.plda import MIN_VARIANCE, Plda, fit_plda, likelihood_ratios
from keystroke.models.timings import Floats, log_timings
from keystroke.models.warp import fit_warp


def test_the_likelihood_ratio_of_one_timing_is_the_one_worked_out_by_hand() -> None:
    # b = 1, one typing at 1: the user's mean is thought to be at 1/2 with variance 1/2, so a
    # typing lies there with variance 3/2; anybody's lies at 0 with variance 2.
    plda = Plda(center=np.zeros(1), projection=np.eye(1), variances=np.ones(1))
    template = plda.enroll(np.array([[[1.0]]]))
    for z in (-2.0, 0.0, 1.0, 3.0):
        by_hand = norm(0.5, 1.5**0.5).logpdf(z) - norm(0, 2**0.5).logpdf(z)
        assert likelihood_ratios(np.array([[z]]), *template)[0, 0] == pytest.approx(by_hand)
    # At 1: -log(1.5)/2 - .25/3 + log(2)/2 + 1/4.
    assert likelihood_ratios(np.ones((1, 1)), *template)[0, 0] == pytest.approx(0.31050770)


def test_likelihood_ratios_are_those_of_the_joint_densities() -> None:
    """A typing with a user's own ones, against both apart: no formula of the model is used."""
    times, _ = recordings(6, 4, 3)
    y = np.repeat(np.arange(6), 4)
    keep = np.ones(24, dtype=bool)
    keep[[1, 2, 3, 6]] = False  # the first user has one typing, the second three
    timings, y = log_timings(times)[keep], y[keep]
    warped = fit_warp(timings)(timings)
    F = warped.shape[1]
    plda = fit_plda(warped, y)

    means = np.stack([warped[y == user].mean(axis=0) for user in range(6)])
    center = means.mean(axis=0)
    apart = warped - means[y]
    within = ledoit_wolf(apart, assume_centered=True)[0] * len(y) / (len(y) - 6)
    between = ledoit_wolf(means - center, assume_centered=True)[0]
    between -= within * np.mean(1 / np.bincount(y))
    within += MIN_VARIANCE * np.eye(F)
    # Without what would be a negative variance between users.
    values, vectors = eigh(between, within)
    back = np.linalg.inv(vectors)
    between = back.T @ np.diag(np.maximum(values, 0)) @ back

    def log_density(typings: Floats) -> float:
        n = len(typings)
        covariance = np.kron(np.eye(n), within) + np.kron(np.ones((n, n)), between)
        return float(multivariate_normal(np.tile(center, n), covariance).logpdf(typings.ravel()))

    view = plda.view(warped)
    found = np.column_stack(
        [likelihood_ratios(view, *plda.enroll(view[None, y == user])) for user in range(6)]
    )
    assert np.ptp(found) > 1
    for row in (0, 5, 11):
        for user in range(6):
            own = warped[y == user]
            joint = log_density(np.vstack([warped[row], own]))
            apart_density = log_density(warped[[row]]) + log_density(own)
            assert found[row, user] == pytest.approx(joint - apart_density, abs=1e-9)
