"""`search: planned` against real workers, and the device profiles that it takes first."""

import json
import signal
import sqlite3
from pathlib import Path

import pytest

from controller.errors import StoreError
from controller.experiment.resolve import resolve
from controller.lab.inventory import load_lab
from controller.planning import load_profile
from controller.results import Accuracy, Predicted, Profiling, Results, Scope
from controller.sweep.search.predicted import planned_searches
from controller.sweep.search.profiling import stored_profiles
from tests.integration.commands import controller, start, sweep_arguments
from tests.integration.labs import NAMES, LabWorker, add, write_lab
from tests.integration.sweep.search.conftest import Sweep
from tests.integration.waiting import wait_until


@pytest.mark.slow
def test_a_planned_sweep_measures_what_could_be_on_the_front(
    run: Sweep, experiment: Path, lab: Path, bundles_folder: Path
) -> None:
    add(experiment, search="planned")
    before = run("--dry-run")
    # Of so few splits the fewest that a search measures are all, unless the front stands before that.
    assert "search: planned; at most 20 of 20 cells, fewer once the front is stable" in before.stdout
    assert "tiny must be profiled first" in before.stdout

    # One that was taken in a hurry is not what a sweep goes by.
    folder = experiment.parent / "profiles"
    line = ["profile", bundles_folder / "tiny", "--lab", lab, "--device-profiles", folder]
    assert controller(*line, "--quick", "--budget", "1").returncode == 0
    prepared = run("--prepare")
    assert prepared.returncode == 0, prepared.stderr
    assert "test-tiny-batch1-threads1.json is a quick one: measuring it in full" in prepared.stderr
    assert (experiment.parent / "profiles" / "test-tiny-batch1-threads1.json").is_file()
    planned = json.loads(run("--dry-run", "--json").stdout)
    assert planned["profiling"] == []
    assert [part["complete"] for part in planned["by_network"]] == [False, False]

    first = run("--network", "slow")
    assert first.returncode == 0, first.stderr
    # Nothing is profiled twice, and what stands in the results is not chosen anew.
    assert "profiled" not in first.stderr
    again = run("--network", "slow")
    assert "nothing to do: all trials are done" in again.stderr
    planned = json.loads(run("--dry-run", "--json").stdout)
    assert [part["complete"] for part in planned["by_network"]] == [False, True]

    with Results.open(experiment.parent / "results.sqlite") as results:
        cells = results.cells()
        (scope,) = results.rows(Scope)
        (profiling,) = results.rows(Profiling)
        assert {(trial.cell, trial.number) for trial in results.trials()} == results.finished()
        assert len(results.finished()) == 2 * len(cells)
        assert {accuracy.cuts for accuracy in results.rows(Accuracy)} == {cell.cuts for cell in cells}
    assert (scope.network, scope.how, scope.cells) == ("slow", "planned", 10)
    assert scope.ended in ("front stands", "share measured")
    assert profiling.took_s > 0
    assert {cell.network for cell in cells} == {"slow"}
    splits = {cell.cuts for cell in cells}
    # A link of 5 ms and 1 Mbit/s is worth it for nobody, and that is known without measuring all.
    assert {(0,), (2,), (4,)} <= splits
    assert len(splits) <= 4
    assert all({c.depth for c in cells if c.cuts == cuts} == {1, 4} for cuts in splits)


@pytest.mark.slow
@pytest.mark.usefixtures("profiles")
def test_a_planned_sweep_that_was_stopped_goes_on_with_what_it_had_chosen(
    run: Sweep, experiment: Path, lab: Path, bundles_folder: Path
) -> None:
    add(experiment, search="planned")
    assert run("--prepare").returncode == 0
    results = experiment.parent / "results.sqlite"
    stopped = start(*sweep_arguments(experiment, lab, bundles_folder, "--network", "slow"))
    wait_until(lambda: bool(_finished(results)))
    stopped.send_signal(signal.SIGINT)
    said = stopped.communicate(timeout=60)[1]
    assert stopped.returncode == 130, said
    assert "interrupted; finished trials are saved; run the same command to resume" in said
    before = _finished(results)
    with Results.open(results) as kept:
        chosen = {cell.id for cell in kept.cells()}
        assert [scope.ended for scope in kept.rows(Scope)] == [None]
        ran = {trial.cell: trial.started_at for trial in kept.trials()}

    assert run("--network", "slow").returncode == 0
    with Results.open(results) as kept:
        assert before <= kept.finished()
        assert chosen <= {cell.id for cell in kept.cells()}
        assert len(kept.finished()) == 2 * len(kept.cells())
        first = {trial.cell for trial in list(kept.trials())[: 2 * len(chosen)]}
        assert first == chosen
        assert (
            ran.items()
            <= {t.cell: t.started_at for t in kept.trials() if (t.cell, t.number) in before}.items()
        )


