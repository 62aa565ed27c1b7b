"""Every protocol with every recognizer: results, tables for a terminal, and plots."""

import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from keystroke import figures
from keystroke.data import Typings
from keystroke.evaluation import cmu
from keystroke.evaluation.answers import (
    Answers,
    concatenate,
    cumulative_match,
    intervals,
    summarize,
)
from keystroke.evaluation.bootstrap import RESAMPLES
from keystroke.evaluation.calibration import error_if_calibrated, reliability
from keystroke.evaluation.cmu_format import Benchmark
from keystroke.evaluation.enrollment import Enrolled, enroll_by_background, enroll_untrained
from keystroke.evaluation.folds import Fold, first_and_last, repetition_folds
from keystroke.evaluation.rates import trials
from keystroke.evaluation.recognizers import (
    MANHATTAN,
    RECOGNIZERS,
    TWO_TYPINGS,
    TYPING_MODEL,
    Recognizer,
    Sample,
    held_out_answers,
    sample_of,
    two_typings,
)
from keystroke.evaluation.strangers import meet_strangers

ASKED = (1, 2)
"""Typings that users who were not trained are asked about with, together."""

CLAIMS = ('pooled EER', "strangers' claims accepted", 'own claims refused')

COLUMNS = {
    'rank1': 'rank-1',
    'rank5': 'rank-5',
    'pooledEER': 'pooled EER',
    'averageEER': 'average EER',
    'frrAtFar1': 'FRR, FAR 1 %',
    'frrAtFar01': 'FRR, FAR 0.1 %',
    'ECE': 'ECE',
}


def evaluate(typings: Typings) -> tuple[dict[str, Any], dict[str, Figure]]:
    """Run every protocol with every recognizer and print a table of each.

    Parameters
    ----------
    typings : Typings
        At least two of each of two users.

    Returns
    -------
    results : dict
        By protocol, then recognizer: rates, their intervals, seconds.
    plots : dict of file name to Figure
    """
    sample = sample_of(typings)
    users = int(sample.y.max()) + 1
    print(f'{typings.name}: {users} users, {len(typings)} typings of {typings.keys} keys')
    last = first_and_last(sample.y)
    at_the_end = dict(RECOGNIZERS)
    # Two typings are combined where every user has two to be asked about.
    if np.bincount(sample.y[last[1]]).min() >= 2:
        at_the_end[TWO_TYPINGS] = two_typings
    protocols: list[tuple[str, str, list[Fold], dict[str, Recognizer]]] = [
        (
            'leaveOneRepetitionOut',
            "Leave one repetition out: each user's r-th typing against the others",
            repetition_folds(typings.users),
            RECOGNIZERS,
        ),
        (
            'firstAndLast',
            f'Train on the first {len(last[0])} typings, test on the last {len(last[1])}',
            [last],
            at_the_end,
        ),
    ]

    results: dict[str, Any] = {
        'dataset': {'name': typings.name, 'sha256': typings.sha256, 'users': users},
        'resamples': RESAMPLES,
    }
    plots: dict[str, Figure] = {}
    for key, title, folds, recognizers in protocols:
        answers, rows = {}, {}
        for name, recognizer in recognizers.items():
            answers[name], rows[name] = measure(name, recognizer, sample, folds)
        print_rates(title, rows)
        results[key] = {
            name: {
                **row,
                'cmc': cumulative_match(answers[name]),
                'reliability': reliability_of(answers[name]),
            }
            for name, row in rows.items()
        }
        plots |= {f'{key}-{kind}.png': figure for kind, figure in draw(answers, users).items()}
    if users > 2:
        results['strangers'] = asdict(meet_strangers(sample))
        print_strangers(results['strangers'])
    enrolled = {
        asked: {n: _rates_of(each) for n, each in found.items()}
        for asked, found in enroll_untrained(sample, ASKED).items()
        if found
    }
    if enrolled:
        results['enrolledWithoutTraining'] = enrolled
        print_enrolled(enrolled)
        most = max(enrolled[1])
        backgrounds = {n: _rates_of(each) for n, each in enroll_by_background(sample, most).items()}
        results['enrolledByBackground'] = backgrounds
        print_backgrounds(backgrounds, most)
    return results, plots


def measure(
    name: str, recognizer: Recognizer, sample: Sample, folds: list[Fold]
) -> tuple[Answers, dict[str, Any]]:
    """Run one recognizer through one protocol."""
    started = time.perf_counter()

    def progress(fold: int) -> None:
        seconds = time.perf_counter() - started
        print(f'  {name}: fold {fold + 1} of {len(folds)}, {seconds:.0f} s', file=sys.stderr)

    answers = concatenate(held_out_answers(recognizer, sample, folds, progress))
    seconds = time.perf_counter() - started
    print(f'  {name}: intervals', file=sys.stderr)
    return answers, {
        'rates': summarize(answers),
        'intervals': intervals(answers),
        'seconds': seconds,
        **(
            {}
            if answers.probabilities is None
            else {'errorIfCalibrated': error_if_calibrated(answers.probabilities)}
        ),
    }


def reliability_of(answers: Answers) -> dict[str, Any] | None:
    """Return the reliability bins; None of a recognizer without probabilities."""
    if answers.probabilities is None:
        return None
    return asdict(reliability(answers.probabilities, answers.y))


