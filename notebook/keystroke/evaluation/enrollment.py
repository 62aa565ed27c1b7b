"""How well users are recognized who were enrolled without any training."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from keystroke.evaluation.answers import Answers, concatenate, intervals, summarize
from keystroke.evaluation.bootstrap import Interval
from keystroke.evaluation.folds import first_and_last
from keystroke.evaluation.recognizers import Sample, fit_typing_model
from keystroke.models.decisions import blocks, evidence, positions, probabilities
from keystroke.models.timings import as_times
from keystroke.models.typing_model import TypingModel

BACKGROUNDS = (5, 10, 20)
"""Users that a model is trained on for others to be enrolled, besides half of all."""

ENROLLED = (1, 2, 3, 5, 8)
"""Typings that users are enrolled with, as far as they have so many."""


@dataclass(frozen=True)
class Enrolled:
    """How users who were not trained are taken.

    Attributes
    ----------
    answers : Answers
        About their later typings.
    false_acceptance_rate, false_rejection_rate : float
        Of strangers' and of their own claims to be one of them, by the model's own thresholds.
    """

    answers: Answers
    false_acceptance_rate: float
    false_rejection_rate: float


def enroll_untrained(sample: Sample, asked: Sequence[int]) -> dict[int, dict[int, Enrolled]]:
    """Train on one half of the users and enroll the other, then the other way round.

    All are enrolled with their first n typings, and asked about with the last quarter, so that
    every n is asked about the same.

    Parameters
    ----------
    sample : Sample
    asked : sequence of int
        Typings of one person whose mean score is read, for each answer.

    Returns
    -------
    dict of int to dict of int to Enrolled
        By typings asked and by n, of ``ENROLLED``; in each, every user was enrolled once. The inner
        one is empty where there are fewer than four users, or fewer typings to be asked about.
    """
    first, last = first_and_last(sample.y)
    if sample.y.max() < 3:
        return {each: {} for each in asked}
    most, left = (int(np.bincount(sample.y[rows]).min()) for rows in (first, last))
    halves = [_train(sample, half) for half in (0, 1)]
    return {
        each: {n: _ask(halves, n, each) for n in ENROLLED if n <= most and each <= left}
        for each in asked
    }


def enroll_by_background(sample: Sample, enrolled: int) -> dict[int, Enrolled]:
    """Train on few users only, and enroll one half of all, then the other; ask with one typing.

    Parameters
    ----------
    sample : Sample
    enrolled : int
        Typings that each is enrolled with.

    Returns
    -------
    dict of int to Enrolled
        By the number of trained users, of ``BACKGROUNDS``, as far as a half has so many; the last
        is of the whole half.
    """
    half = (int(sample.y.max()) + 1) // 2
    sizes = sorted({size for size in BACKGROUNDS if size < half} | {half})
    return {
        size: _ask([_train(sample, each, size) for each in (0, 1)], enrolled, 1) for size in sizes
    }


@dataclass(frozen=True)
class _Half:
    """A model of some users of one half, and typings of these and of the other half."""

    model: TypingModel
    trained: NDArray[np.bool_]
    sample: Sample


def _train(sample: Sample, half: int, most: int | None = None) -> _Half:
    users = np.arange(sample.y.max() + 1)
    trained = users[half::2][:most]
    members = np.sort(np.concatenate([trained, users[1 - half :: 2]]))
    known = sample.at(np.flatnonzero(np.isin(sample.y, trained)))
    y = np.searchsorted(trained, known.y)
    model = fit_typing_model(Sample(known.press, known.release, y))
    part = sample.at(np.flatnonzero(np.isin(sample.y, members)))
    part = Sample(part.press, part.release, np.searchsorted(members, part.y))
    return _Half(model, np.isin(members, trained), part)


def _ask(halves: Sequence[_Half], enrolled: int, asked: int) -> Enrolled:
    parts, accepted, refused = [], [], []
    for half in halves:
        model, sample = half.model, half.sample
        C = len(half.trained)
        times = as_times(sample.press, sample.release)
        own = positions(sample.y) < enrolled
        last = first_and_last(sample.y)[1]
        templates = np.empty((C, model.background_.cohort.shape[1]))
        templates[half.trained] = model.background_.cohort
        new = np.flatnonzero(~half.trained)
        for user in new:
            templates[user] = model.enroll(times[own & (sample.y == user)])
        rows = last[~half.trained[sample.y[last]]]
        rows = rows[blocks(sample.y[rows], asked)]
        y = sample.y[rows[:, 0]]
        scaled = model.scaled_scores(times[rows.ravel()], asked, templates)
        claims = evidence(scaled)
        parts.append(Answers(y, scaled, claims, scaled.argmax(axis=1), probabilities(scaled)))
        match = model.decision(asked).threshold(enrolled).match
        genuine = np.arange(C) == y[:, None]
        refused.append(claims[genuine] <= match)
        # Who claims to be another is a stranger, and so not enrolled.
        strangers = evidence(scaled[~genuine].reshape(-1, C - 1))
        claimed = np.broadcast_to(np.isin(np.arange(C), new), genuine.shape)[~genuine]
        accepted.append(strangers.ravel()[claimed] > match)
    return Enrolled(
        concatenate(parts),
        false_acceptance_rate=float(np.concatenate(accepted).mean()),
        false_rejection_rate=float(np.concatenate(refused).mean()),
    )


def equal_error_rates(found: dict[int, Enrolled]) -> dict[int, tuple[float, Interval]]:
    """Return the pooled equal error rate by typings enrolled, each with its 95 % interval."""
    return {
        n: (summarize(each.answers)['pooledEER'], intervals(each.answers)['pooledEER'])
        for n, each in found.items()
    }
