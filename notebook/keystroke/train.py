"""Run the notebook from top to bottom on a CSV: ``npm run train -- path/to.csv``.

The executed copy, with the plots of that data, is left beside the models as ``train.ipynb``.
"""

import argparse
import os
import shutil
import sys
import tempfile
from pathlib import Path

import nbformat
import papermill
from papermill.exceptions import PapermillExecutionError

from keystroke.data import DataError, read_typings, require_trainable

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOK = ROOT / 'notebook' / 'train.ipynb'
SAMPLE = ROOT / 'data' / 'sample.csv'
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
        require_trainable(read_typings(options.csv))
        run(options.csv, options.models, in_place=options.in_place)
    except DataError as error:
        print(f'Not trained: {error}.', file=sys.stderr)
        return 1
    except PapermillExecutionError as error:
        print(f'Not trained: {error.ename}: {error.evalue}', file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print('Interrupted; the previous models are left as they were.', file=sys.stderr)
        return 130
    return 0


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
            # The kernel listens on loopback for this process alone; its warning about it is noise.
            extra_arguments=['--log-level=ERROR'],
        )
        if in_place:
            _store(executed, NOTEBOOK)
        else:
            shutil.copyfile(executed, models / 'train.ipynb')


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
