"""`python -m benchmarks bench|bench-plan|bench-report|bench-demo|truth`: what it costs, and if it is true."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from benchmarks.command import run_bench, show_bench
from benchmarks.demo_times import bench_demo
from benchmarks.pages.command import SIZES, bench_report
from benchmarks.planning.command import BenchPlanOptions, bench_plan
from benchmarks.truth.labs import LabName
from benchmarks.truth.suite import run_truth
from controller.cli.running import run
from controller.lab.inventory import load_lab
from controller.options import LAB, LabFile

__all__ = ["app", "main"]

app = typer.Typer(
    pretty_exceptions_enable=False, add_completion=False, rich_markup_mode=None, no_args_is_help=True
)


@app.command()
def bench(
    out: Annotated[Path, typer.Option(help="Results file.")] = Path("results/bench.json"),
    cache: Annotated[Path, typer.Option(help="Bundles folder.")] = Path("results/bench/bundles"),
    rounds: Annotated[int, typer.Option(min=1, help="Rounds to run; fewer after 10 minutes.")] = 5,
    only: Annotated[
        list[str] | None, typer.Option(help="Measure only figures with this prefix; repeatable.")
    ] = None,
    cores: Annotated[
        str | None,
        typer.Option(help="A core for each of the two devices, such as 0,1. Default: the first two."),
    ] = None,
    show: Annotated[bool, typer.Option("--show", help="Only print the table of an existing --out.")] = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="With --show: print Markdown.")] = False,
) -> None:
    """Measure the runtime on this machine; exit code 1 if a figure misses its bound."""
    if show:
        show_bench(out, as_markdown=markdown)
        return
    if not run_bench(out, cache, rounds=rounds, only=only or [], cores=cores):
        raise typer.Exit(1)


@app.command("bench-plan")
def bench_planning(
    bundles: Annotated[list[Path], typer.Argument(help="Bundles to profile and measure.")],
    lab: LabFile = LAB,
    out: Annotated[Path, typer.Option(help="Results file.")] = Path("results/bench-plan.json"),
    trial: Annotated[float, typer.Option(min=0, help="Approximate seconds of a trial.")] = 0.25,
    budget: Annotated[float, typer.Option(min=1, help="Approximate seconds for each device's stages.")] = 40,
    every: Annotated[int, typer.Option(min=1, help="Measure only every n-th split, for a quick look.")] = 1,
) -> None:
    """Measure the error of predictions and plans; exit code 1 if a figure misses its bound."""
    if not bench_plan(load_lab(lab), BenchPlanOptions(bundles, out, trial, budget, every)):
        raise typer.Exit(1)


@app.command("bench-report")
def bench_reports(
    out: Annotated[Path, typer.Option(help="Results file.")] = Path("results/bench-report.json"),
    folder: Annotated[Path, typer.Option(help="Folder for bundles and results files.")] = Path(
        "results/bench-report"
    ),
    cells: Annotated[
        list[int] | None,
        typer.Option(min=2, help="Number of cells, even; repeatable. Default: 100, 1,000 and 5,000."),
    ] = None,
) -> None:
    """Measure time, memory and size of reports; exit code 1 if a figure misses its bound."""
    if not bench_report(out, folder, cells or SIZES):
        raise typer.Exit(1)


@app.command("bench-demo")
def bench_the_demo(
    out: Annotated[Path, typer.Option(help="Results file.")] = Path("results/bench-demo.json"),
) -> None:
    """Measure how long the demo takes; exit code 1 if a figure misses its bound."""
    if not bench_demo(out):
        raise typer.Exit(1)


@app.command()
def truth(
    full: Annotated[bool, typer.Option("--full", help="Run all cases, not only the quick ones.")] = False,
    every: Annotated[
        bool, typer.Option("--all", help="Print every figure, not the worst of each kind.")
    ] = False,
    only: Annotated[list[str] | None, typer.Option(help="Run only this case; repeatable.")] = None,
    lab: Annotated[
        LabName, typer.Option(help="Local workers, or network namespaces, which need root.")
    ] = "local",
) -> None:
    """Sweep planted times and compare reported with true figures; exit code 1 if one is wrong."""
    if not run_truth(full=full, every=every, only=only or [], lab_name=lab):
        raise typer.Exit(1)


_AFTER_CTRL_C = {
    "bench": "no results were written",
    "bench-report": "no results were written",
    "bench-demo": "no results were written",
    "truth": "no results were kept",
    "bench-plan": "finished models are in the results file; the same command starts over",
}


def main() -> int:
    """Run the command line; returns the exit code."""
    return run(app, "python -m benchmarks", after_ctrl_c=_AFTER_CTRL_C)


if __name__ == "__main__":
    sys.exit(main())
