"""Hold exported ONNX graphs against the Python models they were made of."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray

from keystroke.export import INPUT, LABEL, SCORES
from keystroke.models import RANDOM_STATE, scores

PERTURBED_ROWS = 20_000
MAX_LABEL_DIFFERENCES = 1 / 1000
"""Share of rows; two users' identical typings may tie, and rounding then decides."""

MAX_PROBABILITY_DIFFERENCE = 1e-5


class ParityError(RuntimeError):
    """An exported graph that does not answer as its model."""


@dataclass(frozen=True)
class Parity:
    """What came of comparing a graph with its model.

    Attributes
    ----------
    rows : int
        Compared: all of the CSV and at least ``PERTURBED_ROWS`` perturbed ones.
    label_differences : int
        Rows whose label differs from ``predict``.
    largest_probability_difference : float or None
        None for SVM, whose scores are no probabilities.
    """

    rows: int
    label_differences: int
    largest_probability_difference: float | None

    def as_dict(self) -> dict[str, Any]:
        """Return the attributes by name."""
        return asdict(self)


def perturb(X: NDArray[np.float32], at_least: int = PERTURBED_ROWS) -> NDArray[np.float32]:
    """Scatter rows around the given ones, from nearly equal to far off.

    Parameters
    ----------
    X : ndarray of float32, shape (N, 8)
    at_least : int
        Rows to make.

    Returns
    -------
    ndarray of float32, shape (M, 8)
        M >= at_least; every row N times a whole number; standard deviations not negative.
    """
    rng = np.random.default_rng(RANDOM_STATE)
    copies = -(-at_least // len(X))
    spread = np.repeat(np.geomspace(0.001, 1.0, copies), len(X))[:, None] * X.std(axis=0)
    noisy = np.tile(X, (copies, 1)) + rng.normal(size=(copies * len(X), X.shape[1])) * spread
    noisy[:, 1::2] = np.abs(noisy[:, 1::2])
    rounded: NDArray[np.float32] = noisy.astype(np.float32)
    return rounded


def open_session(model: onnx.ModelProto) -> onnxruntime.InferenceSession:
    """Load a graph as the server does: on one thread, so that sums have one order."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=['CPUExecutionProvider']
    )


def predict(
    session: onnxruntime.InferenceSession, X: NDArray[np.float32], batch: int = 64
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Run a graph in batches.

    Parameters
    ----------
    session : onnxruntime.InferenceSession
    X : ndarray of float32, shape (N, 8)
    batch : int
        Rows a run; the SVM's memory grows with rows times users squared.

    Returns
    -------
    label : ndarray of int64, shape (N,)
    scores : ndarray of float32, shape (N, C)
    """
    runs = [
        session.run([LABEL, SCORES], {INPUT: X[first : first + batch]})
        for first in range(0, len(X), batch)
    ]
    return np.concatenate([run[0] for run in runs]), np.concatenate([run[1] for run in runs])


def compare(model: onnx.ModelProto, estimator: Any, X: NDArray[np.float32]) -> Parity:
    """Compare a graph's answers with its model's, on the given rows and on perturbed ones.

    Parameters
    ----------
    model : onnx.ModelProto
    estimator : fitted SVC, RandomForestClassifier or XGBClassifier
    X : ndarray of float32, shape (N, 8)

    Returns
    -------
    Parity

    Raises
    ------
    ParityError
        If more labels differ than ties explain, or a probability by more than rounding does.
    """
    rows = np.concatenate([X, perturb(X)])
    label, onnx_scores = predict(open_session(model), rows)
    differences = int((label != estimator.predict(rows)).sum())
    probability_difference = None
    if hasattr(estimator, 'predict_proba'):
        probability_difference = float(np.abs(onnx_scores - scores(estimator, rows)).max())
    if differences > MAX_LABEL_DIFFERENCES * len(rows):
        raise ParityError(f'{differences} of {len(rows)} labels differ from {estimator!r}')
    if (probability_difference or 0.0) > MAX_PROBABILITY_DIFFERENCE:
        raise ParityError(f'a probability differs from {estimator!r} by {probability_difference}')
    return Parity(len(rows), differences, probability_difference)
