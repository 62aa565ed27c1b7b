from types import SimpleNamespace

import numpy as np
import pytest
from conftest import Learned
from numpy.typing import NDArray

from keystroke.data import Typings, UserID
from keystroke.evaluate import (
    held_out_ranks,
    rank,
    repetition_folds,
    stratified_folds,
    summarize_ranks,
)
from keystroke.features import as_model_input, compute_features
from keystroke.models import encode_users


def test_each_repetition_is_left_out_in_turn() -> None:
    folds = repetition_folds(['a', 'b', 'a', 'a', 'b'])
    assert [test.tolist() for _, test in folds] == [[0, 1], [2, 4], [3]]
    assert [train.tolist() for train, _ in folds] == [[2, 3, 4], [0, 1, 3], [0, 1, 2, 4]]


def test_repetitions_beyond_the_tenth_share_the_earlier_folds() -> None:
    users: list[UserID] = [*[1] * 23, *[2] * 2]
    folds = repetition_folds(users)
    assert len(folds) == 10
    assert folds[0][1].tolist() == [0, 10, 20, 23]
    assert folds[1][1].tolist() == [1, 11, 21, 24]
    assert folds[9][1].tolist() == [9, 19]


@pytest.mark.parametrize('counts', [[2, 2], [2, 9, 5], [23, 2, 11, 10]])
def test_every_typing_is_tested_once_by_a_model_that_knows_its_user_but_not_it(
    counts: list[int],
) -> None:
    users = np.repeat(np.arange(len(counts)), counts)
    users = np.random.default_rng(1).permutation(users)
    folds = repetition_folds([int(user) for user in users])
    assert np.bincount(np.concatenate([test for _, test in folds])).tolist() == [1] * len(users)
    for train, test in folds:
        assert set(train) | set(test) == set(range(len(users)))
        assert not set(train) & set(test)
        assert set(users[train]) == set(range(len(counts)))


@pytest.mark.parametrize(('counts', 'parts'), [([8, 8, 8], 4), ([2, 9, 5], 2), ([3, 3], 3)])
def test_random_parts_keep_every_user_on_both_sides(counts: list[int], parts: int) -> None:
    y = np.repeat(np.arange(len(counts)), counts)
    folds = stratified_folds(y, repeats=3)
    assert len(folds) == parts * 3
    tested = np.bincount(np.concatenate([test for _, test in folds]))
    assert tested.tolist() == [3] * len(y)
    for train, test in folds:
        assert sorted([*train, *test]) == list(range(len(y)))
        assert set(y[train]) == set(y[test]) == set(range(len(counts)))


def test_random_parts_are_the_same_every_time() -> None:
    y = np.repeat(np.arange(3), 8)
    first, second = stratified_folds(y), stratified_folds(y)
    assert all(np.array_equal(a[1], b[1]) for a, b in zip(first, second, strict=True))
    assert any(not np.array_equal(a[1], b[1]) for a, b in zip(first[:4], first[4:], strict=True))


def stub(scores: list[list[float]]) -> SimpleNamespace:
    """Make a model that always gives these scores, and the first of the best as its label."""
    table = np.array(scores)
    return SimpleNamespace(predict_proba=lambda _: table, predict=lambda _: table.argmax(axis=1))


def ranks(scores: list[list[float]], y: list[int]) -> list[int]:
    X: NDArray[np.float32] = np.zeros((len(y), 8), dtype=np.float32)
    return [int(value) for value in rank(stub(scores), X, np.array(y))]


def test_the_rank_counts_users_with_a_better_score() -> None:
    scores = [[0.5, 0.3, 0.2], [0.5, 0.3, 0.2], [0.5, 0.3, 0.2]]
    assert ranks(scores, [0, 1, 2]) == [1, 2, 3]


def test_a_tie_counts_against_the_model() -> None:
    scores = [[0.4, 0.2, 0.2, 0.2], [0.4, 0.2, 0.2, 0.2]]
    assert ranks(scores, [1, 3]) == [4, 4]


def test_a_tie_for_the_best_score_is_rank_1_only_where_predict_names_the_user() -> None:
    scores = [[0.5, 0.5, 0.0], [0.5, 0.5, 0.0]]
    assert ranks(scores, [0, 1]) == [1, 2]


def test_a_model_that_scores_all_users_alike_gains_nothing() -> None:
    assert ranks([[0.25] * 4] * 4, [0, 1, 2, 3]) == [1, 4, 4, 4]


def test_the_best_score_is_no_rank_1_where_predict_names_another() -> None:
    model = stub([[0.9, 0.1]])
    model.predict = lambda _: np.array([1])
    X = np.zeros((1, 8), dtype=np.float32)
    assert rank(model, X, np.array([0])).tolist() == [2]
    assert rank(model, X, np.array([1])).tolist() == [1]


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


def test_held_out_ranks_of_the_svm_agree_with_predict_fold_by_fold(named: Learned) -> None:
    folds = repetition_folds(named.typings.users)
    found = held_out_ranks('SVM', named.X, named.y, folds)
    assert [len(fold) for fold in found] == [len(test) for _, test in folds]
    for fold, (train, test) in zip(found, folds, strict=True):
        model = type(named.estimators['SVM'])().fit(named.X[train], named.y[train])
        right = model.predict(named.X[test]) == named.y[test]
        assert ((fold == 1) == right).all()


def test_on_the_recorded_data_the_svm_names_one_new_typing_in_eight(real_typings: Typings) -> None:
    X = as_model_input(compute_features(real_typings.press, real_typings.release))
    _, y = encode_users(real_typings.users)
    folds = repetition_folds(real_typings.users)
    summary = summarize_ranks(held_out_ranks('SVM', X, y, folds))
    assert summary['folds'] == 8
    assert summary['rank1'] == pytest.approx(0.133, abs=0.01)
    assert summary['rank5'] == pytest.approx(0.30, abs=0.01)
