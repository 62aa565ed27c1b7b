"""Copies of recordings, as they are and with tricks, sent as claims."""

from collections.abc import Callable
from typing import Any

import numpy as np
from service import Service, Typing, UserID

from keystroke.models.timings import Floats

JITTERS = 0, 3, 5, 8, 10, 15, 20
"""ms by which each time of a replayed typing is moved, at most."""

TRICKS: dict[str, Callable[[Floats, Floats, Floats, Floats], tuple[Floats, Floats]]] = {
    'as it is': lambda press, release, _, __: (press, release),
    'a pause of 151 ms in the middle': lambda press, release, _, __: (
        press + 151 * (np.arange(len(press)) >= len(press) // 2),
        release + 151 * (np.arange(len(press)) >= len(press) // 2),
    ),
    'every release 12 ms later': lambda press, release, _, __: (press, release + 12),
    'all times 1.1 times as long': lambda press, release, _, __: (press * 1.1, release * 1.1),
    'all times 1.25 times as long': lambda press, release, _, __: (press * 1.25, release * 1.25),
    'press times of one, hold times of another': lambda press, _, other, other_release: (
        press,
        press + other_release - other,
    ),
}
"""What is made of press and release times of one recording, and of those of another."""


def replay(
    caller: Service, user: UserID, typing: Typing, jitter: int, random: np.random.Generator
) -> str:
    """Send a copy of a typing, its times moved by up to `jitter` ms; return what comes of it."""
    press, release = (np.array(typing[event]) + 5_000 for event in ('Press', 'Release'))
    press = np.maximum.accumulate(press + random.integers(-jitter, jitter + 1, len(press)))
    release = np.maximum(release + random.integers(-jitter, jitter + 1, len(release)), press)
    copy = {'Press': press.tolist(), 'Release': release.tolist()}
    return outcome_of(caller.verify(user, copy))


def replay_with(caller: Service, user: UserID, trick: str, one: Typing, other: Typing) -> str:
    """Send what a trick makes of two recordings; return what comes of it."""
    press, release = TRICKS[trick](
        *(
            np.array(typing[event], float)
            for typing in (one, other)
            for event in ('Press', 'Release')
        )
    )
    start = press[0] - 5_000
    copy = {
        'Press': np.rint(press - start).astype(int).tolist(),
        'Release': np.rint(release - start).astype(int).tolist(),
    }
    return outcome_of(caller.verify(user, copy))


def outcome_of(answer: tuple[int, Any]) -> str:
    """Return what came of a claim."""
    status, reply = answer
    if status == 409:
        return 'refused'
    return 'matched' if reply['Match'] else 'failed'
