import hashlib
from pathlib import Path

import numpy as np
import pytest
from conftest import HEAD, read

from keystroke.csv_format import UserID
from keystroke.csv_rows import DataError
from keystroke.data import Typings, encode_users, read_typings, require_trainable, summarize


def test_a_missing_file_is_refused_by_its_path(tmp_path: Path) -> None:
    with pytest.raises(DataError) as refused:
        read_typings(tmp_path / 'none.csv')
    assert str(refused.value) == f'{tmp_path}/none.csv: No such file or directory'


def test_a_directory_is_refused_by_its_path(tmp_path: Path) -> None:
    with pytest.raises(DataError) as refused:
        read_typings(tmp_path)
    assert str(refused.value) == f'{tmp_path}: Is a directory'


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


def test_a_key_may_go_down_before_the_last_is_up_and_come_up_before_it(tmp_path: Path) -> None:
    typings = read(tmp_path, f'{HEAD}1,0,90,50,60\n')
    assert typings.release.tolist() == [[90, 60]]


def test_the_largest_time_that_json_carries_is_read_exactly(tmp_path: Path) -> None:
    typings = read(
        tmp_path, f'{HEAD}1,9007199254740980,9007199254740985,9007199254740989,9007199254740991\n'
    )
    assert typings.release.tolist() == [[2**53 - 7, 2**53 - 1]]


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


@pytest.mark.parametrize(
    ('users', 'classes', 'y'),
    [
        ([10, 9, -1, 10], [-1, 9, 10], [2, 1, 0, 2]),
        (['b', 'a', '10', '9'], ['10', '9', 'a', 'b'], [3, 2, 0, 1]),
    ],
    ids=['integers by value', 'strings by code point'],
)
def test_users_are_numbered_in_sorted_order(
    users: list[UserID], classes: list[UserID], y: list[int]
) -> None:
    found, numbers = encode_users(users)
    assert found == classes
    assert numbers.tolist() == y
    assert numbers.dtype == np.int64
