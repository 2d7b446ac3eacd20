"""Capacity through the public commands: a cut that is twice as fast as one device, over slow links."""

import json
from pathlib import Path

from controller.results import SATURATING, Results, Saturation
from exporter.bundle import export_null
from tests.integration.commands import analysis, sweep
from tests.integration.labs import write_experiment

# Two nodes of 10 ms on either device: 100/s with one of them on each, 50/s on one, and 25 ms one way.
NODE_MS = 10
DELAY_MS = 25


def test_over_slow_links_the_cut_is_the_answer_and_not_the_device_that_needs_no_depth(
    lab: Path, tmp_path: Path
) -> None:
    export_null(tmp_path / "bundles" / "null", (16, 16, 4))
    planted = {name: {"node_ms": NODE_MS} for name in ("pi", "server")}
    experiment = write_experiment(
        tmp_path,
        f"far: {{delay_ms: {DELAY_MS}}}\n",
        models=["null"],
        splits=[1],
        planted=planted,
        trials=1,
        requests=None,
        depths=[1, "auto"],
    )
    done = sweep(experiment, lab, tmp_path / "bundles")
    assert done.returncode == 0, done.stderr

    path = tmp_path / "results.sqlite"
    with Results.open(path) as results:
        cells = {cell.id: cell for cell in results.cells()}
        found = {cells[row.cell].cuts: row for row in results.rows(Saturation)}
        assert all(row.is_flat for row in found.values())
        # 70 ms alone and 10 ms in the slower stage.
        assert 7 <= found[1,].depth <= 16
        assert {cell.depth for cell in cells.values() if cell.role == SATURATING} == {
            row.depth for row in found.values()
        }
        for trial in results.trials():
            assert len(trial.endpoint) >= max(24, 10 * cells[trial.cell].depth)
    told = analysis("best", path, "--objective", "throughput", "--json")
    assert told.returncode == 0, told.stderr
    (answer,) = json.loads(told.stdout)
    assert (answer["cuts"], answer["is_lower_bound"], answer["could_have_more"]) == ([1], False, [])
    # More than one device can do, and no more than the cut can.
    assert 60 < answer["throughput_per_s"]["value"] <= 101
    assert answer["depth"] == found[1,].depth


def test_a_depth_that_the_links_use_up_is_a_bound_and_leaves_the_answer_open(
    lab: Path, tmp_path: Path
) -> None:
    export_null(tmp_path / "bundles" / "null", (16, 16, 4))
    experiment = write_experiment(
        tmp_path,
        f"far: {{delay_ms: {DELAY_MS}}}\n",
        models=["null"],
        splits=[1],
        planted={name: {"node_ms": NODE_MS} for name in ("pi", "server")},
        trials=2,
        depths=[1, 2],
    )
    assert sweep(experiment, lab, tmp_path / "bundles").returncode == 0
    told = analysis("best", tmp_path / "results.sqlite", "--objective", "throughput", "--json")
    (answer,) = json.loads(told.stdout)
    # 2 / 70 ms = 29/s at the cut, and 50/s on one device; but the cut can do more.
    assert answer["kind"] == "stay"
    assert answer["probability_best"] is None
    assert "layer.0" in " ".join(answer["could_have_more"])
