import json

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.metrics import det_curve

from keystroke.rates import (
    Answers,
    Trials,
    as_json,
    card,
    concatenate,
    equal_error_rate,
    equal_error_rates_by_user,
    error_if_calibrated,
    frr_at,
    intervals,
    ranks_of,
    reliability,
    summarize,
    trials,
    user_bootstrap,
)


def claims(genuine: list[float], impostor: list[float]) -> Trials:
    typist = np.repeat([0, 1], [len(genuine), len(impostor)])
    return Trials(np.array(genuine + impostor), typist, np.zeros(len(typist), dtype=np.int64))


@pytest.mark.parametrize(
    ('genuine', 'impostor', 'rate'),
    [
        ([3, 4], [1, 2], 0),  # a threshold between them errs with nobody
        ([1, 2], [3, 4], 1),
        ([1], [1], 0.5),  # accepted together or not at all: half way
        ([2, 4], [1, 3], 0.5),  # at 3: one of two accepted, one of two refused
        ([1, 2, 3, 9], [0, 0, 0, 2.5], 0.25),  # above 2.5 FRR falls from 1/2; at 2.5 FAR is 1/4
        ([1, 2, 2], [0, 1, 1.5], 1 / 3),
    ],
)
def test_equal_error_rates_are_those_found_by_hand(
    genuine: list[float], impostor: list[float], rate: float
) -> None:
    assert equal_error_rate(*claims(genuine, impostor).curve()) == pytest.approx(rate)


def test_far_and_frr_are_scikit_learns() -> None:
    rng = np.random.default_rng(0)
    # Rounded, so that there are ties.
    found = claims(
        rng.normal(1, 1, 300).round(1).tolist(), rng.normal(-1, 1, 900).round(1).tolist()
    )
    far, frr = found.curve()
    expected_far, expected_frr, _ = det_curve(found.genuine, found.scores)
    # scikit-learn leaves out points at the ends of the curve.
    ours = {(round(a, 12), round(b, 12)) for a, b in zip(far, frr, strict=True)}
    theirs = {(round(a, 12), round(b, 12)) for a, b in zip(expected_far, expected_frr, strict=True)}
    assert len(theirs) > 30
    assert theirs <= ours
    assert (far[0], frr[0], far[-1]) == (0, 1, 1)
    assert frr[-1] == pytest.approx(0)


def test_frr_at_a_far_is_the_least_that_keeps_within_it() -> None:
    far, frr = claims([1, 2, 3, 4], [0] * 98 + [2.5, 3.5]).curve()
    assert frr_at(far, frr, 0.01) == pytest.approx(0.5)  # at 3: one impostor, 1 and 2 refused
    assert frr_at(far, frr, 0.001) == pytest.approx(0.75)
    assert frr_at(far, frr, 0.02) == pytest.approx(0)


def test_a_trial_that_counts_twice_is_as_good_as_two() -> None:
    found = claims([1, 2, 3], [0, 1.5, 2.5])
    doubled = claims([1, 2, 3, 3], [0, 1.5, 2.5, 2.5])
    weights = np.where(np.isin(found.scores, [3, 2.5]), 2.0, 1.0)
    for ours, theirs in zip(found.curve(weights), doubled.curve(), strict=True):
        assert ours == pytest.approx(theirs)


def test_every_typing_claims_to_be_every_user() -> None:
    found = trials(np.array([[0.1, 0.9], [0.7, 0.3]]), np.array([1, 0]))
    assert found.scores.tolist() == [0.9, 0.7, 0.3, 0.1]
    assert found.typist.tolist() == [1, 0, 0, 1]
    assert found.claimed.tolist() == [1, 0, 1, 0]
    assert found.genuine.tolist() == [True, True, False, False]


def test_thinning_keeps_all_genuine_trials() -> None:
    found = trials(np.random.default_rng(0).normal(size=(40, 20)), np.repeat(np.arange(20), 2))
    thinned = found.thin(100)
    assert (thinned.genuine.sum(), (~thinned.genuine).sum()) == (40, 100)
    assert found.thin(1000) is found


def test_each_user_has_an_equal_error_rate_of_their_own() -> None:
    scores = np.array([[2.0, 0.0, 0.0], [1.0, 3.0, 0.0], [0.0, 5.0, 1.0], [3.0, 1.0, 0.0]])
    y = np.array([0, 1, 1, 1])
    rates = equal_error_rates_by_user(scores, y)
    # User 0 has 2 against 1, 0, 3: refused or one of three accepted; on the line between them.
    assert rates[0] == pytest.approx(1 / 3)
    assert rates[1] == 0
    assert np.isnan(rates[2])


def test_ranks_count_ties_against_the_recogniser_and_follow_the_name_it_gives() -> None:
    scores = np.array([[0.5, 0.3, 0.2], [0.4, 0.4, 0.2], [0.4, 0.4, 0.2], [0.9, 0.1, 0.0]])
    named = np.array([0, 0, 0, 1])
    assert ranks_of(scores, named, np.array([2, 1, 0, 0])).tolist() == [3, 2, 1, 2]


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


def answers_of(users: int, each: int, seed: int = 0) -> Answers:
    rng = np.random.default_rng(seed)
    y = np.repeat(np.arange(users), each)
    scores = rng.normal(size=(len(y), users))
    scores[np.arange(len(y)), y] += 2.5
    chances = np.exp(scores * 2.5)
    chances /= chances.sum(axis=1, keepdims=True)
    return Answers(y, scores, scores, scores.argmax(axis=1), chances)


