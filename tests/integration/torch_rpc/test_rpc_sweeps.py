"""PyTorch RPC as the backend of real workers: cells that run over it, and what is recorded of them."""

import json
from pathlib import Path

from controller.results import Results, TimeAlone
from tests.integration.commands import controller, sweep
from tests.integration.torch_rpc.conftest import WriteExperiment
from tests.integration.torch_rpc.rpc import assert_one_line, rpc_processes


def test_a_sweep_over_both_backends_keeps_the_same_records(
    write: WriteExperiment, lab: Path, bundles_folder: Path, tmp_path: Path
) -> None:
    experiment = write()
    ended = sweep(experiment, lab, bundles_folder)
    assert ended.returncode == 0, ended.stderr
    assert not rpc_processes()
    again = sweep(experiment, lab, bundles_folder)
    assert "nothing to do: all trials are done" in again.stdout + again.stderr
    with Results.open(tmp_path / "results.sqlite") as results:
        cells = {cell.id: cell for cell in results.cells()}
        trials = {trial.cell: trial for trial in results.trials()}
        telemetry = {cells[t.cell].backend: list(results.telemetry(t.id)) for t in trials.values()}
        (device, *_) = results.devices()
        timed = {(row.device, row.start, row.stop) for row in results.rows(TimeAlone)}
    # Nothing crosses a link where all runs on the first: that is one cell, and not one for each backend.
    found = sorted((cell.cuts, cell.depth, cell.backend) for cell in cells.values())
    crossing = [
        (cuts, depth, b) for cuts in ((0,), (2,)) for depth in (1, 4) for b in ("socket", "torch_rpc")
    ]
    assert found == sorted([*crossing, ((4,), 1, "socket"), ((4,), 4, "socket")])
    assert set(trials) == set(cells)
    for trial in trials.values():
        cell = cells[trial.cell]
        assert trial.checked == len(trial.endpoint) == (30 if cell.depth == 1 else 32)
        assert trial.worst_error < 1e-4
        assert [len(rows) for rows in trial.records] == [trial.checked] * len(trial.hops)
        assert {(hop.device, hop.start, hop.stop) for hop in trial.hops} <= timed
        for rows in trial.records:
            assert (rows["compute_s"] > 0).all()
            if cell.backend == "torch_rpc":
                assert not rows["receive_s"].any()
                assert not rows["wait_send_s"].any()
    assert device.stamp["torch"]
    resident = {
        backend: max(sample["process_rss_bytes"] for _, sample in samples)
        for backend, samples in telemetry.items()
    }
    # PyTorch's memory is counted: it is what this backend takes of a device.
    assert resident["torch_rpc"] > resident["socket"] + 50e6


def test_one_cell_over_rpc_says_so(
    bundles_folder: Path, lab: Path, write: WriteExperiment, port: int
) -> None:
    networks = write().parent / "networks.yml"
    run = [*("run", bundles_folder / "tiny", "--at", 2, "--lab", lab, "--networks", networks)]
    run += ["--rpc-port", port]
    ended = controller(*run, "--backend", "torch_rpc", "--depth", 4, "--rpc-threads", 2)
    assert ended.returncode == 0, ended.stderr
    assert "over torch_rpc" in ended.stdout
    assert "40 of 40 results checked" in ended.stdout
    for options, says in (
        (("--backend", "torch"), "--backend: invalid enum value 'torch'; allowed: socket, torch_rpc"),
        (("--backend", "torch_rpc", "--codec", "fp16"), "which have no codec 'fp16'"),
        (("--backend", "torch_rpc", "--network", "slow"), "network 'slow' would not hold"),
        (("--backend", "torch_rpc", "--source", "controller"), "use source: first and topology chain"),
        (("--backend", "torch_rpc", "--rpc-interface", "eth99"), "pi: unknown network interface eth99"),
    ):
        assert_one_line(controller(*run, *options), says)


def test_under_another_profile_the_backend_may_be_another(
    write: WriteExperiment, lab: Path, bundles_folder: Path
) -> None:
    experiment = write(networks=["ideal", {"name": "slow", "backends": ["socket"]}], depths=[1], splits=[1])
    ended = sweep(experiment, lab, bundles_folder, "--dry-run", "--json")
    assert ended.returncode == 0, ended.stderr
    assert [part["cells"] for part in json.loads(ended.stdout)["by_network"]] == [5, 3]
