import warnings
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from conftest import Learned, generator
from numpy.typing import NDArray
from scipy.linalg import eigh
from scipy.stats import multivariate_normal, norm
from sklearn.covariance import ledoit_wolf
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.utils.estimator_checks import parametrize_with_checks

from keystroke.typing_model import (
    MIN_VARIANCE,
    TypingModel,
    _blocks,
    _fit_temperature,
    as_times,
    evidence,
    fit_scorer,
    likelihood_ratio_weights,
    log_timings,
    probabilities,
)

Floats = NDArray[np.float64]


@pytest.fixture(autouse=True)
def _no_warnings() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        yield


@parametrize_with_checks([TypingModel()])  # type: ignore[untyped-decorator]
@pytest.mark.filterwarnings('default')
def test_it_is_an_estimator_as_scikit_learn_checks_one(estimator: Any, check: Any) -> None:
    with warnings.catch_warnings():
        # Checks provoke warnings of their own.
        warnings.simplefilter('ignore')
        check(estimator)


def recordings(users: int, typings: int, keys: int, seed: int = 1) -> tuple[Floats, Any]:
    user, press, release = generator.generate(users, typings, keys, seed)
    return as_times(press, release), user


def test_log_timings_are_hold_then_press_press_release_release_and_release_press_times() -> None:
    # HT 80, 60; PPT 100; RRT 80; RPT 20.
    timings = log_timings(np.array([[0.0, 80.0, 100.0, 160.0]]))
    expected = [np.log(100), np.log(80), np.log(120), np.log(100), np.log(1.4)]
    assert timings == pytest.approx(np.array([expected]))


def test_overlap_counts_as_much_as_a_gap_and_a_release_out_of_order_as_none() -> None:
    # Pressed at 0 and 10, released at 110 and 60: RRT -50, RPT -100.
    timings = log_timings(np.array([[0.0, 110.0, 10.0, 60.0]]))
    assert timings[0, 3] == pytest.approx(np.log(20))
    assert timings[0, 4] == pytest.approx(-np.log(3))


def test_a_last_key_without_its_release_leaves_the_other_timings() -> None:
    whole = log_timings(np.array([[0.0, 80.0, 100.0, 160.0, 210.0, 300.0]]))
    cut = log_timings(np.array([[0.0, 80.0, 100.0, 160.0, 210.0]]))
    # HT 0-1, PPT 1-2, RRT 1, RPT 1-2 of the whole typing's HT 0-2, PPT, RRT 1-2, RPT.
    assert np.array_equal(cut, whole[:, [0, 1, 3, 4, 5, 7, 8]])


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


def test_what_is_far_from_everybody_is_nobodys_and_ranks_as_before() -> None:
    times, user = recordings(8, 6, 6)
    model = TypingModel().fit(times, user)
    press = np.arange(6) * 9000
    absurd = as_times(press[None], press[None] + 6000)
    robust = model.scorer_.robust(log_timings(absurd))
    # 2.2 spreads of 21 timings, at a quarter each; more, as six typings understate spreads.
    beyond = model.scorer_.distances(robust).min() - 2.2 * np.sqrt(7 / 5) * 0.25 * 21
    assert beyond > 0
    without = replace(model.scorer_, far=np.inf).scores(log_timings(absurd))
    assert model.score_users(absurd) == pytest.approx(without - 4 * beyond)
    assert model.score_users(absurd).max() < model.decision(1).unknown_threshold
    claims = evidence(model.score_users(absurd), model.decision(1).temperature)
    assert claims.max() < model.decision(1).threshold


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


def test_evidence_weighs_a_user_against_the_others_and_a_stranger() -> None:
    scores = np.array([[3.0, 1.0, -4.0], [0.0, 0.0, 0.0], [-5.0, -6.0, -7.0]])
    found = evidence(scores, 2.0)
    e = np.exp(scores / 2)
    for row in range(3):
        for u in range(3):
            others = (e[row].sum() - e[row, u]) / 2
            assert found[row, u] == pytest.approx(np.log(e[row, u] / (0.5 * others + 0.5)))
    assert found[1] == pytest.approx(np.zeros(3))


