"""Everything that a report consists of, written to a folder whole or not at all."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from analysis.data.predictions import PredictedCell, predictions_of
from analysis.data.sweep import Sweep
from analysis.figures import FORMATS, PAPER, export, figures_of
from analysis.fronts.answers import Answer, answers, as_json, one_line
from analysis.output import written_whole
from analysis.report.page import render
from analysis.report.tables import page_tables
from analysis.tables.cells import cells_table, fronts_table, pareto_table
from analysis.tables.latex import write_table
from analysis.tables.per_node import NODE_COLUMNS, node_rows
from analysis.tables.per_split import SPLIT_COLUMNS, split_rows

__all__ = ["Report", "write_report"]


@dataclass(frozen=True)
class Report:
    """What was written. `lines` is the answer of each network for a terminal."""

    page: Path
    files: tuple[Path, ...]
    answers: tuple[Answer, ...]
    lines: tuple[str, ...]


def write_report(
    sweep: Sweep,
    out: Path,
    formats: Sequence[str] = FORMATS,
    *,
    against: str = "",
    codec_pj_per_bit: float | None = None,
    predictions: Path | None = None,
) -> Report:
    """Write `report.html`, the tables as CSV and LaTeX, `answers.json` and `figures/` to `out`.

    Made in a folder beside and moved in place when all is there, so that a failure leaves an older
    report as it was.

    Args:
        against: The split that the table of splits is compared with; nothing: the equal split.
        codec_pj_per_bit: For the energy of codecs in the table of nodes.
        predictions: A file of predicted and measured cells to show; None: that beside the results, if any.

    Raises:
        OutputError: `out` cannot be made or written.
        ResultsError: The file of predictions cannot be read, or is none.
    """
    found, predicted = answers(sweep), predictions_of(sweep, predictions)
    with written_whole(out, ".report-") as draft:
        _write_all(sweep, found, predicted, draft, formats)
        _write_tables(sweep, draft, against, codec_pj_per_bit)
        files = tuple(out / p.relative_to(draft) for p in sorted(draft.rglob("*")) if p.is_file())
    lines = [one_line(sweep, network, bundle, found) for bundle, network in sweep.groups()]
    return Report(out / "report.html", files, tuple(found), tuple(lines))


def _write_all(
    sweep: Sweep,
    found: Sequence[Answer],
    predicted: Sequence[PredictedCell],
    folder: Path,
    formats: Sequence[str],
) -> None:
    figures = figures_of(sweep, found, predicted)
    (folder / "report.html").write_text(render(sweep, found, figures, predicted), encoding="utf-8")
    (folder / "answers.json").write_text(json.dumps(as_json(sweep, found), indent=2) + "\n", encoding="utf-8")
    if formats:
        (folder / "figures").mkdir()
        for figure in figures.values():
            export(figure.draw(PAPER), folder / "figures" / figure.name, formats)


def _write_tables(sweep: Sweep, folder: Path, against: str, codec_pj_per_bit: float | None) -> None:
    splits, nodes = split_rows(sweep, against), node_rows(sweep, codec_pj_per_bit)
    tables = [
        ("pareto", pareto_table(sweep)),
        ("fronts", fronts_table(sweep)),
        ("splits", pd.DataFrame(splits, columns=list(SPLIT_COLUMNS))),
        ("nodes", pd.DataFrame(nodes, columns=list(NODE_COLUMNS))),
        *page_tables(sweep),
    ]
    for name, table in tables:
        write_table(folder, name, table)
    # Some seventy columns: no page is so wide.
    cells_table(sweep).to_csv(folder / "cells.csv", index=False)
