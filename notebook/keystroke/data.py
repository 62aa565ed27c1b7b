"""Read recorded typings from a CSV, and refuse what cannot be one.

A typing is one entry of the fixed string: for each of its K keys a press and a release time in
whole milliseconds. The file's header says K: ``user,press-0,release-0,...,press-K-1,release-K-1``.
The server reads the same format in ``server/src/csv.ts``.

Which string it was may stand beside the CSV, in a text file of the same name: ``typings.txt`` of
``typings.csv``.
"""

import csv
import hashlib
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

UserID = int | str

MIN_KEYS = 2
"""Press-press times need two keys."""

MAX_TIME = 2**53 - 1
"""The largest whole number that JSON, and so the server, carries exactly."""

MIN_TYPINGS_PER_USER = 2
"""One to learn from and one to test on."""

# As many digits as MAX_TIME has: Python refuses to convert thousands of them.
_WHOLE = re.compile(r'0|[1-9][0-9]{0,15}')
_INTEGER_ID = re.compile(r'0|-?[1-9][0-9]{0,15}')


class DataError(ValueError):
    """A CSV that is not a set of typings; the message names file, line and column."""


@dataclass(frozen=True)
class Typings:
    """Recorded typings, in the order of the file.

    Attributes
    ----------
    name : str
        File name, without its folder.
    sha256 : str
        Of the file's bytes, hexadecimal.
    string : str or None
        What was typed, of K characters; None where no text file beside the CSV says it.
    users : list of int or list of str, length N
        UserID of each typing.
    lines : ndarray of int, shape (N,)
        Line of each typing in the file, from 1.
    press, release : ndarray of int64, shape (N, K)
        Times in ms.
    """

    name: str
    sha256: str
    string: str | None
    users: list[UserID]
    lines: NDArray[np.int64]
    press: NDArray[np.int64]
    release: NDArray[np.int64]

    def __len__(self) -> int:
        """Return N, the number of typings."""
        return len(self.users)

    @property
    def keys(self) -> int:
        """K, the number of keys of the string."""
        return int(self.press.shape[1])


def header(keys: int) -> list[str]:
    """Return the column names for a string of so many keys.

    Examples
    --------
    >>> header(2)
    ['user', 'press-0', 'release-0', 'press-1', 'release-1']
    """
    return ['user', *(f'{event}-{key}' for key in range(keys) for event in ('press', 'release'))]