def test_evidence_keeps_its_digits_where_one_user_outweighs_all_others() -> None:
    found = evidence(np.array([[800.0, 100.0, -900.0]]), 1.0)
    # 800 against 100 shared by two, half of it: 700 + log 4; the others against 800.
    assert found[0] == pytest.approx([700 + np.log(4), -700 + np.log(4), -1700 + np.log(4)])


def test_the_temperature_recovers_the_one_that_scores_were_made_with() -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(scale=3, size=(5000, 20))
    users = np.array([rng.choice(20, p=row) for row in probabilities(logits, 1.0)])
    assert _fit_temperature(logits * 3.5, users, 1) == pytest.approx(3.5, rel=0.05)


def test_typings_all_named_right_do_not_make_it_surer_than_their_likelihood() -> None:
    scores = np.eye(4) * 3
    assert _fit_temperature(scores, np.arange(4), 1) == pytest.approx(1, rel=1e-3)
    assert _fit_temperature(scores, np.arange(4), 2) == pytest.approx(0.5, rel=1e-3)


def test_blocks_are_whole_and_of_one_user() -> None:
    y = np.array([0, 0, 0, 1, 2, 2, 2, 2])
    first, block = _blocks(y, 2, np.ones(8, dtype=bool))
    assert first.tolist() == [0, 4, 6]
    assert block.tolist() == [0, 0, 1]
    assert _blocks(y, 2, y == 0)[0].tolist() == [0]


def test_random_labels_leave_it_unsure_for_calibration_sees_no_typing_it_was_fitted_on() -> None:
    rng = np.random.default_rng(3)
    times, _ = recordings(20, 8, 8)
    y = rng.permutation(np.repeat(np.arange(20), 8))
    model = TypingModel().fit(times, y)
    assert model.score(times, y) > 0.2  # it does remember; chance is 1 in 20
    assert model.predict_proba(times).max(axis=1).mean() < 0.2
    # Somebody who types at random is no more alike than a stranger is.
    assert evidence(model.score_users(times), model.decision(1).temperature).max() < 4.6


def test_nothing_of_a_test_fold_reaches_the_model() -> None:
    times, user = recordings(6, 6, 5)
    folds = StratifiedKFold(3)
    found = cross_val_predict(TypingModel(), times, user, cv=folds, method='predict_proba')
    for train, test in folds.split(times, user):
        alone = TypingModel().fit(times[train], user[train])
        for row in test:
            assert found[row] == pytest.approx(alone.predict_proba(times[[row]])[0], abs=1e-12)


@pytest.fixture(scope='module')
def many() -> tuple[TypingModel, Floats, Any]:
    """Enrol 100 of 200 users with six typings of eight."""
    times, user = recordings(200, 8, 13, seed=7)
    enrolled = (user <= 100) & (np.arange(len(user)) % 8 < 6)
    return TypingModel().fit(times[enrolled], user[enrolled]), times, user


@pytest.mark.parametrize('typings', [1, 2])
def test_about_one_in_a_hundred_strangers_passes_for_a_given_user(
    many: tuple[TypingModel, Floats, Any], typings: int
) -> None:
    model, times, user = many
    scores = model.score_users(times[user > 100]).reshape(-1, typings, 100).mean(axis=1)
    decision = model.decision(typings)
    accepted = evidence(scores, decision.temperature) > decision.threshold
    assert 0.004 < accepted.mean() < 0.02


@pytest.mark.parametrize('typings', [1, 2])
def test_about_one_in_twenty_enrolled_users_looks_unknown_and_far_more_strangers(
    many: tuple[TypingModel, Floats, Any], typings: int
) -> None:
    model, times, user = many
    late = np.arange(len(user)) % 8 >= 6
    decision = model.decision(typings)

    def share(rows: NDArray[np.bool_]) -> float:
        scores = model.score_users(times[rows]).reshape(-1, typings, 100).mean(axis=1)
        return float((scores.max(axis=1) <= decision.unknown_threshold).mean())

    known = share((user <= 100) & late)
    assert 0.01 < known < 0.12
    assert share(user > 100) > 4 * known


