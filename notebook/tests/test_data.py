import hashlib
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import ROOT

from keystroke.data import DataError, Typings, read_typings, require_trainable, summarize

HEAD = 'user,press-0,release-0,press-1,release-1\n'
WHOLE = 'is not a whole number of ms from 0 to 2^53 - 1'


def read(folder: Path, content: str | bytes) -> Typings:
    path = folder / 'typings.csv'
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_typings(path)


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


def test_a_missing_file_is_refused_by_its_path(tmp_path: Path) -> None:
    with pytest.raises(DataError) as refused:
        read_typings(tmp_path / 'none.csv')
    assert str(refused.value) == f'{tmp_path}/none.csv: No such file or directory'


def test_a_directory_is_refused_by_its_path(tmp_path: Path) -> None:
    with pytest.raises(DataError) as refused:
        read_typings(tmp_path)
    assert str(refused.value) == f'{tmp_path}: Is a directory'


def test_the_line_is_right_below_blank_lines_and_quoted_line_breaks(tmp_path: Path) -> None:
    with pytest.raises(DataError) as refused:
        read(tmp_path, f'{HEAD}"a\nb",0,5,9,12\n\n\nc,0,5,9,12\nd,0,5,9,x\n')
    assert str(refused.value) == f'typings.csv, line 7, column release-1: "x" {WHOLE}'


def test_a_record_over_several_lines_is_named_by_its_first(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r'^typings\.csv, line 2, column release-1: '):
        read(tmp_path, f'{HEAD}"a\nb",0,5,9,x\n')


def test_typings_are_read_as_they_stand(tmp_path: Path) -> None:
    content = f'{HEAD}7,0,80,100,180\n3,10,10,60,200\n'
    typings = read(tmp_path, content)
    assert typings.name == 'typings.csv'
    assert typings.sha256 == hashlib.sha256(content.encode()).hexdigest()
    assert typings.users == [7, 3]
    assert typings.lines.tolist() == [2, 3]
    assert typings.press.tolist() == [[0, 100], [10, 60]]
    assert typings.release.tolist() == [[80, 180], [10, 200]]
    assert typings.press.dtype == typings.release.dtype == np.int64
    assert (len(typings), typings.keys) == (2, 2)


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


def test_a_key_may_go_down_before_the_last_is_up_and_come_up_before_it(tmp_path: Path) -> None:
    typings = read(tmp_path, f'{HEAD}1,0,90,50,60\n')
    assert typings.release.tolist() == [[90, 60]]


def test_the_largest_time_that_json_carries_is_read_exactly(tmp_path: Path) -> None:
    typings = read(
        tmp_path, f'{HEAD}1,9007199254740980,9007199254740985,9007199254740989,9007199254740991\n'
    )
    assert typings.release.tolist() == [[2**53 - 7, 2**53 - 1]]


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


def test_users_may_have_unequal_numbers_of_typings(tmp_path: Path) -> None:
    rows = ''.join(f'{user},0,{row},9,12\n' for row, user in enumerate((1, 1, 2, 2, 2)))
    typings = read(tmp_path, HEAD + rows)
    require_trainable(typings)
    assert summarize(typings)['fewest typings of a user'] == 2
    assert summarize(typings)['most typings of a user'] == 3


def test_a_single_user_is_refused_for_training(tmp_path: Path) -> None:
    with pytest.raises(DataError) as refused:
        require_trainable(read(tmp_path, f'{HEAD}\nana,0,5,9,12\nana,0,6,9,12\n'))
    assert str(refused.value) == (
        "typings.csv, line 3, column user: 'ana' is the only user; telling users apart needs at "
        'least two'
    )


STRINGS = {
    'a final line feed': ('ab\n', 'ab'),
    'a final CRLF': ('ab\r\n', 'ab'),
    'no final line feed': ('ab', 'ab'),
    'a byte order mark': ('\ufeffab\n', 'ab'),
    'blanks are keys too': (' a\n', ' a'),
    'letters beyond ASCII': ('öß\n', 'öß'),
}


@pytest.mark.parametrize(('text', 'string'), STRINGS.values(), ids=STRINGS)
def test_the_string_is_read_from_the_text_file_beside(
    tmp_path: Path, text: str, string: str
) -> None:
    (tmp_path / 'typings.txt').write_bytes(text.encode())
    assert read(tmp_path, f'{HEAD}7,0,80,100,180\n').string == string


def test_without_a_text_file_beside_the_string_is_not_known(tmp_path: Path) -> None:
    (tmp_path / 'others.txt').write_text('ab\n')
    assert read(tmp_path, f'{HEAD}7,0,80,100,180\n').string is None


def test_a_csv_that_is_itself_named_txt_has_none_beside(tmp_path: Path) -> None:
    path = tmp_path / 'typings.txt'
    path.write_text(f'{HEAD}7,0,80,100,180\n')
    assert read_typings(path).string is None


