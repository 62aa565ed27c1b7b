"""What bench/growth/run.ts needs of Python, with data/ among the places to import from.

usage: python bench/growth/growth.py prepare folder users
       python bench/growth/growth.py rank folder users...
       python bench/growth/growth.py report folder docs
"""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pandas as pd
from generate import generate, write
from matplotlib import pyplot as plt

from keystroke.graphs.parity import open_session, predict
from keystroke.graphs.typing import SHORTLIST
from keystroke.models.timings import Floats, Ints, as_times

TRAINED, TYPINGS, ENROLLED, KEYS = 110, 6, 4, 13
"""Users of the training; typings of each person, and how many of these they are enrolled with."""

ASKED = 1_000
"""People whose other typings are asked about, at most."""


def prepare(folder: Path, users: int) -> None:
    """Draw typings of so many people: those of the training, and those enrolled after it."""
    user, press, release = generate(users, TYPINGS, KEYS)
    folder.mkdir(parents=True, exist_ok=True)
    trained = user <= TRAINED
    write(folder / 'trained.csv', user[trained], press[trained], release[trained])
    times = as_times(press, release)[~trained]
    times.astype('<i4').tofile(folder / 'enrolled.bin')


def people(folder: Path) -> Floats:
    """Return the times of all who are enrolled, shape (people, TYPINGS, 2K)."""
    times = np.fromfile(folder / 'enrolled.bin', '<i4').astype(np.float64)
    return times.reshape(-1, TYPINGS, 2 * KEYS)


def rank(folder: Path, sizes: list[int]) -> None:
    """Enroll so many people, and ask about their other typings, with and without the shortlist."""
    entry = json.loads((folder / 'models' / 'manifest.json').read_text())['models']['typing']

    def session(name: str) -> onnxruntime.InferenceSession:
        return open_session(onnx.load(folder / 'models' / name))

    score, enroll = session(entry['file']), session(entry['enroll']['file'])
    trained = session(entry['templates']['file']).run(['plda', 'laplace'], {})
    shortlist = session(entry['shortlist']['file'])
    times = people(folder)[: max(sizes)]
    templates = [enroll.run(['plda', 'laplace'], {'times': one[:ENROLLED]}) for one in times]
    decision = entry['decisions'][0]
    temperature = decision['temperature']
    thresholds = [t for t in decision['thresholds'] if t['enrolled'] <= ENROLLED]
    match = thresholds[-1]['match']
    rng = np.random.default_rng(0)
    found = []
    for size in sizes:
        plda, laplace = (
            np.concatenate([trained[i], *(template[i] for template in templates[:size])])
            for i in (0, 1)
        )
        asked = np.unique(np.linspace(0, size - 1, ASKED).astype(np.int64))
        rows = times[asked, ENROLLED:].reshape(-1, 2 * KEYS)
        true = TRAINED + np.repeat(asked, TYPINGS - ENROLLED)
        # The trained users are there to compare with, and are not among the candidates.
        right = listed = right_listed = 0
        claims = Claims(size, match, temperature)
        for first in range(0, len(rows), 8):
            batch, own = rows[first : first + 8], true[first : first + 8]
            gallery = {'plda': plda, 'laplace': laplace}
            _, everybody = predict(score, batch, gallery)
            right += (TRAINED + everybody[:, TRAINED:].argmax(axis=1) == own).sum()
            also = np.empty((len(batch), 0), dtype=np.int64)
            users, scores = shortlist.run(
                ['users', 'scores'], {'times': batch, 'also': also, **gallery}
            )
            scores[users < TRAINED] = -np.inf
            others = TRAINED + rng.integers(size, size=len(own))
            claims.weigh(everybody[:, TRAINED:], users, own, others)
            listed += (users == own[:, None]).any(axis=1).sum()
            right_listed += (users[np.arange(len(users)), scores.argmax(axis=1)] == own).sum()
        found.append(
            {
                'users': size,
                'rank1': right / len(rows),
                'rank1Shortlist': right_listed / len(rows),
                'listed': listed / len(rows),
                **claims.rates(),
                'typings': len(rows),
            }
        )
        print(found[-1], file=sys.stderr)
    (folder / 'ranks.json').write_text(json.dumps(found, default=float))


class Claims:
    """Own and others' claims as /verify decides them, beside all users and beside a list."""

    def __init__(self, users: int, match: float, temperature: float) -> None:
        self.users, self.match, self.temperature = users, match, temperature
        self.passed: dict[str, list[bool]] = {}

    def weigh(self, scores: Floats, listed: Ints, own: Ints, others: Ints) -> None:
        """Weigh both claims of each row of scores, shape (N, users)."""
        for row, scored in enumerate(scores.astype(np.float64) / self.temperature):
            of_list = listed[row][listed[row] >= TRAINED] - TRAINED
            for kind, claimed in (('own', own[row]), ('other', others[row])):
                if kind == 'other' and claimed == own[row]:
                    continue
                user = claimed - TRAINED
                for name, beside in (
                    (kind, np.delete(scored, user)),
                    (f'{kind}Shortlist', scored[of_list[of_list != user]]),
                ):
                    is_passed = self.evidence(scored[user], beside) > self.match
                    self.passed.setdefault(name, []).append(is_passed)

    def evidence(self, own: float, others: Floats) -> float:
        """Weigh a score against those of others, as server/src/models/recognize.ts does."""
        most = max(others.max(), 0.0)
        mean = np.exp(others - most).sum() / max(self.users - 1, 1)
        return float(own - most - np.log(0.5 * mean + 0.5 * np.exp(-most)))

    def rates(self) -> dict[str, float]:
        """Return the shares of claims that pass."""
        return {name: float(np.mean(passed)) for name, passed in self.passed.items()}


