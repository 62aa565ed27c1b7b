import numpy as np
import pytest
from conftest import recordings

from keystroke.models.background import fit_background, split
from keystroke.models.laplace import distances
from keystroke.models.plda import likelihood_ratios
from keystroke.models.timings import as_times, log_timings


def test_a_score_is_a_likelihood_ratio_and_how_much_nearer_the_user_is_than_most() -> None:
    times, user = recordings(4, 3, 4)
    timings = log_timings(times)
    background = fit_background(timings, user - 1)
    square, linear, offset, *apart = split(background.cohort)
    warped = background.warp(timings)
    ratios = likelihood_ratios(background.plda.view(warped), square, linear, offset)
    far = distances(background.laplace.view(warped), *apart)
    expected = 0.2 * ratios + far.mean(axis=1, keepdims=True) - far
    assert background.scores(timings, background.cohort) == pytest.approx(expected)


def test_the_cohort_stays_whoever_is_scored() -> None:
    times, user = recordings(6, 4, 4)
    timings = log_timings(times)
    background = fit_background(timings[:16], user[:16] - 1)
    enrolled = np.vstack([background.cohort, background.enroll(timings[16:].reshape(2, 4, -1))])
    scores = background.scores(timings, enrolled)
    assert scores[:, :4] == pytest.approx(background.scores(timings, background.cohort))
    assert scores[:, [5]] == pytest.approx(background.scores(timings, enrolled[[5]]))


def test_users_with_different_numbers_of_typings_are_enrolled_as_each_alone() -> None:
    times, user = recordings(5, 6, 4)
    counts = np.array([1, 6, 3, 3, 2])
    keep = np.arange(30) % 6 < counts[user - 1]
    timings, y = log_timings(times)[keep], user[keep] - 1
    background = fit_background(timings, y)
    # In any order of rows.
    shuffled = np.random.default_rng(0).permutation(len(y))
    together = background.enroll_users(timings[shuffled], y[shuffled])
    for of in range(5):
        alone = background.enroll(timings[y == of])
        assert together[of] == pytest.approx(alone)
        assert background.cohort[of] == pytest.approx(alone)


def test_what_is_far_from_everybody_is_nobodys_and_ranks_as_before() -> None:
    times, user = recordings(8, 6, 6)
    background = fit_background(log_timings(times), user - 1)
    press = np.arange(6) * 9000
    absurd = log_timings(as_times(press[None], press[None] + 6000))
    beyond = background.warp.beyond(absurd)[0]
    # A half for many users, and ten eighths of it more, as there are eight.
    far = 0.5 * (1 + 10 / 8)
    assert beyond > far
    # The nearest typing that goes as far as the outer knots and no farther.
    knots = background.warp.knots
    nearest = np.clip(absurd, knots[0], knots[-1])
    scores = background.scores(absurd, background.cohort)
    without = background.scores(nearest, background.cohort)
    assert scores == pytest.approx(without - 40 * (beyond - far))
