import numpy as np
import pytest
from conftest import Learned, generated

from keystroke.evaluation.answers import summarize
from keystroke.evaluation.enrollment import (
    enroll_by_background,
    enroll_untrained,
    equal_error_rates,
)
from keystroke.evaluation.folds import first_and_last
from keystroke.evaluation.recognizers import fit_typing_model, sample_of
from keystroke.models.timings import as_times


def test_every_user_is_enrolled_once_and_asked_about_with_the_same_later_typings() -> None:
    sample = generated(9, 12)
    found = enroll_untrained(sample, [1])[1]
    assert list(found) == [1, 2, 3, 5, 8]
    for each in found.values():
        assert np.bincount(each.answers.y).tolist() == [3] * 9
        assert each.answers.scores.shape == (27, 9)


def test_more_typings_recognize_a_user_better() -> None:
    found = enroll_untrained(generated(60, 12), [1])[1]
    named = {n: summarize(each.answers)['rank1'] for n, each in found.items()}
    assert named[1] + 0.05 < named[8]
    rates = equal_error_rates(found)
    assert rates[8][0] < rates[1][0]
    low, high = rates[1][1]
    assert low <= rates[1][0] <= high


def test_scores_are_those_of_a_model_of_the_other_half(sample: Learned) -> None:
    data = sample_of(sample.typings)
    found = enroll_untrained(data, [1])[1][5].answers
    trained = data.at(np.flatnonzero(data.y % 2 == 0))
    model = fit_typing_model(type(data)(trained.press, trained.release, trained.y // 2))
    times = as_times(data.press, data.release)
    user = 7
    _, last = first_and_last(data.y)
    asked = last[data.y[last] == user]
    template = model.enroll(times[data.y == user][:5])
    expected = model.score_templates(times[asked], template[None])[:, 0]
    expected /= model.decision(1).temperature
    assert found.scores[found.y == user, user] == pytest.approx(expected)


@pytest.mark.parametrize(('users', 'typings', 'asked'), [(3, 8, 1), (6, 4, 2)])
def test_nobody_is_left_to_ask_about_where_there_are_too_few(
    users: int, typings: int, asked: int
) -> None:
    assert enroll_untrained(generated(users, typings), [asked]) == {asked: {}}


def test_about_one_strangers_claim_in_a_hundred_passes_whatever_a_user_is_enrolled_with(
    sample: Learned,
) -> None:
    for each in enroll_untrained(sample_of(sample.typings), [1])[1].values():
        assert 0.003 < each.false_acceptance_rate < 0.02


def test_a_model_of_few_users_enrolls_the_other_half_all_the_same() -> None:
    found = enroll_by_background(generated(24, 8), 5)
    assert list(found) == [5, 10, 12]
    # Everybody is enrolled once, and asked about with two typings, beside those who are trained.
    assert [each.answers.scores.shape for each in found.values()] == [(48, 17), (48, 22), (48, 24)]
    assert found[12].false_rejection_rate == (
        enroll_untrained(generated(24, 8), [1])[1][5].false_rejection_rate
    )
