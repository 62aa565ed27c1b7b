"""What programs reach that claim to be somebody: guesses, hill-climbing, replays.

usage: python bench/attacks/attacks.py folder url calling-key admin-key

Reads trained.csv and enrolled.json of the folder (server/test/enrolled.py), enrolls the users of the latter, attacks
them one after another, and prints what came of it as JSON. The programs know how people in general type the string:
mean and covariance of the trained users' times. Of the user they attack they know the UserID.
"""

import json
import sys
from collections.abc import Callable
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import numpy as np

from keystroke.data import read_typings
from keystroke.models.timings import Floats

Typing = dict[str, list[int]]

FIRST_DAY = 11
"""Claims of one user that are answered within 24 hours if all fail: five, and one after 15, 30, 60, ... minutes."""

MOST_GUESSES = 1_000
MOST_SEARCHES = 1_000
JITTERS = 0, 3, 5, 8, 10, 15, 20
"""ms by which each time of a replayed typing is moved, at most."""


class People:
    """How people in general type the string: logarithms of the holds and of the times between presses."""

    def __init__(self, csv: Path) -> None:
        typings = read_typings(csv)
        press, release = typings.press.astype(float), typings.release.astype(float)
        times = np.hstack([release - press, np.diff(press, axis=1)])
        logs = np.log(np.maximum(times, 1))
        self.keys = press.shape[1]
        self.mean, self.covariance = logs.mean(axis=0), np.cov(logs.T)
        self.spread = np.sqrt(np.diag(self.covariance))

    def typing(self, logs: Floats) -> Typing:
        """Return a typing of these holds and times between presses."""
        times = np.rint(np.exp(logs)).astype(int)
        press = np.concatenate([[0], np.cumsum(times[self.keys :])])
        return {'Press': press.tolist(), 'Release': (press + times[: self.keys]).tolist()}

    def draw(self, random: np.random.Generator) -> Floats:
        """Draw the times of somebody."""
        drawn: Floats = random.multivariate_normal(self.mean, self.covariance)
        return drawn


class Service:
    """The service as a program sees it that has a key."""

    def __init__(self, address: str, key: str) -> None:
        self.connection = HTTPConnection(address.removeprefix('http://'), timeout=30)
        self.headers = {'content-type': 'application/json', 'x-api-key': key}

    def call(self, method: str, path: str, body: object = None) -> tuple[int, Any]:
        """Return status and reply."""
        payload = None if body is None else json.dumps(body)
        headers = self.headers if payload else {'x-api-key': self.headers['x-api-key']}
        self.connection.request(method, path, payload, headers)
        response = self.connection.getresponse()
        text = response.read()
        return response.status, json.loads(text) if text else None

    def verify(self, user: int | str, *typings: Typing) -> tuple[int, Any]:
        """Claim to be somebody."""
        return self.call('POST', '/verify', {'UserID': user, 'Typings': typings})


def guess(admin: Service, people: People, user: int | str, random: np.random.Generator) -> int | None:
    """Return after how many guesses one matches, if claims are not counted; of a reply the match alone is read."""
    for calls in range(1, MOST_GUESSES + 1):
        if admin.verify(user, people.typing(people.draw(random)))[1]['Match']:
            return calls
    return None


def climb(admin: Service, people: People, user: int | str, random: np.random.Generator) -> int | None:
    """Return after how many calls one matches where every step is kept that raises the score."""
    best, logs = -np.inf, people.mean
    step = logs
    for calls in range(1, MOST_GUESSES + 1):
        reply = admin.verify(user, people.typing(step))[1]
        if reply['Match']:
            return calls
        if reply['Score'] > best:
            best, logs = reply['Score'], step
        moved = random.random(len(logs)) < 0.5
        step = logs + moved * people.spread * random.normal(scale=0.7, size=len(logs))
    return None


