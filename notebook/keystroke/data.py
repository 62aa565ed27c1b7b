"""Read recorded typings from a CSV, and refuse what cannot be one.

A typing is one entry of the fixed string: for each of its K keys a press and a release time in
whole milliseconds. The file's header says K: ``user,press-0,release-0,...,press-K-1,release-K-1``.
The server reads the same format in ``server/src/csv.ts``.

``data/csv-cases.json`` holds both readers to the same files.

Which string it was may stand beside the CSV, in a text file of the same name: ``typings.txt`` of
``typings.csv``.
"""

import csv
import hashlib
import io
import json
import re
import unicodedata
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

USER_NAMES = ('user', 'userid', 'user_id', 'subject', 'participant')
"""Names of the first column, in any case."""

HOUR = 3_600_000
"""ms; nobody types one string for so long."""

LONGEST_MEDIAN_HOLD = 10_000
"""ms; a key of a real typing is held for some tens to hundreds, and ten times longer than this only
if the unit is microseconds."""

LONGEST_IN_SECONDS = 60
"""Longer than anybody types a string, s; a typing shorter than this number is not in ms."""

LONGEST_QUOTED = 60
"""Characters of a file that a message repeats at most."""

# As many digits as MAX_TIME has: Python refuses to convert thousands of them. Some programs write
# whole numbers as 84.0.
_WHOLE = re.compile(r'(0|[1-9][0-9]{0,15})(?:\.0+)?')
_NUMBER = re.compile(r'-?[0-9]+(?:\.[0-9]+)?')
# Python's white space and JavaScript's.
_BLANK = re.compile(r'^[\s\ufeff]|[\s\ufeff]$')
_EVENT = re.compile(r'event|timestamp|event_?type', re.IGNORECASE)
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

    UTF-8 with or without a byte order mark; LF, CRLF or CR line ends; quoted fields or not; the
    header in any case, its first column named as in ``USER_NAMES``; whole numbers also as ``84.0``.
    Blank rows and empty fields after the last column are left out. UserIDs are integers where the
    whole column reads as integers, otherwise strings as they are.

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
    raw, rows = read_rows(path)
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


def read_rows(path: Path) -> tuple[bytes, Iterator[tuple[int, list[str]]]]:
    """Read a CSV as text in fields: UTF-8, commas, any line end, blank rows left out.

    Parameters
    ----------
    path : Path

    Returns
    -------
    raw : bytes
        The file.
    rows : iterator of (int, list of str)
        First line of each row, from 1, and its fields.

    Raises
    ------
    DataError
        If the file cannot be read, or is no such text; a misplaced quote only once its row is read.
    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise DataError(f'{path}: {error.strerror or error}') from error
    why = _why_not_text(raw)
    if why:
        raise DataError(f'{path.name}: the file is not a CSV: {why}')
    try:
        text = raw.decode('utf-8-sig')
    except UnicodeDecodeError as error:
        # error.object is what error.start counts in: the bytes without the byte order mark.
        line = error.object.count(b'\n', 0, error.start) + 1
        raise DataError(f'{path.name}, line {line}: not UTF-8') from error

    _check_separator(path.name, text)
    return raw, _rows(path.name, text)


def require_trainable(typings: Typings) -> None:
    """Refuse typings that no classifier can be fitted on and tested with.

    Raises
    ------
    DataError
        If there are fewer than two users, or a user with fewer than two typings; if a user's
        typings are all equal, or those of two users; if all keys were held for 0 ms.
    """
    shape = np.hstack([typings.press, typings.release]) - typings.press[:, :1]
    rows: dict[UserID, list[int]] = {}
    for row, user in enumerate(typings.users):
        rows.setdefault(user, []).append(row)

    def refuse(user: UserID, why: str) -> DataError:
        line = typings.lines[rows[user][0]]
        return DataError(f'{typings.name}, line {line}, column user: {user!r} {why}')

    if len(rows) < 2:
        raise refuse(typings.users[0], 'is the only user; telling users apart needs at least two')
    same: dict[frozenset[bytes], UserID] = {}
    for user, own in rows.items():
        if len(own) < MIN_TYPINGS_PER_USER:
            why = 'each user needs at least two, one to learn from and one to test on'
            raise refuse(user, f'has one typing; {why}')
        different = frozenset(row.tobytes() for row in shape[own])
        if len(different) == 1:
            raise refuse(user, f'has {len(own)} equal typings; people never type twice alike')
        if different in same:
            raise refuse(user, f'has the same typings as {same[different]!r}')
        same[different] = user
    if not (typings.release - typings.press).any():
        raise DataError(
            f'{typings.name}, line {typings.lines[0]}: every key of every typing was held for '
            '0 ms; releases were not recorded'
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
        'longest typing, ms': int((release.max(axis=1) - press[:, 0]).max()),
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
    # As keyboards type: some programs write é as two characters.
    string = unicodedata.normalize('NFC', text.removesuffix('\n').removesuffix('\r'))
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
    """Yield each record with its first line; leave out blank rows, such as Excel's of commas."""
    reader = csv.reader(io.StringIO(text, newline=''), strict=True)
    line = 1
    while True:
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise DataError(f'{name}, line {line}: {_explain(error)}') from error
        if any(field.strip() for field in row):
            yield line, row
        line = reader.line_num + 1


