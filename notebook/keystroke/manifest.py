"""The manifest: the one contract between the notebook and the server.

Its schema is written in ``server/src/schemas/manifest.ts``; ``models/manifest.schema.json`` is
generated from it. Model files bear their content's hash in their name and the manifest is renamed
into place last, so that it always names files that exist, whatever interrupts a training.
"""

import base64
import hashlib
import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from keystroke.csv_format import UserID
from keystroke.data import Typings, is_sample
from keystroke.features import DDOF, FEATURES
from keystroke.graphs.export import Exported
from keystroke.graphs.parity import Parity, open_session, predict
from keystroke.graphs.typing import template_rows
from keystroke.manifest_schema import FILE, check
from keystroke.models.table import MODELS, Input, Inputs, library, parameters
from keystroke.models.timings import Floats
from keystroke.models.typing_model import TypingModel

FORMAT_VERSION = 6
GOLDEN_ROWS: dict[Input, int] = {'features': 1000, 'times': 5}
"""At most, by what models read.

A tree's leaf shows in the rows alone that fall into it, so classifiers take all rows of a
recording of usual size. All that the typing model knows takes part in each of its scores.
"""

GOLDEN_MARGIN = 8
"""How many times as far off as here a sum of scores may be on the server's machine."""

LEAST_GOLDEN_DIFFERENCE = 1e-6
"""Of a sum, for float32 scores that happen to be exact here."""

TIPPED = 0.5
"""A score that is off by more than this has lost or won a vote by rounding."""

TIPPED_ROWS = 200
"""One row in so many may be tipped by another machine's rounding, where scores are votes."""


def describe_model(  # noqa: PLR0913, PLR0917 — one argument for each thing the manifest says of a model
    name: str,
    estimator: Any,
    exported: Exported,
    inputs: Inputs,
    metrics: Mapping[str, Any],
    parity: Parity,
) -> dict[str, Any]:
    """Make a model's entry of the manifest.

    Parameters
    ----------
    name : str
        Of ``MODELS``.
    estimator
        The fitted model.
    exported : Exported
    inputs : dict
        From ``model_inputs``. What golden rows expect is the Python model's answer.
    metrics : mapping
        Rates on typings held out, training accuracy named as such.
    parity : Parity

    Returns
    -------
    dict
    """
    model = MODELS[name]
    opsets = exported.graph.opset_import
    entry = {
        'input': model.input,
        **_file(name, exported.graph),
        'opset': {opset.domain or 'ai.onnx': opset.version for opset in opsets},
        'library': library(name),
        'estimator': type(estimator).__name__,
        'parameters': parameters(estimator),
        'metrics': dict(metrics),
        'parity': {
            'rows': parity.rows,
            'labelDifferences': parity.label_differences,
            'largestScoreDifference': parity.largest_score_difference,
            'maxScoreDifference': model.max_score_difference,
        },
        'golden': _golden(name, estimator, exported, inputs),
    }
    for part, graph in exported.parts.items():
        entry[part] = _file(f'{name}-{part}', graph)
    if isinstance(estimator, TypingModel):
        entry |= _decisions(estimator)
        entry['enroll'] |= {'golden': _enrolled(estimator, inputs)}
    return entry


def _file(name: str, graph: onnx.ModelProto) -> dict[str, Any]:
    content = graph.SerializeToString()
    digest = hashlib.sha256(content).hexdigest()
    return {
        'file': f'{name.lower()}-{digest[:12]}.onnx',
        'sha256': digest,
        'bytes': len(content),
    }


def _golden_rows(inputs: Inputs, name: Input) -> NDArray[Any]:
    """Take rows of the recording, evenly."""
    given = inputs[name]
    last = len(given) - 1
    return given[np.unique(np.linspace(0, last, GOLDEN_ROWS[name]).round().astype(np.int64))]


