"""Read a CSV file as rows of text: UTF-8, commas, any line end."""

import csv
import io
from collections.abc import Iterator
from pathlib import Path


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


def _check_separator(name: str, text: str) -> None:
    # Before the fields are cut: quoted ones are not whole where something else than commas follows.
    for line, content in enumerate(text.splitlines(), 1):
        if not content.strip():
            continue
        for separator, what in ((';', 'semicolons'), ('\t', 'tabs')):
            if separator in content and ',' not in content:
                raise DataError(f'{name}, line {line}: fields are separated by {what}; use commas')
        return
