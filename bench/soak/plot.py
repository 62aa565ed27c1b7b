"""Draw memory and waiting times of a soak: ``plot.py LOOKS.json FILE.svg``."""

import json
import sys
from pathlib import Path

from matplotlib import pyplot as plt

looks, path = sys.argv[1:]
found = json.loads(Path(looks).read_text('utf-8'))
minutes = [look['seconds'] / 60 for look in found['looks']]
plt.rcParams['svg.hashsalt'] = 'soak'
figure, (memory, times) = plt.subplots(2, 1, figsize=(9, 5), sharex=True, layout='constrained')
memory.plot(minutes, [look['mb'] for look in found['looks']], color='#2563a8')
memory.axvspan(0, found['settling'] * minutes[-1], color='#64748b', alpha=0.1, lw=0)
memory.text(0.2, 8, 'left out of the slope', color='#475569', fontsize=9)
memory.set_ylim(bottom=0)
memory.set_ylabel('MB')
memory.set_title('Memory of the process', loc='left', weight='bold')
for quantile, color in (('p50', '#2563a8'), ('p99', '#d97706')):
    times.plot(minutes, [look[quantile] for look in found['looks']], color=color, label=quantile)
times.set_yscale('log')
times.yaxis.set_major_formatter('{x:g}')
times.set_ylabel('ms')
times.set_xlabel('minutes')
times.set_title('From due to answered, each 5 s', loc='left', weight='bold')
times.legend(frameon=False, ncols=2, loc='upper right')
for axes in (memory, times):
    axes.grid(alpha=0.3)
    axes.spines[['top', 'right']].set_visible(False)
    axes.set_xlim(0, minutes[-1])
figure.savefig(path, metadata={'Date': None})
