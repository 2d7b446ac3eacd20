"""The benchmark against real workers: it sees what it is there to see, and leaves nothing behind."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import psutil
import pytest

from benchmarks.bundles import NULL, make_bundles
from benchmarks.local_workers import Fleet, choose_cores
from benchmarks.measurement import Bench
from benchmarks.measurements.backends import null_split
from benchmarks.measurements.memory_growth import MemoryGrowth
from benchmarks.measurements.wire import HopExcess
from benchmarks.pipelines import pipeline, run
from controller.experiment.backend import RpcSettings
from controller.pipeline.runner import PipelineRunner
from exporter.bundle import Bundle
from worker.service.launch import WORKER

_SLOW_WORKER = str(Path(__file__).with_name("slow_worker.py"))

pytestmark = pytest.mark.skipif(
    not hasattr(os, "sched_getaffinity") or len(os.sched_getaffinity(0)) < 2,
    reason="the benchmark wants two cores",
)


@pytest.fixture(scope="module", name="cache")
def fixture_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bundles")
    make_bundles(folder, [NULL], lambda _: None)
    return folder


def _hop_excess_ms(bundle: Bundle, command: Sequence[str]) -> float:
    cores = choose_cores(None)
    with Fleet(cores, [bundle], command=command) as fleet:
        found = HopExcess("64k", batch=16, requests=60).run(Bench(cores, {NULL: bundle}, fleet))
    return found["hop_excess_ms_64k"]


def test_the_benchmark_notices_two_milliseconds_in_the_send_path(cache: Path) -> None:
    """Each hop sends once, so each is 2 ms longer; the bound allows 0.15 ms and a part of the wire."""
    bundle = Bundle.open(cache / NULL)
    as_it_is = _hop_excess_ms(bundle, WORKER)
    slowed = _hop_excess_ms(bundle, (sys.executable, _SLOW_WORKER))
    assert slowed - as_it_is > 1.0
    assert slowed > 1.5


@pytest.mark.slow
def test_sockets_are_held_against_rpc_over_the_same_stages(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = Bundle.open(cache / NULL)
    cores = choose_cores(None)
    monkeypatch.setattr("benchmarks.measurements.backends._TRIED", [RpcSettings(threads=4)])
    with Fleet(cores, [bundle]) as fleet:
        found = null_split().run(Bench(cores, {NULL: bundle}, fleet))
    # RPC copies, pickles and hands over more than we do: on null stages by far.
    assert found["socket_over_rpc_null_0m8"] > 1.0


@pytest.mark.parametrize("security", ["key", "tls"])
def test_workers_of_a_secured_lab_are_measured_too(cache: Path, security: Literal["key", "tls"]) -> None:
    bundle = Bundle.open(cache / NULL)
    with Fleet(choose_cores(None), [bundle], security=security) as fleet:
        assert {worker.info.stamp["security"] for worker in fleet.pool.workers.values()} == {security}
        with pipeline(fleet, bundle, (2,), depth=4, batch=196) as runner:
            assert run(runner, 20).checked == 20


@pytest.mark.slow
def test_memory_is_given_back_with_the_records(cache: Path) -> None:
    bundle = Bundle.open(cache / NULL)
    cores = choose_cores(None)
    with Fleet(cores, []) as fleet:
        found = MemoryGrowth(many=30_000).run(Bench(cores, {NULL: bundle}, fleet))
    assert found["memory_growth"] < 1.03


def test_a_live_pipeline_goes_over_to_another_split_and_is_sent_nothing_again(cache: Path) -> None:
    bundle = Bundle.open(cache / NULL)
    with Fleet(choose_cores(None), [bundle]) as fleet, pipeline(fleet, bundle, (1,), depth=4) as runner:
        run(runner, 20, warmup=0)
        asked = _spy_on(runner)
        changed = pipeline(fleet, bundle, (3,), depth=4)
        runner.resplit(changed.cell, changed.plan)
        trial = run(runner, 20, warmup=0)
    assert not {"PutShard", "PutFile"} & set(asked)
    assert "BuildPipeline" in asked
    assert [(hop.start, hop.stop) for hop in trial.hops] == [(0, 3), (3, 4)]
    assert trial.checked == 20


def test_a_device_without_a_part_in_the_new_split_lets_go_of_the_old(cache: Path) -> None:
    bundle = Bundle.open(cache / NULL)
    with Fleet(choose_cores(None), [bundle]) as fleet, pipeline(fleet, bundle, (1,), depth=4) as runner:
        changed = pipeline(fleet, bundle, (4,), depth=4)
        runner.resplit(changed.cell, changed.plan)
        trial = run(runner, 20, warmup=0)
    assert [(hop.device, hop.start, hop.stop) for hop in trial.hops] == [("first", 0, 4)]


def _spy_on(runner: PipelineRunner) -> list[str]:
    """Names of the requests that the pipeline's workers are asked from now on."""
    asked: list[str] = []
    for worker in runner.workers.values():
        ask = worker.connection.ask

        def spy(request: Any, *, timeout_s: float | None = None, ask: Any = ask) -> Any:
            asked.append(type(request).__name__)
            return ask(request, timeout_s=timeout_s)

        worker.connection.ask = spy  # type: ignore[method-assign]
    return asked


def _start(cache: Path, out: Path, *options: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "benchmarks", "bench", "--cache", str(cache), "--out", str(out), *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_one_figure_of_the_command_line_ends_in_a_table_and_a_file(cache: Path, tmp_path: Path) -> None:
    out = tmp_path / "bench.json"
    process = _start(cache, out, "--only", "hop_excess_ms_64k", "--rounds", "1")
    table, _ = process.communicate(timeout=120)
    assert process.returncode in (0, 1)  # 1: this machine is busy, and a bound was missed
    assert "hop_excess_ms_64k" in table
    figures = json.loads(out.read_text())["figures"]
    assert set(figures["hop_excess_ms_64k"]) == {"median", "low", "high", "n"}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_benchmark_ends_its_workers_and_writes_nothing(
    cache: Path, tmp_path: Path, number: signal.Signals
) -> None:
    out = tmp_path / "bench.json"
    process = _start(cache, out, "--only", "null_requests", "--rounds", "100")
    workers: list[psutil.Process] = []
    deadline_s = time.monotonic() + 60
    while len(workers) < 2 and time.monotonic() < deadline_s:
        time.sleep(0.1)
        workers = psutil.Process(process.pid).children()
    process.send_signal(number)
    try:
        _, said = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130
    assert said.splitlines()[-1].startswith("interrupted")
    assert "Traceback" not in said
    assert len(workers) == 2
    assert not psutil.wait_procs(workers, timeout=10)[1]
    assert not out.exists()