def golden_sums(scores: NDArray[Any]) -> Floats:
    """Add up each row's scores, each class's with a weight of its own between 0.5 and 1.

    The weights are spread evenly by the golden ratio, so that scores which two classes have
    exchanged change the sum too.

    Parameters
    ----------
    scores : ndarray, shape (N, C)

    Returns
    -------
    ndarray of float64, shape (N,)
    """
    classes = np.arange(1, scores.shape[1] + 1)
    weights = 0.5 + classes * 0.6180339887498949 % 1 / 2
    sums: Floats = scores.astype(np.float64) @ weights
    return sums


def _golden(name: str, estimator: Any, exported: Exported, inputs: Inputs) -> dict[str, Any]:
    model = MODELS[name]
    rows = _golden_rows(inputs, model.input)
    labels, scores = estimator.predict(rows), model.scores(estimator, rows)
    found_labels, found = predict(open_session(exported.graph), rows, exported.templates)
    tipped = (found_labels != labels) | (np.abs(found - scores).max(axis=1) > TIPPED)
    sums = golden_sums(scores)
    difference = np.abs(golden_sums(found) - sums)[~tipped].max(initial=0.0)
    may_tip = len(rows) // TIPPED_ROWS if model.max_score_difference is None else 0
    return {
        'labels': _base64(labels.astype('<i4')),
        'sums': _base64(sums.astype('<f8')),
        'maxDifference': max(LEAST_GOLDEN_DIFFERENCE, GOLDEN_MARGIN * float(difference)),
        'mayDiffer': int(tipped.sum()) + may_tip,
    }


def _base64(numbers: NDArray[Any]) -> str:
    return base64.b64encode(numbers.tobytes()).decode('ascii')


def _decisions(model: TypingModel) -> dict[str, Any]:
    return {
        'falseAcceptanceRate': model.false_acceptance_rate,
        'knownRejectionRate': model.known_rejection_rate,
        'decisions': [
            {
                'asked': decision.asked,
                'temperature': decision.temperature,
                'thresholds': [asdict(threshold) for threshold in decision.thresholds],
            }
            for decision in model.decisions_
        ],
    }


def _enrolled(model: TypingModel, inputs: Inputs) -> dict[str, Any]:
    """Enroll somebody with the golden typings, though they are of several users."""
    rows = template_rows(model.enroll(_golden_rows(inputs, 'times'))[None])
    return {name: row[0].tolist() for name, row in rows.items()}


def describe(
    typings: Typings,
    classes: list[UserID],
    inputs: Inputs,
    entries: Mapping[str, dict[str, Any]],
) -> dict[str, Any]:
    """Make the manifest.

    Parameters
    ----------
    typings : Typings
        What the models were fitted on.
    classes : list of int or of str, length C
        UserID of each class index.
    inputs : dict
        From ``model_inputs``. Golden rows are taken from it, evenly.
    entries : mapping of model name to dict
        From ``describe_model``.

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
            'isSynthetic': is_sample(typings),
            'keys': typings.keys,
            'string': typings.string,
        },
        'features': {'names': list(FEATURES), 'unit': 'ms', 'ddof': DDOF},
        'classes': classes,
        'golden': {
            'features': _base64(_golden_rows(inputs, 'features').astype('<f4')),
            'times': _base64(_golden_rows(inputs, 'times').astype('<f8')),
        },
        'models': dict(entries),
    }


def publish(folder: str | Path, manifest: dict[str, Any], exported: Mapping[str, Exported]) -> Path:
    """Put models and manifest in a folder so that it is valid at every moment.

    Model files first, each written aside and renamed; then the manifest, likewise; last, the
    files that only the previous manifest named are removed.

    Parameters
    ----------
    folder : str or Path
        Made where missing.
    manifest : dict
        From ``describe``.
    exported : mapping of model name to Exported
        One for each of the manifest's models.

    Returns
    -------
    Path
        Of the manifest.

    Raises
    ------
    ManifestError
        If the server would refuse the manifest; nothing is written then.
    """
    check(manifest)
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    kept = set()
    for name, entry in manifest['models'].items():
        model = exported[name]
        for file, graph in [(entry, model.graph), *((entry[p], g) for p, g in model.parts.items())]:
            kept.add(file['file'])
            _write(folder / file['file'], graph.SerializeToString())
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
