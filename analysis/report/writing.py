"""Everything that a report consists of, written to a folder whole or not at all."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from analysis.answers import Answer, answers, as_json, one_line
from analysis.figures import FORMATS, PAPER, export, figures_of
from analysis.predictions import find_predictions, load_predictions
from analysis.report.folder import written_whole
from analysis.report.page import render
from analysis.results import Sweep
from analysis.tables import cells_table, fronts_table, pareto_table

__all__ = ["Report", "write_report"]


@dataclass(frozen=True)
class Report:
    """What was written. `lines` is the answer of each profile for a terminal."""

    page: Path
    files: tuple[Path, ...]
    answers: tuple[Answer, ...]
    lines: tuple[str, ...]


def write_report(sweep: Sweep, out: Path, formats: Sequence[str] = FORMATS) -> Report:
    """Write `report.html`, `pareto.csv`, `fronts.csv`, `cells.csv`, `answers.json` and `figures/` to `out`.

    Made in a folder beside and moved in place when all is there, so that a failure leaves an older
    report as it was.

    Raises:
        OutputError: `out` cannot be made or written.
    """
    found = answers(sweep)
    with written_whole(out, ".report-") as draft:
        _write_all(sweep, found, draft, formats)
        files = tuple(out / p.relative_to(draft) for p in sorted(draft.rglob("*")) if p.is_file())
    lines = [one_line(sweep, profile, bundle, found) for bundle, profile in sweep.groups()]
    return Report(out / "report.html", files, tuple(found), tuple(lines))


def _write_all(sweep: Sweep, found: Sequence[Answer], folder: Path, formats: Sequence[str]) -> None:
    beside = find_predictions(sweep.path)
    predicted = load_predictions(beside) if beside else ()
    figures = figures_of(sweep, found, predicted)
    (folder / "report.html").write_text(render(sweep, found, figures, predicted), encoding="utf-8")
    pareto_table(sweep).to_csv(folder / "pareto.csv", index=False)
    fronts_table(sweep).to_csv(folder / "fronts.csv", index=False)
    cells_table(sweep).to_csv(folder / "cells.csv", index=False)
    (folder / "answers.json").write_text(json.dumps(as_json(sweep, found), indent=2) + "\n", encoding="utf-8")
    if formats:
        (folder / "figures").mkdir()
        for figure in figures.values():
            export(figure.draw(PAPER), folder / "figures" / figure.name, formats)
