import numpy as np
import pytest
from conftest import Learned, generated

from keystroke.data import Typings
from keystroke.evaluation.answers import Answers, concatenate, summarize
from keystroke.evaluation.folds import first_and_last, repetition_folds
from keystroke.evaluation.rates import summarize_ranks
from keystroke.evaluation.recognizers import (
    RECOGNIZERS,
    TYPING_MODEL,
    Sample,
    held_out_answers,
    manhattan_scores,
    raw_timings,
    sample_of,
    scaled_manhattan,
    two_typings,
    typing_model,
)
from keystroke.evaluation.strangers import meet_strangers
from keystroke.models.table import MODELS as TABLE


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
def test_baselines_of_eight_features_answer_as_the_models_do(named: Learned, name: str) -> None:
    folds = repetition_folds(named.typings.users)[:2]
    found = held_out_answers(RECOGNIZERS[name], sample_of(named.typings), folds)
    for answers, (train, test) in zip(found, folds, strict=True):
        model = TABLE[name].unfitted().fit(named.X[train], named.y[train])
        assert np.array_equal(answers.named, model.predict(named.X[test]))
        assert np.array_equal(answers.scores, TABLE[name].scores(model, named.X[test]))


def test_a_recognizer_is_asked_only_about_typings_it_was_not_given() -> None:
    sample = generated(4, 6)
    seen: list[tuple[set[int], set[int]]] = []
    # Every typing is known by the sum of its times here.
    keys = (sample.press.sum(axis=1) * 10_000 + sample.release.sum(axis=1)).tolist()
    assert len(set(keys)) == len(keys)

    def key_of(part: Sample) -> set[int]:
        return set((part.press.sum(axis=1) * 10_000 + part.release.sum(axis=1)).tolist())

    def recognizer(train: Sample, test: Sample) -> Answers:
        seen.append((key_of(train), key_of(test)))
        return scaled_manhattan(train, test)

    folds = repetition_folds(sample.y.tolist())
    numbers: list[int] = []
    answers = concatenate(held_out_answers(recognizer, sample, folds, numbers.append))
    assert numbers == list(range(6))
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


def test_on_the_recorded_data_it_reaches_the_rates_it_is_known_for(real_typings: Typings) -> None:
    sample = sample_of(real_typings)
    folds = repetition_folds(real_typings.users)
    recognizer = RECOGNIZERS[TYPING_MODEL]
    found = summarize(concatenate(held_out_answers(recognizer, sample, folds)))
    assert found['rank1'] >= 0.83
    assert found['rank5'] >= 0.97
    assert found['pooledEER'] <= 0.030
    assert found['ECE'] <= 0.03

    last = summarize(concatenate(held_out_answers(recognizer, sample, [first_and_last(sample.y)])))
    assert last['rank1'] >= 0.81
    assert last['pooledEER'] <= 0.042

    strangers = meet_strangers(sample)
    assert strangers.auroc >= 0.8
    assert strangers.false_acceptance_rate == pytest.approx(0.01, abs=0.005)


def test_held_out_ranks_of_the_svm_agree_with_predict_fold_by_fold(named: Learned) -> None:
    folds = repetition_folds(named.typings.users)
    answers = held_out_answers(RECOGNIZERS['SVM'], sample_of(named.typings), folds)
    found = [fold.ranks for fold in answers]
    assert [len(fold) for fold in found] == [len(test) for _, test in folds]
    for fold, (train, test) in zip(found, folds, strict=True):
        model = type(named.estimators['SVM'])().fit(named.X[train], named.y[train])
        right = model.predict(named.X[test]) == named.y[test]
        assert ((fold == 1) == right).all()


def test_on_the_recorded_data_the_svm_names_one_new_typing_in_eight(real_typings: Typings) -> None:
    folds = repetition_folds(real_typings.users)
    answers = held_out_answers(RECOGNIZERS['SVM'], sample_of(real_typings), folds)
    summary = summarize_ranks([fold.ranks for fold in answers])
    assert summary['folds'] == 8
    assert summary['rank1'] == pytest.approx(0.133, abs=0.01)
    assert summary['rank5'] == pytest.approx(0.30, abs=0.01)
