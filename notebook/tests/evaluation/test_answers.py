import json

import numpy as np
import pytest
from numpy.typing import NDArray

from keystroke.evaluation.answers import Answers, card, concatenate, intervals, summarize
from keystroke.evaluation.rates import (
    equal_error_rates_by_user,
    trials,
)


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


def test_a_recognizer_without_probabilities_has_no_calibration_error() -> None:
    answers = answers_of(4, 3)
    without = Answers(answers.y, answers.scores, answers.claims, answers.named)
    assert 'ECE' in summarize(answers)
    assert 'ECE' not in summarize(without)
    assert concatenate([without, without]).probabilities is None
    assert summarize(concatenate([answers, answers]))['rank1'] == summarize(answers)['rank1']


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


def test_a_card_without_probabilities_has_no_calibration() -> None:
    answers = answers_of(4, 3)
    without = Answers(answers.y, answers.scores, answers.claims, answers.named)
    found = card([without, without])
    assert set(card([answers, answers])) - set(found) == {'ECE', 'reliability'}
