"""Figures fitted to blocks: paired within a file, unpaired between two."""

import numpy as np
import pytest

from analysis.statistics.blocks import times
from analysis.statistics.unpaired import Unpaired
from controller.results import TrialsWanted
from controller.statistics.repeated_looks import false_discovery
from controller.statistics.series import Fitted, Series, fitted

CELLS = 10


def sweep(rng: np.random.Generator, blocks: int, shift: float = 0.0, *, unsteady: float = 0.03) -> Fitted:
    """Cells of rising latency with 1 % of noise, in blocks that lie `unsteady` apart."""
    logs = 0.1 * np.arange(CELLS)[:, None] + shift + 0.01 * rng.normal(size=(CELLS, blocks))
    values = np.exp(logs + unsteady * rng.normal(size=blocks))
    fit = fitted(
        [Series(str(i), dict(enumerate(row))) for i, row in enumerate(values)], maximise=False, seed=0
    )
    assert fit is not None
    return fit


def p_values(a: Fitted, b: Fitted) -> np.ndarray:
    model = Unpaired(a, b)
    return np.array([model.difference([(str(i), str(i))]).p_value for i in range(CELLS)])


def test_a_factor_is_paired_by_block_and_ignores_what_moves_a_whole_one() -> None:
    """The second series lacks block 1; block 3 is three times as slow for both."""
    slow = Series("slow", {0: 2.0, 1: 2.2, 2: 2.02, 3: 6.0})
    fast = Series("fast", {0: 1.0, 2: 1.01, 3: 3.0})
    fit = fitted([slow, fast], maximise=False, seed=0)
    found = times(fit, slow, fast)
    assert found.value == pytest.approx(2.0, rel=1e-3)
    assert found.low is not None and found.high is not None
    assert 1.99 < found.low < 2 < found.high < 2.01
    rates = fitted([slow, fast], maximise=True, seed=0)
    assert times(rates, slow, fast).value == pytest.approx(2.0, rel=1e-3)
    assert (times(fit, slow, slow).low, times(fit, slow, slow).high) == (1, 1)


@pytest.mark.slow
def test_a_pair_of_equals_that_is_looked_at_after_each_block_is_seldom_called_different() -> None:
    """At plain 95 % after each of blocks 3 to 15 it is 18 %. The bound is 6 % and three standard errors."""
    rng, wanted, sweeps = np.random.default_rng(6), TrialsWanted(3, 15, 0.95), 150
    assert wanted.level_of_pair == pytest.approx(0.9888, abs=2e-4)
    assert TrialsWanted(5, 5).level_of_pair == 0.95

    def is_called_different(figures: np.ndarray, blocks: int, level: float) -> bool:
        one, other = (Series(str(i), dict(enumerate(row[:blocks]))) for i, row in enumerate(figures))
        found = times(fitted([one, other], maximise=False, seed=0, level=level), one, other)
        assert found.low and found.high
        return not found.low <= 1 <= found.high

    drawn = np.exp(0.02 * rng.normal(size=(sweeps, 2, wanted.most)))
    looks = range(wanted.least, wanted.most + 1)
    for level, low, high in ((wanted.level_of_pair, 0.0, 0.06), (0.95, 0.18, 0.18)):
        called = np.mean([any(is_called_different(each, b, level) for b in looks) for each in drawn])
        slack = 3 * np.sqrt(high * (1 - high) / sweeps)
        assert low - slack <= called <= high + slack


def test_one_block_gives_a_factor_without_an_interval() -> None:
    slow, fast = Series("slow", {0: 2.0}), Series("fast", {0: 1.0})
    assert fitted([slow, fast], maximise=False, seed=0) is None
    found = times(None, slow, fast)
    assert (found.value, found.low, found.kind) == (2.0, None, None)


def test_drift_by_shares_widens_the_factor_between_devices_alone() -> None:
    rng = np.random.default_rng(3)
    shares = np.linspace(0, 1, 12)
    figures = np.exp(0.003 * rng.normal(size=(12, 6)) + shares[:, None] * 0.05 * rng.normal(size=6))
    series = [
        Series(str(i), dict(enumerate(row)), {"pi": float(share), "server": float(1 - share)})
        for i, (row, share) in enumerate(zip(figures, shares, strict=True))
    ]
    fit = fitted(series, maximise=False, seed=0)
    near, far = times(fit, series[0], series[1]), times(fit, series[0], series[11])
    assert near.low and near.high and far.low and far.high
    assert far.high - far.low > 4 * (near.high - near.low)


def test_equal_labs_are_seldom_called_different() -> None:
    """All cells are equal, so a comparison with any call is wrong: 5 % of them, and three standard errors."""
    rng = np.random.default_rng(4)
    pairs = [(sweep(rng, 3), sweep(rng, 4)) for _ in range(60)]
    wrong = [bool((false_discovery(p_values(a, b)) <= 0.05).any()) for a, b in pairs]
    assert np.mean(wrong) <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / len(wrong))


def test_a_change_beyond_what_blocks_differ_by_is_found_with_its_size() -> None:
    rng = np.random.default_rng(5)
    a, b = sweep(rng, 5), sweep(rng, 5, shift=0.2)
    assert (false_discovery(p_values(a, b)) <= 0.05).all()
    whole = Unpaired(a, b).difference([(str(i), str(i)) for i in range(CELLS)])
    assert whole.low < 0.2 < whole.high
    small = sweep(rng, 5, shift=0.02)
    assert (false_discovery(p_values(a, small)) > 0.05).all(), "less than blocks differ by"
