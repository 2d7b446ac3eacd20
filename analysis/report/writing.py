"""Everything that a report consists of, written to a folder whole or not at all."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from analysis.data.predictions import predictions_of
from analysis.data.sweep import Sweep
from analysis.figures import FORMATS, exporting, figures_of
from analysis.fronts.answers import as_json
from analysis.output import written_whole
from analysis.report.disclosure import measured_on
from analysis.report.page import render
from analysis.report.tables import page_tables
from analysis.report.terminal import summary_lines
from analysis.study import Study
from analysis.tables.cells import cells_table, fronts_table, pareto_table
from analysis.tables.latex import answers_latex
from analysis.tables.per_node import NODE_COLUMNS, node_rows
from analysis.tables.per_split import SPLIT_COLUMNS, split_rows

__all__ = ["Report", "write_report"]


@dataclass(frozen=True)
class Report:
    """What was written. `lines` is its first table for a terminal."""

    page: Path
    lines: tuple[str, ...]


def _tables(study: Study, against: str, codec_pj_per_bit: float | None) -> Iterator[tuple[str, pd.DataFrame]]:
    """One at a time: those of many cells are large."""
    yield "pareto", pareto_table(study)
    yield "fronts", fronts_table(study)
    yield "splits", pd.DataFrame(split_rows(study, against), columns=list(SPLIT_COLUMNS))
    yield "nodes", pd.DataFrame(node_rows(study, codec_pj_per_bit), columns=list(NODE_COLUMNS))
    yield "cells", cells_table(study)
    yield from page_tables(study)


def write_report(
    sweep: Sweep,
    out: Path,
    formats: Sequence[str] = FORMATS,
    *,
    against: str = "",
    codec_pj_per_bit: float | None = None,
    predictions: Path | None = None,
) -> Report:
    """Write `report.html`, the tables as CSV, the answers as JSON and LaTeX, and `figures/` to `out`.

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
    study = Study.of(sweep, predictions_of(sweep, predictions))
    figures = figures_of(study)
    with written_whole(out, ".report-") as draft, exporting(figures, draft / "figures", formats):
        for name, table in _tables(study, against, codec_pj_per_bit):
            table.to_csv(draft / f"{name}.csv", index=False)
        (draft / "report.html").write_text(render(study, figures), encoding="utf-8")
        answers = json.dumps(as_json(sweep, study.answers), indent=2)
        (draft / "answers.json").write_text(f"{answers}\n", encoding="utf-8")
        on = measured_on(sweep)
        latex = answers_latex(study, f"{on.headline}." if on.simulated else "")
        (draft / "answers.tex").write_text(latex, encoding="utf-8")
    return Report(out / "report.html", tuple(summary_lines(study)))
