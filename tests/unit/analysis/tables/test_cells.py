"""cells.csv and pareto.csv: every dimension, every cell, and the documented columns."""

import re
from collections.abc import Callable
from pathlib import Path

import pandas as pd

from analysis.data.sweep import Sweep
from analysis.study import Study
from analysis.tables.cells import CELL_COLUMNS, PARETO_COLUMNS, cells_table, pareto_table

_DOCS = Path(__file__).parents[4] / "docs/reports.md"


def test_every_wanted_cell_has_a_row_with_its_figures(study: Study) -> None:
    table = cells_table(study)
    assert list(table.columns) == CELL_COLUMNS
    assert len(table) == len(study.sweep.cells)
    row = table[(table["network"] == "wifi") & (table["where"] == "features.2") & (table["depth"] == 4)].iloc[
        0
    ]
    assert (row["cuts"], row["devices"], row["device_kinds"], row["slowdowns"]) == (
        "12",
        "pi;server",
        "local;local",
        "10;1",
    )
    assert row["throughput_per_s_low"] <= row["throughput_per_s"] <= row["throughput_per_s_high"]
    assert row["interval"] == "range"
    assert pd.isna(row["latency_p90_s"]), "24 requests are too few for a p90"


def test_an_unfinished_cell_has_a_row_without_figures(other: Callable[..., Sweep]) -> None:
    table = cells_table(Study.of(other(skip=(24,))))
    row = table[table["cuts"] == "24"].iloc[0]
    assert (row["trials"], row["trials_wanted"]) == (0, 3)
    assert pd.isna(row["latency_p50_s"]) and pd.isna(row["throughput_per_s"])


def test_the_pareto_table_is_the_fronts(study: Study) -> None:
    table = pareto_table(study)
    assert list(table.columns) == PARETO_COLUMNS
    assert len(study.groups) == 3
    for group in study.groups:
        for front in group.fronts:
            rows = table[(table["front"] == front.name) & (table["network"] == group.network.name)]
            assert list(rows["cell"]) == [p.cell.id for p in front.members]
            assert list(rows["rank"]) == list(range(1, len(rows) + 1))


def test_every_column_is_documented_and_no_other() -> None:
    table = _DOCS.read_text(encoding="utf-8").partition("| column | what |\n")[2].partition("\n\n")[0]
    documented = set(re.findall(r"^\| `([a-z0-9_]+)` \|", table, flags=re.MULTILINE))
    bounds = {c for c in {*CELL_COLUMNS, *PARETO_COLUMNS} if c.endswith(("_low", "_high"))}
    assert documented == {*CELL_COLUMNS, *PARETO_COLUMNS} - bounds
