import numpy as np
import pytest

from keystroke.csv_format import UserID
from keystroke.evaluation.folds import first_and_last, repetition_folds, stratified_folds


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


def test_the_last_quarter_of_each_users_typings_is_tested_one_at_least() -> None:
    y = np.array([0, 1, 0, 0, 1, 0, *[2] * 8])
    train, test = first_and_last(y)
    assert test.tolist() == [4, 5, 12, 13]
    assert sorted([*train, *test]) == list(range(14))
