"""`python -m benchmarks bench|bench-plan`: measure the runtime on this machine, and predictions on a lab."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from benchmarks.command import run_bench, show_bench
from benchmarks.planning import BenchPlanOptions, bench_plan
from controller.cli.options import LAB, LabFile
from controller.errors import ControllerError, one_line
from controller.lab.inventory import load_lab
from controller.sweep.outcome import INTERRUPTED
from exporter.bundle import BundleError

__all__ = ["app", "main"]

app = typer.Typer(
    pretty_exceptions_enable=False, add_completion=False, rich_markup_mode=None, no_args_is_help=True
)


@app.command()
def bench(
    out: Annotated[Path, typer.Option(help="File of the results.")] = Path("results/bench.json"),
    cache: Annotated[Path, typer.Option(help="Folder of the bundles.")] = Path("results/bench/bundles"),
    rounds: Annotated[int, typer.Option(min=1, help="Most rounds to run; fewer if 10 minutes are up.")] = 5,
    only: Annotated[
        list[str] | None, typer.Option(help="Only figures whose key starts with this; repeatable.")
    ] = None,
    cores: Annotated[
        str | None,
        typer.Option(help="A core for each of the two devices, such as 0,1. Default: the first."),
    ] = None,
    show: Annotated[bool, typer.Option("--show", help="Only print the table of --out.")] = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="With --show: as Markdown.")] = False,
) -> None:
    """Measure the runtime on this machine; exit code 1 if a figure misses its bound."""
    if show:
        show_bench(out, as_markdown=markdown)
        return
    if not run_bench(out, cache, rounds=rounds, only=only or [], cores=cores):
        raise typer.Exit(1)


@app.command("bench-plan")
def bench_planning(
    bundles: Annotated[list[Path], typer.Argument(help="Bundles to profile and to measure.")],
    lab: LabFile = LAB,
    out: Annotated[Path, typer.Option(help="File of the results.")] = Path("results/bench-plan.json"),
    trial: Annotated[float, typer.Option(min=0, help="Approximate seconds of a trial.")] = 0.25,
    budget: Annotated[float, typer.Option(min=1, help="Approximate seconds for each device's stages.")] = 40,
    every: Annotated[int, typer.Option(min=1, help="Measure every n-th split only: a quick look.")] = 1,
) -> None:
    """Measure the error of predictions and plans; exit code 1 if a figure misses its bound."""
    if not bench_plan(load_lab(lab), BenchPlanOptions(bundles, out, trial, budget, every)):
        raise typer.Exit(1)


def main() -> int:
    """Run the command line; returns the exit code."""
    try:
        code = int(app(prog_name="python -m benchmarks", standalone_mode=False) or 0)
        # typer turns Ctrl-C into this code.
        if code == INTERRUPTED:
            print("interrupted; nothing was written", file=sys.stderr)
        return code
    except (ControllerError, BundleError) as error:
        text = str(error)
    except typer.TyperException as error:
        text = error.format_message()
    except OSError as error:
        text = f"{error.filename or 'file'}: {error.strerror or error}"
    print(f"error: {one_line(text)}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
