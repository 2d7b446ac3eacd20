"""What a device's inventory says of threads and ONNX Runtime holds in a sweep, and is in its results."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from analysis.data.sweep import load
from analysis.study import Study
from controller.results import BaselineTrial, FullSpeed, Results, TimeAlone
from tests.integration.commands import controller, sweep
from tests.integration.labs import NAMES, add, tiny_lab, write_experiment
from tests.results_files import edited

OPTIONS = ("--threads", "3", "--onnxruntime-option", "graph_optimization_level=basic")


@pytest.fixture
def experiment(tmp_path: Path) -> Path:
    return write_experiment(tmp_path, splits=[2])


@pytest.fixture(scope="module", name="own_lab")
def fixture_own_lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A lab whose devices have settings of their own."""
    with tiny_lab(tmp_path_factory.mktemp("own"), NAMES, *OPTIONS) as lab:
        yield lab


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({}, {"pi": 3, "server": 3}),
        ({"threads": 2}, {"pi": 2, "server": 2}),
        ({"threads": {"server": 1}}, {"pi": 3, "server": 1}),
    ],
)
def test_threads_are_those_of_the_inventory_unless_the_experiment_says_otherwise(
    experiment: Path,
    own_lab: Path,
    bundles_folder: Path,
    tmp_path: Path,
    asked: dict[str, object],
    expected: dict[str, int],
) -> None:
    add(experiment, **asked)
    ended = sweep(experiment, own_lab, bundles_folder)
    assert ended.returncode == 0, ended.stderr
    with Results.open(tmp_path / "results.sqlite") as results:
        assert {hop.device: hop.threads for trial in results.trials() for hop in trial.hops} == expected
        assert {found.device: found.threads for found in results.rows(BaselineTrial)} == expected
        stamps = {device.name: device.stamp["onnxruntime_options"] for device in results.devices()}
    assert stamps == dict.fromkeys(("pi", "server"), "graph_optimization_level=basic")


def test_numbers_of_threads_are_compared(
    experiment: Path, own_lab: Path, bundles_folder: Path, tmp_path: Path
) -> None:
    add(experiment, threads=[1, 2])
    ended = sweep(experiment, own_lab, bundles_folder)
    assert ended.returncode == 0, ended.stderr
    again = sweep(experiment, own_lab, bundles_folder)
    assert "nothing to do: all trials are done" in again.stdout + again.stderr
    with Results.open(tmp_path / "results.sqlite") as results:
        cells = {cell.id: cell for cell in results.cells()}
        assert sorted((c.cuts, c.threads or 0) for c in cells.values()) == [
            (cuts, threads) for cuts in ((0,), (2,), (4,)) for threads in (1, 2)
        ]
        for trial in results.trials():
            assert {hop.threads for hop in trial.hops} == {cells[trial.cell].threads}
        baselines = sorted((found.device, found.threads) for found in results.rows(BaselineTrial))
    assert baselines == [("pi", 1), ("pi", 2), ("server", 1), ("server", 2)]
    for answer in Study.of(load(tmp_path / "results.sqlite")).answers:
        assert answer.point.split.where.endswith((", 1 thread", ", 2 threads"))
        # Of the baselines, those with the answer's own threads.
        assert [gain.over for gain in answer.gains].count("baseline") == 2


def test_results_belong_to_one_setting_of_a_device(
    experiment: Path, own_lab: Path, bundles_folder: Path, tmp_path: Path
) -> None:
    assert sweep(experiment, own_lab, bundles_folder).returncode == 0
    (tmp_path / "results.sqlite").rename(tmp_path / "kept.sqlite")
    with Results.open(tmp_path / "kept.sqlite") as results:
        done = len(results.finished())
    for options, now in (
        (("--threads", "3"), "local, slowdown 1, threads 3"),
        (
            (*OPTIONS, "--threads", "2"),
            "threads 2, provider cpu, ONNX Runtime options graph_optimization_level=basic",
        ),
    ):
        with tiny_lab(tmp_path, NAMES, *options) as lab:
            # One trial is missing, so that there is something to run.
            (tmp_path / "results.sqlite").write_bytes((tmp_path / "kept.sqlite").read_bytes())
            _remove_one_trial(tmp_path / "results.sqlite")
            ended = sweep(experiment, lab, bundles_folder)
        assert (ended.returncode, ended.stderr.count("\n")) == (2, 1)
        assert (
            "device pi was local, slowdown 1, threads 3, provider cpu, ONNX Runtime options" in ended.stderr
        )
        assert now in ended.stderr
        with Results.open(tmp_path / "results.sqlite") as results:
            assert len(results.finished()) == done - 1


