"""How far a tensor of a chain is from that of the whole graph."""

import numpy as np
import pytest

from exporter.verify import _error


def error(array: object, expected: object) -> float:
    return _error(np.asarray(array, np.float32), np.asarray(expected, np.float32))


def test_an_error_is_a_share_of_the_largest_value() -> None:
    assert error([1.0, 4.0], [1.0, 4.0]) == 0
    assert error([1.0, 4.4], [1.0, 4.0]) == pytest.approx(0.1)
    assert _error(np.zeros(2, np.float32), np.zeros(3, np.float32)) == np.inf
    assert _error(np.zeros(2, np.float32), np.zeros(2, np.float64)) == np.inf


def test_equal_infinities_and_equal_blanks_are_equal() -> None:
    assert error([-np.inf, np.nan, 2.0], [-np.inf, np.nan, 2.0]) == 0
    assert error([-np.inf, 2.2], [-np.inf, 2.0]) == pytest.approx(0.1)
    assert error([np.inf, 2.0], [-np.inf, 2.0]) == np.inf
    assert error([1.0, 2.0], [-np.inf, 2.0]) == np.inf
    assert error([np.nan, 2.0], [1.0, 2.0]) == np.inf


def test_a_map_that_is_nearly_zero_all_over_is_compared_with_a_floor() -> None:
    assert error([1e-12, 0.0], [0.0, 0.0]) == pytest.approx(1e-6)
    assert error([1e-4, 0.0], [0.0, 0.0]) == pytest.approx(100)
