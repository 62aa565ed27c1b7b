"""Turn results into a table and a chart: python bench/speed/report.py results.json docs."""

import json
import sys
from pathlib import Path
from statistics import median
from typing import Any

import pandas as pd
from matplotlib import pyplot as plt

OWN, FLOOR, SILENT = 'this service', 'bare Fastify', 'this service, logs off'
PLAIN, SKLEARN = 'one run a request, plain export', 'FastAPI + scikit-learn'
COLORS = ['#2563a8', '#8a8f98', '#7fa8d9', '#2f855a', '#d97706', '#c02942']


def main(results: Path, folder: Path) -> None:
    """Write benchmark.md and images/benchmark.svg."""
    run = json.loads(results.read_text())
    table = pd.DataFrame(run['measures'])
    busy = table[table['connections'] == run['connections']]
    medians = busy.groupby(['model', 'contestant']).median(numeric_only=True)
    lone = (
        table[table['connections'] == 1].groupby(['model', 'contestant']).median(numeric_only=True)
    )
    folder.mkdir(exist_ok=True)
    (folder / 'benchmark.md').write_text(markdown(run, busy, medians, lone))
    draw(run, busy, folder / 'images' / 'benchmark.svg')
    print((folder / 'benchmark.md').read_text())


def against(busy: pd.DataFrame, model: str, name: str, other: str) -> float:
    """Divide requests per CPU-second round by round, and take the median.

    The machine's speed changes from round to round more than within one.
    """
    by_round = busy[busy['model'] == model].pivot(
        index='round', columns='contestant', values='perCpuSecond'
    )
    return float((by_round[name] / by_round[other]).median())


def markdown(
    run: dict[str, Any], busy: pd.DataFrame, medians: pd.DataFrame, lone: pd.DataFrame
) -> str:
    """Lay the medians out as Markdown."""
    names = list(run['starts'])
    models = list(dict.fromkeys(busy['model']))
    classifiers = [model for model in models if model != 'typing']
    lines = [
        '# Benchmark',
        '',
        f'`npm run bench` on `{run["data"]}`, {run["machine"]}, Node.js {run["node"]}; '
        f'{run["connections"]} connections, medians of {run["rounds"]} interleaved rounds of '
        f'{run["seconds"]} s; server and load generator '
        + ('on a core each.' if run['pinned'] else 'not pinned to cores.')
        + ' All answer every row alike, checked first; the bare Fastify server computes nothing. '
        'The service runs with its default settings, its log in a file; no other server logs. '
        'Absolute times vary from machine to machine, and between runs; ratios vary less.',
        '',
        '![Requests per CPU-second of the server, relative to bare Fastify](images/benchmark.svg)',
        '',
        '## Requests per CPU-second of the server',
        '',
        '| model | of bare Fastify | logs off | × FastAPI + scikit-learn '
        '| × one run a request, plain |',
        '| --- | --- | --- | --- | --- |',
    ]
    for model in classifiers:
        floor, sklearn, plain = (
            against(busy, model, OWN, other) for other in (FLOOR, SKLEARN, PLAIN)
        )
        quiet = against(busy, model, SILENT, FLOOR)
        lines.append(f'| {model} | {floor:.2f} | {quiet:.2f} | {sklearn:.1f} | {plain:.1f} |')
    lines += [
        '',
        'Medians of the ratios of each round. `POST /identify`, by the typing model, against the '
        f'bare Fastify server with its schemas: {against(busy, "typing", OWN, FLOOR):.2f}, '
        f'logs off {against(busy, "typing", SILENT, FLOOR):.2f}.',
    ]
    lines += [
        '',
        '## All figures',
        '',
        '| asked | server | requests/s | CPU, ms per 1,000 | p50, ms | p99, ms '
        '| lone client, ms | RSS, MB |',
        '| --- | --- | --- | --- | --- | --- | --- | --- |',
    ]
    for model in models:
        for name in (name for name in names if (model, name) in medians.index):
            row, alone = medians.loc[(model, name)], lone.loc[(model, name)]
            lines.append(
                f'| {model} | {name} | {row["perSecond"]:,.0f} | {row["cpuMsPer1000"]:,.0f} '
                f'| {row["p50"]:.0f} | {row["p99"]:.0f} | {1000 / alone["perSecond"]:.2f} '
                f'| {row["rssMb"]:.0f} |'
            )
    lines += [
        '',
        '## While a CSV of 100,000 rows is answered',
        '',
        'One client posts it; another asks for `/health/live` every 5 ms, a third for predictions, '
        'one after another. A run takes 32 rows at most, and between two runs all others have a '
        'turn.',
        '',
        '| model | rows/s | /health/live p50, ms | p99, ms | most, ms | predictions/s meanwhile |',
        '| --- | --- | --- | --- | --- | --- |',
    ]
    lines += [
        f'| {row["model"]} | {row["rowsPerSecond"]:,.0f} | {row["healthP50"]:.1f} '
        f'| {row["healthP99"]:.1f} | {row["healthMost"]:.1f} | {row["predictionsPerSecond"]:,.0f} |'
        for row in run['largeCsv']
    ]
    lines += [
        '',
        '## From process start to ready',
        '',
        f'Alone, {run["rounds"]} times in turn with the others.',
        '',
        '| server | s: median | least | most |',
        '| --- | --- | --- | --- |',
    ]
    lines += [
        f'| {name} | {median(ms) / 1000:.2f} | {min(ms) / 1000:.2f} | {max(ms) / 1000:.2f} |'
        for name, ms in run['starts'].items()
    ]
    return '\n'.join([*lines, *graphs(run, medians), *profiles(run), *start(run, medians), ''])


