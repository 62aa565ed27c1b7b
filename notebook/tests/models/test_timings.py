import numpy as np
import pytest

from keystroke.models.timings import log_timings


def test_log_timings_are_hold_then_press_press_release_release_and_release_press_times() -> None:
    # HT 80, 60; PPT 100; RRT 80; RPT 20.
    timings = log_timings(np.array([[0.0, 80.0, 100.0, 160.0]]))
    expected = [np.log(100), np.log(80), np.log(120), np.log(100), np.log(1.4)]
    assert timings == pytest.approx(np.array([expected]))


def test_overlap_counts_as_much_as_a_gap_and_a_release_out_of_order_as_none() -> None:
    # Pressed at 0 and 10, released at 110 and 60: RRT -50, RPT -100.
    timings = log_timings(np.array([[0.0, 110.0, 10.0, 60.0]]))
    assert timings[0, 3] == pytest.approx(np.log(20))
    assert timings[0, 4] == pytest.approx(-np.log(3))


def test_a_last_key_without_its_release_leaves_the_other_timings() -> None:
    whole = log_timings(np.array([[0.0, 80.0, 100.0, 160.0, 210.0, 300.0]]))
    cut = log_timings(np.array([[0.0, 80.0, 100.0, 160.0, 210.0]]))
    # HT 0-1, PPT 1-2, RRT 1, RPT 1-2 of the whole typing's HT 0-2, PPT, RRT 1-2, RPT.
    assert np.array_equal(cut, whole[:, [0, 1, 3, 4, 5, 7, 8]])
