import numpy as np
import pytest
from sklearn.metrics import det_curve

from keystroke.evaluation.rates import (
    Trials,
    equal_error_rate,
    equal_error_rates_by_user,
    frr_at,
    rank,
    summarize_ranks,
    trials,
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


def test_ranks_count_ties_against_the_recognizer_and_follow_the_name_it_gives() -> None:
    scores = np.array([[0.5, 0.3, 0.2], [0.4, 0.4, 0.2], [0.4, 0.4, 0.2], [0.9, 0.1, 0.0]])
    named = np.array([0, 0, 0, 1])
    assert rank(scores, named, np.array([2, 1, 0, 0])).tolist() == [3, 2, 1, 2]


def test_rates_are_over_all_typings_and_their_spread_over_the_folds() -> None:
    folds = [np.array([1, 1, 5, 6]), np.array([1, 7])]
    summary = summarize_ranks(folds)
    assert summary['rank1'] == 3 / 6
    assert summary['rank5'] == 4 / 6
    # Both folds have half named right.
    assert summary['rank1STD'] == 0
    assert summary['folds'] == 2
    # .75 and .25: deviations of .25 from the mean, squares summed and divided by 2 - 1.
    spread = summarize_ranks([np.array([1, 1, 1, 2]), np.array([1, 2, 2, 2])])['rank1STD']
    assert spread == pytest.approx(0.125**0.5)


def ranks(scores: list[list[float]], y: list[int]) -> list[int]:
    """Rank by these scores, the first of the best named."""
    table = np.array(scores)
    return [int(value) for value in rank(table, table.argmax(axis=1), np.array(y))]


def test_the_rank_counts_users_with_a_better_score() -> None:
    scores = [[0.5, 0.3, 0.2], [0.5, 0.3, 0.2], [0.5, 0.3, 0.2]]
    assert ranks(scores, [0, 1, 2]) == [1, 2, 3]


def test_a_tie_counts_against_the_model() -> None:
    scores = [[0.4, 0.2, 0.2, 0.2], [0.4, 0.2, 0.2, 0.2]]
    assert ranks(scores, [1, 3]) == [4, 4]


def test_a_tie_for_the_best_score_is_rank_1_only_where_the_user_is_named() -> None:
    scores = [[0.5, 0.5, 0.0], [0.5, 0.5, 0.0]]
    assert ranks(scores, [0, 1]) == [1, 2]


def test_a_model_that_scores_all_users_alike_gains_nothing() -> None:
    assert ranks([[0.25] * 4] * 4, [0, 1, 2, 3]) == [1, 4, 4, 4]


def test_the_best_score_is_not_rank_1_where_another_user_is_named() -> None:
    scores = np.array([[0.9, 0.1]])
    assert rank(scores, np.array([1]), np.array([0])).tolist() == [2]
    assert rank(scores, np.array([1]), np.array([1])).tolist() == [1]
