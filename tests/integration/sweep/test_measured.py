"""What a sweep measures: the controller against real workers, sockets, ONNX Runtime."""

import json
from pathlib import Path

import numpy as np

from controller.pipeline.trial import MOST_RUNS
from controller.results import Accuracy, BaselineTrial, Block, ReferenceBox, Results, Sentinel
from tests.integration.commands import controller
from tests.integration.commands import sweep as sweep_over
from tests.integration.labs import add
from tests.integration.sweep.sweeping import Command, finished


def test_a_sweep_measures_every_cell_and_then_has_nothing_left(sweep: Command, experiment: Path) -> None:
    first = sweep()
    again = sweep()

    assert first.returncode == 0, first.stderr
    assert "complete: 40 trials done" in first.stderr
    assert again.returncode == 0
    assert "nothing to do: all trials are done" in again.stderr
    with Results.open(experiment.parent / "results.sqlite") as results:
        trials = list(results.trials())
        assert len(trials) == 2 * 5 * 2 * 2  # networks, splits with both ends, depths, trials
        # 11 are asked for; at depth 4 they are three rounds of it.
        assert {(len(trial.endpoint), trial.checked) for trial in trials} == {(11, 11), (12, 12)}
        assert {(b.network, b.device, b.number) for b in results.rows(BaselineTrial)} == {
            (network, device, number)
            for network in ("ideal", "slow")
            for device in ("pi", "server")
            for number in (0, 1)
        }
        assert sorted(a.cuts for a in results.rows(Accuracy)) == [(0,), (1,), (2,), (3,), (4,)]
        blocks = [(block.network, block.number, block.whole) for block in results.rows(Block)]
        assert sorted(blocks) == [(network, n, True) for network in ("ideal", "slow") for n in (0, 1)]
        assert {(s.network, s.block) for s in results.rows(Sentinel)} == {
            (network, n) for network, n, _ in blocks
        }
        assert [device.name for device in results.devices()] == ["pi", "server"]
        # No better than an end in any figure: the round trip of the slow link takes 10 ms.
        boxes = {box.network: box for box in results.rows(ReferenceBox)}
        assert boxes.keys() == {"ideal", "slow"}
        assert boxes["slow"].latency_s > 0.010
        assert boxes["slow"].latency_s > boxes["slow"].sample_s > 0


def test_the_network_is_felt_where_a_link_is_crossed(sweep: Command, experiment: Path) -> None:
    add(experiment, splits=[2], trials=1)
    assert sweep("--network", "slow").returncode == 0

    with Results.open(experiment.parent / "results.sqlite") as results:
        cells = {cell.id: cell for cell in results.cells()}
        for trial in results.trials():
            cell = cells[trial.cell]
            crosses = cell.label != "stay"
            assert (trial.endpoint["latency_s"].min() > 0.010) == crosses, cell


def test_each_trial_has_the_seeds_of_its_jitter(sweep: Command, experiment: Path, tmp_path: Path) -> None:
    (experiment.parent / "networks.yml").write_text(
        "jittery: {delay_ms: 1, jitter_ms: 0.5}\n", encoding="utf-8"
    )
    add(experiment, networks=["jittery"], splits=[2], depths=[1], seed=3)
    assert sweep().returncode == 0

    with Results.open(experiment.parent / "results.sqlite") as results:
        trials = list(results.trials())
    for trial in trials:
        crosses = {
            f"{link.sender} -> {link.receiver}" for link in trial.links if link.sender != link.receiver
        }
        assert trial.course.jitter_seeds.keys() == crosses
    seeds = [seed for trial in trials if trial.number == 0 for seed in trial.course.jitter_seeds.values()]
    assert len(seeds) == len(set(seeds)) == 4


def test_hops_account_for_no_more_than_the_whole_request(sweep: Command, experiment: Path) -> None:
    add(experiment, splits=[2], trials=1)
    assert sweep("--network", "ideal").returncode == 0

    with Results.open(experiment.parent / "results.sqlite") as results:
        for trial in results.trials():
            order = trial.endpoint["request"].argsort()
            whole_s = trial.endpoint["latency_s"][order]
            for unsorted in trial.records:
                rows = unsorted[unsorted["request"].argsort()]
                whole_s = whole_s - sum(
                    rows[name] for name in ("wait_compute_s", "decode_s", "compute_s", "encode_s")
                )
            assert (whole_s >= 0).all()


