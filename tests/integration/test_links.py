"""`controller links` against real workers on this machine, whose link is as it is."""

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from controller.results import Results
from tests.integration.worker.processes import WorkerProcess

Links = Callable[..., "subprocess.CompletedProcess[str]"]

PROFILES = "far: {delay_ms: 40}\nnear: {description: nothing is limited}\n"


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Path]:
    started: list[WorkerProcess] = []
    try:
        for name in ("pi", "server"):
            started.append(WorkerProcess.start(tmp_path, name))
        path = tmp_path / "lab.json"
        path.write_text(json.dumps({"name": "test", "devices": [_device(one, "tc") for one in started]}))
        yield path
    finally:
        for one in started:
            one.process.kill()
            one.process.wait()


def _device(worker: WorkerProcess, shaping: str) -> dict[str, object]:
    return {
        "name": worker.name,
        "kind": "virtual",
        "host": "127.0.0.1",
        "control_port": worker.control_port,
        "data_port": worker.data_port,
        "shaping": shaping,
    }


@pytest.fixture
def links(lab: Path, tmp_path: Path) -> Links:
    (tmp_path / "networks.yml").write_text(PROFILES)

    def run(*options: str) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "-m", "controller", "links", "--lab", str(lab)]
        command += ["--networks", str(tmp_path / "networks.yml"), *options]
        return subprocess.run(command, capture_output=True, text=True, timeout=200, check=False)

    return run


@pytest.mark.slow
def test_links_are_measured_both_ways_and_kept(links: Links, tmp_path: Path) -> None:
    results = tmp_path / "new" / "results.sqlite"
    done = links("--network", "near", "--results", str(results))

    assert done.returncode == 0, done.stderr
    assert "pi -> server" in done.stdout and "server -> pi" in done.stdout
    with Results.open(results) as found:
        kept = found.links()
    assert [(k.network, k.sender, k.receiver) for k in kept] == [
        ("near", "pi", "server"),
        ("near", "server", "pi"),
    ]
    for link in kept:
        assert link.asked["round_trip_ms"] is None and link.environment is None
        assert 0 < link.measured["round_trip_ms"] < 20
        assert link.measured["datagrams"] == 2000
        assert link.measured["tcp_mbit"] > 100


@pytest.mark.slow
def test_a_link_that_is_not_as_asked_is_named_with_both_figures_and_still_kept(
    links: Links, tmp_path: Path
) -> None:
    results = tmp_path / "results.sqlite"
    done = links("--network", "far", "--results", str(results))

    assert done.returncode == 2
    errors = [line for line in done.stderr.splitlines() if line.startswith("error:")]
    assert len(errors) == 1
    assert "pi: its link to server does not match network 'far': round trip should be 80 ms" in errors[0]
    assert "(1 more, see the table)" in errors[0]
    with Results.open(results) as found:
        assert [link.asked["round_trip_ms"] for link in found.links()] == [80, 80]


@pytest.mark.slow
def test_as_they_are_nothing_is_judged(links: Links, lab: Path) -> None:
    lab.write_text(lab.read_text().replace('"tc"', '"none"'))
    done = links("--as-is", "--network", "far")
    assert done.returncode == 0, done.stderr
    assert "(80)" in done.stdout


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ((), "name what the links are to be with --network NAME, or measure them --as-is"),
        (("--network", "farr"), "no network 'farr' in .*; did you mean 'far'"),
    ],
)
def test_bad_input_is_one_line(links: Links, options: tuple[str, ...], says: str) -> None:
    done = links(*options)
    assert done.returncode == 2
    assert done.stderr.startswith("error: ") and done.stderr.count("\n") == 1
    assert re.search(says, done.stderr)


def test_emulated_links_are_not_judged_by_probes_that_pass_them_by(links: Links, lab: Path) -> None:
    lab.write_text(lab.read_text().replace('"tc"', '"emulated"'))
    done = links("--network", "far")
    assert done.returncode == 2
    assert "links with shaping emulated" in done.stderr and "--as-is" in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_device_that_is_not_there_is_named(links: Links, lab: Path) -> None:
    told = json.loads(lab.read_text())
    told["devices"][1]["control_port"] = 1
    lab.write_text(json.dumps(told))
    done = links("--as-is")
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith("error: server: cannot reach 127.0.0.1:1")
