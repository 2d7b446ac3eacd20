"""The benchmark's own rules: cores, bounds, time, file."""

from pathlib import Path

import pytest

from benchmarks.command import run_bench, show_bench
from benchmarks.figures import FIGURES, Figure, Summary, summarize
from benchmarks.local_workers import choose_cores
from benchmarks.report import Report, load_report, markdown, save_report
from benchmarks.rounds import Clock, measurements
from controller.errors import ControllerError, ExperimentError, LabError


@pytest.fixture(name="report")
def fixture_report() -> Report:
    figures = {
        "link_fill": Summary(0.99, 0.98, 1.0, 5),
        "memory_growth": Summary(1.11, 1.1, 1.2, 3),
        "hop_excess_ms_64k": Summary(0.2, 0.1, 0.3, 5),
        "hop_bound_ms_64k": Summary(0.16, 0.16, 0.16, 5),
    }
    return Report(figures=figures, machine={"processor": "some", "cores": 2}, taken_at="2026-01-01T00:00:00")


def test_each_figure_of_the_table_is_measured_by_exactly_one_measurement() -> None:
    given = [key for one in measurements() for key in one.keys]
    assert len(set(given)) == len(given)
    assert {figure.key for figure in FIGURES} <= set(given)
    assert {figure.bound_key for figure in FIGURES if figure.bound_key} <= set(given)


def test_a_lab_that_wants_more_cores_than_there_are_is_refused() -> None:
    devices = [f"device{number}" for number in range(10_000)]
    with pytest.raises(LabError, match="10000 devices need a core each, but this process may use"):
        choose_cores(None, devices)


@pytest.mark.parametrize("cores", ["0,0", "0", "0,99999", "a,b", ""])
def test_cores_that_cannot_be_are_refused(cores: str) -> None:
    with pytest.raises(LabError, match=r"--cores .*: name 2 different cores of 0,"):
        choose_cores(cores)


def test_a_figure_that_is_not_measured_is_refused_with_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(ExperimentError, match="--only link_fil_: no such figure.*link_fill"):
        run_bench(tmp_path / "bench.json", tmp_path, rounds=1, only=["link_fil_"], cores=None)
    assert not list(tmp_path.iterdir())


def test_bounds_are_from_above_from_below_or_measured(report: Report) -> None:
    holds = {figure.key: figure.holds(report.figures) for figure in FIGURES}
    assert (holds["link_fill"], holds["memory_growth"], holds["hop_excess_ms_64k"]) == (True, False, False)
    assert holds["null_requests_per_s"] is None
    assert Figure("free", "no bound").holds({"free": Summary(1.0, 1.0, 1.0, 1)}) is None


@pytest.mark.parametrize(
    ("figure", "bound", "holds"),
    [
        (Figure("a", "", at_most=2.5, judged="high"), "high <= 2.5", False),
        (Figure("a", "", at_most=2.5), "<= 2.5", True),
        (Figure("a", "", above=1.0, judged="low"), "low > 1", False),
        (Figure("a", "", at_least=1.0, judged="low"), "low >= 1", True),
    ],
)
def test_a_bound_may_be_for_the_worst_value(figure: Figure, bound: str, holds: bool) -> None:
    summaries = {"a": Summary(2.0, 1.0, 3.0, 3)}
    assert (figure.bound(summaries), figure.holds(summaries)) == (bound, holds)


def test_rounds_are_summed_up_and_a_figure_without_any_is_left_out() -> None:
    assert summarize({"a": [3.0, 1.0, 2.0], "b": []}) == {"a": Summary(2.0, 1.0, 3.0, 3)}


def test_a_report_survives_its_file_and_shows_in_markdown(report: Report, tmp_path: Path) -> None:
    path = tmp_path / "results" / "bench.json"
    save_report(report, path)
    assert load_report(path) == report
    assert [file.name for file in path.parent.iterdir()] == ["bench.json"]
    assert "| `memory_growth` | 1.11 | 1.1 to 1.2 (n=3) | <= 1.02 | NO |" in markdown(report)
    assert "| `hop_excess_ms_64k` | 0.2 | 0.1 to 0.3 (n=5) | <= 0.16 | NO |" in markdown(report)


def test_a_file_that_is_no_report_is_named(tmp_path: Path) -> None:
    (tmp_path / "other.json").write_text("[]")
    for name in ("other.json", "none.json"):
        with pytest.raises(ControllerError, match=name):
            show_bench(tmp_path / name, as_markdown=False)


def test_no_round_is_begun_that_would_end_late() -> None:
    assert Clock(60.0).allows_another()
    clock = Clock(60.0)
    clock.note(61.0)
    assert not clock.allows_another()
