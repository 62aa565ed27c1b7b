import numpy as np
import pytest
from conftest import Learned, generator
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from keystroke import protocols
from keystroke.data import Typings
from keystroke.evaluate import held_out_ranks, repetition_folds
from keystroke.protocols import (
    RECOGNISERS,
    TYPING_MODEL,
    Sample,
    blocks,
    first_and_last,
    held_out_answers,
    manhattan_scores,
    meet_strangers,
    raw_timings,
    sample_of,
    scaled_manhattan,
    two_typings,
    typing_model,
)
from keystroke.rates import Answers, concatenate, summarize


def generated(users: int, typings: int, keys: int = 8, seed: int = 5) -> Sample:
    user, press, release = generator.generate(users, typings, keys, seed)
    return Sample(press, release, user - 1)


def test_the_last_quarter_of_each_users_typings_is_tested_one_at_least() -> None:
    y = np.array([0, 1, 0, 0, 1, 0, *[2] * 8])
    train, test = first_and_last(y)
    assert test.tolist() == [4, 5, 12, 13]
    assert sorted([*train, *test]) == list(range(14))


def test_blocks_are_of_one_user_in_order() -> None:
    assert blocks(np.array([1, 0, 1, 1, 0, 1, 1]), 2).tolist() == [[1, 4], [0, 2], [3, 5]]


def test_the_scaled_manhattan_distance_is_the_one_worked_out_by_hand() -> None:
    train = np.array([[100.0, 10.0], [120.0, 10.0]])
    # Means 110 and 10; mean deviations 10 and 0, which is taken for 1 ms.
    assert manhattan_scores(train, np.array([[115.0, 12.0]])).tolist() == [-(0.5 + 2.0)]
    assert manhattan_scores(train, np.array([[115.0, 12.0]]), 4.0).tolist() == [-(0.5 + 0.5)]


def test_the_manhattan_detector_sees_hold_press_press_and_release_press_times() -> None:
    press, release = np.array([[0, 100, 250]]), np.array([[80, 190, 300]])
    assert raw_timings(press, release).tolist() == [[80, 90, 50, 100, 150, 20, 60]]


def test_the_manhattan_baseline_names_the_user_whose_detector_is_nearest() -> None:
    sample = generated(5, 8)
    train, test = first_and_last(sample.y)
    answers = scaled_manhattan(sample.at(train), sample.at(test))
    own = sample.at(train[sample.y[train] == 3])
    asked = sample.at(test)
    expected = manhattan_scores(
        raw_timings(own.press, own.release), raw_timings(asked.press, asked.release)
    )
    assert answers.scores[:, 3] == pytest.approx(expected)
    assert (answers.named == answers.scores.argmax(axis=1)).all()


@pytest.mark.parametrize('name', ['SVM', 'RF', 'XGB'])
def test_baselines_of_eight_features_rank_as_the_notebook_does(named: Learned, name: str) -> None:
    folds = repetition_folds(named.typings.users)[:2]
    found = held_out_answers(RECOGNISERS[name], sample_of(named.typings), folds)
    expected = held_out_ranks(name, named.X, named.y, folds)
    for answers, ranks in zip(found, expected, strict=True):
        assert np.array_equal(answers.ranks, ranks)


def test_a_recogniser_is_asked_only_about_typings_it_was_not_given() -> None:
    sample = generated(4, 6)
    seen: list[tuple[set[int], set[int]]] = []
    # Every typing is known by the sum of its times here.
    keys = (sample.press.sum(axis=1) * 10_000 + sample.release.sum(axis=1)).tolist()
    assert len(set(keys)) == len(keys)

    def key_of(part: Sample) -> set[int]:
        return set((part.press.sum(axis=1) * 10_000 + part.release.sum(axis=1)).tolist())

    def recogniser(train: Sample, test: Sample) -> Answers:
        seen.append((key_of(train), key_of(test)))
        return scaled_manhattan(train, test)

    folds = repetition_folds(sample.y.tolist())
    told: list[int] = []
    answers = concatenate(held_out_answers(recogniser, sample, folds, told.append))
    assert told == list(range(6))
    assert all(not train & test for train, test in seen)
    assert set().union(*(test for _, test in seen)) == set(keys)
    assert len(answers.y) == 24


