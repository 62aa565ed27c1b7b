"""The service as a program sees it, and what the program knows of how people type."""

import json
from http.client import HTTPConnection, RemoteDisconnected
from pathlib import Path
from typing import Any

import numpy as np

from keystroke.data import read_typings
from keystroke.models.timings import Floats

Typing = dict[str, list[int]]
UserID = int | str


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
        try:
            self.connection.request(method, path, payload, self.key | media_type)
            response = self.connection.getresponse()
        except (RemoteDisconnected, ConnectionResetError, BrokenPipeError):
            # The service closes connections on which nothing was asked for a while.
            self.connection.close()
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