def read_typings(path: str | Path) -> Typings:
    """Read a CSV of typings, and the string from the text file beside it, if there is one.

    UTF-8 with or without a byte order mark, LF or CRLF line ends, quoted fields or not. UserIDs
    are integers where the whole column reads as integers, otherwise strings as they stand.

    Parameters
    ----------
    path : str or Path
        The CSV.

    Returns
    -------
    Typings

    Raises
    ------
    DataError
        In one sentence with the line and the column, if anything is not as the format says.
    """
    path = Path(path)
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise DataError(f'{path}: {error.strerror or error}') from error
    try:
        text = raw.decode('utf-8-sig')
    except UnicodeDecodeError as error:
        # error.object is what error.start counts in: the bytes without the byte order mark.
        line = error.object.count(b'\n', 0, error.start) + 1
        raise DataError(f'{path.name}, line {line}: not UTF-8') from error

    rows = _rows(path.name, text)
    line, head = next(rows, (0, []))
    columns = _check_header(path.name, line, head)
    lines: list[int] = []
    names: list[str] = []
    times: list[list[int]] = []
    for line, row in rows:
        names.append(_check_user(path.name, line, row))
        times.append(_check_times(path.name, line, columns, row))
        lines.append(line)
    if not times:
        raise DataError(f'{path.name}: no typing after the header')

    table = np.array(times, dtype=np.int64)
    return Typings(
        name=path.name,
        sha256=hashlib.sha256(raw).hexdigest(),
        string=_read_string(path, (len(columns) - 1) // 2),
        users=_user_ids(names),
        lines=np.array(lines, dtype=np.int64),
        press=table[:, 0::2],
        release=table[:, 1::2],
    )


def require_trainable(typings: Typings) -> None:
    """Refuse typings that no classifier can be fitted on and tested with.

    Raises
    ------
    DataError
        If there are fewer than two users, or a user with fewer than two typings.
    """
    counts: dict[UserID, int] = {}
    first_line: dict[UserID, int] = {}
    for user, line in zip(typings.users, typings.lines, strict=True):
        counts[user] = counts.get(user, 0) + 1
        first_line.setdefault(user, int(line))
    if len(counts) < 2:
        raise DataError(
            f'{typings.name}, line {first_line[typings.users[0]]}, column user: '
            f'{typings.users[0]!r} is the only user; telling users apart needs at least two'
        )
    for user, count in counts.items():
        if count < MIN_TYPINGS_PER_USER:
            raise DataError(
                f'{typings.name}, line {first_line[user]}, column user: {user!r} has one typing; '
                'each user needs at least two, one to learn from and one to test on'
            )


def summarize(typings: Typings) -> dict[str, int]:
    """Count what a reader wants to know of the data before trusting it.

    ``read_typings`` has refused missing values, other types and times out of order already; what
    is counted here is legitimate, and worth a look.

    Returns
    -------
    dict of str to int
    """
    press, release = typings.press, typings.release
    per_user = np.unique(np.array(typings.users, dtype=object), return_counts=True)[1]
    times = np.hstack([press, release])
    return {
        'typings': len(typings),
        'users': len(per_user),
        'fewest typings of a user': int(per_user.min()),
        'most typings of a user': int(per_user.max()),
        'keys of the string': typings.keys,
        'duplicate typings': len(times) - len(np.unique(times, axis=0)),
        'hold times of zero': int((release == press).sum()),
        'negative release-press times (keys overlap)': int((press[:, 1:] < release[:, :-1]).sum()),
        'negative release-release times (released out of order)': int(
            (np.diff(release, axis=1) < 0).sum()
        ),
        'longest typing, ms': int(release.max(axis=1).max()),
    }


def _read_string(csv_path: Path, keys: int) -> str | None:
    """Read the one line of the text file beside a CSV; None if there is no such file."""
    path = csv_path.with_suffix('.txt')
    if path == csv_path or not path.exists():
        return None
    try:
        text = path.read_bytes().decode('utf-8-sig')
    except OSError as error:
        raise DataError(f'{path}: {error.strerror or error}') from error
    except UnicodeDecodeError as error:
        raise DataError(f'{path.name}: not UTF-8') from error
    string = text.removesuffix('\n').removesuffix('\r')
    if not string.isprintable():
        raise DataError(
            f'{path.name}: {string!r} is not one line of printable characters; this file holds '
            f'the string whose typings are in {csv_path.name}'
        )
    if len(string) != keys:
        raise DataError(
            f'{path.name}: {string!r} has {len(string)} characters, and the typings in '
            f'{csv_path.name} have {keys} keys; this file holds the string that was typed'
        )
    return string


def _rows(name: str, text: str) -> Iterator[tuple[int, list[str]]]:
    """Yield each record with its first line; blank lines are no records."""
    reader = csv.reader(io.StringIO(text, newline=''), strict=True)
    line = 1
    while True:
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise DataError(f'{name}, line {line}: {error}') from error
        if row:
            yield line, row
        line = reader.line_num + 1


def _check_header(name: str, line: int, row: Sequence[str]) -> list[str]:
    if not row:
        raise DataError(f'{name}: empty; a header user,press-0,release-0,... comes first')
    if len(row) == 1 and ';' in row[0]:
        raise DataError(f'{name}, line {line}: fields are separated by semicolons; use commas')
    keys = max((len(row) - 1) // 2, MIN_KEYS)
    expected = header(keys)
    for position, column in enumerate(expected):
        found = row[position] if position < len(row) else None
        if found != column:
            what = 'is missing' if found is None else f'is {found!r}'
            raise DataError(
                f'{name}, line {line}: column {position + 1} should be {column!r}, {what}'
            )
    if len(row) > len(expected):
        raise DataError(
            f'{name}, line {line}: column {len(row)} is {row[-1]!r}; after press-{keys} a '
            f'release-{keys} is expected, or nothing'
        )
    return expected


def _check_user(name: str, line: int, row: Sequence[str]) -> str:
    user = row[0]
    if not user or user != user.strip():
        raise DataError(
            f'{name}, line {line}, column user: {user!r} is empty or has blanks around it'
        )
    return user


def _check_times(name: str, line: int, columns: Sequence[str], row: Sequence[str]) -> list[int]:
    if len(row) != len(columns):
        column = columns[len(row)] if len(row) < len(columns) else f'{len(columns) + 1}'
        raise DataError(
            f'{name}, line {line}, column {column}: {len(row)} fields where the header has '
            f'{len(columns)}'
        )
    times: list[int] = []
    for column, field in zip(columns[1:], row[1:], strict=True):
        if not _WHOLE.fullmatch(field) or int(field) > MAX_TIME:
            raise DataError(
                f'{name}, line {line}, column {column}: {field!r} is not a whole number of '
                f'milliseconds from 0 to {MAX_TIME}'
            )
        times.append(int(field))
    for key in range(len(times) // 2):
        press, release = times[2 * key], times[2 * key + 1]
        if release < press:
            raise DataError(
                f'{name}, line {line}, column release-{key}: {release} is before press-{key}, '
                f'{press}'
            )
        if key and press < times[2 * key - 2]:
            raise DataError(
                f'{name}, line {line}, column press-{key}: {press} is before press-{key - 1}, '
                f'{times[2 * key - 2]}'
            )
    return times


def _user_ids(names: list[str]) -> list[UserID]:
    # '007' is no integer: read as 7 it would be another UserID than the file's.
    if all(_INTEGER_ID.fullmatch(name) and abs(int(name)) <= MAX_TIME for name in names):
        return [int(name) for name in names]
    return list(names)
