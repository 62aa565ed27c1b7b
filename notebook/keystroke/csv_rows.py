"""Read a CSV file as rows of text: UTF-8, commas, any line end."""

import csv
import io
from collections.abc import Iterator
from pathlib import Path

from keystroke.csv_looks import describe_separator, describe_start


class DataError(ValueError):
    """A CSV that is not a set of typings; the message names file, line and column."""


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
        If the file cannot be read or is not such text; for a misplaced quote once its row is read.
    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise DataError(f'{path}: {error.strerror or error}') from error
    why = describe_start(raw)
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
    # Rows of a real file are far shorter; what is longer follows a quote.
    if 'field larger than' in str(error):
        return 'a quote is opened and never closed'
    return str(error)


def _check_separator(name: str, text: str) -> None:
    # Before the fields are cut: quoted ones are not whole where something else than commas follows.
    line, content = next(
        ((line, row) for line, row in enumerate(text.splitlines(), 1) if row.strip()), (0, '')
    )
    what = describe_separator(content)
    if what:
        raise DataError(f'{name}, line {line}: {what}')
