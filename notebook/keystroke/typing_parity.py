"""Hold the typing model's ONNX graph against the Python model it was made of."""

from dataclasses import dataclass

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray

from keystroke.export import SCORES
from keystroke.models import RANDOM_STATE
from keystroke.parity import MAX_LABEL_DIFFERENCES, PERTURBED_ROWS, ParityError, open_session
from keystroke.typing_export import TIMES
from keystroke.typing_model import Floats, TypingModel, as_times

MAX_SCORE_DIFFERENCE = 1e-3
"""A natural-logarithm likelihood ratio off by this makes a probability of .5 off by .0001."""

LATE_CLOCK = 2**52
"""ms; float64 tells whole numbers apart up to twice that."""


@dataclass(frozen=True)
class TypingParity:
    """What came of comparing the graph with the model.

    Attributes
    ----------
    rows : int
        Compared: all of the CSV and at least ``PERTURBED_ROWS`` perturbed ones.
    label_differences : int
        Rows whose best scored user differs.
    largest_score_difference : float
    """

    rows: int
    label_differences: int
    largest_score_difference: float


def perturb_typings(
    press: NDArray[np.int64], release: NDArray[np.int64], at_least: int = PERTURBED_ROWS
) -> Floats:
    """Scatter typings around the given ones, nearly equal to far off, on early and late clocks.

    Parameters
    ----------
    press, release : ndarray of int64, shape (N, K)
        Times in ms.
    at_least : int
        Rows to make.

    Returns
    -------
    ndarray of float64, shape (M, 2K)
        M >= at_least; whole ms, no release before its press, no press before the last one.
    """
    rng = np.random.default_rng(RANDOM_STATE)
    copies = -(-at_least // len(press))
    noise = np.repeat(np.geomspace(0.01, 2.0, copies), len(press))[:, None]
    clock = np.where(np.arange(copies * len(press)) % 2, LATE_CLOCK, 0)[:, None]

    def scattered(times: NDArray[np.int64]) -> NDArray[np.int64]:
        tiled = np.tile(times, (copies, 1))
        return np.rint(tiled * np.exp(noise * rng.normal(size=tiled.shape))).astype(np.int64)

    pressed = scattered(np.diff(press, axis=1, prepend=press[:, :1])).cumsum(axis=1) + clock
    return as_times(pressed, pressed + scattered(release - press))


def score_rows(
    session: onnxruntime.InferenceSession, times: Floats, batch: int = 64
) -> NDArray[np.float32]:
    """Run the graph in batches.

    Parameters
    ----------
    session : onnxruntime.InferenceSession
    times : ndarray of float64, shape (N, 2K)
    batch : int
        Rows a run.

    Returns
    -------
    ndarray of float32, shape (N, C)
    """
    return np.concatenate(
        [
            session.run([SCORES], {TIMES: times[first : first + batch]})[0]
            for first in range(0, len(times), batch)
        ]
    )


def compare_typing_model(
    graph: onnx.ModelProto,
    model: TypingModel,
    press: NDArray[np.int64],
    release: NDArray[np.int64],
) -> TypingParity:
    """Compare the graph's scores with the model's, on the given typings and on perturbed ones.

    Parameters
    ----------
    graph : onnx.ModelProto
    model : TypingModel
        Fitted.
    press, release : ndarray of int64, shape (N, K)
        Times in ms.

    Returns
    -------
    TypingParity

    Raises
    ------
    ParityError
        If a score differs by more than rounding explains, or more labels than ties explain.
    """
    times = np.concatenate([as_times(press, release), perturb_typings(press, release)])
    expected = model.score_users(times)
    found = score_rows(open_session(graph), times)
    # Written so that NaN, which is not at most anything, is refused.
    difference = float(np.abs(found - expected).max())
    if not difference <= MAX_SCORE_DIFFERENCE:
        raise ParityError(f'a score differs from {model!r} by {difference}')
    differences = int((found.argmax(axis=1) != expected.argmax(axis=1)).sum())
    if differences > MAX_LABEL_DIFFERENCES * len(times):
        raise ParityError(f'{differences} of {len(times)} labels differ from {model!r}')
    return TypingParity(len(times), differences, difference)