def test_loads_are_offered_recorded_and_searched(sweep: Command, experiment: Path) -> None:
    add(
        experiment,
        depths=[4],
        networks=["ideal"],
        splits=[],
        trials=1,
        loads=["single", "constant:1000/s", "poisson:1000000/s", "poisson:p50<=50ms"],
        requests={1: 11, 4: 240},
    )
    done = sweep()
    assert done.returncode == 0, done.stderr

    with Results.open(experiment.parent / "results.sqlite") as results:
        cells = {cell.id: cell for cell in results.cells()}
        assert len(cells) == 2 * 4  # both ends, loads
        for trial in results.trials():
            cell, course = cells[trial.cell], trial.course
            assert all(len(rows) == len(trial.endpoint) for rows in trial.records)
            if cell.load == "offline":
                assert (cell.depth, course.rate_per_s, course.seed) == (1, None, None)
            else:
                assert course.rate_per_s is not None
                assert course.seed is not None
            if cell.load == "constant:1000/s":
                gaps_s = np.diff(trial.endpoint["scheduled_at_s"])
                np.testing.assert_allclose(gaps_s, 0.001, atol=1e-6)
            if cell.load == "poisson:1000000/s":
                assert course.overloaded
            if cell.load == "poisson:p50<=50ms":
                assert 1 <= len(course.attempts) <= MOST_RUNS
                # A busy machine may keep up with no rate here; test_open_load has longer stages.
                assert course.bound_kept == (course.highest is not None)


def test_inputs_are_prepared_before_a_trial_or_while_it_runs(sweep: Command, experiment: Path) -> None:
    add(experiment, networks=["ideal"], splits=[], trials=1, prefetches=[None, 1])
    assert sweep().returncode == 0

    with Results.open(experiment.parent / "results.sqlite") as results:
        cells = {cell.id: cell for cell in results.cells()}
        assert {cell.prefetch for cell in cells.values()} == {None, 1}
        for trial in results.trials():
            assert (trial.endpoint["prepare_s"] > 0).all() == (cells[trial.cell].prefetch == 1)


def test_the_controller_can_be_the_source(sweep: Command, experiment: Path) -> None:
    add(experiment, source="controller", splits=[2], trials=1)

    ended = sweep("--network", "slow")

    assert ended.returncode == 0, ended.stderr
    with Results.open(experiment.parent / "results.sqlite") as results:
        for trial in results.trials():
            assert trial.links[0].sender == trial.links[-1].receiver == "controller"
            assert trial.endpoint["latency_s"].min() > 0.010


def test_a_chain_of_three_devices_gives_the_answers_of_the_whole(
    lab_of_three: Path, experiment: Path, bundles_folder: Path
) -> None:
    add(experiment, splits=[[1, 3]], trials=1)
    ended = sweep_over(experiment, lab_of_three, bundles_folder, "--network", "ideal")

    assert ended.returncode == 0, ended.stderr
    with Results.open(experiment.parent / "results.sqlite") as results:
        longest = {cell.id for cell in results.cells() if cell.cuts == (1, 3)}
        trials = [trial for trial in results.trials() if trial.cell in longest]
        assert trials
        for trial in trials:
            assert [hop.device for hop in trial.hops] == ["pi", "server", "desk"]
            assert trial.checked in (11, 12)
            assert trial.worst_error <= 1e-4


def test_one_cell_shows_where_the_time_went(lab: Path, experiment: Path, bundles_folder: Path) -> None:
    command = ["run", bundles_folder / "tiny", "--at", "block.0", "--lab", lab]
    command += ["--networks", experiment.parent / "networks.yml", "--network", "slow"]
    ended = controller(*command)

    assert ended.returncode == 0, ended.stderr
    for word in ("compute", "network", "pi -> server: 32 bytes", "24 of 24 results checked"):
        assert word in ended.stdout


def test_status_names_every_device_and_infers_for_real(lab: Path) -> None:
    ended = controller("status", "--lab", lab, "--infer")

    assert ended.returncode == 0, ended.stdout
    assert ended.stdout.count("inference correct") == 2


def test_a_dry_run_counts_without_running(sweep: Command, experiment: Path) -> None:
    plan = json.loads(sweep("--dry-run", "--json").stdout)

    assert (plan["cells"], plan["networks"]) == (20, ["ideal", "slow"])
    assert plan["bundles"][0]["model"] == "tiny"
    assert finished(experiment) == 0
