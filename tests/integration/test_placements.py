"""Several stages on one device: run, checked, kept, and told apart in the analysis."""

import csv
from collections import Counter
from pathlib import Path

import pytest

from controller.results import Results
from tests.integration.commands import analysis, controller, sweep
from tests.integration.labs import write_experiment


@pytest.fixture
def experiment(tmp_path: Path) -> Path:
    return write_experiment(
        tmp_path,
        "ideal: {delay_ms: 1}\n",
        splits=[[1, 2]],
        placements=[["pi", "pi", "server"], ["pi", "server", "pi"], ["pi", "pi", "pi"]],
        depths=[1, 4],
        batches=[2],
        codecs=["none", {"forward": "fp16", "server -> pi": "lz4"}],
    )


def test_a_device_may_have_several_stages(
    experiment: Path, lab: Path, bundles_folder: Path, tmp_path: Path
) -> None:
    ended = sweep(experiment, lab, bundles_folder)
    assert ended.returncode == 0, ended.stderr
    again = sweep(experiment, lab, bundles_folder)
    assert "nothing to do: all trials are done" in again.stdout + again.stderr

    with Results.open(tmp_path / "results.sqlite") as results:
        cells = {cell.id: cell for cell in results.cells()}
        trials = list(results.trials())
    routes = {}
    for trial in trials:
        cell = cells[trial.cell]
        assert trial.checked == (11 if cell.depth == 1 else 12)
        assert [len(rows) for rows in trial.records] == [trial.checked] * len(trial.hops)
        if cell.cuts == (1, 2):
            assert [(hop.device, hop.start, hop.stop) for hop in trial.hops] == [
                (device, start, stop)
                for device, (start, stop) in zip(cell.devices, ((0, 1), (1, 2), (2, 4)), strict=True)
            ]
            routes[cell.devices, cell.codec] = [(k.sender, k.receiver, k.codec) for k in trial.links]
    coded = "forward: fp16; server -> pi: lz4"
    inside = ("pi", "pi", "none")
    assert routes == {
        (("pi", "pi", "server"), "none"): [
            inside,
            inside,
            ("pi", "server", "none"),
            ("server", "pi", "none"),
        ],
        (("pi", "pi", "server"), coded): [inside, inside, ("pi", "server", "fp16"), ("server", "pi", "lz4")],
        (("pi", "server", "pi"), "none"): [
            inside,
            ("pi", "server", "none"),
            ("server", "pi", "none"),
            inside,
        ],
        (("pi", "server", "pi"), coded): [inside, ("pi", "server", "fp16"), ("server", "pi", "lz4"), inside],
        # Nothing crosses a link, so there is nothing to encode.
        (("pi", "pi", "pi"), "none"): [inside] * 4,
    }


def test_the_report_tells_stages_of_one_device_apart(
    experiment: Path, lab: Path, bundles_folder: Path, tmp_path: Path
) -> None:
    ended = sweep(experiment, lab, bundles_folder)
    assert ended.returncode == 0, ended.stderr
    for command, *more in (("report", "--figures", ""), ("export",)):
        made = analysis(command, tmp_path / "results.sqlite", "--out", tmp_path, *more)
        assert made.returncode == 0, made.stderr
    with (tmp_path / "cells.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["cuts"] == "1;2" and row["codec"] == "none"]
    busy = {row["devices"]: [part.split("=")[0] for part in row["busy"].split(";")] for row in rows}
    assert busy == {
        "pi;pi;server": ["pi (1)", "pi (2)", "server"],
        "pi;server;pi": ["pi (1)", "server", "pi (2)"],
        "pi;pi;pi": ["pi (1)", "pi (2)", "pi (3)"],
    }
    assert {row["where"].rpartition(", ")[2] for row in rows} == {
        "pi→pi→server",
        "pi→server→pi",
        "pi→pi→pi",
    }
    with (tmp_path / "device_metrics.csv").open() as file:
        stages = Counter(row["device"] for row in csv.DictReader(file) if row["devices"] == "pi;server;pi")
    assert stages["pi"] > stages["server"]


def test_one_cell_with_several_links_between_the_same_two(lab: Path, bundles_folder: Path) -> None:
    run = ["run", bundles_folder / "tiny", "--lab", lab, "--network", "as_is", "--depth", 3]
    run += ["--devices", "pi,server,pi,server", "--at", "1,2,3", "--codec", "pi -> server: fp16"]
    for topology, way in (("chain", "pi -> server"), ("hub", "pi -> controller")):
        ended = controller(*run, "--topology", topology)
        assert ended.returncode == 0, ended.stderr
        assert ended.stdout.count(f"{way}: 16 bytes a request, 32 before codec fp16") == 2
        assert "30 of 30 results checked" in ended.stdout
