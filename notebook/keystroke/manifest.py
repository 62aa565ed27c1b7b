"""The manifest: the one contract between the notebook and the server.

``server/src/manifest.ts`` holds its schema. Model files bear their content's hash in their name and
the manifest is renamed into place last, so that whatever interrupts a training, the manifest that
stands names files that stand.
"""

import hashlib
import json
import os
import tempfile
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from keystroke import models
from keystroke.data import Typings, UserID
from keystroke.export import INPUT, LABEL, SCORES
from keystroke.features import FEATURES
from keystroke.parity import Parity
from keystroke.protocols import Strangers
from keystroke.typing_export import TIMES
from keystroke.typing_model import TypingModel, as_times
from keystroke.typing_parity import TypingParity

FORMAT_VERSION = 2
GOLDEN_ROWS = 5
FILE = 'manifest.json'
TYPING = 'typing'
"""Name of the typing model's graph and first part of its file's name."""


def describe_model(  # noqa: PLR0913, PLR0917 — one argument for each thing the manifest says of a model
    name: str,
    estimator: Any,
    graph: onnx.ModelProto,
    classes: list[UserID],
    X: NDArray[np.float32],
    metrics: Mapping[str, Any],
    parity: Parity,
) -> dict[str, Any]:
    """Make a model's entry of the manifest.

    Parameters
    ----------
    name : {'SVM', 'RF', 'XGB'}
    estimator : fitted SVC, RandomForestClassifier or XGBClassifier
    graph : onnx.ModelProto
    classes : list of int or of str, length C
    X : ndarray of float32, shape (N, 8)
        Golden rows are taken from it, evenly; what they expect is the Python model's answer.
    metrics : mapping
        Rates on typings held out, training accuracy named as such.
    parity : Parity

    Returns
    -------
    dict
    """
    golden = X[_golden_rows(len(X))]
    return {
        **_describe_graph(name, graph),
        'library': models.library(name),
        'estimator': type(estimator).__name__,
        'parameters': models.parameters(estimator),
        'input': {'name': INPUT, 'type': 'float32', 'shape': [None, len(FEATURES)]},
        'outputs': [
            {'name': LABEL, 'type': 'int64', 'shape': [None]},
            {'name': SCORES, 'type': 'float32', 'shape': [None, len(classes)]},
        ],
        'metrics': dict(metrics),
        'parity': {
            'rows': parity.rows,
            'labelDifferences': parity.label_differences,
            'largestProbabilityDifference': parity.largest_probability_difference,
        },
        'golden': [
            {'features': [float(value) for value in row], 'userID': classes[int(label)]}
            for row, label in zip(golden, estimator.predict(golden), strict=True)
        ],
    }


def describe_typing_model(  # noqa: PLR0913, PLR0917 — as above
    model: TypingModel,
    graph: onnx.ModelProto,
    classes: list[UserID],
    typings: Typings,
    metrics: Mapping[str, Any],
    parity: TypingParity,
) -> dict[str, Any]:
    """Make the typing model's entry of the manifest.

    Parameters
    ----------
    model : TypingModel
        Fitted on all of the typings, with class indices for users.
    graph : onnx.ModelProto
    classes : list of int or of str, length C
    typings : Typings
        Golden rows are taken from it, evenly; what they expect is the Python model's answer.
    metrics : mapping
        Rates on typings held out.
    parity : TypingParity

    Returns
    -------
    dict
        ``decisions`` says how scores are read, of one typing first: see
        ``keystroke.typing_model.Decision``.
    """
    rows = _golden_rows(len(typings))
    golden = model.score_users(as_times(typings.press[rows], typings.release[rows]))
    return {
        **_describe_graph(TYPING, graph),
        'library': models.library(TYPING),
        'estimator': type(model).__name__,
        'parameters': models.parameters(model),
        'input': {'name': TIMES, 'type': 'float64', 'shape': [None, 2 * typings.keys]},
        'outputs': [{'name': SCORES, 'type': 'float32', 'shape': [None, len(classes)]}],
        'falseAcceptanceRate': model.false_acceptance_rate,
        'knownRejectionRate': model.known_rejection_rate,
        'decisions': [
            {
                'typings': decision.typings,
                'temperature': decision.temperature,
                'threshold': decision.threshold,
                'unknownThreshold': decision.unknown_threshold,
            }
            for decision in model.decisions_
        ],
        'metrics': dict(metrics),
        'parity': {
            'rows': parity.rows,
            'labelDifferences': parity.label_differences,
            'largestScoreDifference': parity.largest_score_difference,
        },
        'golden': [
            {
                'press': typings.press[row].tolist(),
                'release': typings.release[row].tolist(),
                'userID': classes[int(scores.argmax())],
                'score': float(scores.max()),
            }
            for row, scores in zip(rows, golden, strict=True)
        ],
    }