def test_a_slowed_stage_keeps_the_time_at_full_speed_that_the_sweep_measured_first(
    experiment: Path, bundles_folder: Path, tmp_path: Path
) -> None:
    path = tmp_path / "results.sqlite"
    with tiny_lab(tmp_path, NAMES, "--slowdown", "20") as lab:
        add(experiment, trials=2)
        ended = sweep(experiment, lab, bundles_folder)
        assert ended.returncode == 0, ended.stderr
        measured = _full_speeds(path)
        assert set(measured) == {("pi", 0, 2), ("pi", 0, 4), ("server", 2, 4), ("server", 0, 4)}
        _assert_each_run_takes(20, measured, path, first_trial=1)
        _assert_timed_alone_once(measured, path)
        _assert_each_baseline_takes(20, measured, path, number=0)

        # What the file has counts, even if it is not what the stage takes now.
        planted = dict.fromkeys(measured, 0.002)
        _change(path, "UPDATE full_speed SET compute_s = 0.002")
        _remove_one_trial(path)
        assert sweep(experiment, lab, bundles_folder).returncode == 0
    assert _full_speeds(path) == planted
    with Results.open(path) as results:
        last = max(trial.id for trial in results.trials())
    _assert_each_run_takes(20, planted, path, first_trial=last)
    _assert_each_baseline_takes(20, planted, path, number=2)


def _full_speeds(path: Path) -> dict[tuple[str, int, int], float]:
    with Results.open(path) as results:
        rows = results.rows(FullSpeed)
    found = {(row.device, row.start, row.stop): row.compute_s for row in rows}
    assert len(found) == len(rows)
    return found


def _assert_each_run_takes(
    slowdown: float, full_speed_s: dict[tuple[str, int, int], float], path: Path, *, first_trial: int
) -> None:
    with Results.open(path) as results:
        trials = [trial for trial in results.trials() if trial.id >= first_trial]
    assert trials
    for trial in trials:
        for hop, rows in zip(trial.hops, trial.records, strict=True):
            assert rows["compute_s"].min() >= slowdown * full_speed_s[hop.device, hop.start, hop.stop]


def _assert_timed_alone_once(full_speed_s: dict[tuple[str, int, int], float], path: Path) -> None:
    with Results.open(path) as results:
        alone = results.rows(TimeAlone)
        assert {trial.number for trial in results.trials()} == {0, 1}
    assert {(row.device, row.start, row.stop) for row in alone} == full_speed_s.keys()
    # Not in both blocks, though again where it did not fit a trial.
    assert len(alone) < 2 * len(full_speed_s)


def _assert_each_baseline_takes(
    slowdown: float, full_speed_s: dict[tuple[str, int, int], float], path: Path, *, number: int
) -> None:
    with Results.open(path) as results:
        baselines = [baseline for baseline in results.rows(BaselineTrial) if baseline.number == number]
    assert {baseline.device for baseline in baselines} == {"pi", "server"}
    for baseline in baselines:
        assert min(baseline.compute_s) >= slowdown * full_speed_s[baseline.device, 0, 4]


def _remove_one_trial(path: Path) -> None:
    _change(path, "DELETE FROM telemetry", "DELETE FROM trial WHERE id = (SELECT min(id) FROM trial)")


def _change(path: Path, *statements: str) -> None:
    with edited(path) as db:
        for statement in statements:
            db.execute(statement)


def test_threads_of_a_device_that_there_is_not(experiment: Path, lab: Path, bundles_folder: Path) -> None:
    add(experiment, threads={"sever": 2})
    ended = sweep(experiment, lab, bundles_folder)
    assert (ended.returncode, ended.stderr.count("\n")) == (2, 1)
    assert "no device 'sever' in lab 'test'; did you mean 'server'?" in ended.stderr


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--load", "single", "--depth", "4"], "depth 1, batch 1"),
        (["--load", "constant:200/s"], "load constant:200/s: 200 requests/s offered"),
        (
            ["--load", "poisson:200/s", "--prefetch", "2"],
            "load poisson:200/s: 200 requests/s",
        ),
        (["--load", "poisson:p50<=1000ms"], "load poisson:p50<=1000ms: "),
        (["--duration", "0.3", "--depth", "2"], "latency p50 "),
        (["--threads", "2"], "24 of 24 results checked"),
    ],
)
def test_one_cell_takes_the_loads_that_an_experiment_takes(
    lab: Path, bundles_folder: Path, more: list[str], said: str
) -> None:
    ended = controller("run", bundles_folder / "tiny", "--lab", lab, "--network", "as_is", "--at", 2, *more)
    assert ended.returncode == 0, ended.stderr
    assert said in ended.stdout


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--load", "constant:0/s"], "--load: 'constant:0/s' has rate 0; it must be above 0 requests/s"),
        (["--load", "bursts"], "--load: 'bursts' is not a load; allowed: offline, single, and as in"),
        (
            ["--load", "poisson:p90<=9ms", "--requests", "24"],
            "--requests is 24, but 'poisson:p90<=9ms' needs each trial's p90",
        ),
        (["--duration", "0"], "--duration: expected a number > 0"),
        (["--depth", "0"], "'--depth'"),
        (["--batch", "0"], "'--batch'"),
        (["--prefetch", "-1"], "'--prefetch'"),
        (["--threads", "0"], "'--threads'"),
        (["--devices", "pi,server,pi"], "--at 2: 3 devices (pi, server, pi) need 2 cuts"),
    ],
)
def test_one_cell_refuses_in_one_line_what_it_cannot_run(
    lab: Path, bundles_folder: Path, more: list[str], said: str
) -> None:
    ended = controller("run", bundles_folder / "tiny", "--lab", lab, "--network", "as_is", "--at", 2, *more)
    assert (ended.returncode, ended.stderr.count("\n")) == (2, 1)
    assert ended.stderr.startswith("error: ")
    assert said in ended.stderr
