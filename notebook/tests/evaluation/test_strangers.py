import numpy as np
import pytest
from conftest import generated
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from keystroke.evaluation import strangers
from keystroke.evaluation.folds import first_and_last
from keystroke.evaluation.recognizers import Sample, fit_typing_model, typing_model
from keystroke.evaluation.strangers import meet_strangers


def test_strangers_are_not_enrolled_and_every_user_is_one_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sample = generated(11, 4)
    users: list[int] = []
    fit = fit_typing_model

    def spy(train: Sample) -> object:
        users.append(int(train.y.max()) + 1)
        assert len(np.unique(train.y)) == users[-1]
        assert len(train.y) == 3 * users[-1]  # nobody's last typing either
        return fit(train)

    monkeypatch.setattr(strangers, 'fit_typing_model', spy)
    meet_strangers(sample)
    assert sorted(users) == [8, 9, 9, 9, 9]
    assert sum(11 - u for u in users) == 11


def test_strangers_who_type_like_nobody_are_distinguished() -> None:
    sample = generated(12, 8)
    found = meet_strangers(sample)
    assert 0.5 < found.auroc <= 1
    assert found.strangers_rejected > found.known_rejected
    # Strangers who are somebody enrolled under another name cannot be distinguished.
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
