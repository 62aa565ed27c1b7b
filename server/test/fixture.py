"""Models for the server's tests, as the notebook makes them, and what Python says of every typing.

usage: python server/test/fixture.py typings.csv folder

Writes manifest.json, the ONNX files and oracle.json. What the manifest says of how good the models
are is of their training rows: no test reads more of it, and holding typings out takes longer than
all the rest. For the same reason parity is left to pytest.
"""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from keystroke import manifest
from keystroke.data import Typings, encode_users, read_typings
from keystroke.evaluation.answers import Answers, card
from keystroke.evaluation.rates import summarize_ranks
from keystroke.features import compute_features
from keystroke.graphs.export import export
from keystroke.graphs.parity import Parity
from keystroke.models.decisions import evidence, probabilities
from keystroke.models.table import CLASSIFIERS, MODELS, fit, model_inputs
from keystroke.models.timings import as_times
from keystroke.models.typing_model import TypingModel

JOINTLY = ((1, 0), (1, 7), (2, 0), (2, 8), (1, -1))
"""Typings of one person, read together: how many, from which row on."""


def main(csv: str, folder: Path) -> None:
    """Fit the four models on a CSV, publish them, and write what they answer for its own rows."""
    typings = read_typings(csv)
    features = compute_features(typings.press, typings.release)
    inputs = model_inputs(typings.press, typings.release)
    classes, y = encode_users(typings.users)
    fitted = {name: fit(name, inputs, y) for name in MODELS}
    typing_model = fitted['typing']
    exported = {name: export(name, model) for name, model in fitted.items()}

    entries = {}
    for name, model in fitted.items():
        rows = inputs[MODELS[name].input]
        named, scores = model.predict(rows), MODELS[name].scores(model, rows)
        chances = model.predict_proba(rows) if hasattr(model, 'predict_proba') else None
        answers = Answers(y, scores, scores, named, chances)
        metrics = {
            'trainingAccuracy': float((named == y).mean()),
            'repeatedStratified': summarize_ranks([answers.ranks] * 2),
            'leaveOneRepetitionOut': card([answers] * 2),
        }
        entries[name] = manifest.describe_model(
            name, model, exported[name], inputs, metrics, Parity(0, 0, None)
        )
    manifest.publish(folder, manifest.describe(typings, classes, inputs, entries), exported)

    said: dict[str, Any] = {
        'classes': classes,
        'true': typings.users,
        'press': typings.press.tolist(),
        'release': typings.release.tolist(),
        'features': features.tolist(),
        'users': {},
        'best': {},
        **ask_typing_model(typing_model, typings, classes),
    }
    for name in CLASSIFIERS:
        model = fitted[name]
        X = inputs['features']
        of_each = MODELS[name].scores(model, X)
        order = np.argsort(-of_each, axis=1, kind='stable')[:, :5]
        said['users'][name] = [classes[label] for label in model.predict(X)]
        said['best'][name] = [
            [{'UserID': classes[i], 'Score': float(row[i])} for i in first]
            for row, first in zip(of_each, order, strict=True)
        ]
    (folder / 'oracle.json').write_text(json.dumps(said))


def ask_typing_model(
    model: TypingModel, typings: Typings, classes: list[int | str]
) -> dict[str, Any]:
    """Ask the typing model about each typing, and about some that are read together."""
    times = as_times(typings.press, typings.release)
    jointly = []
    for n, start in JOINTLY:
        first = start % len(typings)
        scaled = model.scaled_scores(times[first : first + n], n)
        match, known = model.thresholds(n)
        best = int(scaled.argmax())
        jointly.append(
            {
                'rows': list(range(first, first + n)),
                'probabilities': probabilities(scaled)[0].tolist(),
                'evidence': evidence(scaled)[0].tolist(),
                'thresholds': match.tolist(),
                'known': bool(scaled[0, best] > known[best]),
            }
        )
    return {
        'typingModel': jointly,
        'typingModelUsers': [classes[i] for i in model.score_users(times).argmax(axis=1)],
    }


if __name__ == '__main__':
    main(sys.argv[1], Path(sys.argv[2]))
