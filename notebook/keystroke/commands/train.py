"""Run the notebook from top to bottom on a CSV: ``npm run train -- path/to.csv``.

The executed copy, with the plots of that data, is left beside the models as ``train.ipynb``.
"""

import argparse
import json
import sys
from pathlib import Path

from keystroke.csv_rows import DataError
from keystroke.data import SAMPLE, read_typings, require_trainable
from keystroke.manifest_schema import FILE, ManifestError, read_schema

ROOT = Path(__file__).resolve().parents[3]
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
        read_schema()
        typings = read_typings(options.csv)
        require_trainable(typings)
        users = len(set(typings.users))
        print(
            f'Training on {typings.name}: {len(typings)} typings of {users} users', file=sys.stderr
        )
        # A faulty file is refused before these libraries are loaded, which takes seconds.
        from keystroke.commands.execution import NotebookError, execute  # noqa: PLC0415

        try:
            execute(options.csv, options.models, in_place=options.in_place)
        except NotebookError as error:
            print(f'Not trained: {error}', file=sys.stderr)
            return 1
        if not options.in_place:
            print(summarize(options.models))
    except (DataError, ManifestError) as error:
        print(f'Not trained: {error}.', file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f'Interrupted; {describe(options.models)}.', file=sys.stderr)
        return 130
    return 0


def describe(models: Path) -> str:
    """Say which models a folder holds, for a training that did not come to its end."""
    try:
        manifest = json.loads((models / FILE).read_text('utf-8'))
    except FileNotFoundError:
        return f'there are no models in {models} yet'
    dataset, created = manifest['dataset'], manifest['createdAt']
    return f'the models in {models} are as before, of {dataset["name"]}, {created[:10]}'


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
    manifest = json.loads((models / FILE).read_text('utf-8'))
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


if __name__ == '__main__':
    sys.exit(main())
