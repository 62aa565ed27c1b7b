"""What programs reach that claim to be somebody: guesses, hill-climbing, replays.

usage: python bench/attacks/attacks.py folder url calling-key identify-key admin-key day searches

Reads trained.csv and enrolled.json of the folder (server/test/enrolled.py), enrolls the users of
the latter, attacks them one after another, and prints what came of it as JSON. The programs know
how people in general type the string: mean and covariance of the trained users' times. Of the user
they attack they know the UserID. `day` is a JSON list: for each claim of one user that is answered
within 24 hours if all before it failed, the evidence that it needs beyond the threshold.
`searches` is another: what a claim of a key that may identify needs besides, after none, one, and
so on of its identifications have ended unknown; no more of them may within 24 hours.
"""

import json
import sys
from collections.abc import Callable
from functools import partial
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from copies import JITTERS, TRICKS, replay, replay_with
from service import People, Service, Typing, UserID

from keystroke.data import read_typings
from keystroke.models.timings import Floats

MOST_CALLS = 1_000

BEFORE_LOGIN = 4
"""Guesses between two log-ins of the user; one more would make a pause."""


def guess(admin: Service, people: People, user: UserID, random: np.random.Generator) -> Floats:
    """Return for each of many guesses the evidence beyond the threshold."""
    guesses = (people.typing(people.draw(random)) for _ in range(MOST_CALLS))
    return np.array([admin.margin(user, typing) for typing in guesses])


