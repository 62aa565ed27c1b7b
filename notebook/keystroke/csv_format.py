"""The columns of a CSV of typings, and what can be wrong with a header or a row.

A row holds one typing: ``user,press-0,release-0,...,press-K-1,release-K-1``, times in whole ms. The
server checks the same; ``data/csv-cases.json`` holds both readers to the same files.
"""

import json
import re
from collections.abc import Sequence

from keystroke.csv_looks import NUMBER, USER_NAMES, describe_column, describe_header
from keystroke.csv_rows import DataError

UserID = int | str


MIN_KEYS = 2
"""Press-press times need two keys."""

MAX_TIME = 2**53 - 1
"""The largest whole number that JSON, and so the server, carries exactly."""

HOUR = 3_600_000
"""ms; nobody types one string for so long."""

FINER_UNITS = (
    (8_000_000, 'nanoseconds, divide them by 1,000,000'),
    (250_000, 'ticks of 100 ns, divide them by 10,000'),
    (10_000, 'microseconds, divide them by 1,000'),
)
"""Units finer than ms, by the median hold that only they explain, ms.

A key of a real typing is held for some tens to hundreds of ms, which are 10,000 times as many ticks
of 100 ns and a million times as many nanoseconds.
"""

LONGEST_FINER_HOLD = 10**10
"""Ten seconds in nanoseconds: a longer median hold is of no unit."""

FINER_DIGITS = {19: FINER_UNITS[0][1], 18: FINER_UNITS[1][1]}
"""Units of a time since 1970, or 1601, or the year 1, that has so many digits."""

LONGEST_IN_SECONDS = 60
"""Longer than anybody types a string, s; a typing shorter than this number is not in ms."""

LONGEST_QUOTED = 60
"""Characters of a file that a message repeats at most."""


# As many digits as MAX_TIME has: Python refuses to convert thousands of them. Some programs write
# whole numbers as 84.0.
_WHOLE = re.compile(r'(0|[1-9][0-9]{0,15})(?:\.0+)?')


# Python's white space and JavaScript's.
_ESCAPED = re.compile(r"^'(?=[=+@-])")
"""An apostrophe before what a spreadsheet would run as a formula; exports write it."""

_BLANK = re.compile(r'^[\s\ufeff]|[\s\ufeff]$')


_INTEGER_ID = re.compile(r'0|-?[1-9][0-9]{0,15}')


def header(keys: int) -> list[str]:
    """Return the column names for a string of so many keys.

    Examples
    --------
    >>> header(2)
    ['user', 'press-0', 'release-0', 'press-1', 'release-1']
    """
    return ['user', *(f'{event}-{key}' for key in range(keys) for event in ('press', 'release'))]


def _quote(text: str) -> str:
    """Quote a file's own text, shortened: a message does not repeat a field of a megabyte."""
    short = text if len(text) <= LONGEST_QUOTED else f'{text[:LONGEST_QUOTED]}…'
    return json.dumps(short, ensure_ascii=False)


def check_header(name: str, line: int, row: list[str]) -> list[str]:
    """Return the columns' names, ``user`` first.

    Raises
    ------
    DataError
        If the row is not a header of a CSV of typings.
    """
    if not row:
        raise DataError(
            f'{name}: the CSV is empty; a header user,press-0,release-0,... comes first'
        )
    while row and not row[-1]:
        row.pop()
    what = describe_header(row)
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
            joined = position < len(row) and describe_column(
                row[position], column, row[position + 1 :]
            )
            if joined:
                raise DataError(f'{name}, line {line}: {joined}')
            raise DataError(
                f'{name}, line {line}: column {position + 1} should be {column}, {what}'
            )
    if len(row) > len(expected):
        raise DataError(
            f'{name}, line {line}: column {len(row)}, {_quote(row[-1])}, is one too many; after '
            f'press-{keys} a release-{keys} is expected, or nothing'
        )
    return expected


def check_user(name: str, line: int, row: Sequence[str]) -> str:
    """Return a row's UserID as text.

    Raises
    ------
    DataError
        If it is empty, has blanks around it or a misplaced quotation mark.
    """
    user = _ESCAPED.sub('', row[0])
    why = None
    if not user or _BLANK.search(user):
        why = f'{_quote(user)} is empty or has blanks around it'
    elif '\ufffd' in user:
        why = 'not UTF-8, or it was not where it was last saved, and has U+FFFD instead'
    elif user.startswith('"'):
        why = f'{_quote(user)}: a quotation mark is misplaced'
    if why:
        raise DataError(f'{name}, line {line}, column user: {why}')
    return user


def check_times(name: str, line: int, columns: Sequence[str], row: list[str]) -> list[int]:
    """Return a row's times in ms, press and release of each key in turn.

    Raises
    ------
    DataError
        With the column: if one is missing or too many, not a whole number, out of order, or not
        milliseconds of a typing.
    """
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
    """Say what a fraction, or a number of so many digits, says of the unit."""
    finer = FINER_DIGITS.get(len(field)) if field.isascii() and field.isdigit() else None
    if finer:
        return f'; the times look like {finer} and round them'
    if not NUMBER.fullmatch(field) or '.' not in field:
        return ''
    if not all(NUMBER.fullmatch(time) for time in times):
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
    median = sorted(holds)[len(holds) // 2]
    finer = next((unit for least, unit in FINER_UNITS if median > least), None)
    if finer and median <= LONGEST_FINER_HOLD:
        return (
            f'release-0: {holds[0]} ms after its press; the times look like {finer} and round them'
        )
    for key, (down, hold) in enumerate(zip(press, holds, strict=True)):
        if key and down - press[key - 1] > HOUR:
            return (
                f'press-{key}: {down} is more than an hour after the last press, {press[key - 1]}'
            )
        if hold > HOUR:
            return f'release-{key}: {release[key]} is more than an hour after its press, {down}'
    return None


def user_ids(names: list[str]) -> list[UserID]:
    """Return integers where the whole column reads as integers, otherwise the text as it is."""
    # '007' is not an integer: read as 7 it would be another UserID than the file's.
    if all(_INTEGER_ID.fullmatch(name) and abs(int(name)) <= MAX_TIME for name in names):
        return [int(name) for name in names]
    return list(names)
