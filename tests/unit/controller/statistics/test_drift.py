"""Drift of sentinels: planted drifts are flagged, and sweeps without any are not."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest

from controller.statistics.drift import changes_of

BLOCKS, VISITS, REPEATS, SWEEPS = 5, 5, 21, 300
DEVICES = 3
"""Sentinels of a sweep: one that drifts is enough to flag it."""


def sweep_is_flagged(rng: np.random.Generator, drift: Sequence[float]) -> bool:
    """Whether any sentinel of a simulated sweep is; one device is slower by `drift` of each block.

    Repeats scatter by 2 %, with one in ten half as slow again. Blocks lie 0.4 % apart, and the visits of a
    block 1.5 %: for seconds, other machines on the host make this one slower.
    """
    flagged = False
    for device in range(DEVICES):
        slower = 1 + np.asarray(drift) * (device == 0)
        blocks = slower * np.exp(0.004 * rng.normal(size=BLOCKS))
        visits = blocks[:, None] * np.exp(0.015 * rng.normal(size=(BLOCKS, VISITS)))
        scatter = np.exp(0.02 * np.abs(rng.normal(size=(BLOCKS, VISITS, REPEATS))))
        stalls = np.where(rng.random((BLOCKS, VISITS, REPEATS)) < 0.1, 1.5, 1.0)
        times_s = 0.010 * visits[:, :, None] * scatter * stalls
        flagged |= any(change.flagged for change in changes_of(list(times_s.reshape(BLOCKS, -1))))
    return flagged


@pytest.mark.parametrize(
    "drift",
    [
        pytest.param([0, 0, 0.08, 0.08, 0.08], id="from the third block on"),
        pytest.param([0, 0.02, 0.04, 0.06, 0.08], id="little by little"),
        pytest.param([0.08, 0, 0, 0, 0], id="slow at first"),
        pytest.param([0, 0, 0, 0, 0.08], id="slow at last"),
    ],
)
def test_a_drift_of_eight_percent_is_flagged_in_95_of_100_sweeps(drift: Sequence[float]) -> None:
    rng = np.random.default_rng(1)
    assert sum(sweep_is_flagged(rng, drift) for _ in range(SWEEPS)) >= 0.95 * SWEEPS


def test_without_drift_at_most_1_in_100_sweeps_is_flagged() -> None:
    rng = np.random.default_rng(2)
    assert sum(sweep_is_flagged(rng, [0.0] * BLOCKS) for _ in range(SWEEPS)) <= 0.01 * SWEEPS


def test_a_change_says_by_how_much() -> None:
    changes = changes_of([[0.010] * 21, [0.015] * 21, [0.009] * 21])
    assert [change.value for change in changes] == pytest.approx([0.0, 0.5, -0.1])
    assert [change.flagged for change in changes] == [False, True, True]


def test_what_its_own_noise_reaches_is_not_drift() -> None:
    """Round trips over loopback scatter by half of their length."""
    rng = np.random.default_rng(3)
    wide = [list(60e-6 * np.exp(0.5 * rng.normal(size=21))) for _ in range(2)]
    (_, change) = changes_of(wide)
    assert change.noise > 0.2
    assert not change.flagged


def test_more_blocks_widen_the_noise_that_each_may_have() -> None:
    rng = np.random.default_rng(4)
    blocks = [list(0.01 * np.exp(0.02 * rng.normal(size=21))) for _ in range(12)]
    reach = [changes_of(blocks[:count])[1].noise for count in (2, 5, 12)]
    assert all(few < many for few, many in pairwise(reach))
