import json
import re
from pathlib import Path
from typing import Any

import pytest
from conftest import HEAD, ROOT, read

from keystroke.csv_rows import DataError

WHOLE = 'is not a whole number of ms from 0 to 2^53 - 1'


HEADER_FAULTS = {
    'an empty file': ('', ': the CSV is empty; a header user,press-0,release-0,... comes first'),
    'only blank lines': (
        '\n\n',
        ': the CSV is empty; a header user,press-0,release-0,... comes first',
    ),
    'a header alone': (HEAD, ': no typing after the header'),
    'a column missing in the middle': (
        'user,press-0,release-0,release-1\n1,0,5,9\n',
        ', line 1: column 4 should be press-1, is "release-1"',
    ),
    'the last column missing': (
        'user,press-0,release-0,press-1\n1,0,5,9\n',
        ', line 1: column 5 should be release-1, is missing',
    ),
    'a single key': (
        'user,press-0,release-0\n1,0,5\n',
        ', line 1: column 4 should be press-1, is missing',
    ),
    'a press without a release at the end': (
        'user,press-0,release-0,press-1,release-1,press-2\n1,0,5,9,12,15\n',
        ', line 1: column 6, "press-2", is one too many; after press-2 a release-2 is expected, '
        'or nothing',
    ),
    'two columns too many': (
        'user,press-0,release-0,press-1,release-1,age,session\n1,0,5,9,12,40,1\n',
        ', line 1: column 6 should be press-2, is "age"',
    ),
    'a renamed column': (
        'user,press-0,release-0,down-1,release-1\n1,0,5,9,12\n',
        ', line 1: column 4 should be press-1, is "down-1"',
    ),
    'a renamed user column': (
        'typist,press-0,release-0,press-1,release-1\n1,0,5,9,12\n',
        ', line 1: column 1 should be user, is "typist"',
    ),
    'reordered columns': (
        'user,press-0,press-1,release-0,release-1\n1,0,9,5,12\n',
        ', line 1: column 3 should be release-0, is "press-1"',
    ),
    'no header': (
        '1,0,5,9,12\n',
        ', line 1: looks like a typing; a header user,press-0,release-0,... comes first',
    ),
    'semicolons': (
        HEAD.replace(',', ';') + '1;0;5;9;12\n',
        ', line 1: fields are separated by semicolons; use commas',
    ),
    'a faulty header below a blank line': (
        '\ntypist,press-0,release-0,press-1,release-1\n1,0,5,9,12\n',
        ', line 2: column 1 should be user, is "typist"',
    ),
}


ROW_FAULTS = {
    'too few fields': (
        '2,0,5,9',
        'line 3, column release-1: missing; the row has 4 of 5 fields',
    ),
    'too many fields': ('2,0,5,9,12,13', 'line 3, column 6: one too many; the header has 5'),
    'a name of blanks': (
        '  ,0,5,9,12',
        'line 3, column user: "  " is empty or has blanks around it',
    ),
    'text in a number': ('2,0,five,9,12', f'line 3, column release-0: "five" {WHOLE}'),
    'nothing in a number': ('2,0,5,,12', f'line 3, column press-1: "" {WHOLE}'),
    'a negative number': ('2,-1,5,9,12', f'line 3, column press-0: "-1" {WHOLE}'),
    'a decimal fraction': (
        '2,0,5,9,12.5',
        f'line 3, column release-1: "12.5" {WHOLE}; the times look like seconds, multiply them by '
        '1000 and round them',
    ),
    'an exponent': ('2,0,5,9,1e3', f'line 3, column release-1: "1e3" {WHOLE}'),
    'a blank before a number': ('2,0, 5,9,12', f'line 3, column release-0: " 5" {WHOLE}'),
    'a leading zero': ('2,0,05,9,12', f'line 3, column release-0: "05" {WHOLE}'),
    'an underscore': ('2,0,5,9,1_2', f'line 3, column release-1: "1_2" {WHOLE}'),
    'digits of another script': ('2,0,٥,9,12', f'line 3, column release-0: "٥" {WHOLE}'),
    'a number that JSON rounds': (
        '2,0,5,9,9007199254740992',
        f'line 3, column release-1: "9007199254740992" {WHOLE}',
    ),
    'a number longer than Python converts': (
        '2,0,5,9,' + '9' * 5000,
        f'line 3, column release-1: "{"9" * 60}…" {WHOLE}',
    ),
    'a release before its press': (
        '2,5,4,9,12',
        'line 3, column release-0: 4 is before its press, 5',
    ),
    'presses out of order': ('2,5,9,4,12', 'line 3, column press-1: 4 is before the last press, 5'),
    'no user': (',0,5,9,12', 'line 3, column user: "" is empty or has blanks around it'),
    'a blank before a user': (
        ' 2,0,5,9,12',
        'line 3, column user: " 2" is empty or has blanks around it',
    ),
    'a blank after a user': (
        '2 ,0,5,9,12',
        'line 3, column user: "2 " is empty or has blanks around it',
    ),
    'a quote never closed': ('"2,0,5,9,12', 'line 3: a quote is opened and never closed'),
    'text after a closing quote': ('"2"2,0,5,9,12', 'line 3: a quotation mark is misplaced'),
}


