"""`python -m analysis report|export RESULTS --out DIR`, `best RESULTS`, `compare A B`."""

import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.exceptions import TyperException

from analysis.errors import AnalysisError
from controller.errors import ControllerError, one_line
from worker.terminal import run, say, show

if TYPE_CHECKING:
    from analysis.data.sweep import Sweep

app = typer.Typer(
    pretty_exceptions_enable=False, add_completion=False, rich_markup_mode=None, no_args_is_help=True
)

_INTERRUPTED = 130

_Objectives = Annotated[
    str,
    typer.Option(
        metavar="NAMES",
        help="Objectives of the answers and the fronts, in place of the experiment's: any of latency, "
        "throughput, accuracy, payload, memory (of the fullest device).",
    ),
]


def _results_file(path: Path) -> Path:
    """The results file that a path names, or the one in a folder."""
    return path / "results.sqlite" if path.is_dir() else path


def _results_files(paths: list[Path]) -> list[Path]:
    return list(map(_results_file, paths))


_Results = Annotated[
    Path,
    typer.Argument(
        metavar="RESULTS", callback=_results_file, help="The sweep's results file (SQLite), or its folder."
    ),
]
_Figures = Annotated[
    str, typer.Option(metavar="FORMATS", help="Formats of the figure files; empty: no files.")
]
_Seed = Annotated[int, typer.Option(min=0, help="Seed of the resampling.")]


@app.callback()
def _analysis() -> None:
    """Turn a sweep's results into fronts, tables, figures and a report."""


@app.command()
def report(
    results: _Results,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Folder for the report. Default: that of RESULTS.")
    ] = None,
    figures: _Figures = "pdf,svg,png",
    objectives: _Objectives = "",
    seed: _Seed = 0,
    against: Annotated[
        str,
        typer.Option(metavar="SPLIT", help="Reference split of splits.csv; default: the equal split."),
    ] = "",
    codec_pj_per_bit: Annotated[
        float | None, typer.Option(min=0, metavar="PJ", help="Modelled codec energy per bit, for nodes.csv.")
    ] = None,
    predictions: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="File that bench-plan wrote; default: bench-plan.json beside RESULTS."
        ),
    ] = None,
) -> None:
    """Write the report, its tables, answers.json and figures/; print each network's answer."""
    # Imported here: pandas and altair take a second that --help need not.
    from analysis.data.sweep import load
    from analysis.figures import check_formats
    from analysis.report import write_report
    from analysis.statistics.objectives import check_objectives

    formats = check_formats(figures)
    sweep = load(results, objectives=check_objectives(objectives), seed=seed)
    _warn(sweep)
    written = write_report(
        sweep,
        out or results.parent,
        formats,
        against=against,
        codec_pj_per_bit=codec_pj_per_bit,
        predictions=predictions,
    )
    show(*written.lines)
    if sweep.missing:
        show(f"incomplete: {sweep.finished} trials finished, {sweep.missing} missing")
    show(f"report: {written.page.resolve()}")


@app.command()
def best(
    results: _Results,
    objective: Annotated[
        str | None,
        typer.Option(
            help="One of latency, throughput, accuracy, payload, memory and knee. Default: each of the "
            "experiment's objectives, and in text the knee."
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    seed: _Seed = 0,
) -> None:
    """Print the best measured split for each objective beside the others, and how sure the choice is."""
    # As above.
    from analysis.data.sweep import load
    from analysis.fronts.answers import check_goal
    from analysis.report.terminal import best_as_json, best_lines
    from analysis.study import Study

    goals = () if objective is None else (check_goal(objective),)
    sweep = load(results, seed=seed)
    _warn(sweep)
    if as_json:
        show(*json.dumps(best_as_json(sweep, goals), indent=1).splitlines())
    else:
        show(*best_lines(Study.of(sweep), goals))


@app.command()
def export(
    results: _Results,
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder for the files.")],
    formats: Annotated[str, typer.Option(metavar="FORMATS", help="csv, parquet, or csv,parquet.")] = "csv",
) -> None:
    """Write batch_metrics, device_metrics and pipeline_metrics as CSV or Parquet (docs/exports.md)."""
    # As above.
    from analysis.data.sweep import load
    from analysis.exports import check_export_formats, write_exports

    chosen = check_export_formats(formats)
    sweep = load(results)
    _warn(sweep)
    for path, rows in write_exports(sweep, out, chosen).items():
        show(f"{path.resolve()}: {rows} rows")


@app.command()
def compare(
    results: Annotated[
        list[Path],
        typer.Argument(
            metavar="A [B]",
            callback=_results_files,
            help="Two results files or their folders, or one for two of its networks.",
        ),
    ],
    networks: Annotated[
        str, typer.Option(metavar="X,Y", help="Compare network X of A with network Y of B (or of A).")
    ] = "",
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Folder for compare.html, compare.csv and figures/.")
    ] = None,
    figures: _Figures = "pdf,svg,png",
    seed: _Seed = 0,
) -> None:
    """Print what differs beyond noise between two results files, or two networks."""
    # As above.
    from analysis.comparison import compare, sides_of, summary_lines, write_comparison
    from analysis.figures import check_formats

    formats = check_formats(figures)
    sides = sides_of(results, networks, seed)
    _warn(*(side.sweep for side in sides))
    comparison = compare(*sides)
    page = write_comparison(comparison, out, formats) if out else None
    show(*summary_lines(comparison))
    if page:
        show(f"comparison: {page.resolve()}")


def _warn(*sweeps: "Sweep") -> None:
    for line in dict.fromkeys(line for sweep in sweeps for line in sweep.left_out):
        say(f"warning: {one_line(line)}")


def main(
    arguments: Sequence[str] | None = None,
    commands: Callable[..., Any] = app,
    program: str = "python -m analysis",
) -> int:
    """Run the command line; the exit code.

    Args:
        commands: All commands, or one of them alone.
        program: Its name in help texts.
    """
    return run(lambda: _run(arguments, commands, program))


def _run(arguments: Sequence[str] | None, commands: Callable[..., Any], program: str) -> int:
    try:
        code = commands(args=arguments, prog_name=program, standalone_mode=False)
    except (AnalysisError, ControllerError) as error:
        return _fail(str(error))
    except TyperException as error:
        # The option's name is in the formatted message only.
        return _fail(error.format_message() if hasattr(error, "format_message") else str(error))
    except OSError as error:  # a path that no system takes, a disk that is full
        return _fail(f"{error.filename or 'file'}: {error.strerror or error}")
    # typer turns Ctrl-C into this code.
    if code == _INTERRUPTED:
        say("interrupted; nothing was written")
    return int(code or 0)


def _fail(text: str) -> int:
    say(f"error: {one_line(text)}")
    return 2


if __name__ == "__main__":
    sys.exit(main())