@pytest.mark.slow
def test_devices_with_threads_of_their_own_are_profiled_with_these(run: Sweep, experiment: Path) -> None:
    add(experiment, search="planned", threads={"pi": 2, "server": 1})
    done = run("--network", "slow")
    assert done.returncode == 0, done.stderr
    profile = load_profile(experiment.parent / "profiles" / "test-tiny-batch1-threads-by-device.json")
    assert {name: device.settings["threads"] for name, device in profile.devices.items()} == {
        "pi": 2,
        "server": 1,
    }
    # Results of its own, but the profile that is there fits.
    (experiment.parent / "results.sqlite").unlink()
    again = run("--prepare")
    assert again.returncode == 0, again.stderr
    assert "profiling" not in again.stderr


@pytest.mark.slow
def test_where_tc_shapes_links_the_lab_is_profiled_before_they_are(
    run: Sweep, experiment: Path, standing: dict[str, LabWorker], tmp_path: Path
) -> None:
    write_lab(tmp_path, [standing[name].device("tc") for name in NAMES])
    add(experiment, search="planned")
    refused = run("--network", "slow")
    assert refused.returncode == 2
    assert "error: no device profile of tiny, and none can be taken while links are shaped" in refused.stderr
    assert refused.stderr.count("\n") == 1
    prepared = run("--prepare")
    assert prepared.returncode == 0, prepared.stderr
    # What is in the way now is that nobody shaped them.
    assert "no device profile" not in run("--network", "slow").stderr


def _finished(results: Path) -> set[tuple[str, int]]:
    try:
        with Results.open(results) as kept:
            return kept.finished()
    except (StoreError, sqlite3.Error):  # the sweep has not made the file yet
        return set()


@pytest.mark.slow
@pytest.mark.usefixtures("profiles")
def test_codecs_are_profiled_and_predicted(
    run: Sweep, experiment: Path, lab: Path, bundles_folder: Path
) -> None:
    # 32 bytes are on their way for 26 ms; half of them come 13 ms earlier.
    (experiment.parent / "networks.yml").write_text("ideal: {}\nslow: {rate_mbit: 0.01}\n")
    add(experiment, search="planned", codecs=["none", "fp16"])
    prepared = run("--prepare")
    assert prepared.returncode == 0, prepared.stderr
    # What was profiled without codecs is not profiled again.
    assert "codecs measured: fp16" in prepared.stderr
    assert "profiled in" not in prepared.stderr

    resolved = resolve(experiment, load_lab(lab), bundles_folder=bundles_folder)
    with Results.open(experiment.parent / "results.sqlite") as results:
        (search,) = planned_searches(resolved, "slow", stored_profiles(results))
    latency_s = {(each.deep.cuts, each.deep.codec): point[0] for each, point in search.predicted.items()}
    for cut in (1, 2, 3):
        saved_s = latency_s[(cut,), "none"] - latency_s[(cut,), "fp16"]
        assert 2 * 0.010 < saved_s < 2 * 0.016

    swept = run("--network", "slow")
    assert swept.returncode == 0, swept.stderr
    with Results.open(experiment.parent / "results.sqlite") as results:
        assert {one.cell for one in results.rows(Predicted)} == {cell.id for cell in results.cells()}


@pytest.mark.slow
@pytest.mark.usefixtures("profiles")
def test_results_of_a_reference_cell_that_was_not_chosen_may_lose_what_its_codec_does(
    run: Sweep, experiment: Path
) -> None:
    # One split only is on the front, that everything on one device: the reference cell is in the middle.
    (experiment.parent / "networks.yml").write_text("slow: {delay_ms: 200}\n")
    add(experiment, networks=["slow"], search="planned", codecs=["uint8"])
    swept = run()
    assert swept.returncode == 0, swept.stderr


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        ("topologies", ["hub"], "cannot predict topologies 'hub'"),
        ("source", "controller", "cannot predict source 'controller'"),
        ("loads", ["constant:20/s"], "cannot predict loads 'constant:20/s'"),
        ("placements", [["pi", "server", "pi"]], "several stages on one device (pi, server, pi)"),
        ("search_share", 0, "key 'search_share'"),
        ("prefetches", [4], "cannot predict prefetches 4; leave prefetches at null"),
        (
            "codecs",
            ["none", {"forward": "uint8"}],
            "('forward: uint8'); name one for all links under 'codecs'",
        ),
    ],
)
def test_what_cannot_be_planned(run: Sweep, experiment: Path, key: str, value: object, says: str) -> None:
    add(experiment, search="planned", **{key: value})
    refused = run()
    assert refused.returncode == 2
    assert refused.stderr.startswith("error: ")
    assert says in refused.stderr
    assert refused.stderr.count("\n") == 1
