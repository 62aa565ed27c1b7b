import inspect
import json
import os
import subprocess
import sys

import numpy as np
import pytest
import sklearn
import xgboost
from conftest import MODELS, ROOT, Learned
from sklearn.ensemble import RandomForestClassifier
from sklearn.svm import SVC
from xgboost import XGBClassifier

from keystroke.models.classifiers import one_versus_rest
from keystroke.models.table import MODELS as TABLE
from keystroke.models.table import fit, library, parameters


@pytest.mark.parametrize(
    ('name', 'estimator', 'set_here'),
    [
        ('SVM', SVC, {'random_state'}),
        ('RF', RandomForestClassifier, {'random_state'}),
        ('XGB', XGBClassifier, {'random_state', 'n_jobs'}),
    ],
)
def test_only_what_makes_models_reproducible_differs_from_the_defaults(
    name: str, estimator: type, set_here: set[str]
) -> None:
    changed = TABLE[name].unfitted().get_params()
    default = estimator().get_params()
    assert type(TABLE[name].unfitted()) is estimator
    assert {key for key in default if repr(changed[key]) != repr(default[key])} == set_here


@pytest.mark.parametrize('name', MODELS)
def test_the_same_typings_give_the_same_model(named: Learned, name: str) -> None:
    scores, rows = TABLE[name].scores, named.inputs[TABLE[name].input]
    again = fit(name, named.inputs, named.y)
    assert np.array_equal(scores(again, rows), scores(named.estimators[name], rows))


def test_the_number_of_processors_does_not_change_a_model() -> None:
    fit_all = """
import hashlib
from keystroke.data import encode_users, read_typings
from keystroke.graphs.export import export
from keystroke.models.table import MODELS, fit, model_inputs
typings = read_typings('../data/sample.csv')
inputs = model_inputs(typings.press, typings.release)
_, y = encode_users(typings.users)
for name in MODELS:
    exported = export(name, fit(name, inputs, y))
    for graph in (exported.graph, *exported.parts.values()):
        print(hashlib.sha256(graph.SerializeToString()).hexdigest())
"""
    found = {
        subprocess.run(
            [sys.executable, '-c', fit_all],
            cwd=ROOT / 'notebook',
            env=os.environ | {'OMP_NUM_THREADS': threads},
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        for threads in ('1', '3')
    }
    assert len(found) == 1
    assert len(set(found.pop().split())) == 7


@pytest.mark.parametrize('name', ['RF', 'XGB'])
def test_scores_of_trees_are_their_probabilities(named: Learned, name: str) -> None:
    estimator = named.estimators[name]
    assert np.array_equal(TABLE[name].scores(estimator, named.X), estimator.predict_proba(named.X))


def test_scores_of_two_users_are_the_margin_and_its_negative() -> None:
    X = np.array([[0.0], [1.0], [4.0], [5.0]], dtype=np.float32)
    svc = SVC().fit(X, [0, 0, 1, 1])
    both = one_versus_rest(svc, X)
    assert both[:, 1].tolist() == svc.decision_function(X).tolist()
    assert both[:, 0].tolist() == (-both[:, 1]).tolist()
    assert (both.argmax(axis=1) == svc.predict(X)).all()


@pytest.mark.parametrize('name', MODELS)
def test_parameters_are_all_there_and_plain_json(named: Learned, name: str) -> None:
    estimator = named.estimators[name]
    stored = parameters(estimator)
    assert stored == json.loads(json.dumps(stored, allow_nan=False))
    assert set(stored) == set(estimator.get_params(deep=False))
    assert set(stored) >= set(inspect.signature(type(estimator)).parameters) - {'kwargs'}


def test_a_parameter_that_json_has_no_number_for_is_a_word() -> None:
    assert parameters(XGBClassifier())['missing'] == 'nan'
    assert parameters(SVC(gamma=0.5))['gamma'] == 0.5
    assert parameters(SVC())['class_weight'] is None


def test_the_library_is_the_one_fitted_with() -> None:
    assert library('XGB') == {'name': 'xgboost', 'version': xgboost.__version__}
    assert library('SVM') == library('RF')
    assert library('RF') == {'name': 'scikit-learn', 'version': sklearn.__version__}
