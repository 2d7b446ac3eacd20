"""A sweep of planted times: each stage takes its time, and everything says that it is planted."""

from pathlib import Path

import pytest

from controller.errors import DeviceError
from controller.experiment.topology import tensor_specs
from controller.lab.inventory import load_lab
from controller.lab.upload import supply
from controller.lab.worker_pool import WorkerPool
from controller.results import BaselineTrial, Results, TimeAlone
from exporter.bundle import Bundle, export_null
from tests.integration.commands import analysis, controller, sweep
from tests.integration.labs import write_experiment
from worker.wire.messages import (
    Baseline,
    BuildPipeline,
    EndpointSpec,
    HopSpec,
    LinkSpec,
    PlantedTime,
    ShardRef,
)

SIZES = (16, 16, 8, 4)
PLANTED = {"pi": {"node_ms": [2, 3, 5]}, "server": {"node_ms": 1, "how": "spin"}}


@pytest.fixture(scope="module", name="bundles")
def fixture_bundles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bundles")
    export_null(folder / "null", SIZES)
    return folder


def test_stages_and_baselines_take_their_planted_times_and_are_marked(
    lab: Path, bundles: Path, tmp_path: Path
) -> None:
    experiment = write_experiment(tmp_path, models=["null"], splits=[1], planted=PLANTED)
    done = sweep(experiment, lab, bundles)
    assert done.returncode == 0, done.stderr

    with Results.open(tmp_path / "results.sqlite") as results:
        assert {(d.name, d.kind, d.stamp["device"], d.stamp["kind"]) for d in results.devices()} == {
            ("pi", "planted", "planted", "local"),
            ("server", "planted", "planted", "local"),
        }
        assert all(cell.planted for cell in results.cells())
        baselines = {b.device: min(b.compute_s) for b in results.rows(BaselineTrial)}
        assert baselines["pi"] >= 0.010
        assert baselines["server"] >= 0.003
        times_s = {("pi", 0, 3): 0.010, ("pi", 0, 1): 0.002, ("server", 1, 3): 0.002, ("server", 0, 3): 0.003}
        seen = set()
        for trial in results.trials():
            for hop, rows in zip(trial.hops, trial.records, strict=True):
                least_s = times_s[hop.device, hop.start, hop.stop]
                # A busy machine may have made it longer alone than in the trial: then nothing is said of it.
                assert hop.alone_s is None or hop.alone_s >= least_s
                assert rows["compute_s"].min() >= least_s
                seen.add((hop.device, hop.start, hop.stop))
        assert seen == set(times_s)
        alone_s = {(row.device, row.start, row.stop): row.compute_s for row in results.rows(TimeAlone)}
        assert alone_s.keys() == seen
        assert all(alone_s[stage] >= least_s for stage, least_s in times_s.items())
    assert controller("check", tmp_path / "results.sqlite").returncode == 0
    written = analysis("report", tmp_path / "results.sqlite", "--out", tmp_path / "out", "--figures", "")
    assert written.returncode == 0, written.stderr
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "Measured on devices with planted times" in page
    assert "planted;planted" in (tmp_path / "out" / "cells.csv").read_text(encoding="utf-8")
    again = sweep(experiment, lab, bundles)
    assert "nothing to do" in again.stderr


def test_one_cell_may_have_planted_times(lab: Path, bundles: Path) -> None:
    command = ["run", bundles / "null", "--at", "1", "--lab", lab, "--network", "as_is"]
    done = controller(*command, "--planted", "{pi: {node_ms: 2}, server: {node_ms: 1}}")
    assert done.returncode == 0, done.stderr
    assert "24 of 24 results checked" in done.stdout
    wrong = controller(*command, "--planted", "{pi: {node_ms: -2}}")
    assert wrong.returncode == 2
    assert "error: --planted.node_ms: expected a number >= 0" in wrong.stderr


def _whole(bundle: Bundle) -> ShardRef:
    shard = bundle.shard(0, bundle.node_count)
    return ShardRef(digest=shard.digest, bundle=bundle.digest, start=0, stop=bundle.node_count)


def _build(bundle: Bundle, planted: PlantedTime) -> BuildPipeline:
    ends = (("in", 0), ("out", bundle.node_count))
    links = [LinkSpec(name=name, tensors=tensor_specs(bundle.tensors_at(at), 1)) for name, at in ends]
    hop = HopSpec(shard=_whole(bundle), inlet="in", outlet="out", planted=planted)
    endpoint = EndpointSpec(bundle=bundle.digest, outlet="in", inlet="out", batch=1)
    return BuildPipeline(name="p", depth=1, links=tuple(links), hops=(hop,), endpoint=endpoint)


def _baseline(bundle: Bundle, planted: PlantedTime) -> Baseline:
    inputs = tensor_specs(bundle.tensors_at(0), 1)
    return Baseline(shard=_whole(bundle), inputs=inputs, requests=2, planted=planted)


def test_a_worker_plants_times_in_null_stages_alone_and_within_bounds(
    lab: Path, bundles: Path, tiny: Bundle
) -> None:
    null = Bundle.open(bundles / "null")
    short, long = PlantedTime(seconds=0.001), PlantedTime(seconds=61)
    with WorkerPool(load_lab(lab), ["pi"], 5.0) as pool:
        pi = pool.workers["pi"]
        for bundle in (null, tiny):
            supply(pi, bundle, [bundle.shard(0, bundle.node_count)])
        for request in (_build, _baseline):
            with pytest.raises(
                DeviceError, match=r"shard 0-4 .* computes .operator 'MatMul'.; planted times"
            ):
                pi.ask(request(tiny, short), timeout_s=30)
            with pytest.raises(DeviceError, match="seconds of 61; allowed: 0 to 60"):
                pi.ask(request(null, long), timeout_s=30)
            pi.ask(request(null, short), timeout_s=30)