STRING_FAULTS: dict[str, tuple[bytes, str]] = {
    'too short': (
        b'a\n',
        "'a' has 1 characters, and the typings in typings.csv have 2 keys; this file holds the "
        'string that was typed',
    ),
    'empty': (
        b'',
        "'' has 0 characters, and the typings in typings.csv have 2 keys; this file holds the "
        'string that was typed',
    ),
    'two lines': (
        b'a\nb\n',
        "'a\\nb' is not one line of printable characters; this file holds the string whose "
        'typings are in typings.csv',
    ),
    'not UTF-8': (b'\xe9\xe9', 'not UTF-8'),
}


@pytest.mark.parametrize(('text', 'message'), STRING_FAULTS.values(), ids=STRING_FAULTS)
def test_a_text_file_that_cannot_be_the_string_is_refused(
    tmp_path: Path, text: bytes, message: str
) -> None:
    (tmp_path / 'typings.txt').write_bytes(text)
    with pytest.raises(DataError) as refused:
        read(tmp_path, f'{HEAD}7,0,80,100,180\n')
    assert str(refused.value) == f'typings.txt: {message}'


def test_a_user_with_a_single_typing_is_refused_for_training(tmp_path: Path) -> None:
    with pytest.raises(DataError) as refused:
        require_trainable(read(tmp_path, f'{HEAD}1,0,5,9,12\n4,0,5,9,12\n1,0,6,9,12\n'))
    assert str(refused.value) == (
        'typings.csv, line 3, column user: 4 has one typing; each user needs at least two, one to '
        'learn from and one to test on'
    )


def test_the_summary_counts_what_is_legitimate_but_worth_knowing(tmp_path: Path) -> None:
    rows = [
        'ana,0,80,100,180',
        'bob,0,80,100,180',  # the same times as ana's
        'ana,0,0,100,100',  # two hold times of zero
        'bob,0,120,100,110',  # keys overlap, and come up out of order
    ]
    assert summarize(read(tmp_path, HEAD + '\n'.join(rows))) == {
        'typings': 4,
        'users': 2,
        'fewest typings of a user': 2,
        'most typings of a user': 2,
        'keys of the string': 2,
        'duplicate typings': 1,
        'hold times of zero': 2,
        'negative release-press times (keys overlap)': 1,
        'negative release-release times (released out of order)': 1,
        'longest typing, ms': 180,
    }


def test_the_recorded_data_is_summarized_as_known(real_typings: Typings) -> None:
    summary = summarize(real_typings)
    assert summary['typings'] == 880
    assert summary['users'] == 110
    assert summary['fewest typings of a user'] == summary['most typings of a user'] == 8
    assert summary['keys of the string'] == 13
    assert summary['hold times of zero'] == 57
    assert summary['negative release-press times (keys overlap)'] == 1091


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


UNTRAINABLE = {
    'one user’s typings all equal': (
        '1,0,5,9,12\n1,0,6,9,12\n2,0,5,9,13\n2,10,15,19,23\n',
        'typings.csv, line 4, column user: 2 has 2 equal typings; people never type twice alike',
    ),
    'all typings equal': (
        '1,0,5,9,12\n1,0,5,9,12\n2,0,5,9,12\n2,0,5,9,12\n',
        'typings.csv, line 2, column user: 1 has 2 equal typings; people never type twice alike',
    ),
    'two users with the same typings': (
        '1,0,5,9,12\n1,0,6,9,12\n2,7,13,16,19\n2,7,12,16,19\n',
        'typings.csv, line 4, column user: 2 has the same typings as 1',
    ),
    'no key ever held': (
        '1,0,0,9,9\n1,0,0,8,8\n2,0,0,7,7\n2,0,0,6,6\n',
        'typings.csv, line 2: every key of every typing was held for 0 ms; releases were '
        'not recorded',
    ),
}


@pytest.mark.parametrize(('rows', 'message'), UNTRAINABLE.values(), ids=UNTRAINABLE)
def test_typings_that_no_model_can_learn_from_are_refused_before_training(
    tmp_path: Path, rows: str, message: str
) -> None:
    with pytest.raises(DataError) as refused:
        require_trainable(read(tmp_path, HEAD + rows))
    assert str(refused.value) == message


def test_equal_hold_times_are_no_obstacle_where_presses_vary(tmp_path: Path) -> None:
    require_trainable(read(tmp_path, f'{HEAD}1,0,5,9,14\n1,0,5,8,13\n2,0,5,7,12\n2,0,5,6,11\n'))


def test_the_longest_typing_is_as_long_on_any_clock(tmp_path: Path) -> None:
    start = 1_600_000_000_000
    times = ','.join(str(start + time) for time in (0, 80, 500, 653))
    summary = summarize(read(tmp_path, f'{HEAD}1,{times}\n2,7,80,100,180\n'))
    assert summary['longest typing, ms'] == 653
