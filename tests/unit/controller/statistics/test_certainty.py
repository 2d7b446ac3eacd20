"""Certainty that is true: planted sweeps whose best split is known."""

import numpy as np
import pytest

from controller.statistics.block_model import fit_blocks
from controller.statistics.certainty import Gain, Posterior, posterior
from controller.statistics.paired_differences import differences
from controller.statistics.repeated_looks import false_discovery, level_of_one_look
from controller.statistics.spread import moderated_spread
from tests.calibration.measure import Tally, measure

SEED = 7


def answer(figures: np.ndarray, candidates: np.ndarray | None = None) -> Posterior:
    rng = np.random.default_rng(SEED)
    fit = fit_blocks(figures, None)
    among = np.ones(len(figures), dtype=np.bool_) if candidates is None else candidates
    return posterior(fit, moderated_spread(fit, rng, 500), rng, among)


def gain_of(found: Posterior, other: int) -> Gain:
    return found.gain(other, over=found.chosen, level=0.95)


@pytest.mark.parametrize("blocks", [2, 3, 10])
def test_two_cells_get_the_paired_interval_of_student(blocks: int) -> None:
    rng = np.random.default_rng(SEED)
    figures = rng.normal(size=(2, blocks)) * 0.02 + rng.normal(size=blocks)
    fit = fit_blocks(figures, None)
    (difference,) = differences(fit, moderated_spread(fit, rng, 20_000), np.array([[0, 1]]), 0.95)
    paired = figures[0] - figures[1]
    quantile = {2: 12.706, 3: 4.303, 10: 2.262}[blocks]
    reach = quantile * paired.std(ddof=1) / np.sqrt(blocks)
    assert difference.value == pytest.approx(paired.mean())
    assert difference.high - difference.value == pytest.approx(reach, rel=0.08)


def test_one_noisy_cell_neither_inflates_the_others_nor_is_squeezed() -> None:
    rng = np.random.default_rng(SEED)
    figures = rng.normal(size=(20, 6)) * 0.01
    figures[3] *= 10
    spread = moderated_spread(fit_blocks(figures, None), rng)
    deviations = np.sqrt(np.median(spread.variances, axis=0))
    assert spread.unsteady == [3]
    assert 0.05 < deviations[3] < 0.2
    assert np.median(np.delete(deviations, 3)) == pytest.approx(0.01, rel=0.25)


def test_a_missed_block_costs_a_cell_nothing_but_that_block() -> None:
    truth = np.array([0.0, 0.05, 0.1])
    figures = truth[:, None] + np.array([0.0, 0.5, -0.3, 0.1])
    figures[1, 1] = np.nan
    fit = fit_blocks(figures, None)
    assert fit.blocks.tolist() == [4, 3, 4]
    assert fit.means - fit.means[0] == pytest.approx(truth)


def test_one_block_tells_nothing_of_the_noise() -> None:
    with pytest.raises(ValueError, match="noise is unknown"):
        moderated_spread(fit_blocks(np.zeros((5, 1)), None), np.random.default_rng(SEED))


def test_drift_of_a_device_widens_the_difference_of_its_cells_alone() -> None:
    rng = np.random.default_rng(SEED)
    share = np.linspace(0, 1, 12)
    figures = rng.normal(size=(12, 6)) * 0.003 + share[:, None] * rng.normal(size=6) * 0.05
    fit = fit_blocks(figures, np.stack([share, 1 - share], axis=1))
    near, far = differences(fit, moderated_spread(fit, rng), np.array([[0, 1], [0, 11]]), 0.95)
    assert far.high - far.low > 4 * (near.high - near.low)
    assert far.low < 0 < far.high


def test_the_winner_of_equals_is_not_called_better() -> None:
    figures = np.random.default_rng(SEED).normal(size=(50, 3)) * 0.02
    found = answer(figures)
    means = figures.mean(axis=1)
    assert means.mean() - means[found.chosen] > 0.015
    gains = [gain_of(found, cell) for cell in range(50) if cell != found.chosen]
    assert np.mean([gain.factor for gain in gains]) < 1.008
    assert all(gain.low < 1 < gain.high for gain in gains)


def test_equal_cells_are_the_same_within_two_percent_and_a_slow_one_is_not() -> None:
    figures = np.random.default_rng(SEED).normal(size=(5, 8)) * 0.003
    figures[4] += 0.1
    found = answer(figures)
    assert sorted(found.same()) == [0, 1, 2, 3]
    assert not found.could_change(0.95).any()