def _explain(error: csv.Error) -> str:
    if 'unexpected end of data' in str(error):
        return 'a quote is opened and never closed'
    if "expected after '" in str(error):
        return 'a quotation mark is misplaced'
    return str(error)


def _why_not_text(raw: bytes) -> str | None:
    """Recognize by its first bytes what is not UTF-8 text; the server has the same words."""
    if raw.startswith(b'\x1f\x8b\x08'):
        return 'it is compressed with gzip; send it uncompressed'
    if raw.startswith(b'PK\x03\x04'):
        return 'it is a ZIP archive, as Excel workbooks are; export it as CSV'
    if raw.startswith((b'\xff\xfe', b'\xfe\xff')) or b'\0' in raw[:2]:
        return 'it is UTF-16; save it as UTF-8'
    return None


def _quote(text: str) -> str:
    """Quote a file's own text, shortened: a message does not repeat a field of a megabyte."""
    short = text if len(text) <= LONGEST_QUOTED else f'{text[:LONGEST_QUOTED]}…'
    return json.dumps(short, ensure_ascii=False)


def _check_separator(name: str, text: str) -> None:
    # Before the fields are cut: quoted ones are not whole where something else than commas follows.
    for line, content in enumerate(text.splitlines(), 1):
        if not content.strip():
            continue
        for separator, what in ((';', 'semicolons'), ('\t', 'tabs')):
            if separator in content and ',' not in content:
                raise DataError(f'{name}, line {line}: fields are separated by {what}; use commas')
        return


