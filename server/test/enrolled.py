"""Split a CSV of typings by users, and say how well a model that was trained on all of them does.

usage: python server/test/enrolled.py typings.csv folder

Writes trained.csv, all rows of every other user, to train on, and enrolled.json: of the other users
the first five typings, to enroll them with, the later ones, to ask about, and the rates of a typing
model that was trained on all of these but the last.
"""

import json
import sys
from pathlib import Path

import numpy as np

from keystroke.data import read_typings
from keystroke.evaluation.answers import summarize
from keystroke.evaluation.recognizers import sample_of, typing_model
from keystroke.models.decisions import positions

ENROLLED = 5


def main(csv: str, folder: Path) -> None:
    """Write both files."""
    typings = read_typings(csv)
    sample = sample_of(typings)
    position = positions(sample.y)
    new = sample.y % 2 == 1
    header, *rows = Path(csv).read_text().splitlines()
    trained = [rows[row] for row in np.flatnonzero(~new)]
    (folder / 'trained.csv').write_text('\n'.join([header, *trained, '']))
    own, asked = (
        np.flatnonzero(new & (position < ENROLLED)),
        np.flatnonzero(new & (position >= ENROLLED)),
    )
    known = np.flatnonzero(~new | (position < ENROLLED))

    def of(chosen: np.ndarray) -> list[dict[str, object]]:
        return [
            {
                'UserID': typings.users[row],
                'Typing': {
                    'Press': typings.press[row].tolist(),
                    'Release': typings.release[row].tolist(),
                },
            }
            for row in chosen
        ]

    rates = summarize(typing_model(sample.at(known), sample.at(asked)))
    answer = {'enrolled': of(own), 'asked': of(asked), 'rates': rates}
    (folder / 'enrolled.json').write_text(json.dumps(answer))


if __name__ == '__main__':
    main(sys.argv[1], Path(sys.argv[2]))