def test_only_cells_that_could_change_the_answer_get_another_block() -> None:
    noise = np.random.default_rng(SEED).normal(size=(6, 3)) * 0.1
    means = np.array([0.01, 0, 1, 1, 1, 1])
    figures = noise - noise.mean(axis=1, keepdims=True) + means[:, None]
    found = answer(figures)
    assert found.probability < 0.95
    assert found.could_change(0.95).tolist() == [True, True, False, False, False, False]


def test_a_baseline_is_compared_and_never_the_answer() -> None:
    figures = np.random.default_rng(SEED).normal(size=(4, 5)) * 0.003
    figures[0] -= 1
    found = answer(figures, np.array([False, True, True, True]))
    assert found.chosen != 0 and found.sure[0] == 0
    assert gain_of(found, 0).factor == pytest.approx(np.exp(-1), rel=0.02)


def test_figures_without_noise_are_known() -> None:
    """Means closer together than the grid of true figures, and one far away."""
    figures = np.array([0.0, 3e-5, 0.05])[:, None] + np.array([0.0, 0.4, -0.1])
    found = answer(figures)
    assert found.chosen == 0
    assert found.sure == pytest.approx([1, 1, 0], abs=0.001)
    assert found.probability < 1
    assert gain_of(found, 2).factor == pytest.approx(np.exp(0.05), rel=0.002)


def test_only_an_answer_without_alternative_is_certain() -> None:
    figures = np.array([0.0, 0.05, 3.0])[:, None] + np.array([0.0, 0.4, -0.1])
    assert answer(figures).probability == pytest.approx(1, abs=0.001)
    assert answer(figures).probability < 1
    assert answer(figures, np.array([True, False, False])).probability == 1


def test_of_equally_sure_cells_the_one_that_measured_best_is_chosen() -> None:
    figures = np.random.default_rng(SEED).normal(size=(6, 5)) * 0.001 + np.arange(6)[::-1, None] * 0.002
    assert answer(figures).chosen == 5


def test_repeated_looks_share_one_level() -> None:
    looks = tuple(range(3, 16))
    sums = np.cumsum(np.random.default_rng(SEED).normal(size=(40_000, 15)), axis=1)
    scores = np.abs(sums / np.sqrt(np.arange(1, 16)))[:, 2:]
    assert np.mean((scores > 1.96).any(axis=1)) == pytest.approx(0.18, abs=0.01)
    assert level_of_one_look(looks) == pytest.approx(0.9888, abs=2e-4)
    assert np.mean((scores > 2.5357).any(axis=1)) == pytest.approx(0.05, abs=0.005)
    # Pocock 1977: five looks at equal distances.
    assert level_of_one_look((1, 2, 3, 4, 5)) == pytest.approx(0.9842, abs=2e-4)
    with pytest.raises(ValueError, match="rising"):
        level_of_one_look((3, 3))


def test_false_discoveries_are_counted_among_known_comparisons() -> None:
    adjusted = false_discovery(np.array([0.01, np.nan, 0.04, 0.03, 0.5]))
    assert np.isnan(adjusted[1])
    assert adjusted[[0, 2, 3, 4]] == pytest.approx([0.04, 0.16 / 3, 0.16 / 3, 0.5])


@pytest.mark.slow
def test_planted_sweeps_keep_their_word() -> None:
    """A short version of `python -m tests.calibration`: bounds are the target and three standard errors."""
    whole = Tally()
    for family, cells, blocks, sweeps in (
        ("normal", 2, 2, 90),
        ("normal", 10, 3, 25),
        ("heavy tails", 2, 3, 90),
        ("one noisy cell", 10, 5, 25),
        ("drift", 10, 3, 25),
        ("spikes", 50, 3, 10),
        ("drift lasting", 2, None, 25),
    ):
        whole.add(measure(family, cells, blocks, sweeps, SEED))
    for equal in (whole.called, whole.called_chosen):
        assert np.mean(equal) <= 0.06 + 3 * np.sqrt(0.06 * 0.94 / len(equal))
    for held in (whole.held, whole.held_chosen):
        slack = 3 * np.sqrt(0.05 * 0.95 / len(held))
        assert 0.93 - slack <= np.mean(held) <= 0.97 + slack
    count, _, right = whole.decile(0.95, 1.01)
    assert count > 100
    assert right >= 0.94
    count, said, right = whole.decile(0.5, 0.9)
    assert count > 30
    assert abs(right - said) <= 0.05 + 3 * np.sqrt(0.2 * 0.8 / count)
