"""Cut points: their kinds and shares, equal splits, and what is typed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.bundle import Bundle, CutPoint
from exporter.bundle.cuts import equal_cuts
from exporter.bundle.tensors import Tensor
from exporter.errors import RangeError
from exporter.split_argument import parse_cuts, parse_splits


def test_cut_points_of_a_residual_model(residual: Bundle) -> None:
    found = [(p.index, p.clean, p.block, p.module, len(p.tensors)) for p in residual.cut_points]
    assert found == [
        (1, True, True, "norm", 1),
        (2, True, True, "relu", 1),
        (3, False, False, "body.0", 2),
        (4, False, False, "body.1", 2),
        (5, True, True, "add_25", 1),
        (6, True, True, "mean", 1),
    ]


def test_shares_and_bytes(residual: Bundle) -> None:
    points = residual.cut_points
    stem, body, head = 3 * 4 * 9 + 4, 2 * 4 * 9 + 4, 4 * 10 + 10
    assert residual.manifest.parameters == stem + body + head
    assert points[0].params_before_share == pytest.approx(stem / (stem + body + head), abs=1e-6)
    macs = [64 * 3 * 4 * 9, 64 * 2 * 4 * 9, 40]
    assert residual.manifest.multiply_adds == sum(macs)
    assert points[4].macs_before_share == pytest.approx(sum(macs[:2]) / sum(macs), abs=1e-6)
    assert [p.bytes_per_sample for p in points] == [1024, 1024, 2048, 2048, 1024, 16]


@given(
    clean=st.sets(st.integers(1, 60), min_size=1).map(sorted),
    data=st.data(),
)
def test_equal_cuts_are_distinct_clean_and_in_order(clean: list[int], data: st.DataObject) -> None:
    tensor = (Tensor("t", "float32", ("batch",)),)
    points = [CutPoint(i, i in clean, False, "m", tensor, 4, 0.0, 0.0) for i in range(1, 61)]
    stages = data.draw(st.integers(2, len(clean) + 1))
    found = equal_cuts(points, 61, stages)
    assert len(found) == stages - 1
    assert list(found) == sorted(set(found))
    assert set(found) <= set(clean)


def test_equal_cuts_divide_evenly_where_all_is_clean() -> None:
    points = [CutPoint(i, True, False, "m", (), 0, 0.0, 0.0) for i in range(1, 12)]
    assert equal_cuts(points, 12, 4) == (3, 6, 9)
    with pytest.raises(RangeError, match="allow 2 to 12"):
        equal_cuts(points, 12, 13)


def test_splits_as_typed(residual: Bundle) -> None:
    assert parse_splits(residual, "clean") == ((1,), (2,), (5,), (6,))
    assert parse_splits(residual, "all") == ((1,), (2,), (3,), (4,), (5,), (6,))
    assert parse_splits(residual, "2,body") == ((2, 4),)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("7,8", "cut points 1 to 6, and the ends 0 and 7"),
        ("-1", "cut points 1 to 6"),
        ("5,2", "not in order"),
        ("2,2", "not in order"),
        ("boddy", 'did you mean "body"'),
    ],
)
def test_a_wrong_split_says_what_there_is(residual: Bundle, text: str, says: str) -> None:
    with pytest.raises(RangeError, match=says):
        parse_cuts(residual, text)