def report(folder: Path, docs: Path) -> None:
    """Write growth.md and images/growth.svg."""
    run = json.loads((folder / 'results.json').read_text())
    ranks = pd.DataFrame(json.loads((folder / 'ranks.json').read_text()))
    table = pd.DataFrame(run['measures']).merge(ranks, on='users')
    (docs / 'growth.md').write_text(markdown(run, table))
    draw(table, docs / 'images' / 'growth.svg')
    print((docs / 'growth.md').read_text())


def markdown(run: dict[str, Any], table: pd.DataFrame) -> str:
    """Lay the measures out as Markdown."""
    lines = [
        '# How /identify grows with users',
        '',
        f'`npm run bench:growth`, {run["machine"]}, Node.js {run["node"]}: the service as it '
        f'ships, trained on {TRAINED} synthetic users, and the rest enrolled from {ENROLLED} '
        f'typings of {KEYS} keys each, in SQLite. Medians of {run["rounds"]} rounds. Absolute '
        'times vary from machine to machine, and between runs.',
        '',
        '![Time, memory and rank-1 of /identify, by number of users](images/growth.svg)',
        '',
        '| users | a lone client’s request, ms | CPU a request at '
        f'{run["connections"]} connections, ms | memory of the process, MB | ready after, s |',
        '| --- | --- | --- | --- | --- |',
        *(
            f'| {row.users:,} | {row.loneMs:.2f} | {row.cpuMs:.2f} | {row.rssMb:.0f} '
            f'| {row.startS:.1f} |'
            for row in table.itertuples()
        ),
        '',
        f'From 1,000 users on, a shortlist of {SHORTLIST} is scored: those likeliest by the half '
        'of the score that is one matrix product. What that changes, on typings that nobody was '
        'enrolled with; a claim is one call of `/verify`:',
        '',
        '| enrolled users | true user on the shortlist | rank-1, all scored / shortlist '
        "| own claims refused | others' claims accepted |",
        '| --- | --- | --- | --- | --- |',
        *(
            f'| {row.users:,} | {row.listed:.4f} | {row.rank1:.4f} / {row.rank1Shortlist:.4f} '
            f'| {1 - row.own:.4f} / {1 - row.ownShortlist:.4f} '
            f'| {row.other:.4f} / {row.otherShortlist:.4f} |'
            for row in table.itertuples()
        ),
        '',
        f'{table["typings"].max():,} typings are asked (of 110 users {table["typings"].min():,}). '
        'Probabilities are among those who are scored: of a typing that could be many people’s '
        'they are a little higher than among all.',
        '',
        'Templates are kept in memory, about 800 bytes a user, and are made of the stored typings '
        'when the service starts; it is ready once it has made them all.',
    ]
    return '\n'.join([*lines, ''])


def draw(table: pd.DataFrame, path: Path) -> None:
    """Draw time, memory and rank-1 against users."""
    plt.rcParams.update({'svg.hashsalt': 'keystroke', 'svg.fonttype': 'none', 'font.size': 10})
    figure, (left, middle, right) = plt.subplots(1, 3, figsize=(11, 3.6), layout='constrained')
    left.plot(table['users'], table['loneMs'], 'o-', color='#2563a8', label='a lone client waits')
    left.plot(
        table['users'], table['cpuMs'], 's--', color='#d97706', label='CPU a request, 32 clients'
    )
    left.set_ylabel('ms')
    left.set_title('Time of a request', loc='left', weight='bold')
    middle.plot(table['users'], table['rssMb'], 'o-', color='#2563a8', label='process')
    middle.set_ylabel('MB')
    middle.set_title('Memory', loc='left', weight='bold')
    right.plot(table['users'], table['rank1'], 'o-', color='#2563a8', label='all scored')
    right.plot(table['users'], table['rank1Shortlist'], 's--', color='#d97706', label='shortlist')
    right.set_ylim(0, 1)
    right.set_title('Rank-1', loc='left', weight='bold')
    for axes in (left, middle, right):
        axes.set_xscale('log')
        axes.set_xlabel('users')
        axes.set_xticks(table['users'], [f'{users:,}' for users in table['users']])
        axes.minorticks_off()
        axes.grid(alpha=0.3)
        axes.spines[['top', 'right']].set_visible(False)
        axes.legend(frameon=False)
    left.set_yscale('log')
    left.yaxis.set_major_formatter('{x:g}')
    middle.set_ylim(bottom=0)
    figure.savefig(path, metadata={'Date': None})


if __name__ == '__main__':
    command, directory, *rest = sys.argv[1:]
    if command == 'prepare':
        prepare(Path(directory), int(rest[0]))
    elif command == 'rank':
        rank(Path(directory), [int(size) for size in rest])
    else:
        report(Path(directory), Path(rest[0]))
