"""What programs reach that claim to be somebody: guesses, hill-climbing, replays.

usage: python bench/attacks/attacks.py folder url calling-key admin-key day

Reads trained.csv and enrolled.json of the folder (server/test/enrolled.py), enrolls the users of
the latter, attacks them one after another, and prints what came of it as JSON. The programs know
how people in general type the string: mean and covariance of the trained users' times. Of the user
they attack they know the UserID. `day` is a JSON list: for each claim of one user that is answered
within 24 hours if all before it failed, the evidence that it needs beyond the threshold.
"""

import json
import sys
from collections.abc import Callable
from functools import partial
from http.client import HTTPConnection
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from keystroke.data import read_typings
from keystroke.models.timings import Floats

Typing = dict[str, list[int]]
UserID = int | str

MOST_CALLS = 1_000

JITTERS = 0, 3, 5, 8, 10, 15, 20
"""ms by which each time of a replayed typing is moved, at most."""


class People:
    """How people in general type: logarithms of holds and of the times between presses."""

    def __init__(self, csv: Path) -> None:
        typings = read_typings(csv)
        press, release = typings.press.astype(float), typings.release.astype(float)
        logs = np.log(np.maximum(np.hstack([release - press, np.diff(press, axis=1)]), 1))
        self.keys = press.shape[1]
        self.mean, self.covariance = logs.mean(axis=0), np.cov(logs.T)
        self.spread = np.sqrt(np.diag(self.covariance))

    def draw(self, random: np.random.Generator) -> Floats:
        """Draw the times of somebody."""
        drawn: Floats = random.multivariate_normal(self.mean, self.covariance)
        return drawn

    def typing(self, logs: Floats) -> Typing:
        """Return a typing of these times."""
        times = np.rint(np.exp(logs)).astype(int)
        press = np.concatenate([[0], np.cumsum(times[self.keys :])])
        return {'Press': press.tolist(), 'Release': (press + times[: self.keys]).tolist()}


class Service:
    """The service, as a program sees it that has a key."""

    def __init__(self, url: str, key: str) -> None:
        self.connection = HTTPConnection(url.removeprefix('http://'), timeout=30)
        self.key = {'x-api-key': key}

    def call(self, method: str, path: str, body: object = None) -> tuple[int, Any]:
        """Return status and reply."""
        payload = None if body is None else json.dumps(body)
        media_type = {'content-type': 'application/json'} if payload else {}
        self.connection.request(method, path, payload, self.key | media_type)
        response = self.connection.getresponse()
        text = response.read()
        return response.status, json.loads(text) if text else None

    def verify(self, user: UserID, *typings: Typing) -> tuple[int, Any]:
        """Claim to be somebody."""
        return self.call('POST', '/verify', {'UserID': user, 'Typings': typings})

    def margin(self, user: UserID, *typings: Typing) -> float:
        """Return the evidence of a claim beyond the threshold, which administrators see."""
        reply = self.verify(user, *typings)[1]
        return float(reply['Score'] - reply['Threshold'])


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


def search(
    caller: Service, people: People, user: UserID, random: np.random.Generator
) -> int | None:
    """Return after how many calls of /identify, which counts no claim, /verify matches."""
    for calls in range(1, MOST_CALLS + 1):
        typing = people.typing(people.draw(random))
        reply = caller.call('POST', '/identify?top=1', {'Typings': [typing]})[1]
        if reply['UserID'] == user and reply['Confidence'] != 'low':
            status, verified = caller.verify(user, typing)
            if status == 429:
                return None
            if verified['Match']:
                return calls
    return None


def replay(
    caller: Service, user: UserID, typing: Typing, jitter: int, random: np.random.Generator
) -> str:
    """Send a copy of a typing, its times moved by up to `jitter` ms; return what comes of it."""
    press, release = (np.array(typing[event]) + 5_000 for event in ('Press', 'Release'))
    press = np.maximum.accumulate(press + random.integers(-jitter, jitter + 1, len(press)))
    release = np.maximum(release + random.integers(-jitter, jitter + 1, len(release)), press)
    copy = {'Press': press.tolist(), 'Release': release.tolist()}
    status, reply = caller.verify(user, copy)
    if status == 409:
        return 'refused'
    return 'matched' if reply['Match'] else 'failed'


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


def main(folder: Path, url: str, key: str, admin_key: str, day: str) -> None:
    """Attack every enrolled user."""
    people = People(folder / 'trained.csv')
    recorded = json.loads((folder / 'enrolled.json').read_text())
    admin, caller = Service(url, admin_key), Service(url, key)
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

    for user in own:
        afresh(user)
    margins = of_all('guesses', partial(guess, admin, people))
    needed = np.array(json.loads(day))
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
        'searches': of_all('search by /identify', partial(search, caller, people)),
        'accepted': of_all('copies of an accepted typing', partial(replays, 'accepted')),
        'enrolled': of_all('copies of an enrolled typing', partial(replays, 'enrolled')),
    }
    json.dump(results, sys.stdout)


if __name__ == '__main__':
    main(Path(sys.argv[1]), *sys.argv[2:6])
