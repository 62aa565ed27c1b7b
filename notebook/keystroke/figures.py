"""What the notebook draws. Every function returns a Matplotlib figure and computes no result."""

import matplotlib as mpl
import numpy as np
from matplotlib import pyplot as plt
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter
from numpy.typing import NDArray
from scipy.stats import norm

from keystroke.data import Typings
from keystroke.evaluation.calibration import Reliability
from keystroke.evaluation.recognizers import MANHATTAN, TWO_TYPINGS, TYPING_MODEL
from keystroke.features import FEATURES, timing_series

BLUE, ORANGE, GREEN, RED, GRAY = '#2563a8', '#d97706', '#2f855a', '#c02942', '#8a8f98'
PURPLE, DARK_RED = '#7048a8', '#7a1a2b'
_MODEL_COLORS = {
    'SVM': BLUE,
    'RF': GREEN,
    'XGB': ORANGE,
    TYPING_MODEL: RED,
    TWO_TYPINGS: DARK_RED,
    MANHATTAN: PURPLE,
}


def color_of(name: str) -> str:
    """Return the color of a recognizer in every figure; gray for one without its own."""
    return _MODEL_COLORS.get(name, GRAY)


def use_style() -> None:
    """Set fonts, colors and sizes for all figures of the notebook."""
    # A user's own matplotlibrc may ask for what is not there, such as LaTeX.
    mpl.rcdefaults()
    plt.rcParams.update(
        {
            'figure.dpi': 110,
            'figure.constrained_layout.use': True,
            'axes.spines.top': False,
            'axes.spines.right': False,
            'axes.titlesize': 11,
            'axes.titleweight': 'bold',
            'axes.titlelocation': 'left',
            'legend.frameon': False,
            'font.size': 9.5,
        }
    )


def typing_time_line(press: NDArray[np.int64], release: NDArray[np.int64], keys: int = 4) -> Figure:
    """Draw the first keys of a typing on a time line, with one of each of the four times.

    Parameters
    ----------
    press, release : ndarray of int64, shape (K,)
        Times in ms.
    keys : int
        How many keys to draw.
    """
    keys = min(keys, len(press))
    figure, axes = plt.subplots(figsize=(9, 0.6 * keys + 2.2))
    for key in range(keys):
        held = max(release[key] - press[key], 1)
        axes.barh(key, held, left=press[key], height=0.36, color=BLUE, alpha=0.85)
        axes.text(press[key] - 4, key, 'press', fontsize=8, color=GRAY, ha='right', va='center')
        axes.text(release[key] + 4, key, 'release', fontsize=8, color=GRAY, ha='left', va='center')
    first, second = keys - 2, keys - 1
    spans = [
        ('HT, hold time', press[second], release[second], second + 0.42, BLUE),
        ('PPT, press-press time', press[first], press[second], keys + 0.05, GREEN),
        ('RRT, release-release time', release[first], release[second], keys + 0.65, ORANGE),
        ('RPT, release-press time', release[first], press[second], keys + 1.25, RED),
    ]
    for label, start, end, height, color in spans:
        arrow = {'arrowstyle': '<->', 'color': color, 'lw': 1.6, 'shrinkA': 0, 'shrinkB': 0}
        axes.annotate('', (start, height), (end, height), arrowprops=arrow)
        axes.text(
            max(start, end) + 12, height, f'{label}: {end - start} ms', color=color, va='center'
        )
        for edge in (start, end):
            axes.plot([edge, edge], [first - 0.1, height], color=color, lw=0.6, ls=':')
    axes.set_yticks(range(keys), [f'key {key}' for key in range(keys)])
    axes.set_ylim(keys + 1.7, -0.6)
    axes.set_xlim(press[0] - 70, max(release[:keys]) + 330)
    axes.set_xlabel('time, ms')
    axes.set_title('One typing: when its keys go down and come up')
    return figure


