"""Say how good recognition is on a CSV: ``npm run evaluate -- path/to.csv``.

Tables on standard output, progress on standard error, plots and ``evaluation.json`` in a folder.
A file in the format of Killourhy and Maxion's benchmark runs that benchmark's protocol instead.
"""

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from keystroke.csv_rows import DataError
from keystroke.data import SAMPLE, Typings, read_typings, require_trainable
from keystroke.evaluation.cmu_format import Benchmark, is_benchmark, read_benchmark

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ROOT = Path(__file__).resolve().parents[3]

RESULTS = ROOT / 'evaluation'


def main(arguments: list[str] | None = None) -> int:
    """Evaluate; return the process's exit code, 1 with one sentence on stderr where it failed."""
    parser = argparse.ArgumentParser(prog='npm run evaluate --', description=__doc__.split('\n')[0])
    parser.add_argument(
        'csv', nargs='?', type=Path, default=SAMPLE, help='recorded typings, or the benchmark file'
    )
    parser.add_argument('--out', type=Path, default=RESULTS, help='folder for plots and JSON')
    options = parser.parse_args(arguments)
    try:
        results, plots = run(read(options.csv))
    except DataError as error:
        print(f'Not evaluated: {error}.', file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print('Interrupted; nothing was written.', file=sys.stderr)
        return 130
    save(options.out, results, plots)
    return 0


def read(csv: Path) -> Typings | Benchmark:
    """Read either format; ``DataError`` names what is wrong with it."""
    if is_benchmark(csv):
        return read_benchmark(csv)
    typings = read_typings(csv)
    require_trainable(typings)
    return typings


def run(data: Typings | Benchmark) -> tuple[dict[str, Any], 'dict[str, Figure]']:
    """Print the tables; return results and plots by file name."""
    # A faulty file is refused before these libraries are loaded, which takes seconds.
    import matplotlib as mpl  # noqa: PLC0415

    from keystroke import figures  # noqa: PLC0415
    from keystroke.evaluation.report import evaluate, run_benchmark  # noqa: PLC0415

    mpl.use('agg')
    figures.use_style()
    if isinstance(data, Benchmark):
        return run_benchmark(data), {}
    return evaluate(data)


def save(folder: Path, results: dict[str, Any], plots: 'dict[str, Figure]') -> None:
    """Write results as JSON and plots as PNG."""
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(as_json(results), indent=2, ensure_ascii=False, allow_nan=False)
    (folder / 'evaluation.json').write_text(text + '\n', encoding='utf-8')
    for name, figure in plots.items():
        figure.savefig(folder / name)
    print(f'\nWritten to {folder}: evaluation.json{"".join(f", {name}" for name in plots)}')


def as_json(value: Any) -> Any:
    """Turn arrays into lists and NaN, for which JSON has no number, into None."""
    if isinstance(value, np.ndarray):
        return as_json(value.tolist())
    if isinstance(value, Mapping):
        return {key: as_json(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [as_json(entry) for entry in value]
    return None if isinstance(value, float) and np.isnan(value) else value


if __name__ == '__main__':
    sys.exit(main())
