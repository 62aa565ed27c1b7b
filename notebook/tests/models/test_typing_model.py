import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from conftest import Learned, recordings
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.utils.estimator_checks import parametrize_with_checks

from keystroke.models.decisions import evidence
from keystroke.models.timings import Floats, as_times
from keystroke.models.typing_model import TypingModel


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


@pytest.mark.parametrize(
    ('pace', 'hold'), [(0, 0), (10, 5), (900, 600), (2000, 100), (9000, 6000), (100, 3000)]
)
def test_what_nobody_types_like_looks_unknown_and_matches_nobody(
    dataset: Learned, pace: int, hold: int
) -> None:
    model = dataset.typing_model
    press = np.arange(dataset.typings.keys) * pace
    scaled = model.scaled_scores(as_times(press[None], press[None] + hold))
    match, known = model.thresholds(1)
    assert (scaled < known).all()
    assert (evidence(scaled) < match).all()


def test_random_labels_leave_it_unsure_for_calibration_sees_no_typing_it_was_fitted_on() -> None:
    rng = np.random.default_rng(3)
    times, _ = recordings(20, 8, 8)
    y = rng.permutation(np.repeat(np.arange(20), 8))
    model = TypingModel().fit(times, y)
    assert model.score(times, y) > 0.2  # it does remember; chance is 1 in 20
    assert model.predict_proba(times).max(axis=1).mean() < 0.2
    # Somebody who types at random is no more alike than a stranger is.
    assert evidence(model.scaled_scores(times)).max() < 4.6


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
    """Enroll 100 of 200 users with six typings of eight."""
    times, user = recordings(200, 8, 13, seed=7)
    enrolled = (user <= 100) & (np.arange(len(user)) % 8 < 6)
    return TypingModel().fit(times[enrolled], user[enrolled]), times, user


@pytest.mark.parametrize('typings', [1, 2])
def test_about_one_in_a_hundred_strangers_passes_for_a_given_user(
    many: tuple[TypingModel, Floats, Any], typings: int
) -> None:
    model, times, user = many
    scaled = model.scaled_scores(times[user > 100], typings)
    match, _ = model.thresholds(typings)
    accepted = evidence(scaled) > match
    assert 0.004 < accepted.mean() < 0.02


@pytest.mark.parametrize('typings', [1, 2])
def test_about_one_in_twenty_enrolled_users_looks_unknown_and_far_more_strangers(
    many: tuple[TypingModel, Floats, Any], typings: int
) -> None:
    model, times, user = many
    late = np.arange(len(user)) % 8 >= 6
    _, least = model.thresholds(typings)

    def share(rows: NDArray[np.bool_]) -> float:
        scaled = model.scaled_scores(times[rows], typings)
        return float((scaled.max(axis=1) <= least[scaled.argmax(axis=1)]).mean())

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
    assert [decision.asked for decision in model.decisions_] == [1, 2, 3]
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
    assert model.decisions_[0].asked == 1
    for decision in model.decisions_:
        assert decision.temperature > 0
        assert decision.thresholds[0].enrolled == 1
        for threshold in decision.thresholds:
            assert np.isfinite([threshold.match, threshold.known]).all()


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
    (match, known), (strict_match, strict_known) = loose.thresholds(1), strict.thresholds(1)
    assert (match < strict_match).all()
    assert (known > strict_known).all()


def test_a_user_enrolled_with_the_typings_of_the_training_scores_as_trained(
    dataset: Learned,
) -> None:
    model, times = dataset.typing_model, dataset.inputs['times']
    templates = np.stack([model.enroll(times[dataset.y == u]) for u in np.unique(dataset.y)])
    assert model.score_templates(times, templates) == pytest.approx(
        model.score_users(times), abs=1e-9
    )


def test_a_new_user_is_recognized_without_training(many: tuple[TypingModel, Floats, Any]) -> None:
    model, times, user = many
    new = user > 100
    position = np.arange(len(user)) % 8
    templates = np.stack(
        [model.enroll(times[(user == u) & (position < 5)]) for u in range(101, 201)]
    )
    asked = new & (position >= 5)
    found = model.score_templates(times[asked], np.vstack([model.background_.cohort, templates]))
    assert (found.argmax(axis=1) + 1 == user[asked]).mean() > 0.85