def rhythms(typings: Typings, users: int = 6) -> Figure:
    """Draw the press-press times of some users, each line one of their typings.

    Parameters
    ----------
    typings : Typings
    users : int
        How many, spread evenly over the file.
    """
    names = list(dict.fromkeys(typings.users))
    chosen = [names[i] for i in np.unique(np.linspace(0, len(names) - 1, users).astype(int))]
    intervals = timing_series(typings.press, typings.release)['PPT']
    figure, panels = plt.subplots(
        1, len(chosen), figsize=(11, 2.6), sharey=True, squeeze=False, sharex=True
    )
    for axes, user in zip(panels[0], chosen, strict=True):
        rows = [row for row, name in enumerate(typings.users) if name == user]
        axes.plot(np.arange(1, typings.keys), intervals[rows].T, color=BLUE, alpha=0.35, lw=1)
        axes.plot(np.arange(1, typings.keys), np.median(intervals[rows], axis=0), color=RED, lw=1.8)
        axes.set_title(f'user {user}')
        axes.set_xlabel('key')
    panels[0][0].set_ylabel('press-press time, ms')
    panels[0][0].set_ylim(0, np.percentile(intervals, 99))
    return figure


def overlaps(typings: Typings) -> Figure:
    """Draw the distribution of release-press times, the negative ones apart.

    Parameters
    ----------
    typings : Typings
    """
    times = timing_series(typings.press, typings.release)['RPT'].ravel()
    low, high = np.percentile(times, [0.2, 99])
    bins = np.arange(np.floor(min(low, -1) / 10) * 10, high + 10, 10).tolist()
    share = (times < 0).mean()
    figure, axes = plt.subplots(figsize=(9, 2.6))
    axes.hist(times[times >= 0], bins=bins, color=GRAY, label='one key up before the next is down')
    axes.hist(times[times < 0], bins=bins, color=RED, label=f'keys overlap ({share:.1%})')
    axes.set_xlabel('release-press time, ms')
    axes.set_ylabel('intervals')
    axes.set_title('Negative release-press times are fast typing, not faults')
    axes.legend()
    return figure


def feature_distributions(X: NDArray[np.float32], y: NDArray[np.int64]) -> Figure:
    """Draw each feature over all typings, and how much of its variance lies between users.

    Parameters
    ----------
    X : ndarray of float32, shape (N, 8)
    y : ndarray of int64, shape (N,)
    """
    figure, panels = plt.subplots(2, 4, figsize=(11, 4.4))
    for column, axes in enumerate(panels.T.ravel()):
        values = X[:, column].astype(np.float64)
        low, high = np.percentile(values, [0.5, 98])
        axes.hist(values, bins=np.linspace(low, high, 30), color=BLUE, alpha=0.8)
        means = np.bincount(y, values) / np.bincount(y)
        between = float(np.var(means[y])) / max(float(np.var(values)), 1e-12)
        axes.set_title(f'{FEATURES[column]}, ms')
        # Above the bars.
        axes.set_ylim(0, axes.get_ylim()[1] * 1.2)
        axes.text(0.98, 0.9, f'{between:.0%} between users', transform=axes.transAxes, ha='right')
        axes.set_yticks([])
    return figure