@pytest.mark.parametrize(('content', 'message'), HEADER_FAULTS.values(), ids=HEADER_FAULTS)
def test_a_file_that_starts_wrong_is_refused_in_one_sentence(
    tmp_path: Path, content: str, message: str
) -> None:
    with pytest.raises(DataError) as refused:
        read(tmp_path, content)
    assert str(refused.value) == 'typings.csv' + message


@pytest.mark.parametrize(('row', 'message'), ROW_FAULTS.values(), ids=ROW_FAULTS)
def test_a_faulty_row_is_refused_with_its_line_and_column(
    tmp_path: Path, row: str, message: str
) -> None:
    with pytest.raises(DataError) as refused:
        read(tmp_path, f'{HEAD}1,0,5,9,12\n{row}\n3,0,5,9,12\n')
    assert str(refused.value) == f'typings.csv, {message}'


@pytest.mark.parametrize('mark', [b'', b'\xef\xbb\xbf'], ids=['no mark', 'byte order mark'])
@pytest.mark.parametrize('before', [b'', b'caf'], ids=['first in its line', 'further on'])
def test_bytes_that_are_not_utf8_are_refused_with_their_line(
    tmp_path: Path, mark: bytes, before: bytes
) -> None:
    with pytest.raises(DataError) as refused:
        read(tmp_path, mark + HEAD.encode() + b'1,0,5,9,12\n' + before + b'\xe9,0,5,9,12\n')
    assert str(refused.value) == 'typings.csv, line 3: not UTF-8'


def test_the_line_is_right_below_blank_lines_and_quoted_line_breaks(tmp_path: Path) -> None:
    with pytest.raises(DataError) as refused:
        read(tmp_path, f'{HEAD}"a\nb",0,5,9,12\n\n\nc,0,5,9,12\nd,0,5,9,x\n')
    assert str(refused.value) == f'typings.csv, line 7, column release-1: "x" {WHOLE}'


def test_a_record_over_several_lines_is_named_by_its_first(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r'^typings\.csv, line 2, column release-1: '):
        read(tmp_path, f'{HEAD}"a\nb",0,5,9,x\n')


@pytest.mark.parametrize(
    'content',
    [
        b'\xef\xbb\xbf' + f'{HEAD}7,0,80,100,180\n'.encode(),
        f'{HEAD}7,0,80,100,180\n'.replace('\n', '\r\n'),
        f'{HEAD}"7","0","80","100","180"\n',
        b'\xef\xbb\xbf' + f'{HEAD}7,0,80,100,180\n'.replace('user', '"user"').encode(),
        f'\n{HEAD}\n7,0,80,100,180\n\n',
        f'{HEAD}7,0,80,100,180',
    ],
    ids=[
        'byte order mark',
        'CRLF',
        'quoted fields',
        'byte order mark before a quote',
        'blank lines',
        'no final newline',
    ],
)
def test_the_forms_in_which_programs_write_csv_read_alike(
    tmp_path: Path, content: str | bytes
) -> None:
    typings = read(tmp_path, content)
    assert typings.users == [7]
    assert typings.press.tolist() == [[0, 100]]
    assert typings.release.tolist() == [[80, 180]]


@pytest.mark.parametrize(
    ('names', 'expected'),
    [
        (['12', '-3', '0'], [12, -3, 0]),
        (['ana', 'Zoë', 'o. b'], ['ana', 'Zoë', 'o. b']),
        (['007', '8', '9'], ['007', '8', '9']),
        (['1', '2', 'ana'], ['1', '2', 'ana']),
        (['1', '-0', '2'], ['1', '-0', '2']),
        (['1', '1.0', '2'], ['1', '1.0', '2']),
        (['1', '9007199254740991', '2'], [1, 9007199254740991, 2]),
        (['1', '9007199254740992', '2'], ['1', '9007199254740992', '2']),
        (['1', '9' * 5000, '2'], ['1', '9' * 5000, '2']),
    ],
    ids=[
        'integers',
        'strings',
        'a leading zero',
        'mixed',
        'minus zero',
        'a fraction',
        'the largest integer',
        'beyond the largest integer',
        'longer than Python converts',
    ],
)
def test_user_ids_are_integers_where_all_are_and_strings_otherwise(
    tmp_path: Path, names: list[str], expected: list[int | str]
) -> None:
    rows = ''.join(f'{name},0,5,9,12\n' for name in names)
    users = read(tmp_path, HEAD + rows).users
    assert users == expected
    assert [type(user) for user in users] == [type(user) for user in expected]


CASES = json.loads((ROOT / 'data' / 'csv-cases.json').read_text('utf-8'))['cases']


@pytest.mark.parametrize('case', CASES, ids=[case['name'] for case in CASES])
def test_what_the_server_takes_training_takes_and_what_it_refuses_training_refuses(
    tmp_path: Path, case: dict[str, Any]
) -> None:
    content = bytes.fromhex(case['bytes']) if 'bytes' in case else case['text'].encode()
    if 'rows' in case:
        typings = read(tmp_path, content)
        found = zip(typings.lines.tolist(), typings.users, strict=True)
        assert [list(row) for row in found] == case['rows']
        return
    with pytest.raises(DataError) as refused:
        read(tmp_path, content)
    message = str(refused.value)
    assert case['says'] in message
    if 'line' in case:
        assert re.match(rf'typings\.csv, line {case["line"]}[,:]', message)
    assert len(message) < 250
