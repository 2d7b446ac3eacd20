"""A results file for programs: data frames, fronts, answers, figures."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pandas as pd

from analysis.data.sweep import load
from analysis.errors import FigureError
from analysis.exports import EXPORTS, export_rows
from analysis.figures import figures_of
from analysis.fronts.answers import Answer, as_json, over_one_device
from analysis.report import write_report
from analysis.statistics.objectives import check_objectives
from analysis.study import Study
from analysis.tables.cells import cells_table, fronts_table, pareto_table
from controller.errors import did_you_mean
from edgecut.figures import Figure

__all__ = ["Results", "load_results"]


def load_results(path: Path | str, *, objectives: Sequence[str] = (), seed: int = 0) -> "Results":
    """Read and measure a results file; a sweep may still be writing to it.

    Args:
        path: The file that a sweep wrote.
        objectives: What answers are for; by default the experiment's.
        seed: Of what is drawn from the trials.

    Raises:
        ControllerError: There is no such file, or it is not a results file.
        AnalysisError: No trial has finished yet, or an objective is unknown.
    """
    return Results(Study.of(load(Path(path), objectives=check_objectives(",".join(objectives)), seed=seed)))


class Results:
    """A sweep, measured. Columns of the data frames: docs/reports.md and docs/exports.md; times are in
    seconds."""

    def __init__(self, study: Study) -> None:
        """Wrap a study; `load_results` makes one from a file."""
        self.study = study

    @cached_property
    def cells(self) -> pd.DataFrame:
        """A row for each requested cell, as in cells.csv; figures of unfinished ones are missing."""
        return cells_table(self.study)

    @cached_property
    def trials(self) -> pd.DataFrame:
        """A row for each finished trial, as in pipeline_metrics.csv."""
        return self._exported("pipeline_metrics")

    @cached_property
    def stages(self) -> pd.DataFrame:
        """A row for each stage of each finished trial, as in device_metrics.csv."""
        return self._exported("device_metrics")

    @cached_property
    def requests(self) -> pd.DataFrame:
        """A row for each request that counts, as in batch_metrics.csv; it may be large."""
        return self._exported("batch_metrics")

    @cached_property
    def fronts(self) -> pd.DataFrame:
        """A row for each front with its hypervolume, as in fronts.csv."""
        return fronts_table(self.study)

    @cached_property
    def points(self) -> pd.DataFrame:
        """A row for each point of each front, as in pareto.csv: the column `front` is capability or
        operating."""
        return pareto_table(self.study)

    @cached_property
    def answers(self) -> pd.DataFrame:
        """A row for each model, network and objective: the best split, its figures, and how sure that is.

        `latency_p50_s` and `throughput_per_s` are the split's own, with `_low` and `_high`;
        `probability_best` is the probability that it is within 2 % of the best; `gain` says how many times
        better it is than the best single device, which `gain_over` names: plain ONNX Runtime on the first
        device, or the raw input sent to another one.
        """
        answers = self.study.answers
        values = as_json(self.study.sweep, answers)
        return pd.DataFrame([_flat(*each) for each in zip(values, answers, strict=True)])

    @cached_property
    def figures(self) -> Mapping[str, Figure]:
        """The report's figures by name, such as `gains` or `mobilenet_v2-wifi-capability`."""
        drawn = figures_of(self.study)
        return MappingProxyType({name: Figure(name, draw) for name, draw in drawn.items()})

    def figure(self, name: str) -> Figure:
        """Return a figure by its name.

        Raises:
            AnalysisError: There is no such figure; the message suggests the nearest.
        """
        if name not in self.figures:
            known = ", ".join(self.figures)
            raise FigureError(f"no figure {name!r}{did_you_mean(name, self.figures)}; there are {known}")
        return self.figures[name]

    def write_report(self, folder: Path | str) -> Path:
        """Write report.html, its tables and its figures to a folder; returns the page's path.

        Raises:
            AnalysisError: The folder cannot be made or written.
        """
        return write_report(self.study.sweep, Path(folder)).page

    def _exported(self, table: str) -> pd.DataFrame:
        columns, _ = EXPORTS[table]
        return pd.DataFrame(export_rows(self.study.sweep, table), columns=list(columns))

    def __repr__(self) -> str:
        sweep = self.study.sweep
        return f"<edgecut.Results {sweep.path}: {len(sweep.cells)} cells, {sweep.finished} trials>"


def _flat(values: Mapping[str, Any], answer: Answer) -> dict[str, Any]:
    """An answer, and its values in `as_json`, as columns."""
    row = {
        name: values[name]
        for name in ("model", "network", "objective", "kind", "where", "cuts", "devices", "depth")
    }
    for name in ("latency_p50_s", "throughput_per_s"):
        row |= _bounds(name, values[name])
    row |= {name: values[name] for name in ("is_lower_bound", "probability_best", "tied_with")}
    gain = over_one_device(answer)
    row |= _bounds("gain", asdict(gain.factor) if gain else {})
    return row | {"gain_is_tie": gain.tie if gain else None, "gain_over": gain.name if gain else None}


def _bounds(name: str, figure: Mapping[str, Any]) -> dict[str, Any]:
    return {name: figure.get("value"), f"{name}_low": figure.get("low"), f"{name}_high": figure.get("high")}