def rank_curves(ranks: dict[str, NDArray[np.int64]], users: int, most: int = 20) -> Figure:
    """Draw how often the true user is among the first k named, for every model.

    Parameters
    ----------
    ranks : dict of model name to ndarray of int64
        Of the true user of each held-out typing, from 1.
    users : int
        Number of users; chance is k of them.
    most : int
        Largest k.
    """
    k = np.arange(1, min(most, users) + 1)
    figure, axes = plt.subplots(figsize=(7, 3.6))
    for name, values in ranks.items():
        share = (values[:, None] <= k).mean(axis=0)
        axes.plot(k, share, marker='o', ms=3.5, color=color_of(name), label=name)
    axes.plot(k, k / users, color=GRAY, ls='--', label='chance')
    # Beside the axes: curves of good models would run through a legend.
    figure.legend(ncols=3, loc='outside lower center')
    axes.set_ylim(0, 1.02)
    axes.set_xticks(k[:: max(len(k) // 10, 1)])
    axes.yaxis.set_major_formatter(PercentFormatter(1))
    axes.set_xlabel('k')
    axes.set_ylabel('true user among the first k')
    axes.set_title('Typings left out: the true user is among the first k')
    return figure


def training_against_held_out(rates: dict[str, dict[str, float]]) -> Figure:
    """Draw what a model names right on its own training rows beside rows it never saw.

    Parameters
    ----------
    rates : dict of model name to dict of protocol to rate
    """
    figure, axes = plt.subplots(figsize=(8, 3.2))
    protocols = list(next(iter(rates.values())))
    width = 0.8 / len(protocols)
    for i, protocol in enumerate(protocols):
        # The first protocol is training accuracy: hollow, for it says nothing about new typings.
        memory = i == 0
        for j, name in enumerate(rates):
            x, rate, color = j + i * width, rates[name][protocol], color_of(name)
            axes.bar(
                x,
                rate,
                width * 0.92,
                color='none' if memory else color,
                edgecolor=color,
                alpha=1 if i < 2 else 0.6,
                hatch='///' if memory else None,
            )
            axes.text(x, rate + 0.02, f'{rate:.1%}', ha='center', fontsize=8.5)
    axes.set_xticks([j + 0.8 / 2 - width / 2 for j in range(len(rates))], list(rates))
    axes.set_ylim(0, 1.12)
    axes.yaxis.set_major_formatter(PercentFormatter(1))
    axes.set_title(
        'Named right:\n' + ', '.join(f'{n}. {protocol}' for n, protocol in enumerate(protocols, 1))
    )
    return figure


def detection_error_curves(
    curves: dict[str, tuple[NDArray[np.float64], NDArray[np.float64]]],
) -> Figure:
    """Draw the false rejections each recognizer pays for few false acceptances.

    Both axes are spread like a normal distribution's tails, as the field draws them: curves of
    normally distributed scores are straight lines there.

    Parameters
    ----------
    curves : dict of recognizer to (FAR, FRR)
    """
    low, high = 0.0005, 0.6
    figure, axes = plt.subplots(figsize=(5.6, 5.2))
    for name, (far, frr) in curves.items():
        axes.plot(
            norm.ppf(np.clip(far, low / 10, 1 - low)),
            norm.ppf(np.clip(frr, low / 10, 1 - low)),
            color=color_of(name),
            label=name,
        )
    ends = norm.ppf([low, high])
    axes.plot(ends, ends, color=GRAY, ls='--', lw=1)
    middle = norm.ppf(0.08)
    axes.text(middle, middle, 'equal error', color=GRAY, ha='center', va='bottom', rotation=45)
    ticks = [0.001, 0.01, 0.05, 0.1, 0.2, 0.4]
    labels = [f'{tick:.1%}' if tick < 0.01 else f'{tick:.0%}' for tick in ticks]
    axes.set_xticks(norm.ppf(ticks), labels)
    axes.set_yticks(norm.ppf(ticks), labels)
    axes.set_xlim(*ends)
    axes.set_ylim(*ends)
    axes.set_xlabel('false acceptance rate')
    axes.set_ylabel('false rejection rate')
    axes.set_title('Verification: one error is traded for the other')
    figure.legend(loc='outside lower center', ncols=3)
    return figure


def reliability_diagram(found: dict[str, Reliability]) -> Figure:
    """Draw how often recognizers are right against how sure they are.

    Parameters
    ----------
    found : dict of recognizer to Reliability
        The area of a dot is the share of typings in its bin.
    """
    figure, axes = plt.subplots(figsize=(5.6, 5.2))
    axes.plot([0, 1], [0, 1], color=GRAY, ls='--', lw=1)
    for name, bins in found.items():
        filled = bins.share > 0
        color = color_of(name)
        axes.plot(bins.confidence[filled], bins.accuracy[filled], color=color, lw=1, alpha=0.6)
        axes.scatter(
            bins.confidence[filled],
            bins.accuracy[filled],
            s=10 + 500 * bins.share[filled],
            color=color,
            alpha=0.6,
            label=f'{name}: off by {bins.error:.3f} on average',
        )
    axes.set_xlim(0, 1.02)
    axes.set_ylim(0, 1.02)
    axes.xaxis.set_major_formatter(PercentFormatter(1))
    axes.yaxis.set_major_formatter(PercentFormatter(1))
    axes.set_xlabel('probability of the user named')
    axes.set_ylabel('named right')
    axes.set_title('Calibration: as often right as sure')
    # Beside the axes: dots are everywhere.
    for handle in figure.legend(loc='outside lower center').legend_handles:
        if handle is not None and hasattr(handle, 'set_sizes'):
            handle.set_sizes([30])
    return figure
