"""Read recorded typings from a CSV, and refuse what cannot be one.

A typing is one entry of the fixed string: for each of its K keys a press and a release time in
whole milliseconds. The file's header says K: ``user,press-0,release-0,...,press-K-1,release-K-1``.
The server reads the same format in ``server/src/typings/csv.ts``.

``data/csv-cases.json`` holds both readers to the same files.

The string may be given beside the CSV, in a text file of the same name: ``typings.txt`` of
``typings.csv``.
"""

import hashlib
import unicodedata
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from keystroke.csv_format import UserID, check_header, check_times, check_user, user_ids
from keystroke.csv_rows import DataError, read_rows

SAMPLE = Path(__file__).resolve().parents[2] / 'data' / 'sample.csv'
"""The synthetic sample, which ``data/generate.py`` made."""

MIN_TYPINGS_PER_USER = 2
"""One to learn from and one to test on."""


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


def is_sample(typings: Typings) -> bool:
    """Say whether typings are those of the synthetic sample, which no person typed."""
    return SAMPLE.exists() and typings.sha256 == hashlib.sha256(SAMPLE.read_bytes()).hexdigest()


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
    columns = check_header(path.name, line, head)
    lines: list[int] = []
    names: list[str] = []
    times: list[list[int]] = []
    for line, row in rows:
        names.append(check_user(path.name, line, row))
        times.append(check_times(path.name, line, columns, row))
        lines.append(line)
    if not times:
        raise DataError(f'{path.name}: no typing after the header')

    table = np.array(times, dtype=np.int64)
    return Typings(
        name=path.name,
        sha256=hashlib.sha256(raw).hexdigest(),
        string=_read_string(path, (len(columns) - 1) // 2),
        users=user_ids(names),
        lines=np.array(lines, dtype=np.int64),
        press=table[:, 0::2],
        release=table[:, 1::2],
    )


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
    """Read the one line of the text file beside a CSV; None if the file does not exist."""
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


def encode_users(users: list[UserID]) -> tuple[list[UserID], NDArray[np.int64]]:
    """Give users numbers from 0 in sorted order, as XGBoost demands and scikit-learn does inside.

    Parameters
    ----------
    users : list of int or of str, length N

    Returns
    -------
    classes : list of int or of str, length C
        UserID of each class index; what maps a model's answer back.
    y : ndarray of int64, shape (N,)
        Class index of each typing.
    """
    classes = sorted(set(users))
    index = {user: i for i, user in enumerate(classes)}
    return classes, np.array([index[user] for user in users], dtype=np.int64)
