"""The tables of published work, against what the physics of the sweep gives; and tables as LaTeX."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from analysis.__main__ import main
from analysis.data.sweep import Sweep, load
from analysis.study import Study
from analysis.tables.per_node import NODE_COLUMNS, node_rows
from analysis.tables.per_split import SPLIT_COLUMNS, split_rows
from controller.results import Store
from tests.results_files import edited
from tests.unit.analysis.synthetic import INPUT_BYTES, NODES, OUTPUT_BYTES, Physics, run_trial, write_sweep


def test_shares_and_limits_are_those_of_the_stages_alone(other: Callable[..., Sweep]) -> None:
    sweep = other(physics=Physics(noise=0.0), cuts=(0, 12, 30, 60))
    row = next(r for r in split_rows(Study.of(sweep)) if (r["network"], r["cuts"]) == ("lan", "12"))
    pi_s, server_s = 0.040 * 12 / NODES, 0.004 * 48 / NODES
    assert row["shares"] == f"pi={pi_s / (pi_s + server_s):.4f};server={server_s / (pi_s + server_s):.4f}"
    assert row["load_balance"] == pytest.approx((pi_s + server_s) / 2 / pi_s)
    assert row["limit_sequential"] == pytest.approx((pi_s + server_s) / pi_s)
    assert row["limit_one_device"] == pytest.approx(0.040 / pi_s)
    assert row["limit_named"] == pytest.approx(0.020 / pi_s), "the equal split has half of it on the pi"


def test_speed_ups_are_ratios_of_what_was_measured(study: Study) -> None:
    sweep = study.sweep
    cells = {r.cell.id: r for r in sweep.cells}
    for row in split_rows(study):
        deep = cells[row["cell"]]
        alone = next(
            r
            for r in sweep.of(deep.cell.bundle, deep.cell.network)
            if (r.cell.cuts, r.cell.depth) == (deep.cell.cuts, 1)
        )
        assert deep.throughput.value and alone.throughput.value
        measured = deep.throughput.value / alone.throughput.value
        assert row["speedup_sequential"] == pytest.approx(measured, rel=0.02)
        assert row["speedup_sequential_low"] <= row["speedup_sequential"] <= row["speedup_sequential_high"]
        assert set(row) == set(SPLIT_COLUMNS)


def test_intervals_of_a_sweep_that_looked_until_it_was_sure_account_for_its_looks(tmp_path: Path) -> None:
    """Of the same trials they are wider: each look at blocks 3 to 15 needs 98.9 % for 95 % of all."""
    path = write_sweep(tmp_path / "r.sqlite", trials=4, cuts=(0, 24, NODES))
    plain = split_rows(Study.of(load(path)))
    with edited(path) as db:
        db.execute("UPDATE experiment SET least = 3, trials = 15, until = 0.95")
    for before, row in zip(plain, split_rows(Study.of(load(path))), strict=True):
        names = ("speedup_one_device", "speedup_one_device_low", "speedup_one_device_high")
        (value, low, high), (same, lower, higher) = ([each[name] for name in names] for each in (before, row))
        assert same == value
        assert 1.2 < np.log(higher / lower) / np.log(high / low) < 2.5


def test_a_named_split_is_compared_with_itself_as_1(study: Study) -> None:
    rows = split_rows(study, "raw input to server")
    named = [r for r in rows if r["where"] == "raw input to server"]
    assert named and all(r["speedup_named"] == 1 for r in named)
    assert {r["named"] for r in rows} == {"raw input to server"}


def test_the_equal_split_with_as_many_threads_is_compared_with(tmp_path: Path) -> None:
    path = write_sweep(tmp_path / "r.sqlite", cuts=(12, 30))
    rng = np.random.default_rng(3)
    with Store.append(path) as store:
        compared = [replace(c, threads=n) for n in (1, 4) for c in store.cells() if c.network == "lan"]
        store.add(*compared)
        for cell in compared:
            store.add_trial(run_trial(cell, 0, 24, Physics(), rng))
    named = {r["where"]: r["named"] for r in split_rows(Study.of(load(path))) if r["network"] == "lan"}
    assert {where.partition(", ")[2] for where in named} == {"", "1 thread", "4 threads"}
    assert all(where.partition(", ")[2] == other.partition(", ")[2] for where, other in named.items())


def test_a_split_that_is_none_is_refused(
    results: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "o"
    assert main(["report", str(results), "--out", str(out), "--figures", "", "--against", "moon"]) == 2
    assert "--against moon" in capsys.readouterr().err
    assert not list(out.glob("*"))


def test_nodes_add_up_to_their_total(study: Study) -> None:
    rows = node_rows(study)
    assert {r["nodes"] for r in rows} == {1, 2}
    for total in (r for r in rows if r["node"] == "total"):
        mine = [r for r in rows if r["cell"] == total["cell"] and r["node"] != "total"]
        assert mine[0]["node"] == "dispatcher"
        for column in ("payload_bytes", "codec_s", "inference_s"):
            assert sum(r[column] for r in mine) == pytest.approx(total[column])
        assert total["overhead"] == pytest.approx(1 - total["inference_s"] / total["total_s"])
        assert total["codec_energy_model_j"] is None, "no figure of a model was given"
        assert all(0 <= r["overhead"] < 1 and r["send_s"] >= 0 for r in mine[1:])
        assert set(total) <= set(NODE_COLUMNS)


def test_the_raw_input_is_the_dispatchers_payload(study: Study) -> None:
    offload = [r for r in node_rows(study) if r["where"] == "raw input to server" and r["network"] == "lan"]
    payload = {r["node"]: r["payload_bytes"] for r in offload}
    assert payload == {"dispatcher": INPUT_BYTES, "server": OUTPUT_BYTES, "total": INPUT_BYTES + OUTPUT_BYTES}


def test_codec_energy_counts_only_what_a_codec_was_given_where_it_was_encoded(tmp_path: Path) -> None:
    path = write_sweep(tmp_path / "r.sqlite", cuts=(0, 24, 60))
    assert {r["codec_energy_model_j"] for r in node_rows(Study.of(load(path)), 5.0)} == {0.0}
    with edited(path) as db:
        for number, text in db.execute("SELECT id, links FROM trial WHERE status = 'done'").fetchall():
            links = json.loads(text)
            links[0]["codec"] = "uint8"
            db.execute("UPDATE trial SET links = ? WHERE id = ?", (json.dumps(links), number))
    rows = [r for r in node_rows(Study.of(load(path)), 5.0) if r["nodes"] == 2 and r["network"] == "lan"]
    energy = {r["node"]: r["codec_energy_model_j"] for r in rows}
    crossing = Physics().crossing_bytes(24)
    assert energy["pi"] == energy["total"] == pytest.approx(crossing * 8 * 5e-12)
    assert energy["server"] == energy["dispatcher"] == 0.0
