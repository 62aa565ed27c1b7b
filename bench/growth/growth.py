"""What bench/growth/run.ts needs of Python, with data/ among the places to import from.

usage: python bench/growth/growth.py prepare users folder
       python bench/growth/growth.py report results.json docs
"""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from generate import generate
from matplotlib import pyplot as plt

from keystroke.graphs.export import export
from keystroke.models.timings import as_times
from keystroke.models.typing_model import TypingModel

TYPINGS, KEYS, REQUESTS = 4, 13, 200


def prepare(users: int, folder: Path) -> None:
    """Fit the typing model on synthetic users; write it and typings to ask about."""
    _, press, release = generate(users, TYPINGS, KEYS)
    model = TypingModel().fit(as_times(press, release), np.repeat(np.arange(users), TYPINGS))
    folder.mkdir(parents=True, exist_ok=True)
    (folder / 'typing.onnx').write_bytes(export('typing', model).SerializeToString())
    decision = model.decision(1)
    facts = {
        'keys': KEYS,
        'classes': list(range(users)),
        'decisions': [
            {
                'typings': 1,
                'temperature': decision.temperature,
                'threshold': decision.threshold,
                'unknownThreshold': decision.unknown_threshold,
            }
        ],
    }
    (folder / 'facts.json').write_text(json.dumps(facts))
    chosen = np.linspace(0, len(press) - 1, REQUESTS).astype(int)
    times = as_times(press[chosen], release[chosen])
    (folder / 'requests.json').write_text(json.dumps({'inputs': {'times': times.tolist()}}))


def report(results: Path, folder: Path) -> None:
    """Write growth.md and images/growth.svg."""
    run = json.loads(results.read_text())
    table = pd.DataFrame(run['measures'])
    (folder / 'growth.md').write_text(markdown(run, table))
    draw(table, folder / 'images' / 'growth.svg')
    print((folder / 'growth.md').read_text())


def markdown(run: dict[str, Any], table: pd.DataFrame) -> str:
    """Lay the measures out as Markdown."""
    lines = [
        '# How /identify grows with users',
        '',
        f'`npm run bench:growth`, {run["machine"]}, Node.js {run["node"]}; synthetic users with '
        f'{TYPINGS} typings of {KEYS} keys each, medians of {run["rounds"]} rounds. Absolute times '
        'vary from machine to machine, and between runs.',
        '',
        '![Time and memory of /identify, by number of users](images/growth.svg)',
        '',
        '| users | model file, MB | a lone client’s request, ms | CPU a request at '
        f'{run["connections"]} connections, ms | memory of the process, MB |',
        '| --- | --- | --- | --- | --- |',
        *(
            f'| {row.users:,} | {row.fileMb:.2f} | {row.loneMs:.2f} | {row.cpuMs:.2f} '
            f'| {row.rssMb:.0f} |'
            for row in table.itertuples()
        ),
    ]
    return '\n'.join([*lines, ''])


def draw(table: pd.DataFrame, path: Path) -> None:
    """Draw time and memory against users, both logarithmic."""
    plt.rcParams.update({'svg.hashsalt': 'keystroke', 'svg.fonttype': 'none', 'font.size': 10})
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.6), layout='constrained')
    left.plot(table['users'], table['loneMs'], 'o-', color='#2563a8', label='a lone client waits')
    left.plot(
        table['users'], table['cpuMs'], 's--', color='#d97706', label='CPU a request, 32 clients'
    )
    left.set_ylabel('ms')
    left.set_title('Time of a request', loc='left', weight='bold')
    right.plot(table['users'], table['rssMb'], 'o-', color='#2563a8', label='process')
    right.plot(table['users'], table['fileMb'], 's--', color='#2f855a', label='model file')
    right.set_ylabel('MB')
    right.set_title('Memory', loc='left', weight='bold')
    for axes in (left, right):
        axes.set_xscale('log')
        axes.set_yscale('log')
        axes.set_xlabel('users')
        axes.set_xticks(table['users'], [f'{users:,}' for users in table['users']])
        axes.minorticks_off()
        axes.grid(alpha=0.3)
        axes.spines[['top', 'right']].set_visible(False)
        axes.legend(frameon=False)
    figure.savefig(path, metadata={'Date': None})


if __name__ == '__main__':
    if sys.argv[1] == 'prepare':
        prepare(int(sys.argv[2]), Path(sys.argv[3]))
    else:
        report(Path(sys.argv[2]), Path(sys.argv[3]))
