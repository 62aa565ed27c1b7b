import numpy as np
import pytest
from conftest import recordings

from keystroke.models.background import fit_background
from keystroke.models.decisions import (
    Decision,
    Threshold,
    _fit_temperature,
    blocks,
    evidence,
    fit_decisions,
    positions,
    probabilities,
)
from keystroke.models.timings import log_timings


def test_evidence_weighs_a_user_against_the_others_and_a_stranger() -> None:
    scaled = np.array([[1.5, 0.5, -2.0], [0.0, 0.0, 0.0], [-2.5, -3.0, -3.5]])
    found = evidence(scaled)
    e = np.exp(scaled)
    for row in range(3):
        for u in range(3):
            others = (e[row].sum() - e[row, u]) / 2
            assert found[row, u] == pytest.approx(np.log(e[row, u] / (0.5 * others + 0.5)))
    assert found[1] == pytest.approx(np.zeros(3))


def test_evidence_keeps_its_digits_where_one_user_outweighs_all_others() -> None:
    found = evidence(np.array([[800.0, 100.0, -900.0]]))
    # 800 against 100 shared by two, half of it: 700 + log 4; the others against 800.
    assert found[0] == pytest.approx([700 + np.log(4), -700 + np.log(4), -1700 + np.log(4)])


def test_the_temperature_recovers_the_one_that_scores_were_made_with() -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(scale=3, size=(5000, 20))
    users = np.array([rng.choice(20, p=row) for row in probabilities(logits)])
    scores = logits * 3.5
    halves = [(scores[:2500], users[:2500]), (scores[2500:], users[2500:])]
    assert _fit_temperature(halves, 1) == pytest.approx(3.5, rel=0.05)


def test_typings_all_named_right_do_not_make_it_ever_surer() -> None:
    found = [(np.eye(4) * 3, np.arange(4))]
    assert _fit_temperature(found, 1) == pytest.approx(0.5, rel=1e-3)
    assert _fit_temperature(found, 2) == pytest.approx(0.25, rel=1e-3)


def test_the_thresholds_of_a_user_are_those_of_as_many_typings_or_the_next_fewer() -> None:
    one, three = Threshold(1, match=4.0, known=9.0), Threshold(3, match=4.3, known=9.5)
    decision = Decision(asked=1, temperature=1.0, thresholds=[one, three])
    assert [decision.threshold(n) for n in (1, 2, 3, 8)] == [one, one, three, three]


def test_there_is_a_decision_for_as_many_typings_as_most_users_have() -> None:
    times, user = recordings(9, 6, 4)
    # A third of the users has only four.
    keep = (user > 3) | (np.arange(54) % 6 < 4)
    decisions = fit_decisions(log_timings(times)[keep], user[keep] - 1, fit_background, 0.01, 0.05)
    assert [decision.asked for decision in decisions] == [1, 2, 3]
    enrolled = [[t.enrolled for t in decision.thresholds] for decision in decisions]
    assert enrolled == [[1, 2, 3, 4, 5], [1, 2, 3, 4], [1, 2, 3]]


def test_a_user_enrolled_with_more_typings_has_to_be_more_alike() -> None:
    times, user = recordings(100, 8, 13)
    (one, *_) = fit_decisions(log_timings(times), user - 1, fit_background, 0.01, 0.05)
    match = [threshold.match for threshold in one.thresholds]
    assert match[0] + 0.1 < match[2]
    assert match[2] < match[6]


def test_of_many_users_some_are_asked_about_and_thresholds_are_about_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    times, user = recordings(150, 8, 8)
    timings = log_timings(times)
    (all_of_them, *_) = fit_decisions(timings, user - 1, fit_background, 0.01, 0.05)
    # As if there were some fifty times as many.
    monkeypatch.setattr('keystroke.models.decisions.MOST_SCORES', 150 * 200)
    some = fit_decisions(timings, user - 1, fit_background, 0.01, 0.05)
    assert [len(decision.thresholds) for decision in some] == [7, 6, 5]
    assert some[0].temperature == pytest.approx(all_of_them.temperature, rel=0.3)
    for few, many in zip(some[0].thresholds, all_of_them.thresholds, strict=True):
        assert few.match == pytest.approx(many.match, abs=0.4)


def test_positions_count_a_users_typings() -> None:
    assert positions(np.array([1, 0, 1, 1, 0])).tolist() == [0, 0, 1, 2, 1]


def test_blocks_are_whole_and_of_one_user() -> None:
    y = np.array([0, 0, 0, 1, 2, 2, 2, 2])
    assert blocks(y, 2).tolist() == [[0, 1], [4, 5], [6, 7]]
    assert blocks(np.array([1, 0, 1, 1, 0, 1, 1]), 2).tolist() == [[1, 4], [0, 2], [3, 5]]