def test_two_typings_of_one_person_tell_more_than_one(
    many: tuple[TypingModel, Floats, Any],
) -> None:
    model, times, user = many
    late = (user <= 100) & (np.arange(len(user)) % 8 >= 6)
    scores = model.score_users(times[late])
    claimed = np.arange(100)
    one = (model.classes_[scores.argmax(axis=1)] == user[late]).mean()
    both = scores.reshape(100, 2, 100).mean(axis=1)
    assert (both.argmax(axis=1) == claimed).mean() > one
    assert [decision.typings for decision in model.decisions_] == [1, 2, 3]
    assert model.decision(9) is model.decisions_[2]
    assert model.decision(2).temperature < model.decision(1).temperature


@pytest.mark.parametrize('users', [2, 3, 7])
@pytest.mark.parametrize('keys', [2, 3, 13])
@pytest.mark.parametrize('typings', [1, 2, 3, 8])
def test_it_takes_any_number_of_keys_users_and_typings(users: int, keys: int, typings: int) -> None:
    times, user = recordings(users, typings, keys)
    model = TypingModel().fit(times, user)
    chances = model.predict_proba(times)
    assert chances.sum(axis=1) == pytest.approx(np.ones(len(user)))
    assert model.decisions_[0].typings == 1
    for decision in model.decisions_:
        assert decision.temperature > 0
        assert np.isfinite([decision.threshold, decision.unknown_threshold]).all()


def test_users_with_a_single_typing_are_enrolled_beside_others() -> None:
    times, user = recordings(8, 6, 9)
    keep = (np.arange(48) % 6 == 0) | (user > 3)
    model = TypingModel().fit(times[keep], user[keep])
    assert model.classes_.tolist() == list(range(1, 9))
    # The other typings of the three who are enrolled with one: chance is 1 in 8.
    assert model.score(times[~keep], user[~keep]) > 0.5


def test_constant_columns_say_nothing_for_or_against_anybody() -> None:
    times, user = recordings(5, 6, 6)
    held = times[:, 1::2] - times[:, 0::2]
    constant = times.copy()
    constant[:, 1::2] -= held - 50
    model = TypingModel().fit(constant, user)
    assert model.score(constant, user) > 0.8
    off = constant.copy()
    off[:, 3] += 30  # one hold time that is not as it always was
    assert np.isfinite(model.score_users(off)).all()
    same = TypingModel().fit(np.tile(times[:1], (len(user), 1)), user)
    # Nobody rather than somebody when it is far from the one typing there was, and equally for all.
    assert np.ptp(same.score_users(times), axis=1).max() < 1e-6


def test_a_typing_may_be_moved_in_time(named: Learned) -> None:
    times = as_times(named.typings.press, named.typings.release)
    model = TypingModel().fit(times, named.typings.users)
    assert np.array_equal(model.score_users(times + 2.0**51), model.score_users(times))
    assert model.classes_.tolist() == named.classes


def test_a_single_user_is_refused() -> None:
    with pytest.raises(ValueError, match='two classes'):
        TypingModel().fit(np.array([[0, 1, 2, 3], [0, 1, 2, 4]]), [1, 1])


def test_settings_reach_the_model() -> None:
    times, user = recordings(6, 6, 5)
    loose = TypingModel(false_acceptance_rate=0.2, known_rejection_rate=0.5).fit(times, user)
    strict = TypingModel(false_acceptance_rate=0.01, known_rejection_rate=0.05).fit(times, user)
    assert loose.decision(1).threshold < strict.decision(1).threshold
    assert loose.decision(1).unknown_threshold > strict.decision(1).unknown_threshold
    without = TypingModel(manhattan_weight=0.0).fit(times, user)
    robust = without.scorer_.robust(log_timings(times))
    assert np.array_equal(without.score_users(times), without.scorer_.likelihood_ratios(robust))
    assert (
        np.abs(TypingModel(clip=1.5).fit(times, user).scorer_.robust(log_timings(times))).max()
        == 1.5
    )
