"""Execute the notebook, with the environment's kernel and no settings but the project's."""

import logging
import os
import re
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import nbformat
import papermill
from nbclient.exceptions import DeadKernelError
from papermill.exceptions import PapermillExecutionError

NOTEBOOK = Path(__file__).resolve().parents[2] / 'train.ipynb'


class NotebookError(RuntimeError):
    """A notebook that did not come to its end; nothing was published."""


def execute(csv: Path, models: Path, *, in_place: bool = False) -> None:
    """Execute the notebook, which publishes to ``models`` in its last step.

    Parameters
    ----------
    csv : Path
        Recorded typings.
    models : Path
        Folder for manifest, ONNX files and the executed notebook.
    in_place : bool
        Execute as committed, on the sample, and store the outputs in the notebook itself.

    Raises
    ------
    NotebookError
        If a cell fails or the kernel ends; nothing is published then.
    """
    # The exception says it once. A task that is interrupted is gone when asyncio complains of it.
    for logger in ('papermill', 'asyncio'):
        logging.getLogger(logger).setLevel(logging.CRITICAL + 1)
    notebook = nbformat.read(NOTEBOOK, as_version=4)  # type: ignore[no-untyped-call]
    with tempfile.TemporaryDirectory() as settings:
        _use_own_settings(Path(settings))
        try:
            executed = papermill.execute_notebook(
                notebook,
                None,
                parameters={}
                if in_place
                else {'csv': str(csv.resolve()), 'models': str(models.resolve())},
                cwd=NOTEBOOK.parent,
                progress_bar=False,
                on_cell_start=_Progress(notebook),
                # That it listens on loopback, or that it was interrupted while it ended.
                extra_arguments=['--log-level=CRITICAL'],
            )
        except PapermillExecutionError as error:
            raise NotebookError(f'{error.ename}: {error.evalue}') from error
        except DeadKernelError as error:
            raise NotebookError(
                'the Python that ran the notebook was ended, perhaps for want of memory.'
            ) from error
    if in_place:
        _drop_what_changes(executed)
        nbformat.write(executed, NOTEBOOK)  # type: ignore[no-untyped-call]
    else:
        nbformat.write(executed, models / 'train.ipynb')  # type: ignore[no-untyped-call]


def _use_own_settings(folder: Path) -> None:
    """Keep the user's kernels, startup files and settings of IPython and Jupyter out."""
    for variable in ('IPYTHONDIR', 'JUPYTER_CONFIG_DIR', 'JUPYTER_DATA_DIR'):
        os.environ[variable] = str(folder)
    os.environ['JUPYTER_PREFER_ENV_PATH'] = '1'
    for variable in ('JUPYTER_PATH', 'JUPYTER_CONFIG_PATH', 'PYTHONSTARTUP'):
        os.environ.pop(variable, None)
    # The debugger's notice about frozen modules would end up among the outputs.
    os.environ['PYDEVD_DISABLE_FILE_VALIDATION'] = '1'


class _Progress:
    """Says which of the notebook's sections has begun, of how many, and after how long."""

    def __init__(self, notebook: Any) -> None:
        self.started = time.monotonic()
        self.sections = sum(_heading(cell) is not None for cell in notebook.cells)
        self.begun = 0

    def __call__(self, *, cell: Any, cell_index: int) -> None:
        heading = _heading(cell)
        if heading is None:
            return
        self.begun += 1
        seconds = time.monotonic() - self.started
        print(
            f'{seconds:4.0f} s  {self.begun} of {self.sections}: {heading}',
            file=sys.stderr,
            flush=True,
        )


def _heading(cell: Any) -> str | None:
    heading = re.match(r'## (?:\d+\. )?(.+)', cell.source) if cell.cell_type == 'markdown' else None
    return heading and heading[1]


def _drop_what_changes(notebook: Any) -> None:
    """Keep outputs, drop what changes at every run: times, durations, the kernel's own version."""
    notebook.metadata.pop('papermill', None)
    notebook.metadata.language_info.pop('version', None)
    for cell in notebook.cells:
        cell.metadata.pop('papermill', None)
        cell.metadata.pop('execution', None)