def test_two_typings_are_answered_together_by_their_mean_score() -> None:
    sample = generated(10, 8)
    train, test = first_and_last(sample.y)
    one, two = (ask(sample.at(train), sample.at(test)) for ask in (typing_model, two_typings))
    assert len(two.y) == len(one.y) / 2 == 10
    assert two.scores == pytest.approx(one.scores.reshape(10, 2, 10).mean(axis=1))
    assert two.y.tolist() == list(range(10))


def test_strangers_are_not_enrolled_and_every_user_is_one_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sample = generated(11, 4)
    users: list[int] = []
    fit = protocols.fit_typing_model

    def spy(train: Sample) -> object:
        users.append(int(train.y.max()) + 1)
        assert len(np.unique(train.y)) == users[-1]
        assert len(train.y) == 3 * users[-1]  # nobody's last typing either
        return fit(train)

    monkeypatch.setattr(protocols, 'fit_typing_model', spy)
    meet_strangers(sample)
    assert sorted(users) == [8, 9, 9, 9, 9]
    assert sum(11 - u for u in users) == 11


def test_strangers_who_type_like_nobody_are_told_apart() -> None:
    sample = generated(12, 8)
    found = meet_strangers(sample)
    assert 0.5 < found.auroc <= 1
    assert found.strangers_rejected > found.known_rejected
    # Strangers who are somebody enrolled under another name cannot be told apart.
    halves = Sample(
        np.tile(sample.press, (2, 1)),
        np.tile(sample.release, (2, 1)),
        np.concatenate([sample.y, sample.y + 12]),
    )
    # One user in five is out at a time, so that most twins stay enrolled.
    assert meet_strangers(halves).auroc < found.auroc - 0.1


def test_the_unknown_typists_auroc_is_scikit_learns_on_the_best_scores() -> None:
    sample = generated(3, 4)
    train, last = first_and_last(sample.y)
    known: list[float] = []
    unknown: list[float] = []
    for out in range(3):
        inside = [u for u in range(3) if u != out]

        def part(rows: NDArray[np.int64], inside: list[int] = inside) -> Sample:
            chosen = sample.at(rows[np.isin(sample.y[rows], inside)])
            return Sample(chosen.press, chosen.release, np.searchsorted(inside, chosen.y))

        known += typing_model(part(train), part(last)).scores.max(axis=1).tolist()
        stranger = sample.at(last[sample.y[last] == out])
        stranger = Sample(stranger.press, stranger.release, np.zeros(len(stranger.y), np.int64))
        unknown += typing_model(part(train), stranger).scores.max(axis=1).tolist()
    expected = roc_auc_score([1] * len(known) + [0] * len(unknown), known + unknown)
    found = meet_strangers(sample)
    assert found.auroc == pytest.approx(expected)


def test_on_the_recorded_data_it_reaches_the_rates_it_is_known_for(real_typings: Typings) -> None:
    sample = sample_of(real_typings)
    folds = repetition_folds(real_typings.users)
    recogniser = RECOGNISERS[TYPING_MODEL]
    found = summarize(concatenate(held_out_answers(recogniser, sample, folds)))
    assert found['rank1'] >= 0.83
    assert found['rank5'] >= 0.97
    assert found['pooledEER'] <= 0.030
    assert found['ECE'] <= 0.03

    last = summarize(concatenate(held_out_answers(recogniser, sample, [first_and_last(sample.y)])))
    assert last['rank1'] >= 0.81
    assert last['pooledEER'] <= 0.042

    strangers = meet_strangers(sample)
    assert strangers.auroc >= 0.8
    assert strangers.false_acceptance_rate == pytest.approx(0.01, abs=0.005)
