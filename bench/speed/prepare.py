"""What the contestants load: python bench/speed/prepare.py typings.csv folder.

The same three estimators as the notebook fits, pickled with joblib for FastAPI + scikit-learn, and
exported as their converters do it by default ("plain") for those that run ONNX without batching.
"""

import json
import sys
import warnings
from pathlib import Path

import joblib
import onnxmltools
from onnxmltools.convert.common.data_types import FloatTensorType as XgbFloatTensorType
from skl2onnx import convert_sklearn
from skl2onnx.common.data_types import FloatTensorType

from keystroke.data import encode_users, read_typings
from keystroke.features import FEATURES
from keystroke.graphs.graph import FEATURES_INPUT, LABEL, SCORES
from keystroke.models.table import CLASSIFIERS, fit, model_inputs


def main(csv: str, folder: Path) -> None:
    """Write requests.json, a pickle and a plain ONNX file for each model."""
    typings = read_typings(csv)
    inputs = model_inputs(typings.press, typings.release)
    X = inputs['features']
    classes, y = encode_users(typings.users)
    labels = {}
    for name in CLASSIFIERS:
        estimator = fit(name, inputs, y)
        labels[name] = [classes[label] for label in estimator.predict(X)]
        joblib.dump({'classes': classes, 'estimator': estimator}, folder / f'{name}.joblib')
        if name == 'SVM':
            # One SVMClassifier node; with 'ovr' the converter takes minutes for 110 users.
            estimator.decision_function_shape = 'ovo'
        (folder / f'{name}.onnx').write_bytes(plain(name, estimator))
    rows = {
        'names': list(FEATURES),
        'inputs': {name: rows.tolist() for name, rows in inputs.items()},
        'users': labels,
        'classes': classes,
    }
    (folder / 'requests.json').write_text(json.dumps(rows))


def plain(name: str, estimator: object) -> bytes:
    """Convert as the libraries' documentation shows it."""
    shape = [None, len(FEATURES)]
    if name == 'XGB':
        types = [(FEATURES_INPUT, XgbFloatTensorType(shape))]
        model = onnxmltools.convert_xgboost(estimator, name, types, target_opset=15)
    else:
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')
            model = convert_sklearn(
                estimator,
                name,
                [(FEATURES_INPUT, FloatTensorType(shape))],
                target_opset={'': 17, 'ai.onnx.ml': 3},
                options={'zipmap': False},
            )
    outputs = dict(
        zip([output.name for output in model.graph.output], (LABEL, SCORES), strict=True)
    )
    for node in model.graph.node:
        node.output[:] = [outputs.get(output, output) for output in node.output]
    for output in model.graph.output:
        output.name = outputs[output.name]
    return bytes(model.SerializeToString())


if __name__ == '__main__':
    main(sys.argv[1], Path(sys.argv[2]))
