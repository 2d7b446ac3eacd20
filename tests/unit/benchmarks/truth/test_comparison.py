"""Reported figures held to the truth: what is off, missing or named wrong is seen."""

import math
from pathlib import Path
from typing import Any

import pytest
import yaml

from benchmarks.truth.cases import CASES, NULL_SIZES
from benchmarks.truth.compared import Compared
from benchmarks.truth.comparison import Reported, compare
from benchmarks.truth.physics import Truth, truth_of
from controller.experiment.resolve import ResolvedExperiment, resolve
from controller.lab.inventory import Lab
from controller.results import Cell
from exporter.bundle import export_null

CHAIN = next(case for case in CASES if case.name == "chain")


@pytest.fixture(name="resolved")
def fixture_resolved(tmp_path: Path, lab: Lab) -> ResolvedExperiment:
    export_null(tmp_path / "bundles" / "null", NULL_SIZES)
    (tmp_path / "experiment.yml").write_text(yaml.safe_dump(CHAIN.experiment()))
    (tmp_path / "networks.yml").write_text(yaml.safe_dump(dict(CHAIN.networks)))
    return resolve(tmp_path / "experiment.yml", lab, bundles_folder=tmp_path / "bundles")


def listed(values: dict[str, float]) -> str:
    return ";".join(f"{name}={value:.4f}" for name, value in values.items())


class Stated:
    """Files that state the truth, but for what a test changes."""

    def __init__(self, resolved: ResolvedExperiment) -> None:
        self.resolved = resolved
        self.cells: dict[Cell, dict[str, Any]] = {}
        self.parts: dict[Cell, dict[str, Any]] = {}
        self.stages: dict[tuple[Cell, int], dict[str, Any]] = {}
        for name, cells in resolved.cells.items():
            for cell in cells:
                self._state(name, cell)
        self.answers = [self._answer(*of) for of in ANSWERS]
        self.fronts: list[dict[str, Any]] = [
            {
                "network": name,
                "front": front,
                "hypervolume": share,
                "box_latency_s": 0.12,
                "box_sample_s": 0.12,
            }
            for name, *shares in HYPERVOLUMES
            for front, share in zip(("capability", "operating"), shares, strict=True)
        ]

    def _state(self, name: str, cell: Cell) -> None:
        truth = self.truth(name, cell)
        assert truth.latency_s is not None
        assert truth.throughput_per_s is not None
        busy = {stage: s * truth.throughput_per_s for stage, s in truth.stages_s.items()}
        use = {way: s * truth.throughput_per_s for way, s in truth.links_s.items()}
        sizes = ";".join(map(str, truth.link_payload_bytes))
        self.cells[cell] = {
            "trials": 2,
            "requests": 22 if cell.depth == 1 else 24,
            "overloaded": 0,
            "unstable": 0,
            "worst_error": 0.0,
            "source_s": 0.0,
            "prepare_s": 0.0,
            "latency_p50_s": truth.latency_s,
            "latency_mean_s": truth.latency_s,
            "throughput_per_s": truth.throughput_per_s,
            "network_s": truth.network_s,
            "network_share": truth.network_s / truth.latency_s,
            "payload_bytes": truth.payload_bytes,
            "encoded_bytes": truth.payload_bytes,
            "link_payload_bytes": sizes,
            "link_encoded_bytes": sizes,
            "busy": listed(busy),
            "occupied": listed(busy),
            "bubble": listed({stage: 1 - share for stage, share in busy.items()}),
            "bottleneck": truth.bottleneck,
            "link_use": listed(use),
            "link_use_least": listed(use),
        }
        self.parts[cell] = {
            "total_s": truth.latency_s,
            "network_s": truth.network_s,
            "source_s": 0.0,
            "compute_s": listed(dict(truth.stages_s)),
            "wait_s": listed(dict.fromkeys(truth.stages_s, 0.0)),
            "codec_s": listed(dict.fromkeys(truth.stages_s, 0.0)),
        }
        for number, seconds in enumerate(truth.stages_s.values(), start=1):
            self.stages[cell, number] = {"stage": number, "compute_s": seconds, "compute_alone_s": seconds}

    def truth(self, name: str, cell: Cell) -> Truth:
        return truth_of(
            cell,
            self.resolved.bundles[cell.bundle],
            self.resolved.lab,
            self.resolved.networks[name],
            requests=range(2, 13),
            slowdowns={},
            burst_bytes={},
        )

    def _answer(self, name: str, objective: str, cut: int, gains: dict[str, float]) -> dict[str, Any]:
        deep = self.cells[self.cell(name, cut, 4)]
        return {
            "network": name,
            "objective": objective,
            "cuts": [cut],
            "latency_p50_s": {"value": self.cells[self.cell(name, cut, 1)]["latency_p50_s"]},
            "throughput_per_s": {"value": deep["throughput_per_s"]},
            "splits_measured": 4,
            "splits": 4,
            # 120 ms on one device, 72 ms on the other.
            "replicas_per_s": 1 / 0.120 + 1 / 0.072,
            "gains": [
                {
                    "over": "baseline" if over in ("pi", "server") else over,
                    "name": f"plain ONNX Runtime on {over}",
                    "factor": {"value": factor},
                }
                for over, factor in gains.items()
            ],
        }

    def cell(self, name: str, cut: int, depth: int) -> Cell:
        return next(c for c in self.resolved.cells[name] if (c.cuts, c.depth) == ((cut,), depth))

    def compared(self) -> list[Compared]:
        tables = {
            "cells": [{"cell": cell.id, **row} for cell, row in self.cells.items()],
            "parts": [{"cell": cell.id, **row} for cell, row in self.parts.items()],
            "device_metrics": [{"cell": cell.id, **row} for (cell, _), row in self.stages.items()],
            "fronts": self.fronts,
        }
        as_read = {
            name: [{k: str(v) for k, v in row.items()} for row in rows] for name, rows in tables.items()
        }
        return compare(self.resolved, Reported(as_read, self.answers), {})

    def wrong(self) -> list[Compared]:
        return [one for one in self.compared() if not one.holds]


