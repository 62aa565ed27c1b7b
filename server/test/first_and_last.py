"""Split a CSV of typings by time, and say how the typing model does on the later part in Python.

usage: python server/test/first_and_last.py typings.csv folder

Writes first.csv, the first three quarters of each user's rows, to train on, and last.json: the
other rows and the rates that ``npm run evaluate`` gives for them.
"""

import json
import sys
from pathlib import Path

from keystroke.data import read_typings
from keystroke.evaluation.answers import summarize
from keystroke.evaluation.folds import first_and_last
from keystroke.evaluation.recognizers import sample_of, typing_model


def main(csv: str, folder: Path) -> None:
    """Write both files."""
    typings = read_typings(csv)
    sample = sample_of(typings)
    first, last = first_and_last(sample.y)
    header, *rows = Path(csv).read_text().splitlines()
    (folder / 'first.csv').write_text('\n'.join([header, *(rows[row] for row in first), '']))
    answer = {
        'press': typings.press[last].tolist(),
        'release': typings.release[last].tolist(),
        'true': [typings.users[row] for row in last],
        'rates': summarize(typing_model(sample.at(first), sample.at(last))),
    }
    (folder / 'last.json').write_text(json.dumps(answer))


if __name__ == '__main__':
    main(sys.argv[1], Path(sys.argv[2]))