def guess_counted(
    caller: Service, people: People, user: int | str, random: np.random.Generator
) -> tuple[int, bool]:
    """Return how many guesses are answered before the user is paused, and whether one matched."""
    for calls in range(1, MOST_GUESSES + 1):
        status, reply = caller.verify(user, people.typing(people.draw(random)))
        if status == 429:
            return calls - 1, False
        if reply['Match']:
            return calls, True
    raise RuntimeError(f'{MOST_GUESSES} claims to be {user} were answered')


def search(caller: Service, people: People, user: int | str, random: np.random.Generator) -> int | None:
    """Return after how many calls of /identify, which counts no claim, a typing is found that /verify then matches."""
    for calls in range(1, MOST_SEARCHES + 1):
        typing = people.typing(people.draw(random))
        reply = caller.call('POST', '/identify?top=1', {'Typings': [typing]})[1]
        if reply['UserID'] == user and reply['Confidence'] != 'low':
            status, verified = caller.verify(user, typing)
            if status == 429:
                return None
            if verified['Match']:
                return calls
    return None


def replay(caller: Service, user: int | str, typing: Typing, jitter: int, random: np.random.Generator) -> str:
    """Send a copy of a typing, its times moved, and return what comes of it."""
    press, release = (np.array(typing[event]) for event in ('Press', 'Release'))
    press = np.maximum.accumulate(press + random.integers(-jitter, jitter + 1, len(press)))
    release = np.maximum(release + random.integers(-jitter, jitter + 1, len(release)), press)
    press, release = press + 5_000, release + 5_000
    status, reply = caller.verify(user, {'Press': press.tolist(), 'Release': release.tolist()})
    if status == 409:
        return 'refused as a copy'
    return 'matched' if reply['Match'] else 'no match'


def main(folder: Path, address: str, key: str, admin_key: str) -> None:
    """Attack every enrolled user."""
    people = People(folder / 'trained.csv')
    told = json.loads((folder / 'enrolled.json').read_text())
    admin, caller = Service(address, admin_key), Service(address, key)
    own: dict[int | str, list[Typing]] = {}
    later: dict[int | str, list[Typing]] = {}
    for found, rows in (own, told['enrolled']), (later, told['asked']):
        for row in rows:
            found.setdefault(row['UserID'], []).append(row['Typing'])

    def afresh(user: int | str) -> None:
        """Enroll a user for whom no claim was counted."""
        admin.call('DELETE', f'/users/{user}')
        status, reply = admin.call('PUT', f'/users/{user}', {'Typings': own[user]})
        if status != 201:
            raise RuntimeError(f'{user} was not enrolled: {reply}')

    for user in own:
        afresh(user)

    def of_all(name: str, attack: Callable[[int | str, np.random.Generator], Any]) -> list[Any]:
        outcomes = []
        for i, user in enumerate(own):
            if i % 10 == 0:
                print(f'{name}: {i} of {len(own)} users', file=sys.stderr)
            outcomes.append(attack(user, np.random.default_rng(i)))
        return outcomes

    def replays(user: int | str, kept: str, random: np.random.Generator) -> dict[str, str] | None:
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

    results: dict[str, Any] = {'users': len(own), 'keys': people.keys, 'firstDay': FIRST_DAY}
    results['guesses'] = of_all('guesses', lambda user, random: guess(admin, people, user, random))
    results['climbs'] = of_all('hill-climbing', lambda user, random: climb(admin, people, user, random))
    for kept in 'accepted', 'enrolled':
        attack = f'copies of what was {kept}'
        results[kept] = [
            each for each in of_all(attack, lambda user, random: replays(user, kept, random)) if each
        ]
    for user in own:
        afresh(user)
    results['counted'] = of_all(
        'guesses, counted', lambda user, random: guess_counted(caller, people, user, random)
    )
    for user in own:
        afresh(user)
    results['searches'] = of_all(
        'search by /identify', lambda user, random: search(caller, people, user, random)
    )
    json.dump(results, sys.stdout)


if __name__ == '__main__':
    main(Path(sys.argv[1]), *sys.argv[2:5])