def _check_header(name: str, line: int, row: list[str]) -> list[str]:
    if not row:
        raise DataError(
            f'{name}: the CSV is empty; a header user,press-0,release-0,... comes first'
        )
    while row and not row[-1]:
        row.pop()
    what = _describe_header(row)
    if what:
        raise DataError(f'{name}, line {line}: {what}')
    keys = max((len(row) - 1) // 2, MIN_KEYS)
    expected = header(keys)
    lower = [column.lower() for column in row]
    if lower[0] in USER_NAMES:
        lower[0] = 'user'
    for position, column in enumerate(expected):
        if position >= len(row) or lower[position] != column:
            what = 'is missing' if position >= len(row) else f'is {_quote(row[position])}'
            raise DataError(
                f'{name}, line {line}: column {position + 1} should be {column}, {what}'
            )
    if len(row) > len(expected):
        raise DataError(
            f'{name}, line {line}: column {len(row)}, {_quote(row[-1])}, is one too many; after '
            f'press-{keys} a release-{keys} is expected, or nothing'
        )
    return expected


def _describe_header(row: Sequence[str]) -> str | None:
    """Say what a first line that is not the header looks like; None if it may be one."""
    first, second = (field.lower() for field in (*row, '', '')[:2])
    looks = [
        (first.startswith('sep='), 'sep= is read by Excel alone; remove this line'),
        (
            not first and (second == 'press-0' or second in USER_NAMES),
            'column 1 has no name; it looks like a data frame index, remove it',
        ),
        (
            len(row) > MIN_KEYS and all(_NUMBER.fullmatch(field) for field in row[1:]),
            'looks like a typing; a header user,press-0,release-0,... comes first',
        ),
        (
            any(_EVENT.fullmatch(field) for field in row),
            'looks like a log of key events; a row has to hold a whole typing: '
            'user,press-0,release-0,...',
        ),
    ]
    return next((what for is_it, what in looks if is_it), None)


def _check_user(name: str, line: int, row: Sequence[str]) -> str:
    user = row[0]
    why = None
    if not user or _BLANK.search(user):
        why = f'{_quote(user)} is empty or has blanks around it'
    elif user.startswith('"'):
        why = f'{_quote(user)}: a quotation mark is misplaced'
    if why:
        raise DataError(f'{name}, line {line}, column user: {why}')
    return user


def _check_times(name: str, line: int, columns: Sequence[str], row: list[str]) -> list[int]:
    while len(row) > len(columns) and not row[-1]:
        row.pop()
    if len(row) < len(columns):
        raise DataError(
            f'{name}, line {line}, column {columns[len(row)]}: missing; the row has {len(row)} of '
            f'{len(columns)} fields'
        )
    if len(row) > len(columns):
        raise DataError(
            f'{name}, line {line}, column {len(columns) + 1}: one too many; the header has '
            f'{len(columns)}'
        )
    times: list[int] = []
    for column, field in zip(columns[1:], row[1:], strict=True):
        whole = _WHOLE.fullmatch(field)
        if not whole or int(whole[1]) > MAX_TIME:
            raise DataError(
                f'{name}, line {line}, column {column}: {_quote(field)} is not a whole number of '
                f'ms from 0 to 2^53 - 1{_hint(field, row[1:])}'
            )
        times.append(int(whole[1]))
    press, release = times[0::2], times[1::2]
    fault = _find_fault(press, release) or _find_implausible(press, release)
    if fault:
        raise DataError(f'{name}, line {line}, column {fault}')
    return times


def _hint(field: str, times: Sequence[str]) -> str:
    """Say what a fraction says of the unit, by how long the typing took."""
    if not _NUMBER.fullmatch(field) or '.' not in field:
        return ''
    if not all(_NUMBER.fullmatch(time) for time in times):
        return '; round the times'
    numbers = [float(time) for time in times]
    if max(numbers) - min(numbers) < LONGEST_IN_SECONDS:
        return '; the times look like seconds, multiply them by 1000 and round them'
    return '; round the times'


def _find_fault(press: Sequence[int], release: Sequence[int]) -> str | None:
    """Find what no keyboard can have sent."""
    for key, (down, up) in enumerate(zip(press, release, strict=True)):
        if up < down:
            return f'release-{key}: {up} is before its press, {down}'
        if key and down < press[key - 1]:
            return f'press-{key}: {down} is before the last press, {press[key - 1]}'
    return None


def _find_implausible(press: Sequence[int], release: Sequence[int]) -> str | None:
    """Find times that are possible, and yet not milliseconds of a typing."""
    holds = [up - down for down, up in zip(press, release, strict=True)]
    if LONGEST_MEDIAN_HOLD < sorted(holds)[len(holds) // 2] < HOUR:
        return (
            f'release-0: {holds[0]} ms after its press; the times look like microseconds, divide '
            'them by 1000'
        )
    for key, (down, hold) in enumerate(zip(press, holds, strict=True)):
        if key and down - press[key - 1] > HOUR:
            return (
                f'press-{key}: {down} is more than an hour after the last press, {press[key - 1]}'
            )
        if hold > HOUR:
            return f'release-{key}: {release[key]} is more than an hour after its press, {down}'
    return None


def _user_ids(names: list[str]) -> list[UserID]:
    # '007' is no integer: read as 7 it would be another UserID than the file's.
    if all(_INTEGER_ID.fullmatch(name) and abs(int(name)) <= MAX_TIME for name in names):
        return [int(name) for name in names]
    return list(names)
