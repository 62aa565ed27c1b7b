"""Hold exported ONNX graphs against the Python models they were made of."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray

from keystroke.graphs.export import Exported
from keystroke.graphs.graph import FEATURES_INPUT, LABEL, SCORES, TIMES_INPUT
from keystroke.models.classifiers import RANDOM_STATE
from keystroke.models.table import MODELS, Input, Inputs
from keystroke.models.timings import Floats, Ints, as_times
from keystroke.models.typing_model import TypingModel

PERTURBED_ROWS = 20_000
MAX_LABEL_DIFFERENCES = 1 / 1000
"""Share of rows; two users' identical typings may tie, and rounding then decides."""

MAX_ENROLLED_DIFFERENCE = 1e-5
"""Of a score, whether its user was trained or enrolled with the same typings."""

LATE_CLOCK = 2**52
"""ms; float64 tells whole numbers apart up to twice that."""


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
    largest_score_difference : float or None
        None where scores are not compared.
    """

    rows: int
    label_differences: int
    largest_score_difference: float | None


def perturb_features(X: NDArray[np.float32], at_least: int = PERTURBED_ROWS) -> NDArray[np.float32]:
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


def perturb_times(times: Floats, at_least: int = PERTURBED_ROWS) -> Floats:
    """Scatter typings around the given ones, nearly equal to far off, on early and late clocks.

    Parameters
    ----------
    times : ndarray of float64, shape (N, 2K)
        Whole ms.
    at_least : int
        Rows to make.

    Returns
    -------
    ndarray of float64, shape (M, 2K)
        M >= at_least; whole ms, no release before its press, no press before the last one.
    """
    press, release = times[:, 0::2].astype(np.int64), times[:, 1::2].astype(np.int64)
    rng = np.random.default_rng(RANDOM_STATE)
    copies = -(-at_least // len(press))
    noise = np.repeat(np.geomspace(0.01, 2.0, copies), len(press))[:, None]
    clock = np.where(np.arange(copies * len(press)) % 2, LATE_CLOCK, 0)[:, None]

    def scattered(values: Ints) -> Ints:
        tiled = np.tile(values, (copies, 1))
        return np.rint(tiled * np.exp(noise * rng.normal(size=tiled.shape))).astype(np.int64)

    pressed = scattered(np.diff(press, axis=1, prepend=press[:, :1])).cumsum(axis=1) + clock
    return as_times(pressed, pressed + scattered(release - press))


_PERTURB: dict[Input, Callable[[NDArray[Any]], NDArray[Any]]] = {
    FEATURES_INPUT: perturb_features,
    TIMES_INPUT: perturb_times,
}


def open_session(graph: onnx.ModelProto) -> onnxruntime.InferenceSession:
    """Load a graph as the server does: on one thread, so that sums have one order."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(
        graph.SerializeToString(), options, providers=['CPUExecutionProvider']
    )


def predict(
    session: onnxruntime.InferenceSession,
    rows: NDArray[Any],
    templates: Mapping[str, NDArray[Any]] = {},
    batch: int = 64,
) -> tuple[Ints, NDArray[np.float32]]:
    """Run a graph in batches.

    Parameters
    ----------
    session : onnxruntime.InferenceSession
    rows : ndarray, shape (N, columns)
        Of the graph's first input.
    templates : mapping of str to ndarray
        Its other inputs.
    batch : int
        Rows a run; the SVM's memory grows with rows times users squared.

    Returns
    -------
    label : ndarray of int64, shape (N,)
    scores : ndarray of float32, shape (N, C)
    """
    reads = session.get_inputs()[0].name
    runs = [
        session.run([LABEL, SCORES], {reads: rows[first : first + batch], **templates})
        for first in range(0, len(rows), batch)
    ]
    return np.concatenate([run[0] for run in runs]), np.concatenate([run[1] for run in runs])


def compare(name: str, exported: Exported, estimator: Any, inputs: Inputs) -> Parity:
    """Compare a graph's answers with its model's, on the given rows and on perturbed ones.

    Parameters
    ----------
    name : str
        Of ``MODELS``.
    exported : Exported
    estimator
        The fitted model.
    inputs : dict
        From ``model_inputs``.

    Returns
    -------
    Parity

    Raises
    ------
    ParityError
        If more labels differ than ties explain, or a score by more than rounding does.
    """
    model = MODELS[name]
    given = inputs[model.input]
    rows = np.concatenate([given, _PERTURB[model.input](given)])
    label, scores = predict(open_session(exported.graph), rows, exported.templates)
    allowed, difference = model.max_score_difference, None
    if allowed is not None:
        difference = float(np.abs(scores - model.scores(estimator, rows)).max())
    differences = int((label != estimator.predict(rows)).sum())
    if differences > MAX_LABEL_DIFFERENCES * len(rows):
        also = '' if difference is None else f', and a score by {difference}'
        raise ParityError(f'{differences} of {len(rows)} labels differ from {estimator!r}{also}')
    # Written so that NaN, which is not at most anything, is refused.
    if allowed is not None and difference is not None and not difference <= allowed:
        raise ParityError(f'a score differs from {estimator!r} by {difference}')
    return Parity(len(rows), differences, difference)


def compare_enrollment(exported: Exported, model: TypingModel, inputs: Inputs, y: Ints) -> float:
    """Enroll every user of the training with their own typings, and compare what they score.

    Parameters
    ----------
    exported : Exported
        Of the typing model.
    model : TypingModel
    inputs : dict
        From ``model_inputs``: what the model was fitted on.
    y : ndarray of int64, shape (N,)
        Who typed it.

    Returns
    -------
    float
        Largest difference of a score of any typing to the one by the templates of the training.

    Raises
    ------
    ParityError
        If it is more than rounding explains.
    """
    times = inputs['times']
    enroll = open_session(exported.parts['enroll'])
    rows = [
        enroll.run(list(exported.templates), {TIMES_INPUT: times[y == u]}) for u in np.unique(y)
    ]
    templates = {
        name: np.concatenate(parts)
        for name, parts in zip(exported.templates, zip(*rows, strict=True), strict=True)
    }
    session = open_session(exported.graph)
    _, trained = predict(session, times, exported.templates)
    _, enrolled = predict(session, times, templates)
    difference = float(np.abs(enrolled - trained).max())
    if not difference <= MAX_ENROLLED_DIFFERENCE:
        raise ParityError(f'users enrolled again by {model!r} score otherwise by {difference}')
    return difference