def graphs(run: dict[str, Any], medians: pd.DataFrame) -> list[str]:
    """Say what the graphs take by themselves, and what that leaves within reach."""
    microseconds = pd.DataFrame(run['runtime']['graphs']).set_index(['model', 'export', 'rows'])[
        'microseconds'
    ]
    lines = [
        '',
        '## What bounds it',
        '',
        'A request costs what bare Fastify costs, and its row in the graph. The graphs by '
        'themselves, in \u00b5s a row, and the most that a service could reach of the floor if '
        'all else were free: the floor\u2019s time, divided by itself and a row of 32:',
        '',
        '| model | alone | of 16 | of 32 | plain: alone | of 32 | floor, \u00b5s a request '
        '| at most, of the floor |',
        '| --- | --- | --- | --- | --- | --- | --- | --- |',
    ]
    for model in dict.fromkeys(model for model, _, _ in microseconds.index):
        cost = medians.loc[(model, FLOOR), 'cpuMsPer1000']
        columns = [('own', 1), ('own', 16), ('own', 32), ('plain', 1), ('plain', 32)]
        row = ' | '.join(f'{microseconds[(model, *graph)]:.0f}' for graph in columns)
        most = cost / (cost + microseconds[(model, 'own', 32)])
        lines.append(f'| {model} | {row} | {cost:.0f} | {most:.2f} |')
    return lines


def profiles(run: dict[str, Any]) -> list[str]:
    """Say whose code a request's time goes to, and what it allocates."""
    table = pd.DataFrame({name: of['microseconds'] for name, of in run['profiles'].items()})
    table = table.fillna(0).sort_values(table.columns[-1], ascending=False)
    allocated = ' | '.join(f'{of["allocated"]:.1f}' for of in run['profiles'].values())
    return [
        '',
        f'A CPU profile of the main thread under {run["connections"]} connections, in \u00b5s a '
        'request, with what profiling itself adds; below it, the sampled allocations:',
        '',
        f'| | {" | ".join(table.columns)} |',
        '| --- |' + ' --- |' * len(table.columns),
        *(
            f'| {part} | {" | ".join(f"{value:.1f}" for value in row)} |'
            for part, row in zip(table.index, table.to_numpy(), strict=True)
        ),
        f'| allocated, kB a request | {allocated} |',
    ]


def start(run: dict[str, Any], medians: pd.DataFrame) -> list[str]:
    """Say what the start is made of, and the memory."""
    parts = pd.concat([pd.DataFrame(process) for process in run['parts']])
    parts = parts.groupby('part', sort=False).median()
    total = parts.sum()
    models = list(dict.fromkeys(graph['model'] for graph in run['runtime']['graphs']))
    own, floor = (
        medians.xs(name, level='contestant').loc[models, 'rssMb'].median() for name in (OWN, FLOOR)
    )
    return [
        '',
        'Start and memory, each part loaded after the one above it, medians of '
        f'{len(run["parts"])} processes. The service loads models and app at the same time, and '
        'has its memory grow under load.',
        '',
        '| part | ms | MB |',
        '| --- | --- | --- |',
        *(f'| {part} | {row["ms"]:.0f} | {row["mb"]:.0f} |' for part, row in parts.iterrows()),
        f'| together | {total["ms"]:.0f} | {total["mb"]:.0f} |',
        '',
        f'Under load the service has {own:.0f} MB, and bare Fastify {floor:.0f}; ONNX Runtime and '
        f'the three models, in a process of their own, add {run["runtime"]["memory"]:.0f} to '
        'Node\u2019s.',
    ]


def draw(run: dict[str, Any], busy: pd.DataFrame, path: Path) -> None:
    """Draw requests per CPU-second relative to the floor, one group of bars a model."""
    plt.rcParams.update({'svg.hashsalt': 'keystroke', 'svg.fonttype': 'none', 'font.size': 10})
    names = list(run['starts'])
    models = [model for model in dict.fromkeys(busy['model']) if model != 'typing']
    figure, axes = plt.subplots(figsize=(9, 4), layout='constrained')
    for i, name in enumerate(names):
        for j, model in enumerate(models):
            ratio = against(busy, model, name, FLOOR)
            x = j + i * 0.14
            axes.bar(x, ratio, 0.13, color=COLORS[i], label=name if j == 0 else None)
            axes.text(
                x,
                ratio + 0.01,
                f'{ratio:.2f}' if ratio >= 0.1 else f'{ratio:.3f}',
                ha='center',
                fontsize=8,
            )
    axes.set_xticks([j + 0.35 for j in range(len(models))], models)
    axes.set_ylabel('relative to bare Fastify')
    axes.set_title('Requests per CPU-second of the server', loc='left', weight='bold')
    axes.spines[['top', 'right']].set_visible(False)
    axes.set_ylim(0, 1.25)
    axes.legend(ncols=3, frameon=False, loc='upper center', fontsize=9)
    figure.savefig(path, metadata={'Date': None})


if __name__ == '__main__':
    main(Path(sys.argv[1]), Path(sys.argv[2]))