# The raw input is small, so to offload is best alone; at depth the cut is, whose slower stage takes 60 ms.
SLOW_S = 0.083166
ANSWERS = (
    ("free", "latency", 0, {"pi": 120 / 72, "server": 1.0, "stay": 120 / 72}),
    ("free", "throughput", 1, {"pi": 2.0, "server": 72 / 60, "stay": 2.0, "offload": 72 / 60}),
    ("slow-link", "latency", 0, {"pi": 0.120 / SLOW_S, "server": 0.072 / SLOW_S, "stay": 0.120 / SLOW_S}),
    ("slow-link", "throughput", 1, {"pi": 2.0, "server": 72 / 60, "stay": 2.0, "offload": 72 / 60}),
)
# Of the box of 120 ms by 120 ms: (48 x 48 + 40 x 12) / 120^2, and without the cut at depth 4. Over the slow
# link to offload takes 83.2 ms alone, and the cut 117.9 ms.
HYPERVOLUMES = (("free", 0.1933, 0.16), ("slow-link", 0.1245, 0.0942))


@pytest.fixture(name="stated")
def fixture_stated(resolved: ResolvedExperiment) -> Stated:
    return Stated(resolved)


def test_a_case_takes_the_names_of_its_lab() -> None:
    experiment = CHAIN.experiment({"pi": "pi1", "server": "pi2", "slow": "pi3"})
    assert experiment["devices"] == ["pi1", "pi2"]
    assert experiment["planted"] == {"pi1": {"node_ms": 20}, "pi2": {"node_ms": 12}}


def test_the_truth_holds(stated: Stated) -> None:
    assert stated.wrong() == []
    assert len(stated.compared()) > 400


@pytest.mark.parametrize(
    ("column", "figure"),
    [
        ("latency_p50_s", "latency p50"),
        ("latency_mean_s", "latency mean"),
        ("throughput_per_s", "throughput"),
        ("payload_bytes", "payload bytes"),
        ("encoded_bytes", "encoded bytes"),
        ("requests", "requests"),
    ],
)
def test_a_figure_three_percent_off_is_wrong(stated: Stated, column: str, figure: str) -> None:
    stated.cells[stated.cell("slow-link", 4, 4)][column] *= 1.03
    (one,) = stated.wrong()
    assert one.figure == figure
    assert one.error == pytest.approx(0.03)
    assert one.cell == "slow-link, layer.3 @4, depth 4"


def test_a_share_a_stage_a_name_and_an_answer_that_are_wrong_are_named(stated: Stated) -> None:
    stated.cells[stated.cell("free", 4, 4)]["bottleneck"] = "server"
    stated.cells[stated.cell("slow-link", 1, 1)]["network_share"] += 0.03
    stated.cells[stated.cell("free", 6, 1)]["busy"] = "pi=0.9700"
    slow = stated.cells[stated.cell("slow-link", 1, 4)]
    slow["link_use"] = slow["link_use"].replace("server -> pi=", "server -> pi=0.1;x=")
    stated.stages[stated.cell("free", 4, 1), 2]["compute_alone_s"] *= 0.97
    stated.stages[stated.cell("free", 4, 1), 1]["compute_s"] *= 1.03
    stated.parts[stated.cell("free", 1, 1)]["wait_s"] = "pi=0.0000;server=0.0050"
    stated.answers[1]["cuts"] = [6]
    stated.answers[1]["gains"][0]["factor"]["value"] *= 1.03
    stated.fronts[0]["hypervolume"] += 0.03
    assert {one.figure: one.error for one in stated.wrong()} == {
        "bottleneck": math.inf,
        "network share": pytest.approx(0.03),
        "busy of pi": pytest.approx(-0.03),
        "use of server -> pi, at most": pytest.approx(0.1, abs=0.01),
        "time alone": pytest.approx(-0.03),
        "stage compute": pytest.approx(0.03),
        "wait part of server": pytest.approx(0.0625),
        "best cut, throughput": math.inf,
        "gain in throughput over pi alone": pytest.approx(0.03),
        "hypervolume, capability": pytest.approx(0.03, abs=1e-3),
    }


def test_what_is_missing_is_wrong(stated: Stated) -> None:
    stated.cells[stated.cell("free", 1, 1)]["latency_p50_s"] = ""
    (one,) = stated.wrong()
    assert (one.figure, one.reported, one.error) == ("latency p50", None, math.inf)
