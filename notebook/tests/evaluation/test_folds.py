import csv
import inspect
import json
import os
import subprocess
import sys
import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import sklearn
import xgboost
from conftest import MODELS, ROOT, Learned, generator, read, recordings
from numpy.typing import NDArray
from scipy.linalg import eigh
from scipy.stats import multivariate_normal, norm
from sklearn.covariance import ledoit_wolf
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import det_curve, roc_auc_score
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.svm import SVC
from sklearn.utils.estimator_checks import parametrize_with_checks
from xgboost import XGBClassifier

from keystroke.csv_format import UserID
from keystroke.csv_rows import DataError
from keystroke.data import Typings, encode_users, read_typings, require_trainable, summarize as summarize_typings
from keystroke.evaluation import strangers
from keystroke.evaluation.answers import Answers, card, concatenate, intervals, summarize
from keystroke.evaluation.bootstrap import user_bootstrap
from keystroke.evaluation.calibration import error_if_calibrated, reliability
from keystroke.evaluation.folds import first_and_last, repetition_folds, stratified_folds
from keystroke.evaluation.rates import Trials, equal_error_rate, equal_error_rates_by_user, frr_at, rank, summarize_ranks, trials
from keystroke.evaluation.recognizers import RECOGNIZERS, TYPING_MODEL, Sample, held_out_answers, manhattan_scores, raw_timings, sample_of, scaled_manhattan, two_typings, typing_model
from keystroke.evaluation.strangers import meet_strangers
from keystroke.models.classifiers import one_versus_rest
from keystroke.models.decisions import _fit_temperature, blocks, evidence, probabilities
from keystroke.models.plda import MIN_VARIANCE, likelihood_ratio_weights
from keystroke.models.scorer import fit_scorer
from keystroke.models.table import MODELS as TABLE, fit, library, parameters
from keystroke.models.timings import Floats, as_times, log_timings
from keystroke.models.typing_model import TypingModel

def test_each_repetition_is_left_out_in_turn() -> None:
    folds = repetition_folds(['a', 'b', 'a', 'a', 'b'])
    assert [test.tolist() for _, test in folds] == [[0, 1], [2, 4], [3]]
    assert [train.tolist() for train, _ in folds] == [[2, 3, 4], [0, 1, 3], [0, 1, 2, 4]]

def test_repetitions_beyond_the_tenth_share_the_earlier_folds() -> None:
    users: list[UserID] = [*[1] * 23, *[2] * 2]
    folds = repetition_folds(users)
    assert len(folds) == 10
    assert folds[0][1].tolist() == [0, 10, 20, 23]
    assert folds[1][1].tolist() == [1, 11, 21, 24]
    assert folds[9][1].tolist() == [9, 19]

@pytest.mark.parametrize('counts', [[2, 2], [2, 9, 5], [23, 2, 11, 10]])
def test_every_typing_is_tested_once_by_a_model_that_knows_its_user_but_not_it(
    counts: list[int],
) -> None:
    users = np.repeat(np.arange(len(counts)), counts)
    users = np.random.default_rng(1).permutation(users)
    folds = repetition_folds([int(user) for user in users])
    assert np.bincount(np.concatenate([test for _, test in folds])).tolist() == [1] * len(users)
    for train, test in folds:
        assert set(train) | set(test) == set(range(len(users)))
        assert not set(train) & set(test)
        assert set(users[train]) == set(range(len(counts)))

@pytest.mark.parametrize(('counts', 'parts'), [([8, 8, 8], 4), ([2, 9, 5], 2), ([3, 3], 3)])
def test_random_parts_keep_every_user_on_both_sides(counts: list[int], parts: int) -> None:
    y = np.repeat(np.arange(len(counts)), counts)
    folds = stratified_folds(y, repeats=3)
    assert len(folds) == parts * 3
    tested = np.bincount(np.concatenate([test for _, test in folds]))
    assert tested.tolist() == [3] * len(y)
    for train, test in folds:
        assert sorted([*train, *test]) == list(range(len(y)))
        assert set(y[train]) == set(y[test]) == set(range(len(counts)))

def test_random_parts_are_the_same_every_time() -> None:
    y = np.repeat(np.arange(3), 8)
    first, second = stratified_folds(y), stratified_folds(y)
    assert all(np.array_equal(a[1], b[1]) for a, b in zip(first, second, strict=True))
    assert any(not np.array_equal(a[1], b[1]) for a, b in zip(first[:4], first[4:], strict=True))

def test_the_last_quarter_of_each_users_typings_is_tested_one_at_least() -> None:
    y = np.array([0, 1, 0, 0, 1, 0, *[2] * 8])
    train, test = first_and_last(y)
    assert test.tolist() == [4, 5, 12, 13]
    assert sorted([*train, *test]) == list(range(14))