def describe_strangers(found: Strangers) -> dict[str, float]:
    """Make the part of the typing model's metrics on typists who are not enrolled."""
    return {
        'AUROC': found.auroc,
        'knownRejected': found.known_rejected,
        'strangersRejected': found.strangers_rejected,
        'falseAcceptanceRate': found.false_acceptance_rate,
        'falseRejectionRate': found.false_rejection_rate,
        'EER': found.eer,
        'frrAtFar1': found.frr_at_far_1,
    }


def _golden_rows(rows: int) -> NDArray[np.int64]:
    return np.unique(np.linspace(0, rows - 1, GOLDEN_ROWS).round().astype(np.int64))


def _describe_graph(name: str, graph: onnx.ModelProto) -> dict[str, Any]:
    content = graph.SerializeToString()
    digest = hashlib.sha256(content).hexdigest()
    return {
        'file': f'{name.lower()}-{digest[:12]}.onnx',
        'sha256': digest,
        'bytes': len(content),
        'opset': {entry.domain or 'ai.onnx': entry.version for entry in graph.opset_import},
    }


def describe(
    typings: Typings,
    classes: list[UserID],
    entries: Mapping[str, dict[str, Any]],
    typing_model: dict[str, Any],
) -> dict[str, Any]:
    """Make the manifest.

    Parameters
    ----------
    typings : Typings
        What the models were fitted on.
    classes : list of int or of str, length C
        UserID of each class index.
    entries : mapping of model name to dict
        From ``describe_model``.
    typing_model : dict
        From ``describe_typing_model``.

    Returns
    -------
    dict
        The same for the same CSV but for ``createdAt``.
    """
    return {
        'formatVersion': FORMAT_VERSION,
        'createdAt': datetime.now(UTC).isoformat(timespec='seconds'),
        'dataset': {
            'name': typings.name,
            'sha256': typings.sha256,
            'typings': len(typings),
            'users': len(classes),
            'keys': typings.keys,
            'string': typings.string,
        },
        'features': {'names': list(FEATURES), 'unit': 'ms', 'ddof': 1},
        'classes': classes,
        'models': dict(entries),
        'typingModel': typing_model,
    }


def publish(
    folder: str | Path, manifest: dict[str, Any], graphs: Mapping[str, onnx.ModelProto]
) -> Path:
    """Put models and manifest in a folder so that it is valid at every moment.

    Model files first, each written aside and renamed; then the manifest, likewise; last, the
    files that only the previous manifest named are removed.

    Parameters
    ----------
    folder : str or Path
        Made where missing.
    manifest : dict
        From ``describe``.
    graphs : mapping of model name to onnx.ModelProto
        One for each of the manifest's models, and the typing model's as ``TYPING``.

    Returns
    -------
    Path
        Of the manifest.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    kept = set()
    for name, entry in {**manifest['models'], TYPING: manifest['typingModel']}.items():
        kept.add(entry['file'])
        _write(folder / entry['file'], graphs[name].SerializeToString())
    text = json.dumps(manifest, indent=2, ensure_ascii=False, allow_nan=False) + '\n'
    _write(folder / FILE, text.encode())
    for path in folder.glob('*.onnx'):
        if path.name not in kept:
            path.unlink()
    return folder / FILE


def _write(path: Path, content: bytes) -> None:
    """Write a file whole or not at all."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f'.{path.name}.')
    try:
        with os.fdopen(handle, 'wb') as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        # mkstemp makes files for their owner alone; models are read by the server's user too.
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
