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

from keystroke import evaluate, manifest
from keystroke.data import Typings, read_typings
from keystroke.export import export
from keystroke.features import as_model_input, compute_features
from keystroke.models import ESTIMATORS, encode_users, fit, scores
from keystroke.parity import Parity
from keystroke.protocols import sample_of
from keystroke.protocols import typing_model as answer
from keystroke.rates import card
from keystroke.typing_export import export_typing_model
from keystroke.typing_model import TypingModel, as_times, evidence, probabilities
from keystroke.typing_parity import TypingParity

JOINTLY = ((1, 0), (1, 7), (2, 0), (2, 8), (1, -1))
"""Typings of one person, read together: how many, from which row on."""


def main(csv: str, folder: Path) -> None:
    """Fit the four models on a CSV, publish them, and write what they answer for its own rows."""
    typings = read_typings(csv)
    features = compute_features(typings.press, typings.release)
    X = as_model_input(features)
    classes, y = encode_users(typings.users)
    fitted = {name: fit(name, X, y) for name in ESTIMATORS}
    typing_model = TypingModel().fit(as_times(typings.press, typings.release), y)
    graphs = {name: export(name, model) for name, model in fitted.items()}
    graphs[manifest.TYPING] = export_typing_model(typing_model)

    entries = {}
    for name, model in fitted.items():
        rates = evaluate.summarize_ranks([evaluate.rank(model, X, y)] * 2)
        metrics = {
            'trainingAccuracy': float((model.predict(X) == y).mean()),
            'repeatedStratified': rates,
            'leaveOneRepetitionOut': rates,
        }
        entries[name] = manifest.describe_model(
            name, model, graphs[name], classes, X, metrics, Parity(0, 0, None)
        )
    sample = sample_of(typings)
    typing_entry = manifest.describe_typing_model(
        typing_model,
        graphs[manifest.TYPING],
        classes,
        typings,
        {'leaveOneRepetitionOut': card([answer(sample, sample)] * 2)},
        TypingParity(0, 0, 0.0),
    )
    manifest.publish(folder, manifest.describe(typings, classes, entries, typing_entry), graphs)

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
    for name, model in fitted.items():
        of_each = scores(model, X)
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
    all_scores = model.score_users(as_times(typings.press, typings.release))
    jointly = []
    for n, start in JOINTLY:
        first = start % len(typings)
        decision = model.decision(n)
        mean = all_scores[first : first + n].mean(axis=0, keepdims=True)
        jointly.append(
            {
                'rows': list(range(first, first + n)),
                'probabilities': probabilities(mean, decision.temperature)[0].tolist(),
                'evidence': evidence(mean, decision.temperature)[0].tolist(),
                'threshold': decision.threshold,
                'known': bool(mean.max() > decision.unknown_threshold),
            }
        )
    return {
        'typingModel': jointly,
        'typingModelUsers': [classes[i] for i in all_scores.argmax(axis=1)],
    }


if __name__ == '__main__':
    main(sys.argv[1], Path(sys.argv[2]))
