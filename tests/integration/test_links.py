"""`controller links` against real workers on this machine, whose link is as it is."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from controller.results import MeasuredLink, Results
from tests.integration.commands import Ended, controller
from tests.integration.labs import LabWorker, write_lab

Links = Callable[..., Ended]


def lab_shaped(folder: Path, workers: dict[str, LabWorker], shaping: str) -> Path:
    devices = [workers[name].device(shaping) | {"kind": "virtual"} for name in ("pi", "server")]
    return write_lab(folder, devices)


@pytest.fixture
def lab(standing: dict[str, LabWorker], tmp_path: Path) -> Path:
    return lab_shaped(tmp_path, standing, "tc")


@pytest.fixture
def links(lab: Path, tmp_path: Path) -> Links:
    networks = tmp_path / "networks.yml"
    networks.write_text("far: {delay_ms: 40}\nnear: {description: nothing is limited}\n")

    def run(*options: str) -> Ended:
        return controller("links", "--lab", lab, "--networks", networks, *options, timeout_s=200)

    return run


@pytest.mark.slow
def test_links_are_measured_both_ways_and_kept(links: Links, tmp_path: Path) -> None:
    results = tmp_path / "new" / "results.sqlite"
    done = links("--network", "near", "--results", str(results))

    assert done.returncode == 0, done.stderr
    assert "pi -> server" in done.stdout and "server -> pi" in done.stdout
    with Results.open(results) as found:
        kept = found.rows(MeasuredLink)
    assert [(k.network, k.sender, k.receiver) for k in kept] == [
        ("near", "pi", "server"),
        ("near", "server", "pi"),
    ]
    for link in kept:
        assert link.requested["round_trip_ms"] is None and link.environment is None
        assert 0 < link.measured["round_trip_ms"] < 20
        assert link.measured["datagrams"] == 2000
        assert link.measured["tcp_mbit"] > 100


@pytest.mark.slow
def test_a_link_that_is_not_as_asked_is_named_with_both_figures_and_still_kept(
    links: Links, tmp_path: Path
) -> None:
    results = tmp_path / "results.sqlite"
    done = links("--network", "far", "--results", str(results))

    assert done.returncode == 1
    errors = [line for line in done.stderr.splitlines() if line.startswith("error:")]
    assert len(errors) == 1
    assert "pi: its link to server does not match network 'far': round trip should be 80 ms" in errors[0]
    assert "(1 more, see the table)" in errors[0]
    with Results.open(results) as found:
        assert [link.requested["round_trip_ms"] for link in found.rows(MeasuredLink)] == [80, 80]


@pytest.mark.slow
def test_as_they_are_nothing_is_judged(links: Links, standing: dict[str, LabWorker], tmp_path: Path) -> None:
    lab_shaped(tmp_path, standing, "none")
    done = links("--as-is", "--network", "far")
    assert done.returncode == 0, done.stderr
    assert "(80)" in done.stdout


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ((), "no --network; name the one that the links should have, or measure them with --as-is"),
        (("--network", "farr"), "no network 'farr' in .*; did you mean 'far'"),
    ],
)
def test_bad_input_is_one_line(links: Links, options: tuple[str, ...], says: str) -> None:
    done = links(*options)
    assert done.returncode == 2
    assert done.stderr.startswith("error: ") and done.stderr.count("\n") == 1
    assert re.search(says, done.stderr)


def test_emulated_links_are_not_judged_by_probes_that_pass_them_by(
    links: Links, standing: dict[str, LabWorker], tmp_path: Path
) -> None:
    lab_shaped(tmp_path, standing, "emulated")
    done = links("--network", "far")
    assert done.returncode == 2
    assert "links with shaping emulated" in done.stderr and "--as-is" in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_device_that_cannot_resolve_another_is_named_with_it(lab: Path, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(
        "import socket\nresolve = socket.getaddrinfo\n"
        "def getaddrinfo(host, *rest, **more):\n"
        "    return resolve('127.0.0.1' if host == 'box-in-the-cellar' else host, *rest, **more)\n"
        "socket.getaddrinfo = getaddrinfo\n"
    )
    told = json.loads(lab.read_text())
    told["devices"][1]["host"] = "box-in-the-cellar"
    lab.write_text(json.dumps(told))
    search = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, "-m", "controller", "status", "--lab", lab, "--infer"],
        env=os.environ | {"PYTHONPATH": search},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stdout.count("inference correct") == 2
    assert done.stderr.splitlines()[-1].startswith(
        "error: pi: the link pi -> server: cannot resolve box-in-the-cellar ("
    )
    assert "put it into /etc/hosts on this device" in done.stderr


def test_a_device_that_is_not_there_is_named(links: Links, lab: Path) -> None:
    told = json.loads(lab.read_text())
    told["devices"][1]["control_port"] = 1
    lab.write_text(json.dumps(told))
    done = links("--as-is")
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith("error: server: cannot reach 127.0.0.1:1")
