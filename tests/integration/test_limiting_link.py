"""The limiting link is named: emulated ones by their schedule, real ones by the kernel's account."""

import csv
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from controller.experiment.topology import tensor_specs
from controller.results import Results
from exporter.bundle import Bundle, export_null
from tests.integration.commands import analysis, sweep, sweep_arguments
from tests.integration.faults.network import Network, a_network
from tests.integration.labs import LabWorker, write_experiment, write_lab
from worker.service.launch import WORKER
from worker.wire.ethernet import ethernet_bytes
from worker.wire.frames import LinkLayout

RATE_MBIT = 10
TBF_MBIT = 20
BURST_BYTES = 5_000


def shares(text: str) -> dict[str, float]:
    return {way: float(share) for way, share in (part.split("=") for part in text.split(";"))}


def reported(results: Path) -> list[dict[str, str]]:
    """The rows of `cells.csv`."""
    done = analysis("report", results, "--out", results.parent / "report", "--figures", "")
    assert done.returncode == 0, done.stderr
    with (results.parent / "report" / "cells.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def sending_s(bundle: Bundle, cut: int, rate_mbit: float) -> float:
    """How long a frame of the tensors at a cut occupies a link."""
    frame_bytes = LinkLayout(tensor_specs(bundle.tensors_at(cut), 1)).frame_bytes
    return ethernet_bytes(frame_bytes) * 8 / (rate_mbit * 1e6)


def test_the_use_of_emulated_links_is_bytes_over_rate_whatever_their_delay(lab: Path, tmp_path: Path) -> None:
    """At cut 1 the link takes 84 ms a request; at cut 2 8 ms, and the first stage 15 ms."""
    bundle = export_null(tmp_path / "bundles" / "null", (250, 25_000, 2_500, 10))
    experiment = write_experiment(
        tmp_path,
        f"lte: {{delay_ms: 25, rate_mbit: {RATE_MBIT}}}\n",
        models=["null"],
        splits=[1, 2],
        depths=[1, 4],
        requests=16,
        planted={"pi": {"node_ms": [3, 12, 2]}, "server": {"node_ms": 2}},
    )
    done = sweep(experiment, lab, tmp_path / "bundles")
    assert done.returncode == 0, done.stderr
    with Results.open(tmp_path / "results.sqlite") as results:
        of_cell = {trial.cell: trial for trial in results.trials()}
    split = 0
    for row in reported(tmp_path / "results.sqlite"):
        if row["cuts"] not in ("1", "2"):
            continue
        split += 1
        trial, cut = of_cell[row["cell"]], int(row["cuts"])
        for way, at in (("pi -> server", cut), ("server -> pi", 3)):
            # Of the link's own time, from the first frame that counts to the one after the last.
            (use,) = (link.use for link in trial.links if f"{link.sender} -> {link.receiver}" == way)
            assert use is not None and use.elapsed_s == pytest.approx(trial.elapsed_s, rel=0.3)
            true = sending_s(bundle, at, RATE_MBIT) * use.frames / use.elapsed_s
            for column in ("link_use", "link_use_least"):
                assert shares(row[column])[way] == pytest.approx(true, abs=0.02)
        assert row["bottleneck"] == ("pi -> server" if cut == 1 else "pi")
        if (row["cuts"], row["depth"]) == ("1", "4"):
            assert shares(row["link_use"])["pi -> server"] > 0.98
    assert split == 4


@pytest.mark.parametrize(("source", "way"), [("first", "pi -> server"), ("controller", "controller -> pi")])
def test_the_link_that_carries_the_raw_input_can_be_the_one_that_limits(
    lab: Path, tmp_path: Path, source: str, way: str
) -> None:
    export_null(tmp_path / "bundles" / "null", (10_000, 10, 10))
    experiment = write_experiment(
        tmp_path,
        f"slow: {{rate_mbit: {RATE_MBIT}}}\n",
        models=["null"],
        splits=[1],
        depths=[4],
        source=source,
        planted={name: {"node_ms": 3} for name in ("pi", "server")},
    )
    done = sweep(experiment, lab, tmp_path / "bundles")
    assert done.returncode == 0, done.stderr
    limits = {row["kind"]: row["bottleneck"] for row in reported(tmp_path / "results.sqlite")}
    assert limits["offload" if source == "first" else "split"] == way


@pytest.fixture(scope="module", name="network")
def fixture_network() -> Iterator[Network]:
    """What `near` sends is held to a rate by the kernel."""
    with a_network() as network:
        tbf = f"tc qdisc add dev eth0 root tbf rate {TBF_MBIT}mbit burst {BURST_BYTES} latency 2s"
        subprocess.run([*network.near_prefix, *tbf.split()], check=True, capture_output=True)
        yield network


@pytest.fixture(scope="module", name="namespaces")
def fixture_namespaces(network: Network, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The file of a lab of `pi` in one network namespace and `server` in another."""
    folder = tmp_path_factory.mktemp("namespaces")
    sides = (("pi", network.near, network.near_prefix), ("server", network.far, network.far_prefix))
    workers: list[LabWorker] = []
    try:
        for name, host, prefix in sides:
            command = [*prefix, *WORKER]
            workers.append(LabWorker(folder, name, "--open-to-all", host=host, command=command))
        yield write_lab(folder, [worker.device("none") for worker in workers])
    finally:
        for worker in workers:
            worker.kill()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("planted", "limits"),
    [
        pytest.param({"pi": [3, 3, 3], "server": 3}, ["pi -> server", "pi -> server"], id="the link limits"),
        pytest.param({"pi": [30, 180, 3], "server": 3}, ["pi", "pi"], id="the sender's computing limits"),
        pytest.param(
            {"pi": [3, 3, 3], "server": [3, 30, 220]}, ["server", "server"], id="the receiver limits"
        ),
    ],
)
def test_the_kernel_tells_which_link_limits(
    network: Network, namespaces: Path, tmp_path: Path, planted: Mapping[str, Any], limits: Sequence[str]
) -> None:
    """A frame of 50 kB (cut 1), which fits the socket's buffer, takes 21 ms; one of 400 kB (cut 2) 167 ms."""
    bundle = export_null(tmp_path / "bundles" / "null", (250, 12_500, 100_000, 10))
    experiment = write_experiment(
        tmp_path,
        models=["null"],
        networks=["as_is"],
        splits=[1, 2],
        depths=[4],
        requests=16,
        planted={device: {"node_ms": node_ms} for device, node_ms in planted.items()},
    )
    command = [*network.near_prefix, sys.executable, "-m", "controller"]
    command += sweep_arguments(experiment, namespaces, tmp_path / "bundles")
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    with Results.open(tmp_path / "results.sqlite") as results:
        of_cell = {trial.cell: trial for trial in results.trials()}
    rows = {row["cuts"]: row for row in reported(tmp_path / "results.sqlite")}
    assert [rows["1"]["bottleneck"], rows["2"]["bottleneck"]] == limits
    for cut in (1, 2):
        row = rows[str(cut)]
        trial = of_cell[row["cell"]]
        least, most = (shares(row[column])["pi -> server"] for column in ("link_use_least", "link_use"))
        # TBF counts as the emulation does, but lets a burst pass an idle link at once.
        burst_s = BURST_BYTES * 8 / (TBF_MBIT * 1e6)
        (use,) = (link.use for link in trial.links if link.receiver == "server")
        assert use is not None and use.by == "kernel"
        frame_s, periods_a_second = sending_s(bundle, cut, TBF_MBIT), use.frames / use.elapsed_s
        assert least < frame_s * periods_a_second + 0.05
        assert most > (frame_s - burst_s) * periods_a_second - 0.05
        if limits[cut - 1] == "pi -> server":
            assert least > 0.9
