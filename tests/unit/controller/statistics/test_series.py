"""Figures of one network, fitted to blocks that lack some of them."""

import pytest

from controller.statistics.series import Series, fitted

NOISE = (1.01, 0.99, 1.0, 1.005)


def test_figures_are_compared_through_the_blocks_that_connect_them() -> None:
    # In block 0 alone the first is measured on a machine of half the speed.
    one = Series("one", {0: 2.0, 2: 1.0, 3: 1.0})
    two = Series("two", {1: 1.0, 2: 1.01, 3: 0.99})
    fit = fitted([one, two], maximise=False, seed=0)
    assert fit is not None
    assert fit.difference("one", "two").value == pytest.approx(0.0, abs=0.02)


def test_figures_that_no_block_connects_are_not_compared() -> None:
    before = [Series(name, {0: 2.0 * f, 1: 2.0 / f}) for name, f in zip("ab", NOISE, strict=False)]
    after = [Series(name, {2: 1.0 * f, 3: 1.0 / f}) for name, f in zip("cd", NOISE, strict=False)]
    assert fitted(before, maximise=False, seed=0) is not None
    assert fitted([*before, *after], maximise=False, seed=0) is None
    bridge = Series("e", {0: 2.0, 2: 1.0})
    assert fitted([*before, *after, bridge], maximise=False, seed=0) is not None