def test_rates_agree_with_their_definitions() -> None:
    answers = answers_of(12, 6)
    found = summarize(answers)
    own = answers.scores[np.arange(72), answers.y]
    better = (answers.scores > own[:, None]).sum(axis=1)
    assert found['rank1'] == (better == 0).mean()
    assert found['rank5'] == (better < 5).mean()
    impostor = answers.scores[np.arange(12) != answers.y[:, None]]
    # At the threshold where the pooled rates cross they differ by less than one trial.
    threshold = np.quantile(impostor, 1 - found['pooledEER'])
    assert (own < threshold).mean() == pytest.approx(found['pooledEER'], abs=1.5 / 72)
    assert (impostor >= np.quantile(own, found['frrAtFar1'] + 1e-9)).mean() <= 0.011
    assert found['frrAtFar1'] < found['frrAtFar01']
    assert found['averageEER'] == pytest.approx(
        equal_error_rates_by_user(answers.scores, answers.y).mean()
    )


def test_the_interval_of_a_mean_is_the_one_that_statistics_gives() -> None:
    rng = np.random.default_rng(1)
    values = rng.normal(10, 2, 100)
    low, high = user_bootstrap(
        lambda drawn: {'mean': float(np.average(values, weights=drawn))}, 100
    )['mean']
    error = values.std(ddof=1) / 10
    assert low == pytest.approx(values.mean() - 1.96 * error, abs=0.1 * error + 0.05)
    assert high == pytest.approx(values.mean() + 1.96 * error, abs=0.1 * error + 0.05)


def test_intervals_hold_the_rates_and_are_the_same_every_time() -> None:
    answers = answers_of(30, 5)
    found = intervals(answers, 200)
    assert found == intervals(answers, 200)
    rates = summarize(answers)
    assert set(found) == set(rates)
    for name in ('rank1', 'pooledEER', 'frrAtFar1'):
        assert found[name][0] < rates[name] < found[name][1]


def test_users_alike_make_intervals_wider_than_typings_alone_would() -> None:
    # 20 users, each named always or never: 20 observations, not 400.
    y = np.repeat(np.arange(20), 20)
    scores: NDArray[np.float64] = np.zeros((400, 20))
    scores[np.arange(400), np.where(y % 2, y, (y + 1) % 20)] = 1
    low, high = intervals(Answers(y, scores, scores, scores.argmax(axis=1)), 300)['rank1']
    assert high - low > 0.3


def test_a_recogniser_without_probabilities_has_no_calibration_error() -> None:
    answers = answers_of(4, 3)
    without = Answers(answers.y, answers.scores, answers.claims, answers.named)
    assert 'ECE' in summarize(answers)
    assert 'ECE' not in summarize(without)
    assert concatenate([without, without]).probabilities is None
    assert summarize(concatenate([answers, answers]))['rank1'] == summarize(answers)['rank1']


def test_few_typings_show_a_calibration_error_by_chance_and_many_hardly_any() -> None:
    # Half sure of one of two users: right in n of N cases by a binomial law, whose mean distance
    # from one half is sqrt(1 / (2 pi N)).
    few, _ = error_if_calibrated(np.full((50, 2), 0.5))
    assert few == pytest.approx(np.sqrt(1 / (2 * np.pi * 50)), rel=0.1)
    many, high = error_if_calibrated(np.full((20_000, 2), 0.5))
    assert many < high < 0.01
    assert error_if_calibrated(np.eye(3)) == (0.0, 0.0)


def test_what_json_has_no_number_for_becomes_null() -> None:
    value = as_json({'a': np.array([1.0, np.nan]), 'b': [(1, float('nan'))]})
    assert json.dumps(value, allow_nan=False) == '{"a": [1.0, null], "b": [[1, null]]}'


def test_two_users_have_intervals_too() -> None:
    found = intervals(answers_of(2, 6), 50)
    assert all(0 <= low <= high <= 1 for low, high in found.values())


def test_a_card_has_the_rates_and_short_curves() -> None:
    first, second = answers_of(30, 4), answers_of(30, 4, seed=1)
    whole = concatenate([first, second])
    found = card([first, second])
    assert {name: found[name] for name in summarize(whole)} == summarize(whole)
    ranks = whole.ranks
    assert found['cmc'] == [(ranks <= k).mean() for k in range(1, 21)]
    by_fold = [(fold.ranks == 1).mean() for fold in (first, second)]
    assert found['rank1STD'] == pytest.approx(abs(by_fold[0] - by_fold[1]) / 2**0.5)
    assert found['folds'] == 2
    far, frr = trials(whole.claims, whole.y).curve()
    curve = set(zip(far.tolist(), frr.tolist(), strict=True))
    assert all(tuple(point) in curve for point in found['det'])
    assert len(found['det']) <= 60
    assert [point[0] for point in found['det']] == sorted(point[0] for point in found['det'])
    assert found['det'][-1] == [1, pytest.approx(0)]
    assert sum(entry['share'] for entry in found['reliability']) == pytest.approx(1)
    assert json.dumps(found, allow_nan=False)


def test_a_card_wants_probabilities() -> None:
    answers = answers_of(4, 3)
    without = Answers(answers.y, answers.scores, answers.claims, answers.named)
    with pytest.raises(ValueError, match='probabilities'):
        card([without])
