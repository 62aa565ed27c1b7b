import numpy as np
import pytest

from keystroke.models.decisions import _fit_temperature, blocks, evidence, probabilities


def test_evidence_weighs_a_user_against_the_others_and_a_stranger() -> None:
    scores = np.array([[3.0, 1.0, -4.0], [0.0, 0.0, 0.0], [-5.0, -6.0, -7.0]])
    found = evidence(scores, 2.0)
    e = np.exp(scores / 2)
    for row in range(3):
        for u in range(3):
            others = (e[row].sum() - e[row, u]) / 2
            assert found[row, u] == pytest.approx(np.log(e[row, u] / (0.5 * others + 0.5)))
    assert found[1] == pytest.approx(np.zeros(3))


def test_evidence_keeps_its_digits_where_one_user_outweighs_all_others() -> None:
    found = evidence(np.array([[800.0, 100.0, -900.0]]), 1.0)
    # 800 against 100 shared by two, half of it: 700 + log 4; the others against 800.
    assert found[0] == pytest.approx([700 + np.log(4), -700 + np.log(4), -1700 + np.log(4)])


def test_the_temperature_recovers_the_one_that_scores_were_made_with() -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(scale=3, size=(5000, 20))
    users = np.array([rng.choice(20, p=row) for row in probabilities(logits, 1.0)])
    assert _fit_temperature(logits * 3.5, users, 1) == pytest.approx(3.5, rel=0.05)


def test_typings_all_named_right_do_not_make_it_surer_than_their_likelihood() -> None:
    scores = np.eye(4) * 3
    assert _fit_temperature(scores, np.arange(4), 1) == pytest.approx(1, rel=1e-3)
    assert _fit_temperature(scores, np.arange(4), 2) == pytest.approx(0.5, rel=1e-3)


def test_blocks_are_whole_and_of_one_user() -> None:
    y = np.array([0, 0, 0, 1, 2, 2, 2, 2])
    rows, position = blocks(y, 2)
    assert rows.tolist() == [[0, 1], [4, 5], [6, 7]]
    assert position.tolist() == [0, 0, 1]
    assert blocks(np.array([1, 0, 1, 1, 0, 1, 1]), 2)[0].tolist() == [[1, 4], [0, 2], [3, 5]]
