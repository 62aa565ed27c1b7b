"""What the notebook draws of the typing model, part by part."""

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.figure import Figure
from matplotlib.patches import Ellipse
from matplotlib.ticker import PercentFormatter

from keystroke.evaluation.bootstrap import Interval
from keystroke.figures import BLUE, DARK_RED, GRAY, ORANGE, RED
from keystroke.models.laplace import Laplace, timing_weights
from keystroke.models.plda import Plda
from keystroke.models.timings import Floats, Ints, timing_slices
from keystroke.models.warp import LEVELS, Warp

SHOWN_USERS = 8
COLORS = plt.get_cmap('tab10').colors  # type: ignore[attr-defined]


def warped_timing(warp: Warp, timings: Floats, timing: str = 'PPT') -> Figure:
    """Draw how one timing is mapped: its distribution below, the map above, the result beside.

    Parameters
    ----------
    warp : Warp
    timings : ndarray, shape (N, F)
        Log timings.
    timing : str
        The first of these is drawn.
    """
    column = timing_slices(timings.shape[1])[timing].start
    values = timings[:, column]
    knots = warp.knots[:, column]
    figure, (before, after) = plt.subplots(1, 2, figsize=(9, 3.2), width_ratios=(3, 2))
    before.hist(values, bins=60, color=BLUE, alpha=0.35, density=True)
    before.set_yticks([])
    before.set_xlabel(f'logarithm of the first {timing}')
    before.set_title('Skewed: hesitations lie far to the right')
    level = before.twinx()
    line = np.linspace(values.min(), values.max(), 400)
    level.plot(np.r_[line[0], knots, line[-1]], [-2, *LEVELS, 2], color=RED)
    level.plot(knots, LEVELS, 'o', color=RED, markersize=4)
    level.set_ylabel('goes to', color=RED)
    level.spines['right'].set_visible(True)
    after.hist(warp(timings)[:, column], bins=40, color=RED, alpha=0.5, density=True)
    after.set_yticks([])
    after.set_xlabel('warped')
    after.set_title('Alike for every timing')
    return figure


def users_in_two_directions(plda: Plda, warped: Floats, y: Ints) -> Figure:
    """Draw typings of some users along the two directions in which users differ most.

    Parameters
    ----------
    plda : Plda
    warped : ndarray, shape (N, F)
    y : ndarray of int64, shape (N,)
    """
    view = plda.view(warped)[:, ::-1][:, :2]
    figure, axes = plt.subplots(figsize=(6.5, 4.6))
    axes.scatter(view[:, 0], view[:, 1], s=4, color=GRAY, alpha=0.35, label='typings of the others')
    users = np.linspace(0, y.max(), min(SHOWN_USERS, y.max() + 1)).astype(np.int64)
    for color, user in zip(COLORS, users, strict=False):
        own = view[y == user]
        axes.scatter(own[:, 0], own[:, 1], s=16, color=color)
    for scale, color, label in (
        (1.0, 'black', "one user's own typings (W)"),
        (np.sqrt(plda.variances[::-1][:2]), ORANGE, "users' means (B)"),
    ):
        width, height = 4 * np.broadcast_to(scale, 2)
        axes.add_patch(
            Ellipse(
                (0, 0), width, height, fill=False, color=color, lw=1.5, label=f'{label}, two STD'
            )
        )
    axes.set_xlabel('direction in which users differ most')
    axes.set_ylabel('the next one')
    axes.legend(fontsize=8)
    axes.set_title('A color is a user: own typings lie together')
    return figure


def user_template(laplace: Laplace, typings: Floats, timing: str = 'HT') -> Figure:
    """Draw where and how widely a user's timings are expected, by few typings and by all.

    Parameters
    ----------
    laplace : Laplace
    typings : ndarray, shape (n, F)
        A user's warped typings.
    timing : str
        These are drawn.
    """
    view = laplace.view(typings)
    of = timing_slices(view.shape[1])[timing]
    keys = np.arange(of.stop - of.start)
    figure, axes = plt.subplots(figsize=(9, 3.4))
    axes.plot(keys, laplace.center[of], '--', color=GRAY, label="everybody's mean")
    for row, values in enumerate(view[:, of]):
        axes.plot(
            keys, values, '.', color='black', ms=4, label=None if row else "the user's typings"
        )
    for n, shift, color in ((2, -0.12, ORANGE), (len(view), 0.12, RED)):
        location, weight, _ = laplace.enroll(view[:n])
        spread = timing_weights(view.shape[1]) / weight
        axes.errorbar(
            keys + shift,
            location[of],
            spread[of],
            fmt='o',
            ms=4,
            color=color,
            capsize=2,
            label=f'template of {n} typings',
        )
    axes.set_xticks(keys, [f'{timing} {key}' for key in keys], fontsize=8)
    axes.set_ylabel('warped, without tempo')
    figure.legend(ncols=4, loc='outside lower center', fontsize=8)
    axes.set_title('Of few typings, nearer to everybody and wider')
    return figure


def equal_error_rates_by_typings(
    found: dict[str, dict[int, tuple[float, Interval]]],
) -> Figure:
    """Draw the equal error rate by how many typings users are enrolled with.

    Parameters
    ----------
    found : dict of label to dict of typings to (rate, its interval)
    """
    figure, axes = plt.subplots(figsize=(6.5, 3.4))
    for (label, rates), color in zip(found.items(), (RED, DARK_RED), strict=False):
        if not rates:
            continue
        typings = list(rates)
        values = [rates[n][0] for n in typings]
        axes.plot(typings, values, 'o-', color=color, label=label)
        low, high = zip(*(rates[n][1] for n in typings), strict=True)
        axes.fill_between(typings, low, high, color=color, alpha=0.12, lw=0)
        for n, value in zip(typings, values, strict=True):
            axes.annotate(
                f'{value:.1%}',
                (n, value),
                (4, 5),
                textcoords='offset points',
                fontsize=8,
                color=color,
            )
    axes.set_xticks(sorted({n for rates in found.values() for n in rates}))
    axes.set_xlabel('typings that a user is enrolled with')
    axes.set_ylim(0)
    axes.yaxis.set_major_formatter(PercentFormatter(1))
    axes.set_title('Equal error rate of users enrolled without training')
    if any(found.values()):
        axes.legend()
    return figure
