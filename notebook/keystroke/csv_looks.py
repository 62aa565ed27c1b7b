"""Say what a file looks like that is not a CSV of typings, and what to do about it.

The server says the same in ``server/src/typings/csv-looks.ts``; ``data/csv-cases.json`` holds both
to the same files.
"""

import re
from collections.abc import Sequence

USER_NAMES = ('user', 'userid', 'user_id', 'subject', 'participant')
"""Names of the first column, in any case."""

START_BYTES = 4
"""Bytes of a file that say what it is."""

LOG = (
    'looks like a log of single keys; a row has to hold a whole typing: user,press-0,release-0,...'
)

NUMBER = re.compile(r'-?[0-9]+(?:\.[0-9]+)?')

_STARTS = (
    (rb'\x1f\x8b\x08', 'it is compressed with gzip; send it uncompressed'),
    (rb'PK\x03\x04', 'it is a ZIP archive, as Excel workbooks are; export it as CSV'),
    (rb'\xff\xfe|\xfe\xff|.?\0', 'it is UTF-16; save it as UTF-8'),
    (rb'%PDF', 'it is a PDF'),
    (rb'(?:\xef\xbb\xbf)?\s*<', 'it is HTML, such as a page in place of the download'),
    (rb'(?:\xef\xbb\xbf)?\s*[{[]', 'it is JSON'),
)
"""Magic numbers of files that people have in place of a CSV."""

_LOG_COLUMN = re.compile(
    r'event|timestamp|event_?type|direction|key_?code|key_?name|key_?[0-9]?|letter'
    r'|keystroke_?id|(?:press|release)[ _]?time',
    re.IGNORECASE,
)
"""Columns of logs: the 136M keystrokes of Aalto, BB-MAS, KeyRecs, those written with pynput."""

_LOG_FIELD = re.compile(
    r"'.'|key\.\w+|(?:key[ _]?)?(?:down|up|press|pressed|release|released)", re.IGNORECASE
)
"""A key as pynput writes it, or what it did."""

_KEY = re.compile(r'[^\W\d_]|space|shift|enter|backspace', re.IGNORECASE)
"""A key, or a user of a short name."""


def describe_start(raw: bytes) -> str | None:
    """Recognize by its first bytes what is not UTF-8 text in columns."""
    start = raw[:START_BYTES]
    return next((what for magic, what in _STARTS if re.match(magic, start, re.DOTALL)), None)


def describe_separator(line: str) -> str | None:
    """Say what separates the fields of a file's first line where commas do not."""
    for separator, what in ((';', 'semicolons'), ('\t', 'tabs')):
        # A sentence in one of the fields may have commas.
        if separator in line and (',' not in line or line.count(separator) > 1):
            log = f'; it {LOG}' if _is_log(line.split(separator)) else ''
            return f'fields are separated by {what}; use commas{log}'
    return None


def describe_header(row: Sequence[str]) -> str | None:
    """Say what a first line that is not the header looks like; None if it may be one."""
    first, second = (field.lower() for field in (*row, '', '')[:2])
    looks = [
        (
            first.startswith('version https://git-lfs'),
            'the file is a pointer of Git LFS; git lfs pull gets the file itself',
        ),
        (first.startswith('sep='), 'sep= is read by Excel alone; remove this line'),
        (
            not first and (second == 'press-0' or second in USER_NAMES),
            'column 1 has no name; it looks like a data frame index, remove it',
        ),
        (_is_log(row), LOG),
        (
            any(re.fullmatch(r'(?:h|dd|ud)\..+', field, re.IGNORECASE) for field in row),
            'looks like hold (H.) and press-press (DD.) times, as in the CMU benchmark; '
            'docs/csv.md makes press and release times of them: user,press-0,release-0,...',
        ),
        (
            len(row) > 2 and all(NUMBER.fullmatch(field) for field in row[1:]),
            'looks like a typing; a header user,press-0,release-0,... comes first',
        ),
    ]
    return next((what for is_it, what in looks if is_it), None)


def _is_log(row: Sequence[str]) -> bool:
    """Say whether a line is of a log of single keys, its header or a row."""
    if any(_LOG_COLUMN.fullmatch(field) for field in row):
        return True
    times = [field for field in row if NUMBER.fullmatch(field)]
    if times and any(_LOG_FIELD.fullmatch(field) for field in row):
        return True
    # A typing has one field that is not a number at most, its user, and two times for each key.
    is_typing = len(times) >= len(row) - 1 and len(times) % 2 == 0
    return bool(times) and not is_typing and any(_KEY.fullmatch(field) for field in row)


def describe_column(column: str, expected: str, rest: Sequence[str]) -> str | None:
    """Say whether the last name of a header and the row after it have become one field."""
    is_joined = len(column) > len(expected) and column.lower().startswith(expected)
    if is_joined and any(NUMBER.fullmatch(field) for field in rest):
        return 'the file has no line ends; curl keeps them with --data-binary, and not with -d'
    return None
