"""What Python says of every typing of a CSV, as the oracle of the server's tests.

usage: python server/test/oracle.py typings.csv out.json
"""

import json
import sys
from pathlib import Path

import numpy as np

from keystroke.data import read_typings
from keystroke.features import as_model_input, compute_features
from keystroke.models import ESTIMATORS, encode_users, fit, scores
from keystroke.typing_model import TypingModel, as_times, evidence, probabilities


def main(csv: str, out: str) -> None:
    """Fit the three classifiers on a CSV and write what they predict for its own rows."""
    typings = read_typings(csv)
    features = compute_features(typings.press, typings.release)
    X = as_model_input(features)
    classes, y = encode_users(typings.users)
    users = {}
    best = {}
    for name in ESTIMATORS:
        estimator = fit(name, X, y)
        users[name] = [classes[label] for label in estimator.predict(X)]
        of_each = scores(estimator, X)
        order = np.argsort(-of_each, axis=1, kind='stable')[:, :5]
        best[name] = [
            [{'UserID': classes[i], 'Score': float(row[i])} for i in first]
            for row, first in zip(of_each, order, strict=True)
        ]
    model = TypingModel().fit(as_times(typings.press, typings.release), y)
    all_scores = model.score_users(as_times(typings.press, typings.release))
    typing_model = []
    # One typing alone, and two of the same user together.
    for n, first in ((1, 0), (1, 7), (2, 0), (2, 8), (1, len(y) - 1)):
        decision = model.decision(n)
        mean = all_scores[first : first + n].mean(axis=0, keepdims=True)
        typing_model.append(
            {
                'rows': list(range(first, first + n)),
                'probabilities': probabilities(mean, decision.temperature)[0].tolist(),
                'evidence': evidence(mean, decision.temperature)[0].tolist(),
                'threshold': decision.threshold,
                'known': bool(mean.max() > decision.unknown_threshold),
            }
        )
    answer = {
        'classes': classes,
        'typingModel': typing_model,
        'typingModelUsers': [classes[i] for i in all_scores.argmax(axis=1)],
        'true': typings.users,
        'press': typings.press.tolist(),
        'release': typings.release.tolist(),
        'features': features.tolist(),
        'users': users,
        'best': best,
    }
    Path(out).write_text(json.dumps(answer))


if __name__ == '__main__':
    main(sys.argv[1], sys.argv[2])
