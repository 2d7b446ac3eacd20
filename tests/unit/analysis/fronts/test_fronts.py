"""The two fronts, against the definition and against brute force."""

from collections.abc import Callable
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from analysis.data.splits import describe
from analysis.data.sweep import CellResult, Sweep
from analysis.fronts.fronts import Point, front_of, judged
from analysis.statistics.bootstrap import Resampling
from analysis.statistics.estimates import NOTHING, estimate
from analysis.study import Study
from controller.results import TIMED, Cell
from tests.unit.analysis.synthetic import BUNDLE

_CELL = Cell(
    model="m",
    bundle=BUNDLE,
    cuts=(1,),
    label="x",
    devices=("pi", "server"),
    network="lan",
    shaping="emulated",
)


def _points(figures: list[tuple[float, float]]) -> list[Point]:
    split = describe((1,), "x", ("pi", "server"), 9)
    return [
        Point("operating", replace(_CELL, cuts=(i,)), _CELL, split, estimate([latency]), estimate([rate]))
        for i, (latency, rate) in enumerate(figures)
    ]


def _marked(points: list[Point]) -> list[Point]:
    return list(judged("operating", points, TIMED, Resampling(0, resamples=2), None).points)


# Few distinct values, so that ties in one figure and in both are common.
_FIGURES = st.lists(st.tuples(*[st.integers(1, 6).map(float)] * 2), min_size=1, max_size=25)


@given(_FIGURES)
def test_on_the_front_is_exactly_what_nothing_else_matches(figures: list[tuple[float, float]]) -> None:
    marked = _marked(_points(figures))
    for i, (latency, rate) in enumerate(figures):
        beaten = any(
            (other_latency <= latency and other_rate >= rate)
            and ((other_latency, other_rate) != (latency, rate) or j < i)
            for j, (other_latency, other_rate) in enumerate(figures)
            if j != i
        )
        assert marked[i].on_front is not beaten


def test_a_weakly_dominated_point_is_on_no_front() -> None:
    marked = _marked(_points([(1.0, 5.0), (1.0, 4.0), (2.0, 5.0)]))
    assert [p.on_front for p in marked] == [True, False, False]


def test_a_point_without_latency_is_on_no_front_and_hides_none() -> None:
    first, second = _points([(1.0, 9.0), (2.0, 5.0)])
    marked = _marked([replace(first, latency=NOTHING), second])
    assert [p.on_front for p in marked] == [False, True]


def test_capability_takes_latency_alone_and_throughput_deepest(sweep: Sweep) -> None:
    cells = {(r.cell.cuts, r.cell.depth): r for r in sweep.of(BUNDLE, "wifi")}
    points = front_of(sweep, "capability", BUNDLE, "wifi").points
    assert len(points) == len({cuts for cuts, _ in cells})
    for p in points:
        assert p.latency == cells[p.cell.cuts, 1].latency()
        assert p.throughput == cells[p.cell.cuts, 4].throughput


def test_operating_takes_each_cell_as_it_was(sweep: Sweep) -> None:
    points = front_of(sweep, "operating", BUNDLE, "wifi").points
    assert len(points) == len(sweep.of(BUNDLE, "wifi"))
    assert all(p.cell == p.latency_cell for p in points)


def test_a_front_rises_in_both_figures(study: Study) -> None:
    for group in study.groups:
        for front in group.fronts:
            figures = [(p.latency.value or 0, p.throughput.value or 0) for p in front.members]
            assert figures
            assert figures == sorted(figures)
            assert [rate for _, rate in figures] == sorted(rate for _, rate in figures)


def test_a_split_without_a_depth_1_cell_has_no_capability(other: Callable[..., Sweep]) -> None:
    sweep = other(depths=(2, 4), requests=(24, 24))
    assert front_of(sweep, "capability", BUNDLE, "lan").points == ()
    assert front_of(sweep, "operating", BUNDLE, "lan").members


def test_a_split_whose_deepest_cell_is_unfinished_has_no_capability_yet(sweep: Sweep) -> None:
    def missing(r: CellResult) -> bool:
        return (r.cell.cuts, r.cell.depth) == ((12,), 4)

    part = replace(sweep, cells=tuple(replace(r, trials=()) if missing(r) else r for r in sweep.cells))
    found = {p.cell.cuts for p in front_of(part, "capability", BUNDLE, "lan").points}
    assert found == {p.cell.cuts for p in front_of(sweep, "capability", BUNDLE, "lan").points} - {(12,)}
    assert (12,) in {p.cell.cuts for p in front_of(part, "operating", BUNDLE, "lan").points}
