import numpy as np
import pytest

from keystroke.evaluation.bootstrap import user_bootstrap


def test_the_interval_of_a_mean_is_the_one_that_statistics_gives() -> None:
    rng = np.random.default_rng(1)
    values = rng.normal(10, 2, 100)
    low, high = user_bootstrap(
        lambda drawn: {'mean': float(np.average(values, weights=drawn))}, 100
    )['mean']
    error = values.std(ddof=1) / 10
    assert low == pytest.approx(values.mean() - 1.96 * error, abs=0.1 * error + 0.05)
    assert high == pytest.approx(values.mean() + 1.96 * error, abs=0.1 * error + 0.05)