def days_forged(margins: Floats, day: Floats) -> float:
    """Return in which share of days a guess matches, of as many a day as are answered."""
    days = margins[: len(margins) // len(day) * len(day)].reshape(-1, len(day))
    return float((days > day).any(axis=1).mean())


def guess_counted(
    caller: Service, people: People, user: UserID, random: np.random.Generator
) -> tuple[int, bool]:
    """Return how many guesses are answered before a pause, and whether one matched."""
    for calls in range(1, MOST_CALLS + 1):
        status, reply = caller.verify(user, people.typing(people.draw(random)))
        if status == 429:
            return calls - 1, False
        if reply['Match']:
            return calls, True
    raise RuntimeError(f'{MOST_CALLS} claims to be {user} were answered')


def climb(admin: Service, people: People, user: UserID, random: np.random.Generator) -> int | None:
    """Return after how many calls one matches, where each step is kept that raises the score."""
    best, logs = -np.inf, people.mean
    step = logs
    for calls in range(1, MOST_CALLS + 1):
        reply = admin.verify(user, people.typing(step))[1]
        if reply['Match']:
            return calls
        if reply['Score'] > best:
            best, logs = reply['Score'], step
        moved = random.random(len(logs)) < 0.5
        step = logs + moved * people.spread * random.normal(scale=0.7, size=len(logs))
    return None


def climb_ranks(
    caller: Service, people: People, user: UserID, random: np.random.Generator
) -> int | None:
    """Return after how many calls one matches, where each step is kept that raises the rank."""
    best, logs = np.inf, people.mean
    step = logs
    for calls in range(1, MOST_CALLS + 1):
        typing = people.typing(step)
        status, reply = caller.call('POST', '/identify?top=1000', {'Typings': [typing]})
        if status != 200:
            return None
        rank = [each['UserID'] for each in reply['Candidates']].index(user)
        if rank == 0 and reply['Known'] and caller.verify(user, typing)[1].get('Match'):
            return calls
        if rank < best:
            best, logs = rank, step
        moved = random.random(len(logs)) < 0.5
        step = logs + moved * people.spread * random.normal(scale=0.7, size=len(logs))
    return None


def search(
    admin: Service, people: People, user: UserID, random: np.random.Generator
) -> list[tuple[bool, bool, float]]:
    """Return of many guesses whether somebody is known, whether the user, and the evidence."""
    found = []
    for _ in range(MOST_CALLS):
        typing = people.typing(people.draw(random))
        reply = admin.call('POST', '/identify?top=1', {'Typings': [typing]})[1]
        is_user = reply['Known'] and reply['UserID'] == user
        found.append((reply['Known'], is_user, admin.margin(user, typing) if is_user else -np.inf))
    return found


def day_searched(found: list[tuple[bool, bool, float]], searches: Floats, day: Floats) -> bool:
    """Return whether a day of searching forges the user: each guess that names them is claimed."""
    unknown = failed = 0
    for is_known, is_user, margin in found:
        if is_user and failed < len(day):
            if margin > day[failed] + searches[unknown]:
                return True
            failed += 1
        unknown += not is_known
        if unknown == len(searches):
            break
    return False


def screen(
    caller: Service, people: People, user: UserID, random: np.random.Generator
) -> tuple[int, bool]:
    """Return how many guesses that all classifiers take for a user are answered; if one matched."""
    answered = 0
    for _ in range(2 * MOST_CALLS):
        typing = people.typing(people.draw(random))
        features = caller.call('POST', '/features', typing)[1]
        if any(
            caller.call('POST', '/predict', {'Model': model, **features})[1]['UserID'] != user
            for model in ('RF', 'XGB', 'SVM')
        ):
            continue
        status, reply = caller.verify(user, typing)
        if status == 429:
            break
        answered += 1
        if reply['Match']:
            return answered, True
    return answered, False


def guess_between_logins(
    caller: Service,
    people: People,
    own: list[Typing],
    user: UserID,
    random: np.random.Generator,
) -> tuple[int, bool]:
    """Return how many guesses are answered between log-ins of the user, and whether one matched."""
    answered = 0
    for typing in [*own, None]:
        for _ in range(BEFORE_LOGIN):
            status, reply = caller.verify(user, people.typing(people.draw(random)))
            if status == 429:
                return answered, False
            answered += 1
            if reply['Match']:
                return answered, True
        if typing is not None:
            caller.verify(user, typing)
    return answered, False


def refused(
    admin: Service, later: dict[UserID, list[Typing]], together: int, needed: Floats
) -> list[float]:
    """Return the share of people's own claims that fail, by what a match needs."""
    margins = np.array(
        [
            admin.margin(user, *chosen)
            for user, typings in later.items()
            for chosen in combinations(typings, together)
        ]
    )
    return [float((margins <= each).mean()) for each in needed]


def main(folder: Path, url: str, keys: list[str], day: str, searching: str) -> None:
    """Attack every enrolled user."""
    people = People(folder / 'trained.csv')
    recorded = json.loads((folder / 'enrolled.json').read_text())
    caller, identifier, admin = (Service(url, key) for key in keys)
    own: dict[UserID, list[Typing]] = {}
    later: dict[UserID, list[Typing]] = {}
    for typings, rows in (own, recorded['enrolled']), (later, recorded['asked']):
        for row in rows:
            typings.setdefault(row['UserID'], []).append(row['Typing'])

    def afresh(user: UserID) -> None:
        """Enroll a user of whom no claim is counted."""
        admin.call('DELETE', f'/users/{user}')
        status, reply = admin.call('PUT', f'/users/{user}', {'Typings': own[user]})
        if status != 201:
            raise RuntimeError(f'{user} was not enrolled: {reply}')

    def of_all(name: str, attack: Callable[[UserID, np.random.Generator], Any]) -> list[Any]:
        outcomes = []
        for i, user in enumerate(own):
            if i % 10 == 0:
                print(f'{name}: {i} of {len(own)} users', file=sys.stderr)
            afresh(user)
            outcomes.append(attack(user, np.random.default_rng(i)))
        return outcomes

    def replays(kept: str, user: UserID, random: np.random.Generator) -> dict[str, str] | None:
        outcomes = {}
        for jitter in JITTERS:
            afresh(user)
            typing = own[user][0]
            if kept == 'accepted':
                typing = later[user][0]
                if not caller.verify(user, typing)[1]['Match']:
                    return None
            outcomes[str(jitter)] = replay(caller, user, typing, jitter, random)
        return outcomes

    def tricks(user: UserID, random: np.random.Generator) -> dict[str, str]:
        outcomes = {}
        for trick in TRICKS:
            afresh(user)
            outcomes[trick] = replay_with(caller, user, trick, *own[user][:2])
        return outcomes

    def around(user: UserID, random: np.random.Generator) -> tuple[int, bool]:
        return guess_between_logins(caller, people, later[user], user, random)

    for user in own:
        afresh(user)
    margins = of_all('guesses', partial(guess, admin, people))
    searched = of_all('search by /identify', partial(search, admin, people))
    needed, searches = np.array(json.loads(day)), np.array(json.loads(searching))
    trained = sorted(set(read_typings(folder / 'trained.csv').users))
    matched = [np.flatnonzero(each > 0) for each in margins]
    results = {
        'users': len(own),
        'guesses': [int(each[0]) + 1 if len(each) else None for each in matched],
        'answeredADay': len(needed),
        'daysForged': np.mean([days_forged(each, needed) for each in margins]),
        'daysForgedUndoubted': np.mean([days_forged(each, 0 * needed) for each in margins]),
        'refused': [refused(admin, later, n, np.unique(needed)) for n in (1, 2, 3)],
        'counted': of_all('guesses, counted', partial(guess_counted, caller, people)),
        'climbs': of_all('hill-climbing', partial(climb, admin, people)),
        'loggedIn': of_all('guesses between log-ins', around),
        'ranks': [
            of_all('climbing ranks', partial(climb_ranks, by, people))
            for by in (caller, identifier)
        ],
        'ranksOfAdmin': of_all('climbing ranks', partial(climb_ranks, admin, people)),
        'screened': [
            screen(caller, people, user, np.random.default_rng(i)) for i, user in enumerate(trained)
        ],
        'daysSearched': np.mean([day_searched(each, searches, needed) for each in searched]),
        'tricks': of_all('copies with a trick', tricks),
        'accepted': of_all('copies of an accepted typing', partial(replays, 'accepted')),
        'enrolled': of_all('copies of an enrolled typing', partial(replays, 'enrolled')),
    }
    json.dump(results, sys.stdout)


if __name__ == '__main__':
    main(Path(sys.argv[1]), sys.argv[2], sys.argv[3:6], *sys.argv[6:8])
