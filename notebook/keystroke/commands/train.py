"""Run the notebook from top to bottom on a CSV: ``npm run train -- path/to.csv``.

The executed copy, with the plots of that data, is left beside the models as ``train.ipynb``.
"""

import argparse
import json
import os
import re
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import nbformat
import papermill
from papermill.exceptions import PapermillExecutionError

from keystroke.csv_rows import DataError
from keystroke.data import SAMPLE, read_typings, require_trainable
from keystroke.manifest import ManifestError, read_schema

ROOT = Path(__file__).resolve().parents[3]
NOTEBOOK = ROOT / 'notebook' / 'train.ipynb'
MODELS = ROOT / 'models'


def main(arguments: list[str] | None = None) -> int:
    """Train; return the process's exit code, 1 with one sentence on stderr where it failed."""
    parser = argparse.ArgumentParser(prog='npm run train --', description=__doc__.split('\n')[0])
    parser.add_argument('csv', nargs='?', type=Path, default=SAMPLE, help='recorded typings')
    parser.add_argument('--models', type=Path, default=MODELS, help='folder the models go to')
    parser.add_argument(
        '--in-place',
        action='store_true',
        help='store the outputs in notebook/train.ipynb itself, on the sample, for a commit',
    )
    options = parser.parse_args(arguments)
    try:
        # Before the kernel is started: a faulty file is named within a second, without a traceback.
        read_schema()
        typings = read_typings(options.csv)
        require_trainable(typings)
        users = len(set(typings.users))
        print(
            f'Training on {typings.name}: {len(typings)} typings of {users} users', file=sys.stderr
        )
        run(options.csv, options.models, in_place=options.in_place)
        if not options.in_place:
            print(summarize(options.models))
    except (DataError, ManifestError) as error:
        print(f'Not trained: {error}.', file=sys.stderr)
        return 1
    except PapermillExecutionError as error:
        print(f'Not trained: {error.ename}: {error.evalue}', file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print('Interrupted; the previous models are left as they were.', file=sys.stderr)
        return 130
    return 0


def summarize(models: Path) -> str:
    """Say how good the published models are, and where the notebook is that shows more.

    Parameters
    ----------
    models : Path
        Folder of manifest and notebook.

    Returns
    -------
    str
        Some lines for a terminal.
    """
    manifest = json.loads((models / 'manifest.json').read_text('utf-8'))
    rates = {
        name: entry['metrics']['leaveOneRepetitionOut']
        for name, entry in manifest['models'].items()
    }
    named = ', '.join(f'{name} {rate["rank1"]:.3f}' for name, rate in rates.items())
    return (
        f'Named right, of typings left out of training (rank-1): {named}\n'
        f'Equal error rate of the typing model: {rates["typing"]["pooledEER"]:.3f}\n'
        f'Every step, with its plots: {models / "train.ipynb"}'
    )


def run(csv: Path, models: Path, *, in_place: bool = False) -> None:
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
    papermill.exceptions.PapermillExecutionError
        If a cell fails; nothing is published then.
    """
    parameters = {} if in_place else {'csv': str(csv.resolve()), 'models': str(models.resolve())}
    # The kernel finds the package by its folder, and the debugger's notice about frozen modules
    # would end up among the outputs.
    os.environ['PYDEVD_DISABLE_FILE_VALIDATION'] = '1'
    with tempfile.TemporaryDirectory() as scratch:
        executed = Path(scratch) / 'train.ipynb'
        papermill.execute_notebook(
            NOTEBOOK,
            executed,
            parameters=parameters,
            cwd=NOTEBOOK.parent,
            progress_bar=False,
            on_cell_start=_Progress(),
            # The exception reports a failed cell once. The kernel's own lines are noise:
            # that it listens on loopback, or that it was interrupted while it ended.
            extra_arguments=['--log-level=CRITICAL'],
        )
        if in_place:
            _store(executed, NOTEBOOK)
        else:
            shutil.copyfile(executed, models / 'train.ipynb')


class _Progress:
    """Tells which of the notebook's sections has begun, and after how long."""

    def __init__(self) -> None:
        self.started = time.monotonic()

    def __call__(self, *, cell: Any, cell_index: int) -> None:
        heading = re.match(r'## (.+)', cell.source) if cell.cell_type == 'markdown' else None
        if heading:
            seconds = time.monotonic() - self.started
            print(f'{seconds:4.0f} s  {heading[1]}', file=sys.stderr, flush=True)


def _store(executed: Path, target: Path) -> None:
    """Keep outputs, drop what changes at every run: times, durations, the kernel's own version."""
    notebook = nbformat.read(executed, as_version=4)  # type: ignore[no-untyped-call]
    notebook.metadata.pop('papermill', None)
    notebook.metadata.language_info.pop('version', None)
    for cell in notebook.cells:
        cell.metadata.pop('papermill', None)
        cell.metadata.pop('execution', None)
    nbformat.write(notebook, target)  # type: ignore[no-untyped-call]


if __name__ == '__main__':
    sys.exit(main())