def draw(answers: dict[str, Answers], users: int) -> dict[str, Figure]:
    """Draw CMC, DET and reliability of all recognizers of a protocol."""
    return {
        'cmc': figures.rank_curves({name: found.ranks for name, found in answers.items()}, users),
        'det': figures.detection_error_curves(
            {name: trials(found.claims, found.y).curve() for name, found in answers.items()}
        ),
        'reliability': figures.reliability_diagram(
            {
                name: reliability(found.probabilities, found.y)
                for name, found in answers.items()
                if found.probabilities is not None
            }
        ),
    }


def run_benchmark(data: Benchmark) -> dict[str, Any]:
    """Run the benchmark's protocol and print its table."""
    print(
        f'{data.name}: {len(data.subjects)} subjects, {len(data.y)} typings of '
        f'{data.times.shape[1] // 2} keys'
    )
    detectors: dict[str, Callable[[Benchmark], Any]] = {
        MANHATTAN: cmu.manhattan_rates,
        'typing model, impostors unknown to it': cmu.typing_model_rates,
    }
    rows: list[list[str]] = [['scaled Manhattan, as published', f'{cmu.PUBLISHED:.4f}', '', '']]
    results: dict[str, Any] = {'dataset': {'name': data.name}, 'published': cmu.PUBLISHED}
    for name, detector in detectors.items():
        print(f'  {name} ...', file=sys.stderr)
        started = time.perf_counter()
        rates = detector(data)
        seconds = time.perf_counter() - started
        rows.append([name, f'{rates.mean():.4f}', f'{rates.std(ddof=1):.4f}', f'{seconds:.1f}'])
        results[name] = {'averageEER': float(rates.mean()), 'EER': rates, 'seconds': seconds}
    print_table(
        f'Train on the first {cmu.TRAINING_REPETITIONS} repetitions, genuine: the later '
        f'ones, impostors: the first {cmu.IMPOSTOR_REPETITIONS} of every other subject',
        ['', 'average EER', 'STD', 's'],
        rows,
    )
    return results


def print_rates(title: str, rows: dict[str, dict[str, Any]]) -> None:
    """Print each recognizer's rates, intervals below them."""
    table: list[list[str]] = []
    for name, row in rows.items():
        rates, spans = row['rates'], row['intervals']
        values = [f'{rates[key]:.3f}' if key in rates else '-' for key in COLUMNS]
        ranges = [f'{spans[k][0]:.3f}-{spans[k][1]:.3f}' if k in spans else '' for k in COLUMNS]
        table += [[name, *values, f'{row["seconds"]:.1f}'], ['', *ranges, '']]
    print_table(title, ['', *COLUMNS.values(), 's'], table)
    mean, high = rows[TYPING_MODEL]['errorIfCalibrated']
    print(
        f'  On so few typings the ECE of a {TYPING_MODEL} whose probabilities were exactly right '
        f'would be {mean:.3f}, and below {high:.3f} in 95 of 100 cases.'
    )


def print_strangers(found: dict[str, float]) -> None:
    """Print how typists who are not enrolled are taken."""
    print_table(
        'A fifth of the users not enrolled, in turn: the typing model',
        ['', ''],
        [
            ['known from unknown by the best score, AUROC', f'{found["auroc"]:.3f}'],
            ['enrolled users that look unknown', f'{found["known_rejected"]:.1%}'],
            ['strangers that look unknown', f'{found["strangers_rejected"]:.1%}'],
            ["strangers' claims accepted (FAR)", f'{found["false_acceptance_rate"]:.2%}'],
            ["users' own claims refused (FRR)", f'{found["false_rejection_rate"]:.1%}'],
            ['pooled EER against strangers', f'{found["eer"]:.3f}'],
        ],
    )


def _rates_of(found: Enrolled) -> dict[str, float]:
    return {
        **summarize(found.answers),
        'falseAcceptanceRate': found.false_acceptance_rate,
        'falseRejectionRate': found.false_rejection_rate,
    }


def print_enrolled(enrolled: dict[int, dict[int, dict[str, float]]]) -> None:
    """Print how users are recognized who were enrolled without training, by typings."""
    print_table(
        'One half of the users trained, the other enrolled with their first typings, and the other '
        'way round',
        ['asked with', 'enrolled with', 'rank-1', *CLAIMS],
        [
            [str(asked), str(n), f'{rates["rank1"]:.3f}', *_claims_of(rates)]
            for asked, found in enrolled.items()
            for n, rates in found.items()
        ],
    )


def print_backgrounds(found: dict[int, dict[str, float]], enrolled: int) -> None:
    """Print how many users a model has to be trained on for others to be enrolled."""
    print_table(
        f'Trained on so many users, the other half enrolled with {enrolled} typings, and the other '
        'way round',
        ['trained', *CLAIMS],
        [[str(n), *_claims_of(rates)] for n, rates in found.items()],
    )


def _claims_of(rates: dict[str, float]) -> list[str]:
    return [
        f'{rates["pooledEER"]:.3f}',
        f'{rates["falseAcceptanceRate"]:.2%}',
        f'{rates["falseRejectionRate"]:.1%}',
    ]


def print_table(title: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print columns as wide as their widest entry, numbers to the right."""
    widths = [max(len(row[i]) for row in [head, *rows]) for i in range(len(head))]
    print(f'\n{title}')
    for row in [head, *rows]:
        cells = [row[0].ljust(widths[0])]
        cells += [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
        print('  ' + '  '.join(cells).rstrip())
