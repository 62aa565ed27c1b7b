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
    answer = {
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
